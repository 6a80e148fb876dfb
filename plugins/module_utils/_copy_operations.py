# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Operations that copy or move chunks, and what may be thought of the copies that they have made."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement

# Begins the operation_id of every move of ours.
PREFIX = "tsmn_"

CHUNKS = """
SELECT c.id, c.hypertable_id, c.schema_name AS schema, c.table_name AS relation,
       (SELECT s.range_start FROM _timescaledb_catalog.chunk_constraint k
          JOIN _timescaledb_catalog.dimension_slice s ON s.id = k.dimension_slice_id
          JOIN _timescaledb_catalog.dimension d ON d.id = s.dimension_id AND d.interval_length IS NOT NULL
         WHERE k.chunk_id = c.id ORDER BY d.id LIMIT 1) AS begin,
       (SELECT array_agg(node_name::text) FROM _timescaledb_catalog.chunk_data_node d WHERE d.chunk_id = c.id) AS nodes
  FROM _timescaledb_catalog.chunk c JOIN _timescaledb_catalog.hypertable h ON h.id = c.hypertable_id
 WHERE h.replication_factor > 0 AND NOT c.dropped ORDER BY c.id
"""
# An operation runs as long as the session that began it is busy. What began before that session did is another one's.
_OPERATIONS = """
SELECT o.operation_id::text AS operation_id, o.completed_stage::text AS completed_stage, o.chunk_id, o.source_node_name::text AS source,
       o.dest_node_name::text AS destination, a.pid AS running, o.delete_on_source_node AS deletes
  FROM _timescaledb_catalog.chunk_copy_operation o
  LEFT JOIN pg_stat_activity a ON a.pid = o.backend_pid AND a.datname = current_database() AND a.backend_start <= o.time_start AND a.state <> 'idle'
 ORDER BY o.time_start, 1
"""
# Stages after which the access node knows of the copy.
WITH_COPY = ("attach_chunk", "attach_compressed_chunk", "delete_chunk", "complete")
# Stages after which the old copy of a move is dropped, with the note of the stage in one transaction.
_WITHOUT_SOURCE = ("delete_chunk", "complete")


@dataclass(frozen=True)
class PlacedChunk:
    """A chunk, the bytes of one copy and the data nodes that have one."""

    id: int
    hypertable_id: int
    schema: str
    relation: str
    begin: int
    nodes: tuple[str, ...]
    bytes: int

    def __str__(self) -> str:
        return f'chunk "{self.schema}"."{self.relation}"'


@dataclass(frozen=True)
class Operation:
    """An entry of the catalogue of copied and moved chunks.

    Args:
        deletes: TimescaleDB itself drops the old copy, in the stage delete_chunk. Not where the operation is ours.
    """

    operation_id: str
    completed_stage: str
    chunk_id: int
    source: str
    destination: str
    running: int | None = None
    deletes: bool = False


def read_chunks(connection: Connection) -> dict[int, PlacedChunk]:
    """All chunks with the data nodes that have a copy now, without their sizes."""
    return {row["id"]: PlacedChunk(**dict(row, nodes=tuple(sorted(row["nodes"] or ()))), bytes=0) for row in connection.run(Statement(CHUNKS), "access node")}


def read_placement(connection: Connection) -> dict[int, tuple[str, ...]]:
    """By chunk, the data nodes that have a copy now."""
    return {row["id"]: tuple(sorted(row["nodes"] or ())) for row in connection.run(Statement(CHUNKS), "access node")}


def read_operations(connection: Connection) -> list[Operation]:
    """What is in the catalogue of copied and moved chunks now."""
    return [Operation(**row) for row in connection.run(Statement(_OPERATIONS), "access node")]


def forgotten_source(operation: Operation, chunk: PlacedChunk, host: str | None = None) -> ClusterError:
    """What stays as it is where the access node has forgotten the source of a copy that was never compared, and what can be done about it."""
    cause = (
        f'copy operation "{operation.operation_id}" from data node "{operation.source}" to "{operation.destination}" stopped after '
        f"{operation.completed_stage}, so that its copy was never compared, and was written to since without its source, which the access node has forgotten "
        f'as stale: the table of that name on "{operation.source}" may have rows that no other data node has, and is dropped where that node is made available'
    )
    remedy = (
        f'while "{operation.source}" is unavailable, insert into the hypertable what its table has and the copy on "{operation.destination}" lacks '
        "(docs/repair.md shows how), or accept that it is lost; then DELETE FROM _timescaledb_catalog.chunk_copy_operation "
        f"WHERE operation_id = '{operation.operation_id}' on the access node, and run the task again"
    )
    return ClusterError(str(chunk), cause, remedy, host)


def has_to_wait(operation: Operation, nodes: tuple[str, ...], available: set[str]) -> bool:
    """Whether no other available data node has the chunk, as the access node knows: what the operation made or began may lack rows that only its source has.

    The source is dead then; or it was, and has been forgotten by the access node: the server does so where it writes to the copy.
    """
    others = available.intersection(nodes) - {operation.destination}
    return not (others or has_arrived(operation, nodes))


def has_arrived(operation: Operation, nodes: tuple[str, ...]) -> bool:
    """Whether a move has dropped the old copy: all is done but for the entry, and the new copy may be the only one.

    That the access node does not know of the old one any more does not tell. It also forgets one on a dead data node, whatever the new one lacks. None of
    ours is found so: it leaves the catalogue in the transaction that drops the old copy.
    """
    dropped = operation.deletes and operation.completed_stage in _WITHOUT_SOURCE
    return dropped and operation.destination in nodes and operation.source not in nodes


def is_undone(operation: Operation, nodes: tuple[str, ...]) -> bool:
    """Whether the copy that an operation made goes when it is cleaned up.

    One that did not come to its end may lack rows that came meanwhile. So may one of ours, which was never compared with its source: our moves are taken
    from the catalogue when they have been.
    """
    if has_arrived(operation, nodes):
        return False
    return operation.completed_stage != "complete" or (operation.operation_id.startswith(PREFIX) and operation.destination in nodes)
