# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Cleans up what copies of chunks left that did not come to their end."""

from __future__ import annotations

from contextlib import closing, suppress

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode, reach_node
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import WITHOUT_LIBRARIES, Connection
from ansible_collections.timescaledb.multinode.plugins.module_utils._copy_operations import (
    WITH_COPY,
    Operation,
    PlacedChunk,
    has_arrived,
    has_to_wait,
    is_undone,
)
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_jobs import same_factor
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_look import Hypertable
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_remains import HALF_COPIES, drop_half_copy, drop_remains, patiently
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement

_CLEAN = "CALL timescaledb_experimental.cleanup_copy_chunk_operation(%s)"
# As TimescaleDB does it for an operation that is complete.
FORGET = "DELETE FROM _timescaledb_catalog.chunk_copy_operation WHERE operation_id = %s"
_FORGET_COPY = "DELETE FROM _timescaledb_catalog.chunk_data_node WHERE chunk_id = %s AND node_name = %s"
# TimescaleDB has a data node's tables changed through the access node only, unless told otherwise.
DIRECTLY = "-c timescaledb.enable_client_ddl_on_data_nodes=on"
# Stages after which nothing is left but a copy with all that belongs to it.
_ATTACHED = tuple(stage for stage in WITH_COPY if stage != "attach_chunk")
_THERE = "SELECT EXISTS (SELECT FROM _timescaledb_catalog.chunk WHERE id = %s AND NOT dropped) AS there"
_HYPERTABLE = """
SELECT schema_name::text AS schema, table_name::text AS relation, replication_factor FROM _timescaledb_catalog.hypertable WHERE id = %s
"""
# Waits for what is being written to a hypertable, and lets nobody else begin. Reads go on.
STOP_WRITERS = "LOCK TABLE ONLY {schema}.{relation} IN SHARE MODE"
# The access node's own lock_timeout does not count there.
_WAIT_ON_NODE = "CALL {schema}.distributed_exec(format('SET LOCAL lock_timeout TO %%L', %s::text), ARRAY[%s]::name[])"


def drop_copy(control: Connection, access_node: AccessNode, chunk: PlacedChunk, node_name: str, seconds: int = 5) -> None:
    """Drop one of several copies of a chunk, in the transaction that is open. Waits for its readers for that many seconds, and fails."""
    control.run(Statement(_WAIT_ON_NODE, {"schema": access_node.extension_schema}, (f"{seconds}s", node_name)), str(chunk))
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
        if chunk is None or not is_there(connection, chunk.id):
            self._clean_up_without_chunk(connection, operation)
            return
        if has_to_wait(operation, nodes, self._available):
            return
        attached = operation.destination in nodes and operation.completed_stage in _ATTACHED
        whole = {operation.source, operation.destination} <= self._available
        if not whole:
            self._clean_up_without_one_end(connection, operation, chunk, nodes)
        elif attached and is_undone(operation, nodes):
            _drop_while_nobody_writes(connection, self._access_node, chunk, operation.destination)
        if attached or has_arrived(operation, nodes) or not whole:
            connection.run(Statement(FORGET, values=(operation.operation_id,)), subject)
            return
        try:
            patiently(lambda: connection.run(Statement(_CLEAN, values=(operation.operation_id,)), subject))
        except ClusterError as error:
            place = f'on data node "{operation.destination}"'
            remedy = (
                f'{place} DROP SUBSCRIPTION and on data node "{operation.source}" pg_drop_replication_slot() and DROP PUBLICATION of that name, where they '
                f"exist; {place} drop the half copy {chunk}; then DELETE FROM _timescaledb_catalog.chunk_copy_operation "
                f"WHERE operation_id = '{operation.operation_id}' on the access node"
            )
            cause = f"it stopped after stage {operation.completed_stage} and TimescaleDB cannot clean it up: {error.cause}"
            raise ClusterError(subject, cause, remedy, error.host) from error

    def _clean_up_without_chunk(self, connection: Connection, operation: Operation) -> None:
        """It was dropped, by a retention policy for example, which leaves the entry. TimescaleDB's own clean-up looks for the chunk first, and fails."""
        self._drop_all_remains(operation)
        if operation.destination in self._available:
            with closing(connect_to_node(self._module, self._access_node, operation.destination)) as node:
                self.drop_half_copies(node, operation.destination, operation.chunk_id)
        connection.run(Statement(FORGET, values=(operation.operation_id,)), f'copy operation "{operation.operation_id}"')

    def _clean_up_without_one_end(self, connection: Connection, operation: Operation, chunk: PlacedChunk, nodes: tuple[str, ...]) -> None:
        """What the dead node has is cleaned up when it is back, as what is left of an operation that is in no catalogue."""
        self._drop_all_remains(operation)
        if not is_undone(operation, nodes):
            return
        known, reachable = operation.destination in nodes, operation.destination in self._available
        if known and reachable:
            _drop_while_nobody_writes(connection, self._access_node, chunk, operation.destination)
        elif known:
            connection.run(Statement(_FORGET_COPY, values=(chunk.id, operation.destination)), str(chunk))
            # A session that still sends rows there would have the access node crash.
            connection.run(same_factor(_hypertable(connection, chunk), self._access_node.extension_schema), str(chunk))
        elif reachable:
            with closing(connect_to_node(self._module, self._access_node, operation.destination, DIRECTLY)) as node:
                drop_half_copy(node, chunk.schema, chunk.relation)

    def drop_half_copies(self, node: Connection, node_name: str, chunk_id: int) -> None:
        """Drop what is left on a data node of copies of that chunk that were given up: tables that are no chunks, and that nobody knows of."""
        rows = node.run(Statement(HALF_COPIES, values=(chunk_id,)), f'data node "{node_name}"')
        if rows:
            with closing(connect_to_node(self._module, self._access_node, node_name, DIRECTLY)) as directly:
                for row in rows:
                    drop_half_copy(directly, row["schema"], row["relation"])

    def _drop_all_remains(self, operation: Operation) -> None:
        for name in (operation.destination, operation.source):
            if name in self._available:
                self.drop_remains(name, operation.operation_id)

    def drop_remains(self, node_name: str, operation_id: str) -> None:
        """Drop what an operation has left on a data node, beside the copy itself."""
        with closing(connect_to_node(self._module, self._access_node, node_name)) as node:
            drop_remains(node, operation_id)


def connect_to_node(module: AnsibleModule, access_node: AccessNode, name: str, options: str = WITHOUT_LIBRARIES) -> Connection:
    """Connect to a data node as the access node does. Raises ClusterError."""
    endpoint = access_node.data_nodes[name].endpoint
    connection, reason = reach_node(module, access_node, endpoint, options=options)
    if connection is None:
        raise ClusterError(f'data node "{name}"', f"no connection: {reason}", "start the node", str(endpoint))
    return connection


def is_there(connection: Connection, chunk_id: int) -> bool:
    """Whether a chunk was not dropped meanwhile."""
    return connection.run(Statement(_THERE, values=(chunk_id,)), f"chunk {chunk_id}")[0]["there"]


def _hypertable(connection: Connection, chunk: PlacedChunk) -> Hypertable:
    (row,) = connection.run(Statement(_HYPERTABLE, values=(chunk.hypertable_id,)), str(chunk))
    return Hypertable(id=chunk.hypertable_id, attached={}, **row)


def _drop_while_nobody_writes(connection: Connection, access_node: AccessNode, chunk: PlacedChunk, node_name: str) -> None:
    """Writers have locks there already, and would wait for those of the drop as it waits for theirs (seen as a deadlock on the data node)."""
    table = _hypertable(connection, chunk)

    def drop() -> None:
        try:
            connection.run(Statement("BEGIN"), str(chunk))
            connection.run(Statement("SET LOCAL lock_timeout = '5s'"), str(chunk))
            connection.run(Statement(STOP_WRITERS, {"schema": table.schema, "relation": table.relation}), str(chunk))
            drop_copy(connection, access_node, chunk, node_name)
            connection.run(Statement("COMMIT"), str(chunk))
        except ClusterError:
            with suppress(ClusterError):
                connection.run(Statement("ROLLBACK"), str(chunk))
            raise

    patiently(drop)
