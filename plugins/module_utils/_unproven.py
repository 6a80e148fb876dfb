# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""What a data node would lose that becomes available again: alter_data_node() drops all chunks there that the access node does not know of there.

It forgets those that were written to meanwhile, for others have them with the same rows and more. One of these others may be a copy of this very data node
that was under way when it died, and has never been compared with it.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_nodes import WantedNode

_BEGUN = "SELECT EXISTS (SELECT FROM _timescaledb_catalog.chunk_copy_operation WHERE source_node_name::text = ANY (%s)) AS begun"


# As alter_data_node(), for a data node that may have the only whole copy of chunks. Where the access node has just forgotten one of them, it fails; nobody
# can have it forgotten meanwhile.
_ALTER = """
WITH held AS (SELECT FROM _timescaledb_catalog.chunk_data_node WHERE node_name::text = %s AND chunk_id = ANY (%s) FOR UPDATE),
     node AS (SELECT CASE WHEN count(*) = %s THEN %s::name ELSE (%s || count(*))::int::text::name END AS name FROM held)
SELECT altered.* FROM node, LATERAL {{schema}}.alter_data_node(node.name{arguments}) AS altered
"""
_FORGOTTEN = "a chunk of which it may have the only whole copy was written to without it at this moment: run the task again, which says more. Chunks left: "


def alter_with_sources(node_name: str, chunk_ids: list[int], arguments: str) -> tuple[str, tuple[Any, ...]]:
    """The statement's template and its first values.

    Args:
        chunk_ids: what observe_returns() gave for that data node.
        arguments: those behind the data node's name.
    """
    return _ALTER.format(arguments=arguments).strip(), (node_name, chunk_ids, len(chunk_ids), node_name, _FORGOTTEN)


def observe_returns(
    connection: Connection, wanted: list[WantedNode], access_node: AccessNode
) -> tuple[dict[str, list[int]], list[ClusterError]]:
    """By data node that is to be available again, chunks of which it may have the only whole copy; and those that would lose one, for the access node
    has forgotten it. Asks nothing where no data node is.
    """
    known = access_node.data_nodes
    names = [node.node_name for node in wanted if node.present and node.available and node.node_name in known and not known[node.node_name].available]
    if not names or not connection.run(Statement(_BEGUN, values=(names,)), "access node")[0]["begun"]:
        return {}, []
    # A module's files are compiled in each run, and this is rare.
    from ansible_collections.timescaledb.multinode.plugins.module_utils._copy_operations import (
        forgotten_source,
        has_to_wait,
        is_undone,
        read_chunks,
        read_operations,
    )

    available = {name for name, node in known.items() if node.available}
    chunks = read_chunks(connection)
    errors = []
    sources: dict[str, list[int]] = {}
    for operation in read_operations(connection):
        chunk = chunks.get(operation.chunk_id)
        if operation.source not in names or chunk is None or operation.destination not in chunk.nodes:
            continue
        if not is_undone(operation, chunk.nodes) or not has_to_wait(operation, chunk.nodes, available):
            continue
        if operation.source in chunk.nodes:
            sources.setdefault(operation.source, []).append(chunk.id)
        else:
            errors.append(forgotten_source(operation, chunk, str(known[operation.source].endpoint)))
    return sources, errors
