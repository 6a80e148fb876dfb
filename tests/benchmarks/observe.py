# GPL-3.0-or-later (see LICENSE)
"""What a cluster of 100,000 chunks costs to be observed: seconds, and memory of the module's process."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import toolbox
from _servers import Server, choose_engine, directory_for_servers, make_base
from fabricate import fabricate_chunks
from measure import Amount

CHUNKS, DATA_NODES, HYPERTABLES, ROUNDS = 100_000, 4, 100, 5
DATABASE = "metrics"
# As Ansible's wrapper starts a module, without its unpacking.
_RUN = """
import json, runpy, sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": json.loads(sys.argv[1])}).encode()
basic._ANSIBLE_PROFILE = "legacy"
runpy.run_module("ansible_collections.timescaledb.multinode.plugins.modules.timescale_cluster_info", run_name="__main__", alter_sys=True)
"""


def measure(folder: Path) -> Iterator[Amount]:
    """folder: where the servers of the stand-in are installed, if that is the engine."""
    with directory_for_servers() as root:
        base = make_base(choose_engine(folder / "standin"), root)
        access_node, *data_nodes = [Server(name, base.engine, root).copy_of(base).start() for name in ("an", *(f"dn{n}" for n in range(1, DATA_NODES + 1)))]
        try:
            for server in (access_node, *data_nodes):
                server.create_database(DATABASE)
            for server in data_nodes:
                call = "SELECT add_data_node(%s, host => '127.0.0.1', port => %s, bootstrap => false)"
                access_node.query(DATABASE, call, server.name, server.port)
            for number in range(HYPERTABLES):
                access_node.query(DATABASE, f"CREATE TABLE t{number} (time timestamptz NOT NULL, device int NOT NULL)")
                access_node.query(DATABASE, f"SELECT create_distributed_hypertable('t{number}', 'time', 'device')")
            fabricate_chunks(access_node, data_nodes, DATABASE, CHUNKS)
            yield from _measure(access_node)
        finally:
            for server in (access_node, *data_nodes):
                server.stop()


def _measure(access_node: Server) -> Iterator[Amount]:
    login = dict(login_unix_socket=str(access_node.root), login_port=access_node.port, login_user="postgres", login_db=DATABASE)
    for name, subsets in (("everything", ["all"]), ("placement", ["placement"]), ("nothing", ["min"])):
        runs = [_run(dict(login, gather_subset=subsets)) for _round in range(ROUNDS)]
        yield Amount(f"observe {CHUNKS} chunks: {name}", "s", statistics.median(taken for taken, _memory in runs), 2.0)
        yield Amount(f"observe {CHUNKS} chunks: {name}, memory", "MB", max(memory for _taken, memory in runs), 150)


def _run(arguments: dict[str, object]) -> tuple[float, float]:
    """One run of the module in a process of its own. Returns its seconds and the most memory it had, in megabytes."""
    with tempfile.TemporaryFile("w+") as output:
        command = [sys.executable, "-c", _RUN, json.dumps(arguments)]
        begin = time.monotonic()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=_environment())
        _pid, status, usage = os.wait4(process.pid, 0)
        taken = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    result = json.loads(text)
    if result.get("failed"):
        raise RuntimeError(result["msg"])
    if "placement" in arguments["gather_subset"] and sum(table["chunks"] for table in result["hypertables"]) != CHUNKS:
        raise RuntimeError("not all chunks were seen")
    return taken, usage.ru_maxrss / 1024


def _environment() -> dict[str, str]:
    """With the collections that Ansible would find."""
    environment = toolbox.environment()
    return environment | {"PYTHONPATH": f"{environment['ANSIBLE_COLLECTIONS_PATH']}:{environment.get('PYTHONPATH', '')}"}
