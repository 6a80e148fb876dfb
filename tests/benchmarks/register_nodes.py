# GPL-3.0-or-later (see LICENSE)
"""32 prepared data nodes: registered in one task against psql doing the same, and with nothing to do against a loop of tasks.

Every way is one ansible-playbook run, so that Ansible's own start counts alike.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from measure import Figure, run, seconds
from servers import Servers

NODES = 32
ROUNDS = 5


def measure(ansible_playbook: str, bindir: Path, work: Path, collections: Path) -> list[Figure]:
    with Servers(bindir, work / "servers", NODES + 1) as servers:
        servers.create_database("metrics")
        bench = _Bench(ansible_playbook, work, collections, servers)
        register = Figure(
            f"register {NODES} prepared nodes", "timescale_data_node, one task", "psql with as many add_data_node(), one task", at_most=1.2
        )
        idle = Figure(
            f"{NODES} nodes, nothing to do", "timescale_data_node, one task", "loop of community.postgresql.postgresql_query", at_least=7
        )
        for _round in range(ROUNDS):
            register.theirs_seconds.append(bench.play("psql"))
            bench.forget_nodes()
            register.ours_seconds.append(bench.play("module", changed=1))
            idle.ours_seconds.append(bench.play("module", changed=0))
            idle.theirs_seconds.append(bench.play("loop"))
            bench.forget_nodes()
    return [register, idle]


class _Bench:
    def __init__(self, ansible_playbook: str, work: Path, collections: Path, servers: Servers) -> None:
        self._ansible_playbook = ansible_playbook
        self._work = work
        self._servers = servers
        self._environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections), "ANSIBLE_PIPELINING": "1", "ANSIBLE_NOCOLOR": "1"}
        self._write_plays()

    def play(self, name: str, changed: int | None = None) -> float:
        command = [self._ansible_playbook, "-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}", str(self._playbook(name))]
        output: list[str] = []
        taken = seconds(lambda: output.append(run(command, env=self._environment)))
        if changed is not None and f"changed={changed}" not in output[0]:
            raise RuntimeError(f"expected changed={changed}:\n{output[0]}")
        registered = self._servers.query(0, "SELECT count(*) FROM timescaledb_information.data_nodes", "metrics")
        if registered != str(NODES):
            raise RuntimeError(f"{registered} of {NODES} data nodes are registered after {name}")
        return taken

    def forget_nodes(self) -> None:
        """Back to prepared nodes that belong to no cluster."""
        self._servers.query(0, "SELECT delete_data_node(node_name) FROM timescaledb_information.data_nodes", "metrics")
        for number in range(1, NODES + 1):
            self._servers.query(number, "DELETE FROM _timescaledb_catalog.metadata WHERE key = 'dist_uuid'", "metrics")

    def _playbook(self, name: str) -> Path:
        return self._work / f"{name}.json"

    def _write_plays(self) -> None:
        nodes = [{"node_name": f"dn{number}", "host": "127.0.0.1", "port": self._servers.port(number)} for number in range(1, NODES + 1)]
        login = {"login_host": "127.0.0.1", "login_port": self._servers.port(0), "login_user": "postgres", "login_db": "metrics"}
        script = self._work / "register.sql"
        script.write_text(
            "".join(f"SELECT add_data_node('{node['node_name']}', host => '127.0.0.1', port => {node['port']}, bootstrap => false);\n" for node in nodes)
        )
        psql = [str(self._servers.bindir / "psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-f", str(script), "-o", "/dev/null", self._servers.url(0, "metrics")]
        call = "add_data_node('{{ item.node_name }}', host => '{{ item.host }}', port => {{ item.port }}, if_not_exists => true, bootstrap => false)"
        tasks = {
            "module": {"timescaledb.multinode.timescale_data_node": {**login, "data_nodes": nodes}},
            "psql": {"ansible.builtin.command": {"argv": psql}},
            "loop": {"community.postgresql.postgresql_query": {**login, "query": f"SELECT 1 FROM {call}", "autocommit": True}, "loop": nodes},
        }
        for name, task in tasks.items():
            play = [{"name": name, "hosts": "localhost", "gather_facts": False, "tasks": [{"name": name, **task}]}]
            self._playbook(name).write_text(json.dumps(play))
