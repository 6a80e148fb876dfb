# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""What is there of the wanted hypertables: a fixed number of queries, whatever the number of tables and chunks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.timescaledb.multinode.plugins.module_utils._compression import COMPRESSION
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection, taken
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError, is_wrong_value
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_hypertables import Key, WantedHypertable

if TYPE_CHECKING:
    from ansible_collections.timescaledb.multinode.plugins.module_utils._definition_trial import Trial
    from ansible_collections.timescaledb.multinode.plugins.module_utils._table_shape import Shape

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
       c.relkind::text AS kind, pg_has_role(c.relowner, 'USAGE') AS may_change,
       pg_get_userbyid(c.relowner)::text AS owner, EXISTS (SELECT FROM pg_roles WHERE rolname = w.owner) AS wanted_owner_exists,
       (SELECT jsonb_agg((SELECT jsonb_agg(attname ORDER BY attnum) FROM pg_attribute a WHERE a.attrelid = i.indexrelid))
          FROM pg_index i WHERE i.indrelid = c.oid) AS indexes,
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
    may_change: bool
    indexes: tuple[tuple[str, ...], ...]
    hypertable_id: int | None
    replication_factor: int | None
    dimensions: tuple[Dimension, ...]
    data_nodes: tuple[str, ...]
    has_chunks: bool
    # Of a relation that is to become a distributed hypertable.
    shape: Shape | None = None
    # Of a table that is to be made from its definition.
    trial: Trial | None = None
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


def observe_tables(connection: Connection, wanted: list[WantedHypertable]) -> dict[Key, Table]:
    """Read the wanted tables by (schema, relation); of each only what its wish depends on."""
    wishes = (
        [table.schema for table in wanted],
        [table.relation for table in wanted],
        [not table.present for table in wanted],
        [table.owner for table in wanted],
    )
    rows = {(row["schema_name"], row["table_name"]): row for row in connection.run(Statement(_TABLES, values=wishes), "distributed hypertables")}
    new = [table for table in wanted if table.present and rows[table.key]["hypertable_id"] is None]
    shapes = _shapes(connection, [table.key for table in new if rows[table.key]["kind"] is not None])
    trials = _trials(connection, [table for table in new if table.definition is not None and _may_make(rows[table.key])], rows)
    return {key: _table(row, shapes.get(key), trials.get(key)) for key, row in rows.items()}


def observe_intervals(connection: Connection, wanted: list[WantedHypertable]) -> dict[str, int]:
    """Each wanted chunk interval in the units of its dimension: microseconds, or the integer itself. What is no interval is left out."""
    texts = sorted({table.chunk_time_interval for table in wanted if table.chunk_time_interval is not None})
    if not texts:
        return {}
    try:
        rows = connection.run(_intervals(texts), "option chunk_time_interval")
    except ClusterError as error:
        if not is_wrong_value(error):
            raise
        rows = [row for text in texts for row in taken(connection, _intervals([text]))]
    return {row["text"]: row["units"] for row in rows}


def _intervals(texts: list[str]) -> Statement:
    return Statement(_INTERVALS, values=(texts,))


def observe_distributed(connection: Connection) -> list[Key]:
    """(schema, relation) of every distributed hypertable."""
    rows = connection.run(Statement(_DISTRIBUTED), "distributed hypertables")
    return [(row["schema_name"], row["table_name"]) for row in rows]


def _may_make(row: dict[str, Any]) -> bool:
    """Whether the table is missing and the role may make it."""
    may_have_schema = row["may_create_schema"] and not row["schema_name"].startswith("pg_")
    return row["kind"] is None and (row["may_create"] if row["schema_exists"] else may_have_schema)


# A module's files are compiled in each run, and most runs have no hypertable to make.
def _shapes(connection: Connection, keys: list[Key]) -> dict[Key, Shape]:
    if not keys:
        return {}
    from ansible_collections.timescaledb.multinode.plugins.module_utils._table_shape import observe_shapes

    return observe_shapes(connection, keys)


def _trials(connection: Connection, tables: list[WantedHypertable], rows: dict[Key, dict[str, Any]]) -> dict[Key, Trial]:
    if not tables:
        return {}
    from ansible_collections.timescaledb.multinode.plugins.module_utils._definition_trial import try_definitions

    return try_definitions(connection, tables, {table.schema for table in tables if not rows[table.key]["schema_exists"]})


def _table(row: dict[str, Any], shape: Shape | None, trial: Trial | None) -> Table:
    return Table(
        schema_exists=row["schema_exists"],
        may_create=bool(row["may_create"]),
        may_create_schema=row["may_create_schema"],
        nodes_with_schema=tuple(row["nodes_with_schema"] or ()),
        kind=row["kind"],
        may_change=bool(row["may_change"]),
        indexes=tuple(tuple(columns) for columns in row["indexes"] or []),
        hypertable_id=row["hypertable_id"],
        replication_factor=row["replication_factor"],
        dimensions=tuple(Dimension(**dimension) for dimension in row["dimensions"] or []),
        data_nodes=tuple(row["data_nodes"] or ()),
        has_chunks=row["has_chunks"],
        shape=shape,
        trial=trial,
        dependents=tuple(row["dependents"] or ()),
        owner=row["owner"] or "",
        wanted_owner_exists=row["wanted_owner_exists"],
        compression=row["compression"] or "",
    )
