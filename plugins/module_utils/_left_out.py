# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Hypertables whose new chunks go past data nodes that are available again.

TimescaleDB keeps for each partition the data nodes of its next chunks. It reckons them anew, from those that are available then, where a node is attached
or detached, the replication factor is set, or chunks are moved by timescale_rebalance, but not where a node becomes available (data_node_alter() in
tsl/src/data_node.c of 2.13.1): what was reckoned while it was away goes on without it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement, Step
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_nodes import WantedNode

# n partitions with r copies each reach n + r - 1 nodes at the most: with fewer partitions than nodes, some are left out by right.
_LEFT_OUT = """
SELECT h.schema_name::text AS schema, h.table_name::text AS relation, h.replication_factor
  FROM _timescaledb_catalog.hypertable h
  JOIN LATERAL (SELECT count(*) AS nodes, bool_or(d.node_name::text = ANY (%s)) AS concerned
                  FROM _timescaledb_catalog.hypertable_data_node d JOIN pg_foreign_server s ON s.srvname = d.node_name
                 WHERE d.hypertable_id = h.id AND NOT d.block_chunks
                   AND (d.node_name::text = ANY (%s) OR NOT coalesce(s.srvoptions @> ARRAY['available=false'], false))) AS usable ON usable.concerned
  JOIN LATERAL (SELECT count(DISTINCT p.range_start) AS partitions, count(DISTINCT node) AS nodes
                  FROM _timescaledb_catalog.dimension d JOIN _timescaledb_catalog.dimension_partition p ON p.dimension_id = d.id
                 CROSS JOIN unnest(p.data_nodes) AS held (node)
                 WHERE d.hypertable_id = h.id) AS reckoned ON reckoned.partitions > 0
 WHERE h.replication_factor > 0 AND reckoned.nodes < least(usable.nodes, reckoned.partitions + h.replication_factor - 1)
 ORDER BY 1, 2
"""
# Changes nothing but that.
_RECKON = "SELECT {schema}.set_replication_factor(format('%%I.%%I', %s::text, %s::text)::regclass, %s)"


@dataclass(frozen=True)
class LeftOut:
    """A hypertable that has fewer of its data nodes take new chunks than it could."""

    schema: str
    relation: str
    replication_factor: int


def observe_left_out(connection: Connection, wanted: list[WantedNode], access_node: AccessNode) -> list[LeftOut]:
    """Those of the registered data nodes that the task wants available. Asks nothing where it says so of none."""
    names = [node.node_name for node in wanted if node.present and node.available and node.node_name in access_node.data_nodes]
    if not names:
        return []
    return [LeftOut(**row) for row in connection.run(Statement(_LEFT_OUT, values=(names, names)), "distributed hypertables")]


def steps_to_take_in(left_out: list[LeftOut], access_node: AccessNode) -> list[Step]:
    """Behind the steps that make nodes available."""
    return [
        Step(
            f'distributed hypertable "{table.schema}"."{table.relation}"',
            "set",
            "its new chunks go past data nodes that are available again",
            Statement(_RECKON, {"schema": access_node.extension_schema}, (table.schema, table.relation, table.replication_factor)),
        )
        for table in left_out
    ]
