# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""What a whole cluster's plan depends on: at most seventeen queries on the access node, whatever the number of its objects. What
is wrong in a declaration costs more, to tell which object it is.

Where roles, schemas or extensions are declared, one more on each data node, side by side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._cluster_plan import ObservedCluster, shown_roles
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection
from ansible_collections.timescaledb.multinode.plugins.module_utils._converge import session_errors
from ansible_collections.timescaledb.multinode.plugins.module_utils._data_node_plan import given_up_nodes, looks_needed
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError, noting, raise_all
from ansible_collections.timescaledb.multinode.plugins.module_utils._hypertable_plan import leaving_nodes
from ansible_collections.timescaledb.multinode.plugins.module_utils._jobs import observe_jobs
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Endpoint, State
from ansible_collections.timescaledb.multinode.plugins.module_utils._tables import observe_distributed, observe_intervals, observe_tables
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_cluster import WantedCluster, declared_roles, wanted_cluster

if TYPE_CHECKING:
    from ansible_collections.timescaledb.multinode.plugins.module_utils._holdings import Holding, LostChunk
    from ansible_collections.timescaledb.multinode.plugins.module_utils._left_out import LeftOut
    from ansible_collections.timescaledb.multinode.plugins.module_utils._node_look import LookRequest, NodeLook
    from ansible_collections.timescaledb.multinode.plugins.module_utils._role_state import NodeState


def observe_wanted(module: AnsibleModule, connection: Connection, access_node: AccessNode) -> WantedCluster:
    """The module's parameters as a wanted cluster; what is there is read only where it is to be pruned. Raises ClusterError."""
    errors = session_errors(module)
    prunes = module.params["prune"] and module.params["hypertables"] is not None
    distributed = observe_distributed(connection) if prunes else []
    wanted = noting(errors, lambda: wanted_cluster(module.params, access_node, distributed), WantedCluster([], [], []))
    raise_all(errors)
    return wanted


def observe_cluster(module: AnsibleModule, connection: Connection, access_node: AccessNode, wanted: WantedCluster) -> ObservedCluster:
    """Read it; data nodes themselves are looked at only where they are going to change."""
    intervals = observe_intervals(connection, wanted.hypertables)
    tables = observe_tables(connection, wanted.hypertables)
    leaving = set(wanted.leaving) & set(access_node.data_nodes) | set(leaving_nodes(wanted.hypertables, tables))
    holdings, lost = _observe_leaving(connection, access_node, wanted, sorted(leaving)) if leaving else ([], [])
    requests = looks_needed(wanted.nodes, access_node)
    looks = _look_at(module, access_node, requests) if requests else {}
    jobs = observe_jobs(connection, access_node, wanted.jobs)
    roles = observe_roles(module, connection, access_node, wanted, looks)
    sources, errors, left_out = _observe_returning(connection, access_node, wanted) if any(node.available for node in wanted.nodes) else ({}, [], [])
    return ObservedCluster(access_node, looks, tables, intervals, holdings, jobs, roles, lost, left_out, sources, errors)


# A module's files are compiled in each run: what only some runs need is not imported in the others.
def _observe_leaving(
    connection: Connection, access_node: AccessNode, wanted: WantedCluster, node_names: list[str]
) -> tuple[list[Holding], list[LostChunk]]:
    """What these data nodes hold, and the chunks that go with those of them that are given up."""
    from ansible_collections.timescaledb.multinode.plugins.module_utils._holdings import observe_holdings, observe_lost

    holdings = observe_holdings(connection, node_names, wanted.available_nodes(access_node))
    return holdings, observe_lost(connection, given_up_nodes(list(wanted.leaving.values()), access_node))


def _look_at(module: AnsibleModule, access_node: AccessNode, requests: list[LookRequest]) -> dict[Endpoint, NodeLook]:
    from ansible_collections.timescaledb.multinode.plugins.module_utils._node_look import look_at_nodes

    return look_at_nodes(module, access_node, requests)


def _observe_returning(
    connection: Connection, access_node: AccessNode, wanted: WantedCluster
) -> tuple[dict[str, list[int]], list[ClusterError], list[LeftOut]]:
    """Of data nodes that are to be available: the only whole copies that they may have, what forbids it, and the hypertables whose new chunks go past them."""
    from ansible_collections.timescaledb.multinode.plugins.module_utils._left_out import observe_left_out
    from ansible_collections.timescaledb.multinode.plugins.module_utils._unproven import observe_returns

    return *observe_returns(connection, wanted.nodes, access_node), observe_left_out(connection, wanted.nodes, access_node)


def observe_roles(
    module: AnsibleModule, connection: Connection, access_node: AccessNode, wanted: WantedCluster, looks: dict[Endpoint, NodeLook]
) -> list[NodeState]:
    """Roles, schemas and extensions on the access node and on the data nodes that are to be there, new ones as well.

    Nothing where none are declared. A node that did not answer when it was looked at is left out; that is said elsewhere.
    """
    if not wanted.roles.given:
        return []
    from ansible_collections.timescaledb.multinode.plugins.module_utils._role_look import Asked, observe_nodes

    said = {node.node_name: node for node in wanted.nodes if node.present}
    asked = []
    for name, node in sorted(wanted.staying_nodes(access_node).items()):
        look, by_task = looks.get(node.endpoint), said.get(name)
        if not node.available or (look and look.unreachable):
            continue
        password, connect_timeout = (by_task.password, by_task.connect_timeout) if by_task else (None, 10)
        is_new = look is not None and name not in access_node.data_nodes
        made_anew = is_new and (not look.database_exists or (by_task.reclaim == "database" and look.dist_uuid is not None))
        asked.append(Asked(node, password, connect_timeout, look.maintenance_database if made_anew else None))
    return observe_nodes(module, connection, access_node, wanted.roles, asked)


def observe_declared_roles(module: AnsibleModule, connection: Connection, access_node: AccessNode) -> State:
    """Declared roles, schemas and extensions as they are on the access node and on available data nodes; nothing where none are declared."""
    wanted = declared_roles(module.params)
    if not wanted.given:
        return {}
    from ansible_collections.timescaledb.multinode.plugins.module_utils._role_look import Asked, observe_nodes

    asked = [Asked(node) for name, node in sorted(access_node.data_nodes.items()) if node.available]
    return shown_roles(wanted, observe_nodes(module, connection, access_node, wanted, asked))
