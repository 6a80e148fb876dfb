# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Cleans up what copies of chunks left that did not come to their end."""

from __future__ import annotations

from contextlib import suppress
from time import sleep

from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_jobs import has_arrived, is_undone
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_look import Operation, PlacedChunk
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement

_CLEAN = "CALL timescaledb_experimental.cleanup_copy_chunk_operation(%s)"
_FORGET = "DELETE FROM _timescaledb_catalog.chunk_copy_operation WHERE operation_id = %s"
# Stages after which nothing is left but a copy with all that belongs to it.
_ATTACHED = ("attach_compressed_chunk", "delete_chunk", "complete")
_HYPERTABLE = "SELECT schema_name::text AS schema, table_name::text AS relation FROM _timescaledb_catalog.hypertable WHERE id = %s"
# Waits for what is being written to a hypertable, and lets nobody else begin. Reads go on.
STOP_WRITERS = "LOCK TABLE ONLY {schema}.{relation} IN SHARE MODE"
_ATTEMPTS = 10
_PASSING = ("is active for PID", "deadlock detected", "lock timeout")


def drop_copy(control: Connection, access_node: AccessNode, chunk: PlacedChunk, node_name: str) -> None:
    """Drop one of several copies of a chunk."""
    schema = access_node.release.internal_schema
    drop = "SELECT {functions}.chunk_drop_replica(format('%%I.%%I', %s::text, %s::text)::regclass, %s)"
    control.run(Statement(drop, {"functions": schema}, (chunk.schema, chunk.relation, node_name)), str(chunk))


def clean_up(connection: Connection, access_node: AccessNode, operation: Operation, chunk: PlacedChunk | None, nodes: tuple[str, ...]) -> None:
    """Undo an operation that did not come to its end, or take a finished one from the catalogue.

    TimescaleDB's own clean-up is not called where it would do harm. After the stage delete_chunk it drops the destination's copy, which is the last one.
    Of compressed chunks it cannot drop a compressed part that is attached already (timescaledb#6066).
    """
    subject = f'copy operation "{operation.operation_id}"'
    attached = chunk is not None and operation.completed_stage in _ATTACHED and operation.destination in nodes
    if attached and is_undone(operation, nodes):
        _drop_while_nobody_writes(connection, access_node, chunk, operation.destination)
    if attached or has_arrived(operation, nodes):
        connection.run(Statement(_FORGET, values=(operation.operation_id,)), subject)
        return
    try:
        _clean(connection, operation, subject)
    except ClusterError as error:
        place = f'on data node "{operation.destination}"'
        remedy = (
            f'{place} DROP SUBSCRIPTION and on data node "{operation.source}" pg_drop_replication_slot() and DROP PUBLICATION of that name, where they exist; '
            f"{place} drop the half copy {chunk or operation.chunk_id}; then DELETE FROM _timescaledb_catalog.chunk_copy_operation "
            f"WHERE operation_id = '{operation.operation_id}' on the access node"
        )
        cause = f"it stopped after stage {operation.completed_stage} and TimescaleDB cannot clean it up: {error.cause}"
        raise ClusterError(subject, cause, remedy, error.host) from error


def _drop_while_nobody_writes(connection: Connection, access_node: AccessNode, chunk: PlacedChunk, node_name: str) -> None:
    """Writers have locks there already, and would wait for those of the drop as it waits for theirs (seen as a deadlock on the data node)."""
    (table,) = connection.run(Statement(_HYPERTABLE, values=(chunk.hypertable_id,)), str(chunk))
    for attempt in range(_ATTEMPTS):
        try:
            connection.run(Statement("BEGIN"), str(chunk))
            connection.run(Statement("SET LOCAL lock_timeout = '5s'"), str(chunk))
            connection.run(Statement(STOP_WRITERS, table), str(chunk))
            drop_copy(connection, access_node, chunk, node_name)
            connection.run(Statement("COMMIT"), str(chunk))
            return
        except ClusterError as error:
            with suppress(ClusterError):
                connection.run(Statement("ROLLBACK"), str(chunk))
            if attempt == _ATTEMPTS - 1 or not any(text in error.cause for text in _PASSING):
                raise
            sleep(1)


def _clean(connection: Connection, operation: Operation, subject: str) -> None:
    """Call TimescaleDB's own clean-up. The slot of a copy that was ended may be in use for a moment longer."""
    for attempt in range(_ATTEMPTS):
        try:
            connection.run(Statement(_CLEAN, values=(operation.operation_id,)), subject)
            return
        except ClusterError as error:
            if attempt == _ATTEMPTS - 1 or not any(text in error.cause for text in _PASSING):
                raise
            sleep(1)
