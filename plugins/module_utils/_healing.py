# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""What a crash left prepared on data nodes is ended before anything else is done there.

Its locks are kept until then: what needs a table that it has dropped, or a replication slot, would wait for ever. And what it made or dropped is not
to be seen before, so that it would be left behind by who cleans up.
"""

from __future__ import annotations

from collections.abc import Iterable

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection
from ansible_collections.timescaledb.multinode.plugins.module_utils._heal_plan import plan_healing
from ansible_collections.timescaledb.multinode.plugins.module_utils._prepared_look import ask_nodes, known_of, servers_of
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Step

# Whatever is in work is left alone anyway; this keeps what is being ended in this moment out of plans.
_SECONDS = 1.0


def healing_steps(module: AnsibleModule, connection: Connection, access_node: AccessNode, names: Iterable[str]) -> list[Step]:
    """Steps that end what nobody works at any more on those of the data nodes that are registered and available."""
    nodes = [access_node.data_nodes[name] for name in sorted(set(names) & set(access_node.data_nodes)) if access_node.data_nodes[name].available]
    answers = ask_nodes(module, access_node, nodes, connect_timeout=10)
    gids = [transaction.gid for answer in answers for transaction in answer.transactions]
    if not gids:
        return []
    servers = servers_of(connection, [node.node_name for node in nodes])
    return plan_healing(access_node, answers, known_of(connection, gids), servers, _SECONDS).steps
