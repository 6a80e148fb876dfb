# GPL-3.0-or-later (see LICENSE)
"""Rebalancing 24 chunks of 16 MB from two data nodes to three, against a loop of move_chunk() under stock settings and against COPY."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import toolbox

sys.path.insert(0, str(toolbox.TESTED))

from _modules import run_module
from _servers import Server, choose_engine, directory_for_servers, make_base
from measure import Amount, Figure, seconds

CHUNKS, BYTES = 24, 16 << 20
DATABASE = "metrics"
ROUNDS = 3
# What the roles set on data nodes, as far as it counts here.
_SETTINGS = {
    "log_statement": "none",
    "wal_level": "logical",
    "max_replication_slots": 20,
    "max_wal_senders": 20,
    "max_logical_replication_workers": 20,
    "max_wal_size": "4GB",
    "shared_buffers": "64MB",
}
_QUICK, _STOCK = "100ms", "5s"
CONCURRENCY = 4
_WRITING_SECONDS = 5


def measure(folder: Path) -> Iterator[Figure | Amount]:
    """folder: where the servers of the stand-in would be installed."""
    engine = choose_engine(folder / "standin")
    if engine.is_standin:
        print("rebalance: skipped, the stand-in does not copy chunks between data nodes", flush=True)
        return
    with directory_for_servers() as root:
        base = make_base(engine, root)
        servers = [Server(name, engine, root, _SETTINGS).copy_of(base).start() for name in ("an", "dn1", "dn2", "dn3")]
        try:
            bench = _Bench(servers[0], servers[1:])
            yield from bench.figures()
        finally:
            for server in servers:
                server.stop()


class _Bench:
    def __init__(self, access_node: Server, data_nodes: list[Server]) -> None:
        self._access_node = access_node
        self._data_nodes = data_nodes
        self._login = {"login_unix_socket": str(access_node.root), "login_port": access_node.port, "login_user": "postgres", "login_db": DATABASE}

    def figures(self) -> Iterator[Figure | Amount]:
        what = f"rebalance {CHUNKS} chunks, 2 to 3 nodes"
        loop = Figure(what, f"timescale_rebalance, {CONCURRENCY} at a time", "a loop of move_chunk(), stock settings", at_least=10)
        copy = Figure(f"{what}, bytes a second", "timescale_rebalance", "COPY of the same bytes between two servers", at_most=2)
        for _round in range(ROUNDS):
            with self._two_nodes(_QUICK):
                copy.theirs_seconds.append(self._copied())
                loop.ours_seconds.append(seconds(lambda: self._rebalance(concurrency=CONCURRENCY)))
        with self._two_nodes(_STOCK):
            loop.theirs_seconds.append(self._looped())
        copy.ours_seconds = loop.ours_seconds
        yield loop
        yield copy
        with self._two_nodes(_QUICK):
            yield self._writing()

    @contextmanager
    def _two_nodes(self, retry: str) -> Iterator[None]:
        """The chunks on two nodes, and a third one that is empty."""
        for server in (self._access_node, *self._data_nodes):
            server.drop_database(DATABASE)
            server.create_database(DATABASE)
            server.query("postgres", f"ALTER SYSTEM SET wal_retrieve_retry_interval = '{retry}'")
            server.query("postgres", "SELECT pg_reload_conf()")
        add = "SELECT add_data_node(%s, host => '127.0.0.1', port => %s, bootstrap => false)"
        for server in self._data_nodes[:2]:
            self._query(add, server.name, server.port)
        self._query("CREATE TABLE t (time timestamptz NOT NULL, device int NOT NULL, value float8, more text)")
        self._query("SELECT create_distributed_hypertable('t', 'time', 'device', 2, chunk_time_interval => interval '1 day', create_default_indexes => false)")
        rows = "SELECT '2026-01-01 00:00+00'::timestamptz + d * interval '1 day' + n * interval '0.4 s', n, n, repeat('x', 100)"
        self._query(f"INSERT INTO t {rows} FROM generate_series(0, {CHUNKS // 2 - 1}) d, generate_series(1, {2 * BYTES // 157}) n")
        for server in self._data_nodes[:2]:
            server.query(DATABASE, "CHECKPOINT")
        self._query(add, self._data_nodes[2].name, self._data_nodes[2].port)
        self._query("SELECT attach_data_node(%s, 't', repartition => false)", self._data_nodes[2].name)
        yield

    def _query(self, statement: str, *values: Any) -> list[tuple]:
        return self._access_node.query(DATABASE, statement, *values)

    # The ways

    def _module(self, check: bool = False, **options: Any) -> dict[str, Any]:
        result = run_module("timescale_rebalance", self._login | options, check)
        if result.get("failed"):
            raise RuntimeError(result["msg"])
        return result

    def _plan(self) -> list[dict[str, Any]]:
        moves = self._module(check=True)["moves"]
        # Chunks are alike but for the hash of their rows.
        if abs(len(moves) - CHUNKS // 3) > 1:
            raise RuntimeError(f"expected {CHUNKS // 3} moves, not {len(moves)}")
        return moves

    def _rebalance(self, **options: Any) -> None:
        self._module(**options)
        found = [count for (count,) in self._query("SELECT count(*) FROM _timescaledb_catalog.chunk_data_node GROUP BY node_name")]
        if len(found) != 3 or sum(found) != CHUNKS or max(found) - min(found) > 2:
            raise RuntimeError(f"rebalanced to {found}")

    def _looped(self) -> float:
        moves = self._plan()
        begin = time.monotonic()
        for move in moves:
            chunk = move["object"].removeprefix("chunk ")
            self._move(chunk, move["source_node"], move["destination_node"])
        return time.monotonic() - begin

    def _move(self, *arguments: str) -> None:
        """The stock procedure now and then fails on its own slot, which is still in use: a user has to clean up and call it again."""
        try:
            self._query("CALL timescaledb_experimental.move_chunk(%s, %s, %s, 'stock')", *arguments)
        except psycopg2.errors.ObjectInUse:
            time.sleep(1)
            self._query("CALL timescaledb_experimental.cleanup_copy_chunk_operation('stock')")
            self._move(*arguments)
        else:
            self._query("CALL timescaledb_experimental.cleanup_copy_chunk_operation('stock')")

    def _copied(self) -> float:
        """One after another through psql, into tables without indexes."""
        moves = self._plan()
        begin = time.monotonic()
        ports = {server.name: server.port for server in self._data_nodes}
        psql = self._access_node.engine.bindir / "psql"
        for number, move in enumerate(moves):
            chunk = move["object"].removeprefix("chunk ")
            self._data_nodes[2].query("postgres", f"CREATE TABLE copy{number} (time timestamptz NOT NULL, device int NOT NULL, value float8, more text)")
            command = [str(psql), "-qXh", str(self._access_node.root), "-U", "postgres"]
            reader = subprocess.Popen(
                [*command, "-p", str(ports[move["source_node"]]), "-d", DATABASE, "-c", f"COPY {chunk} TO STDOUT"], stdout=subprocess.PIPE
            )
            write = [*command, "-p", str(ports[move["destination_node"]]), "-d", "postgres", "-c", f"COPY copy{number} FROM STDIN"]
            subprocess.run(write, stdin=reader.stdout, check=True)
            if reader.wait() != 0:
                raise RuntimeError(f"{chunk} cannot be read")
        taken = time.monotonic() - begin
        for number in range(len(moves)):
            self._data_nodes[2].query("postgres", f"DROP TABLE copy{number}")
        return taken

    def _writing(self) -> Amount:
        """What is left of a writer's rows a second while chunks are moved one at a time, as is the default."""
        written, stop = [0], threading.Event()

        def write() -> None:
            with self._access_node.connection(DATABASE) as connection, connection.cursor() as cursor:
                while not stop.is_set():
                    rows = "SELECT '2026-02-01'::timestamptz + n * interval '1 s', n, 0, 'x' FROM generate_series(1, 100) n"
                    cursor.execute(f"INSERT INTO t {rows}")
                    written[0] += 100

        writer = threading.Thread(target=write)
        writer.start()
        time.sleep(1)
        before = self._rate(written, lambda: time.sleep(_WRITING_SECONDS))
        during = self._rate(written, lambda: self._module(spread_newest=False))
        stop.set()
        writer.join()
        found = self._query("SELECT count(*) FROM t WHERE time >= '2026-02-01'")[0][0]
        if found != written[0]:
            raise RuntimeError(f"{written[0]} rows were written and {found} found")
        return Amount("writer slowed down by a rebalancing", "times", before / during, 1 / 0.6)

    def _rate(self, written: list[int], act: Any) -> float:
        begin = written[0]
        taken = seconds(act)
        return (written[0] - begin) / taken
