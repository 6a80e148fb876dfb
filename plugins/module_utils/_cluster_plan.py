# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""The plan for a whole cluster: the plans for its objects, in the order in which they need each other. No I/O.

Data nodes are registered before hypertables are put on them, a hypertable is taken from a data node before the node is removed. Roles, schemas and
extensions come between data nodes and hypertables, grants on tables and removals of roles behind both. Jobs come last.

A module's files are compiled in each run, so what only some need is not imported in the others.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._data_node_plan import DataNodePlanner
from ansible_collections.timescaledb.multinode.plugins.module_utils._data_node_plan import shown as shown_nodes
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError, raise_all
from ansible_collections.timescaledb.multinode.plugins.module_utils._hypertable_change import Change
from ansible_collections.timescaledb.multinode.plugins.module_utils._hypertable_plan import decided, joined
from ansible_collections.timescaledb.multinode.plugins.module_utils._hypertable_planner import HypertablePlanner
from ansible_collections.timescaledb.multinode.plugins.module_utils._job_plan import JobPlanner, shown_jobs
from ansible_collections.timescaledb.multinode.plugins.module_utils._jobs import Job
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Endpoint, Plan, State, Step
from ansible_collections.timescaledb.multinode.plugins.module_utils._tables import Table
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_cluster import WantedCluster, without_leaving_nodes
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_hypertables import Key

if TYPE_CHECKING:
    from ansible_collections.timescaledb.multinode.plugins.module_utils._holdings import Holding, LostChunk
    from ansible_collections.timescaledb.multinode.plugins.module_utils._left_out import LeftOut
    from ansible_collections.timescaledb.multinode.plugins.module_utils._node_look import NodeLook
    from ansible_collections.timescaledb.multinode.plugins.module_utils._role_state import NodeState
    from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_roles import WantedRoles


@dataclass(frozen=True)
class ObservedCluster:
    """What the plan depends on.

    Args:
        looks: the data nodes that had to be looked at.
        tables: the wanted hypertables by schema and name.
        intervals: their wanted chunk intervals in the units of their dimensions.
        holdings: the hypertables on data nodes that leave the cluster or a hypertable.
        jobs: the wanted jobs by name.
        roles: what the access node and the data nodes have of declared roles, schemas and extensions; empty where none are declared.
        lost: chunks that only data nodes have which are given up.
        left_out: hypertables whose new chunks go past data nodes that are wanted available.
        sources: by data node that becomes available again, chunks of which it may have the only whole copy.
        errors: why data nodes that are wanted available cannot be.
    """

    access_node: AccessNode
    looks: dict[Endpoint, NodeLook]
    tables: dict[Key, Table]
    intervals: dict[str, int]
    holdings: list[Holding]
    jobs: dict[str, Job] = field(default_factory=dict)
    roles: list[NodeState] = field(default_factory=list)
    lost: list[LostChunk] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    sources: dict[str, list[int]] = field(default_factory=dict)
    errors: list[ClusterError] = field(default_factory=list)


def plan_cluster(wanted: WantedCluster, observed: ObservedCluster) -> Plan:
    """Decide the steps. Raises ClusterError(s) with every reason not to start."""
    nodes = DataNodePlanner(observed.access_node, observed.looks, observed.sources)
    nodes.keep([node for node in wanted.nodes if node.present])
    first = len(nodes.steps)
    registered = replace(observed.access_node, data_nodes=dict(nodes.nodes))
    found = _tables_behind_roles(wanted, observed)
    hypertables = without_leaving_nodes(wanted, found, registered)
    planners = decided(hypertables, registered, found, observed.intervals, observed.holdings)
    nodes.remove(list(wanted.leaving.values()), _left(observed.holdings, planners), _still_lost(observed.lost, planners))
    roles = _plan_roles(wanted.roles, observed.roles, sorted(nodes.nodes), planners)
    jobs = JobPlanner(observed.access_node, observed.jobs)
    jobs.decide(wanted.jobs)
    errors = observed.errors + nodes.errors + roles.errors + [error for planner in planners for error in planner.errors] + jobs.errors
    raise_all(errors, [*nodes.steps, *(step for planner in planners for step in planner.steps)])
    tables = joined(planners)
    names = {node.node_name for node in wanted.nodes}
    before = {"data_nodes": shown_nodes(observed.access_node.data_nodes, names), **tables.before, "jobs": shown_jobs(wanted.jobs, observed.jobs)}
    after = {"data_nodes": shown_nodes(nodes.nodes, names), **tables.after, "jobs": shown_jobs(wanted.jobs, jobs.after)}
    return Plan(
        steps=[
            *nodes.steps[:first],
            *_steps_to_take_in(observed),
            *roles.before_tables,
            *tables.steps,
            *nodes.steps[first:],
            *roles.after_tables,
            *jobs.steps,
        ],
        before=before | roles.before,
        after=after | roles.after,
        warnings=nodes.warnings + roles.warnings + tables.warnings,
    )


def _steps_to_take_in(observed: ObservedCluster) -> list[Step]:
    if not observed.left_out:
        return []
    from ansible_collections.timescaledb.multinode.plugins.module_utils._left_out import steps_to_take_in

    return steps_to_take_in(observed.left_out, observed.access_node)


def shown_roles(wanted: WantedRoles, nodes: list[NodeState]) -> State:
    """The declared roles, schemas and extensions; nothing at all where none are."""
    if not wanted.given:
        return {}
    from ansible_collections.timescaledb.multinode.plugins.module_utils._role_plan import shown

    return shown(wanted, nodes)


class _Roles(NamedTuple):
    """The part of the plan that is about roles, schemas and extensions."""

    before_tables: list[Step]
    after_tables: list[Step]
    before: State
    after: State
    errors: list[ClusterError]
    warnings: list[str]


def _plan_roles(wanted: WantedRoles, nodes: list[NodeState], registered: list[str], planners: list[HypertablePlanner]) -> _Roles:
    if not wanted.given:
        return _Roles([], [], {}, {}, [], [])
    from ansible_collections.timescaledb.multinode.plugins.module_utils._cluster_roles import draft_cluster_roles

    draft = draft_cluster_roles(wanted, nodes, registered, planners)
    before, after = shown_roles(wanted, nodes), shown_roles(wanted, draft.nodes)
    return _Roles(draft.steps_before_tables(), draft.steps_after_tables(), before, after, draft.errors, draft.warnings)


def _tables_behind_roles(wanted: WantedCluster, observed: ObservedCluster) -> dict[Key, Table]:
    """The tables as their plan finds them, behind the steps for roles and schemas."""
    if not wanted.roles.given:
        return observed.tables
    from ansible_collections.timescaledb.multinode.plugins.module_utils._cluster_roles import with_declared

    owners = {(table.schema, table.relation): table.owner for table in wanted.hypertables if table.present}
    return with_declared(wanted.roles, observed.tables, observed.roles, owners)


def _left(holdings: list[Holding], planners: list[HypertablePlanner]) -> list[Holding]:
    """What data nodes hold after the steps for hypertables."""
    planned = {planner.found.hypertable_id: planner for planner in planners if planner.found.is_distributed}
    left = []
    for holding in holdings:
        planner = planned.get(holding.hypertable_id)
        if planner is None:
            left.append(holding)
        elif isinstance(planner, Change) and planner.holding is not None:
            left.append(planner.holding)
    return left


def _still_lost(lost: list[LostChunk], planners: list[HypertablePlanner]) -> list[LostChunk]:
    """Those of the chunks that are there after the steps for hypertables."""
    dropped = {planner.found.hypertable_id for planner in planners if not planner.wanted.present}
    return [chunk for chunk in lost if chunk.hypertable_id not in dropped]
