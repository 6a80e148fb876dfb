# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Cleans up what copies of chunks left that did not come to their end."""

from __future__ import annotations

from contextlib import closing, suppress
from time import sleep

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import WITHOUT_LIBRARIES, Connection, connect_with
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_jobs import another_copy, has_arrived, is_undone
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_look import Operation, PlacedChunk
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_remains import drop_half_copy, drop_remains
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement

_CLEAN = "CALL timescaledb_experimental.cleanup_copy_chunk_operation(%s)"
_FORGET = "DELETE FROM _timescaledb_catalog.chunk_copy_operation WHERE operation_id = %s"
_FORGET_COPY = "DELETE FROM _timescaledb_catalog.chunk_data_node WHERE chunk_id = %s AND node_name = %s"
# TimescaleDB has a data node's tables changed through the access node only, unless told otherwise.
DIRECTLY = "-c timescaledb.enable_client_ddl_on_data_nodes=on"
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


class Cleaner:
    """Cleans up in one cluster; safe to be used by several threads."""

    def __init__(self, module: AnsibleModule, access_node: AccessNode) -> None:
        self._module = module
        self._access_node = access_node
        self._available = {name for name, node in access_node.data_nodes.items() if node.available}

    def clean_up(self, connection: Connection, operation: Operation, chunk: PlacedChunk | None, nodes: tuple[str, ...]) -> None:
        """Undo an operation that did not come to its end, or take a finished one from the catalogue.

        TimescaleDB's own clean-up is not called where it would do harm. After the stage delete_chunk it drops the destination's copy, which is the last
        one. Of compressed chunks it cannot drop a compressed part that is attached already (timescaledb#6066). And it asks both nodes, of which one may
        be dead.
        """
        subject = f'copy operation "{operation.operation_id}"'
        known = chunk is not None and operation.destination in nodes
        attached = known and operation.completed_stage in _ATTACHED
        whole = {operation.source, operation.destination} <= self._available
        if (attached or (known and not whole)) and is_undone(operation, nodes) and operation.destination in self._available:
            _drop_while_nobody_writes(connection, self._access_node, chunk, operation.destination)
        if not whole:
            self._clean_up_without_one_end(connection, operation, chunk, nodes)
        if attached or has_arrived(operation, nodes) or not whole:
            connection.run(Statement(_FORGET, values=(operation.operation_id,)), subject)
            return
        try:
            _clean(connection, operation, subject)
        except ClusterError as error:
            place = f'on data node "{operation.destination}"'
            remedy = (
                f'{place} DROP SUBSCRIPTION and on data node "{operation.source}" pg_drop_replication_slot() and DROP PUBLICATION of that name, where they '
                f"exist; {place} drop the half copy {chunk or operation.chunk_id}; then DELETE FROM _timescaledb_catalog.chunk_copy_operation "
                f"WHERE operation_id = '{operation.operation_id}' on the access node"
            )
            cause = f"it stopped after stage {operation.completed_stage} and TimescaleDB cannot clean it up: {error.cause}"
            raise ClusterError(subject, cause, remedy, error.host) from error

    def _clean_up_without_one_end(self, connection: Connection, operation: Operation, chunk: PlacedChunk | None, nodes: tuple[str, ...]) -> None:
        """What the dead node has is cleaned up when it is back, as what is left of an operation that is in no catalogue."""
        for name in (operation.destination, operation.source):
            if name in self._available:
                self.drop_remains(name, operation.operation_id)
        if chunk is None or not another_copy(operation, nodes, self._available):
            return
        if operation.destination not in self._available:
            connection.run(Statement(_FORGET_COPY, values=(chunk.id, operation.destination)), str(chunk))
        elif operation.destination not in nodes:
            with closing(connect_to_node(self._module, self._access_node, operation.destination, DIRECTLY)) as node:
                drop_half_copy(node, chunk.schema, chunk.relation)

    def drop_remains(self, node_name: str, operation_id: str) -> None:
        """Drop what an operation has left on a data node, beside the copy itself."""
        with closing(connect_to_node(self._module, self._access_node, node_name)) as node:
            drop_remains(node, operation_id)


def connect_to_node(module: AnsibleModule, access_node: AccessNode, name: str, options: str = WITHOUT_LIBRARIES) -> Connection:
    """Connect to a data node as the access node does. Raises ClusterError."""
    endpoint = access_node.data_nodes[name].endpoint
    connection, reason = connect_with(module, dict(access_node.connection_parameters(endpoint, None, connect_timeout=10), options=options))
    if connection is None:
        raise ClusterError(f'data node "{name}"', f"no connection: {reason}", "start the node", str(endpoint))
    return connection


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
