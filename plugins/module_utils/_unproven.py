# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""What a data node would lose that becomes available again: alter_data_node() drops all chunks there that the access node does not know of there.

It forgets those that were written to meanwhile, for others have them with the same rows and more. One of these others may be a copy of this very data node
that was under way when it died, and has never been compared with it.
"""

from __future__ import annotations

from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_nodes import WantedNode

_BEGUN = "SELECT EXISTS (SELECT FROM _timescaledb_catalog.chunk_copy_operation WHERE source_node_name::text = ANY (%s)) AS begun"


def return_errors(connection: Connection, wanted: list[WantedNode], access_node: AccessNode) -> list[ClusterError]:
    """The data nodes that are to be available again and may have the only whole copy of a chunk, which they would lose. Asks nothing where none is."""
    known = access_node.data_nodes
    names = [node.node_name for node in wanted if node.present and node.available and node.node_name in known and not known[node.node_name].available]
    if not names or not connection.run(Statement(_BEGUN, values=(names,)), "access node")[0]["begun"]:
        return []
    # A module's files are compiled in each run, and this is rare.
    from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_jobs import forgotten_source, has_to_wait, is_undone
    from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_look import read_chunks, read_operations

    available = {name for name, node in known.items() if node.available}
    chunks = read_chunks(connection)
    errors = []
    for operation in read_operations(connection):
        chunk = chunks.get(operation.chunk_id)
        if operation.source not in names or chunk is None or operation.source in chunk.nodes or operation.destination not in chunk.nodes:
            continue
        if is_undone(operation, chunk.nodes) and has_to_wait(operation, chunk.nodes, available):
            errors.append(forgotten_source(operation, chunk, str(known[operation.source].endpoint)))
    return errors
