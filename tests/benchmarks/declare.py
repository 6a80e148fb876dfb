# GPL-3.0-or-later (see LICENSE)
"""A whole cluster declared in one task: with nothing to do, and from nothing, against what users would write."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import toolbox
from _servers import Server, choose_engine, directory_for_servers, make_base
from measure import Amount, Figure, run

NODES, HYPERTABLES = 64, 200
FEW_NODES, FEW_HYPERTABLES = 32, 20
MANY_HYPERTABLES = 1000
ROUNDS, ROUNDS_FROM_NOTHING, ROUNDS_OF_A_LOOP = 8, 5, 2
SESSIONS = 3
ROUND_TRIPS = 8
DATABASE = "metrics"
JOBS = {"analyze_job": {"schedule_interval": "12 hours"}, "heal_job": {"schedule_interval": "5 minutes"}}
_SETTINGS = {"log_statement": "none", "log_connections": "off", "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "max_connections": 100}
# Jobs are declared, and none is run meanwhile.
_SETTINGS["timescaledb.max_background_workers"] = 0
COLUMNS = "time timestamptz NOT NULL, device int NOT NULL, value float8"
# Seconds that a task takes, written by a callback at the play's end.
_CALLBACK = Path(__file__).with_name("callback")


def measure(folder: Path) -> Iterator[Figure | Amount]:
    """folder: for playbooks and, where the engine is the stand-in, its servers."""
    with directory_for_servers() as root:
        base = make_base(choose_engine(folder / "standin"), root)
        names = ["an", *(f"dn{number}" for number in range(1, NODES + 1))]
        with ThreadPoolExecutor(4) as pool:
            servers = list(pool.map(lambda name: Server(name, base.engine, root, _SETTINGS).copy_of(base).start(), names))
        try:
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda server: server.create_database(DATABASE), servers))
            bench = _Bench(folder, servers[0], servers[1:])
            yield from _from_nothing(bench)
            yield from _nothing_to_do(bench)
        finally:
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(Server.stop, servers))


def _from_nothing(bench: _Bench) -> Iterator[Figure]:
    """Whole runs of ansible-playbook, so that Ansible's own start counts alike."""
    what = f"{FEW_NODES} nodes + {FEW_HYPERTABLES} hypertables from nothing"
    script = Figure(what, f"timescale_cluster, one task, {SESSIONS} sessions", "psql doing the same, one task", at_most=1.15)
    loop = Figure(f"{what}, loop", script.ours, "loops of community.postgresql.postgresql_query", at_least=10)
    # Servers that have just been started are slow at first, to whoever comes first.
    bench.from_nothing("psql")
    for round_ in range(ROUNDS_FROM_NOTHING):
        script.theirs_seconds.append(bench.from_nothing("psql"))
        script.ours_seconds.append(bench.from_nothing("cluster"))
        if round_ < ROUNDS_OF_A_LOOP:
            loop.theirs_seconds.append(bench.from_nothing("loop"))
    loop.ours_seconds = script.ours_seconds
    yield script
    yield loop


def _nothing_to_do(bench: _Bench) -> Iterator[Figure | Amount]:
    """Tasks of one play each, timed from their start to their end."""
    for nodes, hypertables, at_most in ((NODES, HYPERTABLES, 1.5), (NODES, MANY_HYPERTABLES, None)):
        bench.make(nodes, hypertables)
        figure = Figure(f"{nodes} nodes + {hypertables} hypertables, nothing to do", "timescale_cluster", "postgresql_ping", at_most=at_most)
        for round_ in range(ROUNDS):
            theirs, ours = bench.tasks(nodes, hypertables, ours_first=round_ % 2 == 1)
            figure.theirs_seconds.append(theirs)
            figure.ours_seconds.append(ours)
        yield figure
        yield Amount(f"{nodes} nodes + {hypertables} hypertables, round trips", "", bench.round_trips(nodes, hypertables), ROUND_TRIPS)


class _Bench:
    def __init__(self, folder: Path, access_node: Server, data_nodes: list[Server]) -> None:
        self._folder = folder
        self._access_node = access_node
        self._data_nodes = data_nodes
        self._login = {"login_host": "127.0.0.1", "login_port": access_node.port, "login_user": "postgres", "login_db": DATABASE}

    def from_nothing(self, way: str) -> float:
        """Seconds of one run that makes the smaller cluster, which is removed afterwards."""
        self._few_have_to_be_gone()
        tasks = {"psql": self._psql, "cluster": self._cluster, "loop": self._loop}[way](FEW_NODES, FEW_HYPERTABLES)
        taken = self._play(tasks)[0]
        found = self._access_node.query(
            DATABASE, "SELECT (SELECT count(*) FROM timescaledb_information.data_nodes), count(*) FROM timescaledb_information.hypertables"
        )
        if found != [(FEW_NODES, FEW_HYPERTABLES)]:
            raise RuntimeError(f"{way} made {found}")
        return taken

    def make(self, nodes: int, hypertables: int) -> None:
        """Make the cluster what is declared."""
        self._play(self._cluster(nodes, hypertables, **JOBS))

    def tasks(self, nodes: int, hypertables: int, ours_first: bool) -> list[float]:
        """Seconds of the tasks postgresql_ping and timescale_cluster in one play, of which the first one also pays for Ansible's start."""
        ping = {"name": "ping", "community.postgresql.postgresql_ping": dict(self._login)}
        tasks = [ping, *self._cluster(nodes, hypertables, **JOBS)]
        taken = self._play(tasks[::-1] if ours_first else tasks, changed=0)[1]
        return taken[::-1] if ours_first else taken

    def round_trips(self, nodes: int, hypertables: int) -> int:
        """Statements that one run with nothing to do sends to all servers."""
        self._everywhere("ALTER SYSTEM SET log_statement = 'all'")
        servers = [self._access_node, *self._data_nodes]
        offsets = [server.log_size() for server in servers]
        self._play(self._cluster(nodes, hypertables, **JOBS), changed=0)
        sent = sum(len(server.statements_since(offset, DATABASE)) for server, offset in zip(servers, offsets))
        self._everywhere("ALTER SYSTEM SET log_statement = 'none'")
        return sent

    def _everywhere(self, statement: str) -> None:
        for server in (self._access_node, *self._data_nodes):
            server.query("postgres", statement)
            server.query("postgres", "SELECT pg_reload_conf()")

    def _few_have_to_be_gone(self) -> None:
        for (relation,) in self._access_node.query(DATABASE, "SELECT hypertable_name FROM timescaledb_information.hypertables"):
            self._access_node.query(DATABASE, f"DROP TABLE {relation}")
        self._access_node.query(DATABASE, "SELECT delete_data_node(node_name) FROM timescaledb_information.data_nodes")
        for server in self._data_nodes:
            server.query(DATABASE, "DELETE FROM _timescaledb_catalog.metadata WHERE key = 'dist_uuid'")

    # The ways

    def _nodes(self, number: int) -> list[dict[str, Any]]:
        return [{"node_name": server.name, "host": "127.0.0.1", "port": server.port} for server in self._data_nodes[:number]]

    def _cluster(self, nodes: int, hypertables: int, **more: Any) -> list[dict[str, Any]]:
        tables = [
            {"relation": f"t{number}", "definition": COLUMNS, "time_column_name": "time", "partitioning_column": "device"} for number in range(hypertables)
        ]
        arguments = {**self._login, "data_nodes": self._nodes(nodes), "hypertables": tables, "sessions": SESSIONS, **more}
        return [{"name": "cluster", "timescaledb.multinode.timescale_cluster": arguments}]

    def _statements(self, nodes: int, hypertables: int) -> tuple[list[str], list[str]]:
        add = [f"SELECT add_data_node('{node['node_name']}', host => '127.0.0.1', port => {node['port']}, bootstrap => false)" for node in self._nodes(nodes)]
        make = []
        for number in range(hypertables):
            make += [f"CREATE TABLE t{number} ({COLUMNS})", f"SELECT create_distributed_hypertable('t{number}', 'time', 'device')"]
        return add, make

    def _psql(self, nodes: int, hypertables: int) -> list[dict[str, Any]]:
        add, make = self._statements(nodes, hypertables)
        script = self._folder / "cluster.sql"
        script.write_text("".join(f"{statement};\n" for statement in add + make))
        url = f"postgresql://postgres@127.0.0.1:{self._access_node.port}/{DATABASE}"
        psql = [str(self._access_node.engine.bindir / "psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-f", str(script), "-o", "/dev/null", url]
        return [{"name": "psql", "ansible.builtin.command": {"argv": psql}}]

    def _loop(self, nodes: int, hypertables: int) -> list[dict[str, Any]]:
        query = {**self._login, "query": "{{ item }}", "autocommit": True}
        return [{"name": "loop", "community.postgresql.postgresql_query": query, "loop": each} for each in self._statements(nodes, hypertables)]

    def _play(self, tasks: list[dict[str, Any]], changed: int | None = None) -> tuple[float, list[float]]:
        """Seconds of the whole run, and of each task in it."""
        playbook = self._folder / "declare.json"
        playbook.write_text(json.dumps([{"name": "declare", "hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
        times = self._folder / "declare.times"
        more = {"ANSIBLE_CALLBACK_PLUGINS": str(_CALLBACK), "ANSIBLE_CALLBACKS_ENABLED": "task_seconds", "TASK_SECONDS_FILE": str(times)}
        command = ["ansible-playbook", "-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}", str(playbook)]
        output = run(command, env=toolbox.environment() | more)
        if changed is not None and f"changed={changed} " not in output:
            raise RuntimeError(f"expected changed={changed}:\n{output[-2000:]}")
        found = json.loads(times.read_text())
        return found["run"], found["tasks"]
