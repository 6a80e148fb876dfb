# GPL-3.0-or-later (see LICENSE)
"""32 prepared data nodes: registered in one task against psql doing the same, and with nothing to do against a loop of tasks.

Every way is one ansible-playbook run, so that Ansible's own start counts alike.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import toolbox
from _servers import Server, choose_engine, directory_for_servers, make_base
from measure import Figure, run, seconds

NODES = 32
# Of the access node, for the module; psql has one.
SESSIONS = 3
ROUNDS = 9
DATABASE = "metrics"
# As a server is run, unlike those of the tests: nothing extra in the log, and a commit is on the disk.
_SETTINGS = {"log_statement": "none", "log_connections": "off", "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


def measure(folder: Path) -> list[Figure]:
    """folder: for playbooks and, where the engine is the stand-in, its servers."""
    with directory_for_servers() as root:
        base = make_base(choose_engine(folder / "standin"), root)
        names = ["an", *(f"dn{number}" for number in range(1, NODES + 1))]
        servers = [Server(name, base.engine, root, _SETTINGS).copy_of(base).start() for name in names]
        try:
            for server in servers:
                server.create_database(DATABASE)
            return _compare(_Bench(folder, servers[0], servers[1:]))
        finally:
            for server in servers:
                server.stop()


def _compare(bench: _Bench) -> list[Figure]:
    ours = f"timescale_data_node, one task, {SESSIONS} sessions"
    register = Figure(f"register {NODES} prepared nodes", ours, "psql with as many add_data_node(), one task", at_most=1.2)
    alone = Figure(f"register {NODES} prepared nodes, one session", "timescale_data_node, one task", register.theirs)
    idle = Figure(f"{NODES} nodes, nothing to do", "timescale_data_node, one task", "loop of community.postgresql.postgresql_query", at_least=7)
    for _round in range(ROUNDS):
        register.theirs_seconds.append(bench.play("psql"))
        bench.forget_nodes()
        alone.ours_seconds.append(bench.play("one session", changed=1))
        bench.forget_nodes()
        register.ours_seconds.append(bench.play("module", changed=1))
        idle.ours_seconds.append(bench.play("module", changed=0))
        bench.forget_nodes()
    # The loop takes long and differs little.
    bench.play("module", changed=1)
    idle.theirs_seconds += [bench.play("loop") for _round in range(2)]
    alone.theirs_seconds = register.theirs_seconds
    return [register, alone, idle]


class _Bench:
    def __init__(self, folder: Path, access_node: Server, data_nodes: list[Server]) -> None:
        self._folder = folder
        self._access_node = access_node
        self._data_nodes = data_nodes
        self._write_plays()

    def play(self, name: str, changed: int | None = None) -> float:
        """Run one playbook; changed: what it has to count. Returns seconds."""
        command = ["ansible-playbook", "-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}", str(self._playbook(name))]
        output: list[str] = []
        taken = seconds(lambda: output.append(run(command, env=toolbox.environment())))
        if changed is not None and f"changed={changed}" not in output[0]:
            raise RuntimeError(f"expected changed={changed}:\n{output[0]}")
        registered = self._access_node.value(DATABASE, "SELECT count(*) FROM timescaledb_information.data_nodes")
        if registered != NODES:
            raise RuntimeError(f"{registered} of {NODES} data nodes are registered after {name}")
        return taken

    def forget_nodes(self) -> None:
        """Back to prepared nodes that belong to no cluster."""
        self._access_node.query(DATABASE, "SELECT delete_data_node(node_name) FROM timescaledb_information.data_nodes")
        for server in self._data_nodes:
            server.query(DATABASE, "DELETE FROM _timescaledb_catalog.metadata WHERE key = 'dist_uuid'")

    def _playbook(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _write_plays(self) -> None:
        nodes = [{"node_name": server.name, "host": "127.0.0.1", "port": server.port} for server in self._data_nodes]
        login = {"login_host": "127.0.0.1", "login_port": self._access_node.port, "login_user": "postgres", "login_db": DATABASE}
        script = self._folder / "register.sql"
        script.write_text(
            "".join(f"SELECT add_data_node('{node['node_name']}', host => '127.0.0.1', port => {node['port']}, bootstrap => false);\n" for node in nodes)
        )
        url = f"postgresql://postgres@127.0.0.1:{self._access_node.port}/{DATABASE}"
        psql = [str(self._access_node.engine.bindir / "psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-f", str(script), "-o", "/dev/null", url]
        call = "add_data_node('{{ item.node_name }}', host => '{{ item.host }}', port => {{ item.port }}, if_not_exists => true, bootstrap => false)"
        tasks = {
            "module": {"timescaledb.multinode.timescale_data_node": {**login, "data_nodes": nodes, "sessions": SESSIONS}},
            "one session": {"timescaledb.multinode.timescale_data_node": {**login, "data_nodes": nodes}},
            "psql": {"ansible.builtin.command": {"argv": psql}},
            "loop": {"community.postgresql.postgresql_query": {**login, "query": f"SELECT 1 FROM {call}", "autocommit": True}, "loop": nodes},
        }
        for name, task in tasks.items():
            play = [{"name": name, "hosts": "localhost", "gather_facts": False, "tasks": [{"name": name, **task}]}]
            self._playbook(name).write_text(json.dumps(play))
