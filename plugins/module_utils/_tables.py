# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""What is there of the wanted hypertables: a fixed number of queries, whatever the number of tables and chunks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.timescaledb.multinode.plugins.module_utils._compression import COMPRESSION
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_hypertables import WantedHypertable

_TABLES = """
WITH schema_on AS (
  SELECT schema_name, array_agg(node_name::text) AS nodes
    FROM (SELECT DISTINCT o.schema_name, d.node_name
            FROM _timescaledb_catalog.hypertable o JOIN _timescaledb_catalog.hypertable_data_node d ON d.hypertable_id = o.id
           WHERE o.schema_name <> 'public') AS placed
   GROUP BY 1)
SELECT w.schema_name, w.table_name, n.oid IS NOT NULL AS schema_exists, has_schema_privilege(n.oid, 'CREATE') AS may_create,
       has_database_privilege(current_database(), 'CREATE') AS may_create_schema,
       s.nodes AS nodes_with_schema,
       c.relkind::text AS kind, c.relpersistence::text AS persistence, pg_has_role(c.relowner, 'USAGE') AS may_change,
       pg_get_userbyid(c.relowner)::text AS owner, EXISTS (SELECT FROM pg_roles WHERE rolname = w.owner) AS wanted_owner_exists,
       CASE WHEN h.id IS NULL THEN (SELECT jsonb_object_agg(attname, format_type(atttypid, NULL)) FROM pg_attribute a
         WHERE a.attrelid = c.oid AND attnum > 0 AND NOT attisdropped) END AS columns,
       (SELECT jsonb_agg((SELECT jsonb_agg(attname ORDER BY attnum) FROM pg_attribute a WHERE a.attrelid = i.indexrelid))
          FROM pg_index i WHERE i.indrelid = c.oid) AS indexes,
       CASE WHEN h.id IS NULL THEN
         (SELECT jsonb_agg((SELECT jsonb_agg(attname ORDER BY attnum) FROM pg_attribute a WHERE a.attrelid = i.indexrelid AND attnum <= i.indnkeyatts))
            FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique) END AS unique_indexes,
       h.id IS NULL AND (EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid) OR EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid)) AS inherits,
       h.id AS hypertable_id, h.replication_factor, {compression} AS compression,
       (SELECT jsonb_agg(jsonb_build_object('column', column_name, 'type', column_type::text, 'interval', interval_length,
                                            'partitions', num_slices) ORDER BY id)
          FROM _timescaledb_catalog.dimension d WHERE d.hypertable_id = h.id) AS dimensions,
       ARRAY(SELECT node_name::text FROM _timescaledb_catalog.hypertable_data_node d WHERE d.hypertable_id = h.id ORDER BY node_name) AS data_nodes,
       EXISTS (SELECT FROM _timescaledb_catalog.chunk k WHERE k.hypertable_id = h.id) AS has_chunks,
       CASE WHEN w.absent THEN
         (SELECT jsonb_agg(DISTINCT v.oid::regclass::text)
            FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class
           WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND v.oid <> c.oid) END AS dependents
  FROM unnest(%s::text[], %s::text[], %s::bool[], %s::text[]) AS w (schema_name, table_name, absent, owner)
  LEFT JOIN pg_namespace n ON n.nspname = w.schema_name
  LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.table_name
  LEFT JOIN _timescaledb_catalog.hypertable h ON h.schema_name = w.schema_name AND h.table_name = w.table_name
  LEFT JOIN schema_on s ON s.schema_name = w.schema_name
""".replace("{compression}", COMPRESSION)

# As interval_to_usec() in src/dimension.c reckons it: a month is 30 days. A plain number is taken as it is.
_INTERVALS = r"""
SELECT w.text, CASE WHEN w.text ~ '^\s*\d+\s*$' THEN w.text::bigint
                    ELSE ((extract(year FROM i) * 12 + extract(month FROM i)) * 30 * 86400000000 + extract(day FROM i) * 86400000000
                          + extract(hour FROM i) * 3600000000 + extract(minute FROM i) * 60000000 + extract(microseconds FROM i))::bigint
               END AS units
  FROM (SELECT text, CASE WHEN text ~ '^\s*\d+\s*$' THEN NULL ELSE text::interval END AS i FROM unnest(%s::text[]) AS t (text)) AS w
"""

_DISTRIBUTED = "SELECT schema_name, table_name FROM _timescaledb_catalog.hypertable WHERE replication_factor > 0 ORDER BY 1, 2"


@dataclass(frozen=True)
class Dimension:
    """One dimension of a hypertable: interval for an open (time) one, partitions for a closed (space) one."""

    column: str
    type: str
    interval: int | None
    partitions: int | None


@dataclass(frozen=True)
class Table:
    """What is known of a wanted table; kind is None where there is no such relation."""

    schema_exists: bool
    may_create: bool
    may_create_schema: bool
    # As far as the access node can tell: those with another distributed hypertable of that schema. Every database has public.
    nodes_with_schema: tuple[str, ...]
    kind: str | None
    persistence: str | None
    may_change: bool
    # Only of a table that is not a hypertable yet, as are unique_indexes.
    columns: dict[str, str]
    indexes: tuple[tuple[str, ...], ...]
    hypertable_id: int | None
    replication_factor: int | None
    dimensions: tuple[Dimension, ...]
    data_nodes: tuple[str, ...]
    has_chunks: bool
    unique_indexes: tuple[tuple[str, ...], ...] = ()
    inherits: bool = False
    has_rows: bool = False
    # Views that would keep it from being dropped; only where it is to be.
    dependents: tuple[str, ...] = ()
    # Empty where there is no such table yet.
    owner: str = ""
    wanted_owner_exists: bool = True
    # What makes a data node compress it; empty where it is not compressed.
    compression: str = ""

    @property
    def is_distributed(self) -> bool:
        """Whether it is a distributed hypertable, seen from its access node."""
        return (self.replication_factor or 0) > 0

    @property
    def time(self) -> Dimension | None:
        """The first open dimension."""
        return next((dimension for dimension in self.dimensions if dimension.interval is not None), None)

    @property
    def space(self) -> Dimension | None:
        """The first closed dimension: the one along which chunks go to data nodes."""
        return next((dimension for dimension in self.dimensions if dimension.partitions is not None), None)


def observe_tables(connection: Connection, wanted: list[WantedHypertable]) -> dict[tuple[str, str], Table]:
    """Read the wanted tables by (schema, relation); of each only what its wish depends on."""
    wishes = (
        [table.schema for table in wanted],
        [table.relation for table in wanted],
        [not table.present for table in wanted],
        [table.owner for table in wanted],
    )
    rows = connection.run(Statement(_TABLES, values=wishes), "distributed hypertables")
    filled = _filled(connection, [row for row in rows if row["kind"] == "r" and row["hypertable_id"] is None])
    return {key: _table(row, key in filled) for row in rows for key in [(row["schema_name"], row["table_name"])]}


def observe_intervals(connection: Connection, wanted: list[WantedHypertable]) -> dict[str, int]:
    """Each wanted chunk interval in the units of its dimension: microseconds, or the integer itself."""
    texts = sorted({table.chunk_time_interval for table in wanted if table.chunk_time_interval is not None})
    if not texts:
        return {}
    rows = connection.run(Statement(_INTERVALS, values=(texts,)), "option chunk_time_interval")
    return {row["text"]: row["units"] for row in rows}


def observe_distributed(connection: Connection) -> list[tuple[str, str]]:
    """(schema, relation) of every distributed hypertable."""
    rows = connection.run(Statement(_DISTRIBUTED), "distributed hypertables")
    return [(row["schema_name"], row["table_name"]) for row in rows]


def _filled(connection: Connection, rows: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Which of these plain tables have rows; only those can be asked whose owner we are."""
    names = [(row["schema_name"], row["table_name"]) for row in rows if row["may_change"]]
    if not names:
        return set()
    template = " UNION ALL ".join(f"SELECT {number} AS number WHERE EXISTS (SELECT FROM {{s{number}}}.{{t{number}}})" for number in range(len(names)))
    identifiers = {f"{letter}{number}": part for number, name in enumerate(names) for letter, part in zip("st", name)}
    return {names[row["number"]] for row in connection.run(Statement(template, identifiers), "tables to be distributed")}


def _table(row: dict[str, Any], has_rows: bool) -> Table:
    return Table(
        schema_exists=row["schema_exists"],
        may_create=bool(row["may_create"]),
        may_create_schema=row["may_create_schema"],
        nodes_with_schema=tuple(row["nodes_with_schema"] or ()),
        kind=row["kind"],
        persistence=row["persistence"],
        may_change=bool(row["may_change"]),
        columns=row["columns"] or {},
        indexes=tuple(tuple(columns) for columns in row["indexes"] or []),
        hypertable_id=row["hypertable_id"],
        replication_factor=row["replication_factor"],
        dimensions=tuple(Dimension(**dimension) for dimension in row["dimensions"] or []),
        data_nodes=tuple(row["data_nodes"] or ()),
        has_chunks=row["has_chunks"],
        unique_indexes=tuple(tuple(columns) for columns in row["unique_indexes"] or []),
        inherits=row["inherits"],
        has_rows=has_rows,
        dependents=tuple(row["dependents"] or ()),
        owner=row["owner"] or "",
        wanted_owner_exists=row["wanted_owner_exists"],
        compression=row["compression"] or "",
    )
