# GPL-3.0-or-later (see LICENSE)
"""What every module of the collection promises, and what it relies on."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.community.postgresql.plugins.module_utils import postgres

CHECKOUT = Path(__file__).resolve().parents[3]
COLLECTION = "timescaledb.multinode"
MODULES = sorted(path.stem for path in (CHECKOUT / "plugins/modules").glob("*.py"))


def loaded(name: str):
    return importlib.import_module(f"ansible_collections.{COLLECTION}.plugins.modules.{name}")


@pytest.fixture(scope="module")
def documentation(tmp_path_factory) -> dict:
    """What ansible-doc makes of all modules."""
    collections = Path(importlib.import_module("ansible_collections.timescaledb.multinode").__path__[0]).parents[2]
    others = Path(postgres.__file__).parents[5]
    environment = dict(os.environ, ANSIBLE_COLLECTIONS_PATH=f"{collections}:{others}", ANSIBLE_HOME=str(tmp_path_factory.mktemp("home")))
    command = [Path(sys.executable).parent / "ansible-doc", "--json", *(f"{COLLECTION}.{name}" for name in MODULES)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)


def test_there_are_modules():
    assert {"timescale_data_node", "timescale_distributed_hypertable"} <= set(MODULES)


@pytest.mark.parametrize(
    "function, call",
    [
        (postgres.postgres_common_argument_spec, ((), {})),
        (postgres.ensure_required_libs, (("module",), {})),
        (postgres.get_conn_params, (("module", {}), dict(warn_db_default=False))),
        (postgres.connect_to_db, (("module", {}), dict(autocommit=True, fail_on_conn=False))),
    ],
)
def test_borrowed_functions_have_the_signatures_we_call(function, call):
    arguments, keywords = call
    inspect.signature(function).bind(*arguments, **keywords)


def test_borrowed_options_are_those_we_document():
    expected = {"login_user", "login_password", "login_host", "login_unix_socket", "login_port", "ssl_mode", "ca_cert", "ssl_cert", "ssl_key", "connect_params"}
    assert set(postgres.postgres_common_argument_spec()) == expected


def test_cursor_arguments_are_known():
    assert set(postgres.pg_cursor_args) in ({"cursor_factory"}, {"row_factory"})


def test_only_two_files_borrow():
    borrowers = [path.name for path in (CHECKOUT / "plugins").rglob("*.py") if re.search(r"(import|from) ansible_collections\.community", path.read_text())]
    assert sorted(borrowers) == ["_connection.py", "_scram.py"]


def test_action_group_has_all_modules_that_log_in(documentation):
    runtime = yaml.safe_load((CHECKOUT / "meta/runtime.yml").read_text())
    log_in = [name for name in MODULES if "login_db" in documentation[f"{COLLECTION}.{name}"]["doc"]["options"]]
    assert sorted(runtime["action_groups"]["timescaledb"]) == log_in


@pytest.mark.parametrize("name", MODULES)
def test_attributes(documentation, name):
    attributes = documentation[f"{COLLECTION}.{name}"]["doc"]["attributes"]
    assert {"check_mode", "diff_mode", "idempotent"} <= set(attributes)
    assert all(attribute["support"] and attribute["description"] for attribute in attributes.values())


@pytest.mark.parametrize("name", MODULES)
def test_documented_options_are_those_of_the_code(documentation, monkeypatch, name):
    module = loaded(name)
    specification = {}

    class Captured(Exception):
        pass

    def capture(*dummy, **keywords):
        specification.update(keywords)
        raise Captured

    monkeypatch.setattr(module, "AnsibleModule", capture)
    with pytest.raises(Captured):
        module.main()
    assert specification["supports_check_mode"] is True
    documented = documentation[f"{COLLECTION}.{name}"]["doc"]["options"]
    _compare(specification["argument_spec"], documented)


def _compare(specified: dict, documented: dict) -> None:
    assert set(specified) == set(documented)
    for option, details in specified.items():
        text = documented[option]
        assert details.get("type", "str") == text["type"], option
        assert details.get("default") == text.get("default"), option
        assert bool(details.get("required")) == bool(text.get("required")), option
        assert set(details.get("choices", [])) == set(text.get("choices", [])), option
        assert "aliases" not in details and not text.get("aliases"), option
        if "options" in details:
            _compare(details["options"], text["suboptions"])


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_tasks_of_the_module(documentation, name):
    tasks = yaml.safe_load(documentation[f"{COLLECTION}.{name}"]["examples"])
    known = set(documentation[f"{COLLECTION}.{name}"]["doc"]["options"])
    assert tasks
    for task in tasks:
        assert set(task) <= {"name", f"{COLLECTION}.{name}", "become", "become_user"}
        assert set(task[f"{COLLECTION}.{name}"]) <= known


@pytest.mark.parametrize("name", MODULES)
def test_passwords_are_marked(name):
    text = (CHECKOUT / "plugins/modules" / f"{name}.py").read_text()
    assert all("no_log=True" in line for line in text.splitlines() if re.match(r"\s+password=dict", line))
