# GPL-3.0-or-later (see LICENSE)
"""A cluster whose data nodes can send chunks to each other, and sessions that write to it meanwhile."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from _cluster import Cluster
from _servers import Server

MODULE = "timescale_rebalance"
SETTINGS = {
    "wal_level": "logical",
    "wal_retrieve_retry_interval": "100ms",
    "max_replication_slots": 20,
    "max_wal_senders": 20,
    "max_logical_replication_workers": 16,
}


class Fleet:
    """A cluster whose data nodes can send chunks to each other; m1, m2 and m3 hold table t, or those that are named."""

    def __init__(self, cluster: Cluster, servers: Any) -> None:
        self.cluster = cluster
        self.servers = {name: servers.extra(name, **SETTINGS) for name in ("m1", "m2", "m3")}
        for server in self.servers.values():
            server.create_database(cluster.database)

    def __getitem__(self, name: str) -> Server:
        return self.servers[name]

    def register(self, *names: str) -> None:
        for name in names:
            call = "SELECT add_data_node(%s, host => '127.0.0.1', port => %s, bootstrap => false)"
            self.cluster.query(call, name, self[name].port)

    def distribute(self, relation: str = "t", days: int = 6, factor: int = 1, rows: int = 600, partitions: int = 2, columns: str = "") -> None:
        """A chunk for each day and partition, all of one size."""
        self.cluster.query(f"CREATE TABLE {relation} (time timestamptz NOT NULL, device int NOT NULL, value float8{columns})")
        self.cluster.query(
            f"SELECT create_distributed_hypertable('{relation}', 'time', 'device', %s, chunk_time_interval => interval '1 day', replication_factor => %s)",
            partitions,
            factor,
        )
        self.cluster.query(
            f"INSERT INTO {relation} SELECT '2026-01-01 00:00+00'::timestamptz + d * interval '1 day' + n * interval '1 minute', n %% 16, n"
            " FROM generate_series(0, %s - 1) d, generate_series(1, %s) n",
            days,
            rows,
        )

    def chunks_on(self, name: str) -> set[str]:
        """The chunks that a node itself has."""
        query = (
            "SELECT c.table_name::text FROM _timescaledb_catalog.chunk c JOIN _timescaledb_catalog.hypertable h ON h.id = c.hypertable_id"
            " JOIN pg_class r ON r.relname = c.table_name WHERE h.replication_factor = -1 AND NOT c.dropped"
        )
        return {row[0] for row in self[name].query(self.cluster.database, query)}

    def known_on(self, name: str) -> set[str]:
        """The chunks that the access node knows of there."""
        query = (
            "SELECT c.table_name::text FROM _timescaledb_catalog.chunk c JOIN _timescaledb_catalog.chunk_data_node d ON d.chunk_id = c.id WHERE node_name = %s"
        )
        return {row[0] for row in self.cluster.query(query, name)}

    def compress(self, which: str = "") -> None:
        self.cluster.query("ALTER TABLE t SET (timescaledb.compress, timescaledb.compress_segmentby = 'device')")
        self.cluster.query(f"SELECT compress_chunk(c) FROM show_chunks('t') c {which}")

    def die_after(self, stage: str, call: str) -> None:
        """Run a copy or move whose session ends right after that stage, before another one can be noted.

        Its commits wait for a standby that there is not, and after each of them it goes on only when it is told to, so that no stage can be missed.
        """

        def copy() -> None:
            # The tests' other sessions do not wait for their commits at all.
            with self.cluster.an.connection(self.cluster.database, options="-c synchronous_commit=on") as connection, connection.cursor() as cursor:
                process.append(connection.get_backend_pid())
                try:
                    # It cannot be told otherwise whether the server knows of the standby by now.
                    while not waited.is_set():
                        cursor.execute("SELECT pg_logical_emit_message(true, '', '')")
                    # What it does before its first stage is a transaction as well.
                    cursor.execute("SET application_name = 'copy:begin'")
                    cursor.execute(call)
                except psycopg2.Error as error:
                    ended.append(str(error))

        process: list[int] = []
        ended: list[str] = []
        waited = threading.Event()
        copier = threading.Thread(target=copy)
        seen: list[str] = []
        with self._standby_that_is_not_there(), self.cluster.an.connection(self.cluster.database) as holder:
            copier.start()
            self._wait_for_commit(process, ended, seen)
            waited.set()
            while seen[-1] != stage:
                self.cluster.query("SELECT pg_cancel_backend(%s)", process[0])
                self._wait_for_commit(process, ended, seen)
            # It ends where it looks for that the next time, and it may come to the end of a stage before.
            holder.cursor().execute("BEGIN; LOCK TABLE _timescaledb_catalog.chunk_copy_operation IN SHARE MODE NOWAIT")
            self.cluster.query("SELECT pg_terminate_backend(%s, 10000)", process[0])
            copier.join()
        assert self.cluster.query("SELECT completed_stage FROM _timescaledb_catalog.chunk_copy_operation") == [(stage,)], (ended, seen)

    @contextmanager
    def _standby_that_is_not_there(self) -> Iterator[None]:
        try:
            self.cluster.an.query("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
            self.cluster.an.query("postgres", "SELECT pg_reload_conf()")
            yield
        finally:
            self.cluster.an.query("postgres", "ALTER SYSTEM RESET synchronous_standby_names")
            self.cluster.an.query("postgres", "SELECT pg_reload_conf()")

    def _wait_for_commit(self, process: list[int], ended: list[str], seen: list[str]) -> None:
        """Until the session waits to have another stage committed than those that were seen. Before that it names itself after the stage."""
        end = time.monotonic() + 60
        query = "SELECT split_part(application_name, ':', 2) FROM pg_stat_activity WHERE pid = ANY (%s) AND wait_event = 'SyncRep'"
        while not (found := [name for (name,) in self.cluster.query(query, process) if name not in seen]):
            assert time.monotonic() < end and not ended, (ended, seen, self._what_goes_on())
            time.sleep(0.005)
        seen += found

    def _what_goes_on(self) -> list[tuple]:
        found = self.cluster.query("SELECT completed_stage FROM _timescaledb_catalog.chunk_copy_operation")
        sessions = "SELECT %s, datname, wait_event, state, backend_type, query FROM pg_stat_activity WHERE state <> 'idle'"
        for server in (self.cluster.an, *self.servers.values()):
            found += server.query("postgres", sessions, server.name)
        return found

    @contextmanager
    def dead(self, name: str) -> Iterator[None]:
        """A data node that has been killed and is marked as such; it comes back at the end, and its stale chunks go."""
        self[name].stop("immediate")
        self.cluster.query("SELECT alter_data_node(%s, available => false)", name)
        try:
            yield
        finally:
            self[name].start()
            self.cluster.query("SELECT alter_data_node(%s, available => true)", name)

    def left_behind(self, names: Collection[str] = ("m1", "m2", "m3")) -> list[tuple]:
        """Slots, publications, subscriptions and operations that are still there."""
        found = self.cluster.query("SELECT operation_id FROM _timescaledb_catalog.chunk_copy_operation")
        for server in (self[name] for name in names):
            found += server.query(self.cluster.database, "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()")
            found += server.query(self.cluster.database, "SELECT pubname FROM pg_publication")
            found += server.query(
                self.cluster.database, "SELECT subname FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        return found

    def converge(self, **arguments) -> dict:
        """Check mode changes nothing and predicts the run; after it the nodes have what was said, nothing is left behind and nothing is to do."""
        before = {name: self.known_on(name) for name in self.servers}
        rows = self.cluster.query("SELECT count(*), sum(value) FROM t")
        predicted = self.cluster.succeed(MODULE, check=True, **arguments)
        assert {name: self.known_on(name) for name in self.servers} == before
        result = self.cluster.succeed(MODULE, **arguments)
        for key in ("changed", "before", "after", "plan", "moves", "diff"):
            assert result[key] == predicted[key], key
        for name in self.servers:
            assert self.known_on(name) == self.chunks_on(name)
        assert {node["node_name"]: node["chunks"] for node in result["after"]} == {
            node["node_name"]: len(self.known_on(node["node_name"])) for node in result["after"]
        }
        assert self.cluster.query("SELECT count(*), sum(value) FROM t") == rows
        assert self.left_behind() == []
        again = self.cluster.succeed(MODULE, **arguments)
        assert again["changed"] is False and again["moves"] == [] and again["before"] == again["after"]
        return result


class Writers:
    """Sessions that insert and copy rows into every chunk until the end, one row each in two chunks at a time.

    written: by device. longest_pause: seconds that a statement took.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._stop = threading.Event()
        self.written = {-1: 0, -2: 0}
        self.longest_pause = 0.0
        self.errors: dict[int, list[str]] = {-1: [], -2: []}
        self._threads = [threading.Thread(target=self._write, args=(device,)) for device in self.written]

    def __enter__(self) -> Writers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *dummy: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _write(self, device: int) -> None:
        with self._fleet.cluster.an.connection(self._fleet.cluster.database) as connection, connection.cursor() as cursor:
            while not self._stop.is_set():
                begun = time.monotonic()
                try:
                    # In both ways in which the access node sends rows.
                    if device == -1:
                        cursor.execute("INSERT INTO t VALUES ('2026-01-01 12:00+00', -1, 0), ('2026-01-02 12:00+00', -1, 0)")
                    else:
                        cursor.copy_expert("COPY t FROM STDIN", io.StringIO("2026-01-01 13:00+00\t-2\t0\n2026-01-02 13:00+00\t-2\t0\n"))
                    self.written[device] += 2
                except psycopg2.Error as error:
                    self.errors[device].append(str(error).splitlines()[0])
                self.longest_pause = max(self.longest_pause, time.monotonic() - begun)

    def check(self, allowed: str, most: int) -> None:
        """Nothing is lost; INSERT never failed, COPY hardly ever, and only so."""
        assert min(self.written.values()) > 20
        assert dict(self._fleet.cluster.query("SELECT device, count(*) FROM t WHERE device < 0 GROUP BY 1")) == self.written
        assert self.errors[-1] == []
        assert len(self.errors[-2]) <= most and all(allowed in error for error in self.errors[-2]), self.errors
