# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""What a rebalancing is planned from: seven queries on the access node and three on each data node, whatever the number of chunks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode, DataNode, reach_node
from ansible_collections.timescaledb.multinode.plugins.module_utils._compression import COMPRESSION
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection
from ansible_collections.timescaledb.multinode.plugins.module_utils._copy_operations import CHUNKS, Operation, PlacedChunk, read_operations
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError, raise_all
from ansible_collections.timescaledb.multinode.plugins.module_utils._healing import healing_steps
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_remains import REMAINS
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement, Step

_PARALLEL = 16

_HYPERTABLES = f"""
SELECT h.id, h.schema_name AS schema, h.table_name AS relation, h.replication_factor, {COMPRESSION} AS compression,
       (SELECT jsonb_object_agg(node_name, block_chunks) FROM _timescaledb_catalog.hypertable_data_node d WHERE d.hypertable_id = h.id) AS attached
  FROM _timescaledb_catalog.hypertable h WHERE h.replication_factor > 0 ORDER BY h.id
"""
# The rows of a compressed chunk are in a chunk of another hypertable.
_SIZES = """
SELECT c.schema_name AS schema, c.table_name AS relation, sum(pg_total_relation_size(t.oid))::bigint AS bytes
  FROM _timescaledb_catalog.chunk c
  JOIN _timescaledb_catalog.hypertable h ON h.id = c.hypertable_id AND h.replication_factor = -1
  JOIN _timescaledb_catalog.chunk p ON p.id IN (c.id, c.compressed_chunk_id)
  JOIN pg_namespace n ON n.nspname = p.schema_name
  JOIN pg_class t ON t.relnamespace = n.oid AND t.relname = p.table_name
 WHERE NOT c.dropped
   -- A prepared transaction, which has no process, has dropped it. Its size could be told when that has ended.
   AND NOT EXISTS (SELECT FROM pg_locks l WHERE l.relation = t.oid AND l.mode = 'AccessExclusiveLock' AND l.granted AND l.pid IS NULL
                                            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
 GROUP BY 1, 2
"""
_CAPACITY = f"""
SELECT current_setting('wal_level') AS wal_level,
       current_setting('max_replication_slots')::int AS slots, (SELECT count(*) FROM pg_replication_slots)::int AS used_slots,
       current_setting('max_wal_senders')::int AS senders, (SELECT count(*) FROM pg_stat_replication)::int AS used_senders,
       current_setting('max_logical_replication_workers')::int AS workers,
       (SELECT setting::int FROM pg_settings WHERE name = 'wal_retrieve_retry_interval') AS retry_milliseconds,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(schema_name, table_name)), '[]')
          FROM _timescaledb_catalog.hypertable WHERE replication_factor = -1 AND compression_state = 1) AS compressing,
       {REMAINS} AS remains,
       (SELECT substring(arguments from 'retry_count integer DEFAULT ([0-9]+)')::numeric
               * substring(arguments from 'retry_delay_ms numeric DEFAULT ([0-9.]+)')::numeric
          -- TimescaleDB 2.12 and newer have another one in _timescaledb_internal, which calls the first.
          FROM (SELECT pg_get_function_arguments(p.oid) AS arguments FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
                 WHERE p.proname = 'wait_subscription_sync' AND n.nspname IN ('_timescaledb_functions', '_timescaledb_internal')
                 ORDER BY n.nspname LIMIT 1) AS waits)::int AS copy_seconds
"""


@dataclass(frozen=True)
class Hypertable:
    """A distributed hypertable.

    Args:
        attached: of each of its data nodes, whether new chunks are blocked there.
        compression: what makes a data node compress it; None where it is not compressed.
    """

    id: int
    schema: str
    relation: str
    replication_factor: int
    attached: dict[str, bool]
    compression: str | None = None


@dataclass(frozen=True)
class Capacity:
    """What a data node's settings allow for.

    Args:
        remains: what is there of copy operations, by their names.
        compressing: the hypertables that it compresses, by schema and relation.
        copy_seconds: how long TimescaleDB waits there until all rows of a chunk have come; None where it does not say.
    """

    wal_level: str
    slots: int
    used_slots: int
    senders: int
    used_senders: int
    workers: int
    retry_milliseconds: int
    remains: list[str] = field(default_factory=list)
    compressing: list[list[str]] = field(default_factory=list)
    copy_seconds: int | None = None


@dataclass
class Observed:
    """The cluster as it was found.

    Args:
        stale: by data node, chunks that are there and that the access node does not know of there, by schema and relation.
        capacities: by data node that answered.
        healing: steps that end what a crash left prepared on data nodes.
    """

    hypertables: dict[int, Hypertable]
    chunks: dict[int, PlacedChunk]
    operations: list[Operation]
    stale: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    capacities: dict[str, Capacity] = field(default_factory=dict)
    healing: list[Step] = field(default_factory=list)


def observe_fleet(module: AnsibleModule, connection: Connection, access_node: AccessNode) -> Observed:
    """Read it; data nodes are asked side by side. Raises ClusterError where an available one does not answer."""
    hypertables = {row["id"]: Hypertable(**row) for row in _rows(connection, _HYPERTABLES)}
    rows = _rows(connection, CHUNKS)
    observed = Observed(hypertables, {}, read_operations(connection))
    sizes = _ask_data_nodes(module, access_node, observed)
    observed.healing = healing_steps(module, connection, access_node, access_node.data_nodes)
    for row in rows:
        nodes, name = tuple(sorted(row.pop("nodes") or ())), (row["schema"], row["relation"])
        # Copies differ by their dead rows; the biggest counts.
        size = max((sizes[node].pop(name, 0) for node in nodes if node in sizes), default=0)
        observed.chunks[row["id"]] = PlacedChunk(**row, nodes=nodes, bytes=size)
    observed.stale = {node: set(left) for node, left in sizes.items()}
    return observed


def _rows(connection: Connection, query: str) -> list[dict[str, Any]]:
    return connection.run(Statement(query), "access node")


def _ask_data_nodes(module: AnsibleModule, access_node: AccessNode, observed: Observed) -> dict[str, dict[tuple[str, str], int]]:
    nodes = [node for node in access_node.data_nodes.values() if node.available]

    def ask(node: DataNode) -> tuple[dict[tuple[str, str], int], Capacity] | str:
        connection, reason = reach_node(module, access_node, node.endpoint)
        if connection is None:
            return reason
        try:
            sizes = {(row["schema"], row["relation"]): row["bytes"] for row in _rows(connection, _SIZES)}
            return sizes, Capacity(**_rows(connection, _CAPACITY)[0])
        finally:
            connection.close()

    found: dict[str, dict[tuple[str, str], int]] = {}
    errors = []
    with ThreadPoolExecutor(max_workers=min(_PARALLEL, max(len(nodes), 1))) as pool:
        for node, answer in zip(nodes, pool.map(ask, nodes)):
            if isinstance(answer, str):
                cause = f"no connection as role {access_node.login_role(node.endpoint)}: {answer}"
                remedy = "start the node, or set it to available: false"
                errors.append(ClusterError(f'data node "{node.node_name}"', cause, remedy, str(node.endpoint)))
            else:
                found[node.node_name], observed.capacities[node.node_name] = answer
    raise_all(errors)
    return found
