# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Which cluster the user wants: its data nodes, roles, distributed hypertables and jobs, and what must not be there. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode, DataNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError, noting, raise_all
from ansible_collections.timescaledb.multinode.plugins.module_utils._tables import Table
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_hypertables import Key, WantedHypertable, unwanted_hypertable, wanted_hypertables
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_jobs import WantedJob, wanted_jobs
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_nodes import WantedNode, release_errors, unwanted_node, wanted_nodes
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_roles import WantedRoles


@dataclass(frozen=True)
class WantedCluster:
    """What a task declares, and what it wants to be gone."""

    nodes: list[WantedNode]
    hypertables: list[WantedHypertable]
    jobs: list[WantedJob]
    roles: WantedRoles = field(default_factory=lambda: WantedRoles([], [], []))

    @property
    def leaving(self) -> dict[str, WantedNode]:
        """The data nodes that must not be there, by name."""
        return {node.node_name: node for node in self.nodes if not node.present}

    def staying_nodes(self, access_node: AccessNode) -> dict[str, DataNode]:
        """The data nodes that are registered when the plan is through, by name."""
        staying = {name: node for name, node in access_node.data_nodes.items() if name not in self.leaving}
        for node in self.nodes:
            if node.present:
                known = staying.get(node.node_name, DataNode(node.node_name, node.endpoint(access_node)))
                available = known.available if node.available is None else node.available
                staying[node.node_name] = replace(known, endpoint=node.endpoint(access_node), available=available)
        return staying

    def available_nodes(self, access_node: AccessNode) -> set[str]:
        """The registered data nodes that are available when hypertables are dealt with."""
        said = {node.node_name: node.available for node in self.nodes if node.available is not None}
        return {name for name, node in access_node.data_nodes.items() if said.get(name, node.available)}


def wanted_cluster(parameters: dict[str, Any], access_node: AccessNode, distributed: list[Key]) -> WantedCluster:
    """The module's parameters as a wanted cluster. Raises ClusterError(s) for what can be judged by them and the access node's release.

    Args:
        distributed: every distributed hypertable that is there; needed only to prune.
    """
    errors: list[ClusterError] = []
    nodes = noting(errors, lambda: wanted_nodes(parameters["data_nodes"]), [])
    hypertables = noting(errors, lambda: wanted_hypertables(parameters["hypertables"]), [])
    jobs = noting(errors, lambda: wanted_jobs(parameters), [])
    roles = noting(errors, lambda: declared_roles(parameters), WantedRoles([], [], []))
    errors += release_errors(nodes, access_node)
    if parameters["prune"] and parameters["data_nodes"] is not None:
        declared = {node.node_name for node in nodes}
        nodes += [unwanted_node(name) for name in sorted(access_node.data_nodes) if name not in declared]
    if parameters["prune"] and parameters["hypertables"] is not None:
        declared = {(table.schema, table.relation) for table in hypertables}
        hypertables += [unwanted_hypertable(*key, parameters["drop_data"]) for key in distributed if key not in declared]
    cluster = WantedCluster(nodes, hypertables, jobs, roles)
    raise_all(errors + _contradictions(cluster))
    return cluster


def declared_roles(parameters: dict[str, Any]) -> WantedRoles:
    """The roles, schemas and extensions of the module's parameters. Raises ClusterError(s)."""
    declared = {kind: parameters.get(kind) for kind in ("roles", "schemas", "extensions")}
    if not any(declared.values()):
        return WantedRoles([], [], [])
    # A module's files are compiled in each run.
    from ansible_collections.timescaledb.multinode.plugins.module_utils._role_declarations import wanted_roles

    return wanted_roles(declared)


def _contradictions(cluster: WantedCluster) -> list[ClusterError]:
    dropped_roles = {role.name for role in cluster.roles.roles if not role.present}
    dropped_schemas = {schema.name for schema in cluster.roles.schemas if not schema.present}
    errors = []
    for table in cluster.hypertables:
        if not table.present:
            continue
        for name in table.data_nodes or ():
            if name in cluster.leaving:
                cause = f'it is to be on data node "{name}", which is to be removed'
                errors.append(ClusterError(table.subject, cause, "take it out of data_nodes, or keep the node"))
        if table.owner in dropped_roles:
            errors.append(ClusterError(table.subject, f'its owner is to be role "{table.owner}", which is to be removed', "name another owner"))
        if table.schema in dropped_schemas:
            errors.append(ClusterError(table.subject, f'it is to be in schema "{table.schema}", which is to be removed', "keep the schema"))
    return errors


def without_leaving_nodes(cluster: WantedCluster, tables: dict[Key, Table], registered: AccessNode) -> list[WantedHypertable]:
    """The wanted hypertables, those that do not name their data nodes taken from the nodes that leave.

    So that delete_data_node() finds nothing of them any more, and a new one is not created there.

    Args:
        registered: the access node with the data nodes that are registered when hypertables are dealt with.
    """
    return [_without(table, cluster.leaving, tables[table.schema, table.relation], registered) for table in cluster.hypertables]


def _without(table: WantedHypertable, leaving: dict[str, WantedNode], found: Table, registered: AccessNode) -> WantedHypertable:
    if not table.present or not leaving:
        return table
    # Afterwards nobody could tell what is left there from tables of the node's own.
    table = replace(table, left_clean=frozenset(name for name in found.data_nodes if name in leaving and leaving[name].leaves_clean))
    if table.data_nodes is not None:
        return table
    every = [name for name, node in sorted(registered.data_nodes.items()) if node.may_use]
    usable = every if found.hypertable_id is None else list(found.data_nodes)
    going = [leaving[name] for name in usable if name in leaving]
    if not going:
        return table
    return replace(
        table,
        data_nodes=tuple(name for name in usable if name not in leaving),
        force=table.force or all(node.force for node in going),
        repartition=table.repartition and all(node.repartition for node in going),
    )
