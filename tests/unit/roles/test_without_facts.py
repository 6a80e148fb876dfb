# GPL-3.0-or-later (see LICENSE)
"""Ansible itself takes playbook and roles, also before anything is known of the hosts."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from _roles import CHECKOUT, ROLES, load, options
from ansible_collections.community.postgresql.plugins.module_utils import postgres

# No sudo there: the hosts cannot be looked at, and nothing on this machine is touched.
HOSTS = {
    "all": {
        "vars": {
            "ansible_connection": "local",
            "ansible_python_interpreter": "/nonexistent/python",
            "ansible_become": True,
            "ansible_become_user": "nobody",
            "ansible_become_exe": "/nonexistent/sudo",
        }
    },
    "timescale_access_node": {"hosts": {"an": {"timescaledb_host_port": "6000"}}},
    "timescale_data_nodes": {"hosts": {"dn1": {"timescaledb_host_port": 6001}}},
}
PREFLIGHT = [
    {
        "hosts": "timescale_access_node:timescale_data_nodes",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.include_role": {"name": "timescaledb.multinode.timescaledb_host", "tasks_from": "preflight"}}],
    }
]


@pytest.fixture
def run(tmp_path):
    own = Path(importlib.import_module("ansible_collections.timescaledb.multinode").__path__[0]).parents[2]
    environment = dict(os.environ, ANSIBLE_COLLECTIONS_PATH=f"{own}:{Path(postgres.__file__).parents[5]}", ANSIBLE_HOME=str(tmp_path), ANSIBLE_NOCOLOR="1")

    def run(playbook: Path, inventory: Path, *arguments: str) -> subprocess.CompletedProcess:
        command = [Path(sys.executable).parent / "ansible-playbook", "-i", inventory, playbook, *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=120, check=False)

    return run


def test_the_playbook_is_well_formed(run):
    done = run(CHECKOUT / "playbooks/deploy.yml", CHECKOUT / "molecule/default/inventory.yml", "--syntax-check")
    assert done.returncode == 0, done.stderr


def preflight(run, folder: Path, **variables) -> str:
    hosts = HOSTS | {"all": {"vars": HOSTS["all"]["vars"] | variables}}
    (folder / "hosts.yml").write_text(yaml.safe_dump(hosts))
    (folder / "play.yml").write_text(yaml.safe_dump(PREFLIGHT))
    done = run(folder / "play.yml", folder / "hosts.yml")
    assert done.returncode != 0
    return done.stdout + done.stderr


def test_hosts_that_cannot_be_looked_at_are_findings_of_the_preflight(run, tmp_path):
    said = preflight(run, tmp_path)
    assert "there are 2 findings" in said
    assert "an: host: it is unreachable" in said and "dn1: host: it is unreachable" in said and "/nonexistent/sudo: not found" in said


def impossible(option: dict) -> Any:
    """A value that the option cannot have; None where it takes any."""
    return "perhaps" if "choices" in option else {"int": "six thousand", "bool": "perhaps", "dict": "text", "list": {"a": "dictionary"}}.get(option["type"])


@pytest.mark.parametrize("role", ROLES)
def test_arguments_of_all_roles_are_validated_first(run, tmp_path, role):
    wrong = {name: impossible(option) for name, option in options(role).items() if impossible(option) is not None}
    said = preflight(run, tmp_path, **wrong)
    assert wrong and [name for name in wrong if name not in said] == []
    assert "Look at the machine" not in said


def test_entries_of_lists_are_validated_first(run, tmp_path):
    said = preflight(run, tmp_path, timescaledb_cluster_hypertables=[{"relation": "conditions", "time_column": "time"}])
    assert "timescaledb_cluster_hypertables" in said and "time_column_name" in said and "Look at the machine" not in said


def test_variables_of_all_roles_are_known_to_the_preflight():
    """So that it finds those that are misspelt."""
    known = load(CHECKOUT / "roles/timescaledb_host/vars/main.yml")["_timescaledb_host_specs"]
    assert {f"timescaledb_{name}" for name in known} == set(ROLES)
    prefixes = re.search(r"select\('match', '([^']+)'\)", (CHECKOUT / "roles/timescaledb_host/tasks/preflight.yml").read_text())[1]
    assert [role for role in ROLES if not re.match(prefixes, f"{role}_misspelt")] == []


@pytest.mark.parametrize(
    "given, leaving",
    [
        ([], ["dn10"]),
        # As -e gives it: dn1 is no part of what is meant by dn10.
        (["-e", "timescaledb_rebalance_leaving=dn10"], ["dn10"]),
        (["-e", "timescaledb_rebalance_leaving=dn10,dn2"], ["dn10", "dn2"]),
        (["-e", '{"timescaledb_rebalance_leaving": ["dn2"]}'], ["dn2"]),
    ],
)
def test_only_the_data_nodes_leave_that_are_named(run, tmp_path, given, leaving):
    """Also of an INI inventory, whose no is a text."""
    inventory, playbook = tmp_path / "hosts.ini", tmp_path / "playbook.yml"
    nodes = "dn1 timescaledb_cluster_leaves=no\ndn2 timescaledb_cluster_leaves=false\ndn3\ndn10 timescaledb_cluster_leaves=yes"
    inventory.write_text(f"[timescale_access_node]\nan\n[timescale_data_nodes]\n{nodes}\n[all:vars]\nansible_connection=local\n")
    names = "{{ [_timescaledb_rebalance_names, _timescaledb_rebalance_known | map(attribute='node_name') | list] | to_json }}"
    play = {
        "hosts": "an",
        "gather_facts": False,
        "vars_files": [str(CHECKOUT / "roles" / "timescaledb_rebalance" / folder / "main.yml") for folder in ("defaults", "vars")],
        "tasks": [{"ansible.builtin.debug": {"msg": f"found={names}"}}],
    }
    playbook.write_text(yaml.safe_dump([play]))
    done = run(playbook, inventory, *given)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(json.loads(re.search(r'"msg": (".*")', done.stdout)[1]).removeprefix("found="))
    assert found == [leaving, [name for name in ("dn1", "dn2", "dn3", "dn10") if name in leaving]]
