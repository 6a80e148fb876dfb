# GPL-3.0-or-later (see LICENSE)
"""The playbook hardening_report, on hosts that are this machine. That each host tells of its own files: molecule/shared/verify.yml."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from _safe import start
from ansible_collections.community.postgresql.plugins.module_utils import postgres

COMMAND = Path(sys.executable).parent / "ansible-playbook"
COLLECTIONS = [Path(importlib.import_module("ansible_collections.timescaledb.multinode").__path__[0]).parents[2], Path(postgres.__file__).parents[5]]


@pytest.fixture
def safe(servers):
    safe = start(servers, "report of it")
    yield safe
    safe.mend()
    safe.cluster.drop()


@pytest.fixture
def report(safe, tmp_path):
    """Runs the playbook, and returns what it printed without what breaks lines."""
    common = dict(ansible_connection="local", ansible_python_interpreter=sys.executable, ansible_become=False)
    hosts = {"front": {}, "one": dict(timescaledb_cluster_node_name="safe-dn1"), "two": dict(timescaledb_cluster_node_name="safe-dn2")}
    inventory = {
        "all": dict(vars=dict(common, timescaledb_database_name=safe.cluster.database, timescaledb_host_port=safe.an.port)),
        "timescale_access_node": dict(hosts={"front": hosts.pop("front")}),
        "timescale_data_nodes": dict(hosts=hosts),
    }
    (tmp_path / "hosts.json").write_text(json.dumps(inventory))
    environment = dict(os.environ, ANSIBLE_COLLECTIONS_PATH=":".join(map(str, COLLECTIONS)), ANSIBLE_HOME=str(tmp_path), ANSIBLE_NOCOLOR="1", COLUMNS="200")
    environment.update(PGHOST=str(safe.an.root), PGUSER="postgres")

    def run(*arguments: str) -> str:
        command = [COMMAND, "-i", tmp_path / "hosts.json", "timescaledb.multinode.hardening_report", *arguments]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, check=False)
        assert done.returncode == 0 and done.stdout.count("changed=0") == done.stdout.count("failed=0") > 0, done.stdout
        return done.stdout

    return run


@pytest.mark.parametrize("check", [(), ("--check",)])
def test_nothing_to_be_reported(report, check):
    assert '"Nothing was found."' in report(*check)


def test_table(safe, report):
    file = safe.rules(safe.dn1, "host all all 10.0.0.0/8 trust")
    safe.sql(safe.dn2, "GRANT CREATE ON SCHEMA public TO PUBLIC")
    lines = report().splitlines()
    (head,) = [number for number, line in enumerate(lines) if '"node ' in line]
    assert lines[head].split()[-4:] == ["severity", "object", "finding", 'remedy",']
    assert '"safe-dn1          high      line 3 of' in lines[head + 1] and "Not looked at" not in "".join(lines)
    assert any('"safe-dn2          medium    schema public' in line for line in lines[head:])
    assert Path(file).name in "".join(lines)


def test_without_the_data_nodes(report):
    """A host that the run leaves out is looked at by its server only."""
    assert '"Nothing was found."' in report("--limit", "timescale_access_node")
