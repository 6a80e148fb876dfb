# GPL-3.0-or-later (see LICENSE)
"""One access node's database with data nodes: runs the modules against it and reads it back without any code of theirs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from _modules import run_module
from _servers import Server
from psycopg2 import sql

DATA_NODE = "timescale_data_node"
HYPERTABLE = "timescale_distributed_hypertable"
CLUSTER = "timescale_cluster"

_KINDS = {DATA_NODE: "data_nodes", HYPERTABLE: "hypertables"}

_PROCEDURE_OF = {"analyze_distributed_hypertables": "analyze", "heal_data_nodes": "heal"}

# Of what does not change, the module for a whole cluster says nothing.
_NOTHING = {"data_nodes": [], "hypertables": [], "jobs": []}

_DATA_NODES = """
SELECT s.srvname, o.* FROM pg_foreign_server s JOIN pg_foreign_data_wrapper f ON f.oid = s.srvfdw, LATERAL (
  SELECT max(option_value) FILTER (WHERE option_name = 'host'), max(option_value) FILTER (WHERE option_name = 'port')::int,
         max(option_value) FILTER (WHERE option_name = 'dbname'),
         coalesce(max(option_value) FILTER (WHERE option_name = 'available'), 'true')::bool FROM pg_options_to_table(s.srvoptions)) o
 WHERE f.fdwname = 'timescaledb_fdw' ORDER BY 1
"""
_HYPERTABLES = """
SELECT h.schema_name, h.table_name, h.replication_factor, t.column_name, s.column_name, s.num_slices,
       CASE WHEN t.column_type::text IN ('smallint', 'integer', 'bigint') THEN t.interval_length::text
            ELSE justify_hours(make_interval(secs => t.interval_length / 1000000.0))::text END,
       (SELECT array_agg(node_name::text ORDER BY node_name::text COLLATE "C") FROM _timescaledb_catalog.hypertable_data_node d
         WHERE d.hypertable_id = h.id),
       (SELECT jsonb_agg((SELECT jsonb_agg(attname::text ORDER BY attnum) FROM pg_attribute WHERE attrelid = indexrelid)) FROM pg_index
         WHERE indrelid = format('%I.%I', h.schema_name, h.table_name)::regclass)
  FROM _timescaledb_catalog.hypertable h
  LEFT JOIN _timescaledb_catalog.dimension t ON t.hypertable_id = h.id AND t.interval_length IS NOT NULL
  LEFT JOIN _timescaledb_catalog.dimension s ON s.hypertable_id = h.id AND s.num_slices IS NOT NULL
 WHERE h.schema_name NOT LIKE '\\_timescaledb%' ORDER BY 1, 2
"""
_PROCEDURES = """
SELECT p.proname::text, p.proowner::regrole::text, md5(p.prosrc), p.proacl::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname = 'timescaledb_multinode' ORDER BY 1
"""
_JOBS = """
SELECT job_id, proc_schema::text, proc_name::text, owner::text, schedule_interval::text, max_runtime::text, retry_period::text, scheduled
  FROM timescaledb_information.jobs WHERE job_id >= 1000 ORDER BY 1
"""
_RELATIONS = """
SELECT n.nspname, c.relname, c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname !~ '^(pg_|information_schema|_timescaledb_(catalog|config|cache|debug)|timescaledb_|toolkit)' AND c.relkind IN ('r', 'i', 'v', 'p', 'f')
 ORDER BY 1, 2
"""


def quoted(*names: str) -> str:
    """ "a"."b" """
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


class Cluster:
    def __init__(self, servers: Any, database: str) -> None:
        self.servers = servers
        self.an: Server = servers.access_node
        self.dns: list[Server] = servers.data_nodes
        self.database = database
        self._prepared: set[str] = set()
        self.an.create_database(database)

    # Running

    def login(self, **more: Any) -> dict[str, Any]:
        return dict(dict(login_unix_socket=str(self.an.root), login_port=self.an.port, login_user="postgres", login_db=self.database), **more)

    def run(self, module: str, check: bool = False, diff: bool = True, **arguments: Any) -> dict[str, Any]:
        return run_module(module, self.login(**arguments), check, diff)

    def succeed(self, module: str, check: bool = False, **arguments: Any) -> dict[str, Any]:
        result = self.run(module, check, **arguments)
        assert not result.get("failed"), result["msg"]
        return result

    def refuse(self, module: str, *expected: str, **arguments: Any) -> str:
        """The message of a refusal; check mode and real run refuse with the same one and change nothing."""
        before = self.state()
        predicted = self.run(module, check=True, **arguments)
        result = self.run(module, **arguments)
        assert predicted.get("failed"), predicted
        assert result.get("failed"), result
        assert result["msg"] == predicted["msg"]
        assert not result.get("changed") and "steps" not in result
        assert self.state() == before
        for text in expected:
            assert text in result["msg"], result["msg"]
        return result["msg"]

    def converge(self, module: str, **arguments: Any) -> dict[str, Any]:
        """Check mode changes nothing and predicts the real run, which does it; the second run finds nothing to do."""
        before = self.state()
        predicted = self.succeed(module, check=True, **arguments)
        assert self.state() == before
        result = self.succeed(module, **arguments)
        for key in ("changed", "before", "after", "steps", "diff"):
            assert result[key] == predicted[key], key
        assert set(predicted["warnings"]) <= set(result["warnings"])
        assert result["changed"] is bool(result["steps"])
        assert result["after"] == self.read_back(module, result["after"])
        assert result["diff"]["after"] == (result["after"] if module == CLUSTER else {_KINDS[module]: result["after"]})
        assert all(step["object"] in result["diff"]["prepared"] for step in result["steps"])
        again = self.succeed(module, **arguments)
        assert again["changed"] is False and again["steps"] == []
        assert again["before"] == again["after"] == (_NOTHING if module == CLUSTER else result["after"])
        return result

    def unchanged(self, module: str, **arguments: Any) -> dict[str, Any]:
        """A run that finds nothing to do, in check mode and without."""
        before = self.state()
        for check in (True, False):
            result = self.succeed(module, check, **arguments)
            assert result["changed"] is False and result["steps"] == []
            assert result["before"] == result["after"] == (_NOTHING if module == CLUSTER else self.read_back(module, result["after"]))
        assert self.state() == before
        return result

    # Preparing

    def dn(self, name: str) -> Server:
        """A data node's server; it gets a prepared database, named as the access node's, the first time."""
        server = next(server for server in self.dns if server.name == name)
        if name not in self._prepared:
            self._prepared.add(name)
            server.create_database(self.database)
        return server

    @contextmanager
    def read_only(self, name: str, seconds: float = 0.1) -> Iterator[None]:
        """Until its end a look at this data node finds nothing wrong, and to make it a member fails, after so many seconds."""
        server = self.dn(name)
        server.query("postgres", f"ALTER DATABASE {self.database} SET lock_timeout = '{seconds} s'")
        with server.connection(self.database) as holder:
            holder.autocommit = False
            holder.cursor().execute("LOCK TABLE _timescaledb_catalog.metadata IN SHARE MODE")
            yield
        server.query("postgres", f"ALTER DATABASE {self.database} RESET lock_timeout")

    def place(self, name: str, **more: Any) -> dict[str, Any]:
        """The options of the module for a data node's server of this name."""
        return dict(dict(node_name=name, host="127.0.0.1", port=self.dn(name).port), **more)

    def query(self, statement: Any, *values: Any, user: str = "postgres") -> list[tuple]:
        return self.an.query(self.database, statement, *values, user=user)

    def register(self, *names: str) -> None:
        """Add data nodes without the module."""
        for name in names:
            call = "SELECT add_data_node(%s, host => '127.0.0.1', port => %s, bootstrap => false)"
            self.query(call, name, self.dn(name).port)

    def distribute(self, relation: str, columns: str = "time timestamptz NOT NULL, device int NOT NULL", options: str = ", 'device'") -> None:
        """A distributed hypertable without the module."""
        self.query(f"CREATE TABLE {relation} ({columns})")
        self.query(f"SELECT create_distributed_hypertable('{relation}', 'time'{options})")

    def fill(self, relation: str, rows: int = 100) -> None:
        self.query(f"INSERT INTO {relation} SELECT '2026-01-01'::timestamptz + n * interval '1 minute', n FROM generate_series(1, %s) n", rows)

    def drop(self) -> None:
        """Remove every database that a test made, on all servers."""
        for server in self.servers.running():
            for name in server.databases() - server.keep:
                server.drop_database(name)

    # Reading back

    def nodes(self) -> dict[str, tuple]:
        """name -> host, port, database, available"""
        return {name: tuple(rest) for name, *rest in self.query(_DATA_NODES)}

    def dist_uuid(self, server: Server, database: str | None = None) -> str | None:
        rows = server.query(database or self.database, "SELECT value FROM _timescaledb_catalog.metadata WHERE key = 'dist_uuid'")
        return rows[0][0] if rows else None

    def uuid(self) -> str:
        return self.an.value(self.database, "SELECT value FROM _timescaledb_catalog.metadata WHERE key = 'uuid'")

    def tables(self) -> list[dict[str, Any]]:
        names = (
            "schema",
            "relation",
            "replication_factor",
            "time_column_name",
            "partitioning_column",
            "number_partitions",
            "chunk_time_interval",
            "data_nodes",
            "indexes",
        )
        return [dict(zip(names, row)) for row in self.query(_HYPERTABLES)]

    def table(self, relation: str) -> dict[str, Any]:
        return next(table for table in self.tables() if table["relation"] == relation)

    def jobs(self) -> list[dict[str, Any]]:
        names = ("job_id", "schema", "procedure", "owner", "schedule_interval", "max_runtime", "retry_period", "scheduled")
        return [dict(zip(names, row)) for row in self.query(_JOBS)]

    def chunks(self) -> list[tuple]:
        return self.query("SELECT chunk_id, node_name::text FROM _timescaledb_catalog.chunk_data_node ORDER BY 1, 2")

    def rows_on(self, name: str, relation: str) -> int:
        return self.dn(name).value(self.database, f"SELECT count(*) FROM {relation}")

    def state(self) -> dict[str, Any]:
        """Everything a module could change, on the access node and on the data nodes."""
        servers = self.servers.running()
        found: dict[str, Any] = {server.name: server.databases() for server in servers}
        with ExitStack() as sessions:
            having = [server for server in servers if self.database in found[server.name]]
            for server in having:
                sessions.enter_context(server.one_session(self.database))
                found[f"{server.name} schemas"] = server.query(self.database, "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_t' ORDER BY 1")
                if server in self.dns:
                    found[f"{server.name} dist_uuid"] = self.dist_uuid(server)
            found["chunks"] = self.chunks()
            found["relations"] = self.query(_RELATIONS)
            found["procedures"] = self.query(_PROCEDURES)
            return dict(found, nodes=self.nodes(), tables=self.tables(), jobs=self.jobs())

    def read_back(self, module: str, shown: Any) -> Any:
        """What a module should have shown for these objects."""
        if module == CLUSTER:
            found = {kind: self.read_back(of, shown[kind]) for of, kind in _KINDS.items()}
            return dict(found, jobs=self._jobs_as_shown({job["job"] for job in shown["jobs"]}))
        if module == DATA_NODE:
            names = {node["node_name"] for node in shown}
            keys = ("node_name", "host", "port", "database", "available")
            return [dict(zip(keys, (name, *rest))) for name, rest in sorted(self.nodes().items()) if name in names]
        found = {(table["schema"], table["relation"]): table for table in self.tables()}
        return [self._as_shown(found[table["schema"], table["relation"]], table) for table in shown]

    def _jobs_as_shown(self, names: set[str]) -> list[dict[str, Any]]:
        found = {_PROCEDURE_OF[job["procedure"]]: job for job in self.jobs() if job["schema"] == "timescaledb_multinode"}
        return [
            dict(job=name, **{key: job[key] for key in ("schedule_interval", "max_runtime", "scheduled")}, procedure_is_ours=True, jobs=1)
            for name, job in sorted(found.items())
            if name in names
        ]

    def _as_shown(self, table: dict[str, Any], shown: dict[str, Any]) -> dict[str, Any]:
        indexes = table.pop("indexes")
        if "default_indexes" in shown:
            defaults = [[table["time_column_name"]], [table["partitioning_column"], table["time_column_name"]]]
            table["default_indexes"] = all(columns in indexes for columns in defaults if None not in columns)
        return table


def identifier(name: str) -> Any:
    return sql.Identifier(name)
