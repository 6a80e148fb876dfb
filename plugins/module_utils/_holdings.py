# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""What data nodes hold for distributed hypertables, from the access node's catalogue: one query for all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement

# Chunks are grouped by the set of nodes that have them: few rows, however many chunks there are.
_HOLDINGS = """
WITH placement AS (
  SELECT c.hypertable_id, p.nodes, count(*) AS chunks, (array_agg(format('%%I.%%I', c.schema_name, c.table_name) ORDER BY c.id))[1:3] AS sample
    FROM (SELECT chunk_id, array_agg(node_name::text ORDER BY node_name) AS nodes
            FROM _timescaledb_catalog.chunk_data_node GROUP BY chunk_id) p
    JOIN _timescaledb_catalog.chunk c ON c.id = p.chunk_id
   GROUP BY c.hypertable_id, p.nodes)
SELECT h.id AS hypertable_id, format('%%I.%%I', h.schema_name, h.table_name) AS hypertable, h.replication_factor,
       (SELECT pg_has_role(t.relowner, 'USAGE') FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
         WHERE n.nspname = h.schema_name AND t.relname = h.table_name) AS may_change,
       (SELECT jsonb_object_agg(node_name, NOT block_chunks) FROM _timescaledb_catalog.hypertable_data_node d
         WHERE d.hypertable_id = h.id) AS attached,
       (SELECT jsonb_agg(jsonb_build_object('nodes', nodes, 'chunks', chunks, 'sample', sample)) FROM placement p
         WHERE p.hypertable_id = h.id) AS placements
  FROM _timescaledb_catalog.hypertable h
 WHERE h.replication_factor > 0
   AND EXISTS (SELECT FROM _timescaledb_catalog.hypertable_data_node d WHERE d.hypertable_id = h.id AND d.node_name::text = ANY (%s))
 ORDER BY 2
"""

_ONLY_THERE = """
SELECT h.id AS hypertable_id, format('%%I.%%I', h.schema_name, h.table_name) AS hypertable, c.schema_name::text AS schema, c.table_name::text AS relation
  FROM (SELECT chunk_id FROM _timescaledb_catalog.chunk_data_node GROUP BY chunk_id HAVING bool_and(node_name::text = ANY (%s))) AS p
  JOIN _timescaledb_catalog.chunk c ON c.id = p.chunk_id
  JOIN _timescaledb_catalog.hypertable h ON h.id = c.hypertable_id
 ORDER BY c.id
"""


@dataclass(frozen=True)
class LostChunk:
    """A chunk that only data nodes have which are given up."""

    hypertable_id: int
    hypertable: str
    schema: str
    relation: str


@dataclass(frozen=True)
class Placement:
    """A group of chunks that are on the same set of data nodes."""

    nodes: frozenset[str]
    chunks: int
    sample: tuple[str, ...]


@dataclass(frozen=True)
class Holding:
    """A distributed hypertable and where it is. accepting: attached nodes that take new chunks."""

    hypertable_id: int
    hypertable: str
    replication_factor: int
    may_change: bool
    attached: frozenset[str]
    accepting: frozenset[str]
    placements: tuple[Placement, ...]

    def without(self, node_name: str) -> Holding:
        """The same hypertable after that node was removed from it."""
        left = (Placement(p.nodes - {node_name}, p.chunks, p.sample) for p in self.placements)
        return replace(self, attached=self.attached - {node_name}, accepting=self.accepting - {node_name}, placements=tuple(left))

    def without_chunks_of(self, node_names: set[str]) -> Holding:
        """The same hypertable after the chunks were dropped that only these nodes have."""
        return replace(self, placements=tuple(placement for placement in self.placements if not placement.nodes <= node_names))


def observe_holdings(connection: Connection, node_names: list[str], available: set[str]) -> list[Holding]:
    """The hypertables attached to any of the nodes; available: the nodes that the access node has as available."""
    if not node_names:
        return []
    rows = connection.run(Statement(_HOLDINGS, values=(node_names,)), "hypertables of data nodes")
    return [_holding(row, available) for row in rows]


def observe_lost(connection: Connection, node_names: list[str]) -> list[LostChunk]:
    """The chunks that no other data node has."""
    if not node_names:
        return []
    return [LostChunk(**row) for row in connection.run(Statement(_ONLY_THERE, values=(node_names,)), "chunks of data nodes")]


def _holding(row: dict[str, Any], available: set[str]) -> Holding:
    return Holding(
        hypertable_id=row["hypertable_id"],
        hypertable=row["hypertable"],
        replication_factor=row["replication_factor"],
        may_change=bool(row["may_change"]),
        attached=frozenset(row["attached"]),
        accepting=frozenset(name for name, accepts in row["attached"].items() if accepts and name in available),
        placements=tuple(
            Placement(frozenset(placement["nodes"]), placement["chunks"], tuple(placement["sample"])) for placement in row["placements"] or []
        ),
    )
