# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""The plan for distributed hypertables: from what is wanted and what is there to the steps between. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.timescaledb.multinode.plugins.module_utils import _interval
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import raise_all
from ansible_collections.timescaledb.multinode.plugins.module_utils._hypertable_change import Change
from ansible_collections.timescaledb.multinode.plugins.module_utils._hypertable_planner import HypertablePlanner, missing_indexes
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Plan, Statement
from ansible_collections.timescaledb.multinode.plugins.module_utils._tables import Table
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_hypertables import Key, WantedHypertable

if TYPE_CHECKING:
    from ansible_collections.timescaledb.multinode.plugins.module_utils._holdings import Holding


def leaving_nodes(wanted: list[WantedHypertable], tables: dict[Key, Table]) -> list[str]:
    """The data nodes that some hypertable is to be detached from: what they hold has to be known."""
    names: set[str] = set()
    for table in wanted:
        if table.present and table.data_nodes is not None:
            names |= set(tables[table.schema, table.relation].data_nodes) - set(table.data_nodes)
    return sorted(names)


def plan_hypertables(
    wanted: list[WantedHypertable], access_node: AccessNode, tables: dict[Key, Table], intervals: dict[str, int], holdings: list[Holding]
) -> Plan:
    """Decide the steps. Raises ClusterError(s) with every reason not to start."""
    return joined(decided(wanted, access_node, tables, intervals, holdings))


def decided(
    wanted: list[WantedHypertable], access_node: AccessNode, tables: dict[Key, Table], intervals: dict[str, int], holdings: list[Holding]
) -> list[HypertablePlanner]:
    """One planner for each wanted hypertable, which knows its steps, errors and warnings; those that remove are last."""
    by_hypertable = {holding.hypertable_id: holding for holding in holdings}
    planners = []
    for table in _in_order(wanted):
        found = tables[table.schema, table.relation]
        interval = intervals.get(table.chunk_time_interval or "")
        planners.append(_planner(table, found, access_node, interval, by_hypertable.get(found.hypertable_id)))
        planners[-1].decide()
        if table.present and not planners[-1].errors:
            _warn(planners[-1])
    return planners


def joined(planners: list[HypertablePlanner]) -> Plan:
    """The plans for all hypertables as one. Raises ClusterError(s) with every reason not to start."""
    plan = Plan([], {"hypertables": []}, {"hypertables": []})
    schemas: list[Statement] = []
    for planner in sorted(planners, key=_turn):
        # Two tables of one new schema want the same of it.
        plan.steps += [step for step in planner.steps if step.statement not in schemas]
        schemas += [step.statement for step in planner.steps if step.action == "create schema"]
    for planner in planners:
        plan.warnings += [f"{planner.wanted.subject}: {warning}" for warning in planner.warnings]
        if planner.found.is_distributed:
            plan.before["hypertables"].append(shown(planner.wanted, planner.found))
        if planner.wanted.present and not planner.errors:
            plan.after["hypertables"].append(shown(planner.wanted, planner.after))
    raise_all([error for planner in planners for error in planner.errors], plan.steps)
    return plan


def _planner(wanted: WantedHypertable, found: Table, access_node: AccessNode, interval: int | None, holding: Holding | None) -> HypertablePlanner:
    if not wanted.present:
        from ansible_collections.timescaledb.multinode.plugins.module_utils._hypertable_removal import Removal

        return Removal(wanted, found, access_node, interval)
    if found.hypertable_id is None:
        from ansible_collections.timescaledb.multinode.plugins.module_utils._hypertable_creation import Creation

        return Creation(wanted, found, access_node, interval)
    return Change(wanted, found, access_node, interval, holding)


def _warn(planner: HypertablePlanner) -> None:
    """What the user will regret."""
    nodes, space = len(planner.after.data_nodes), planner.after.space
    if nodes > 1 and space is None:
        planner.warnings.append(
            f"it has no partitioning column, so that only one of its {nodes} data nodes takes new rows at a time; "
            "this can only be chosen when it is created"
        )
    elif space is not None and (space.partitions or 0) < nodes:
        planner.warnings.append(f"it has {space.partitions} partitions on {nodes} data nodes, so that {nodes - (space.partitions or 0)} stay without rows")


def shown_tables(wanted: list[WantedHypertable], tables: dict[Key, Table]) -> list[dict[str, Any]]:
    """Those of the wanted tables that are distributed, in the form and order of results and diffs."""
    found = [(table, tables[table.schema, table.relation]) for table in _in_order(wanted)]
    return [shown(table, is_there) for table, is_there in found if is_there.is_distributed]


def _in_order(wanted: list[WantedHypertable]) -> list[WantedHypertable]:
    return sorted(wanted, key=lambda table: not table.present)


def _turn(planner: HypertablePlanner) -> tuple[bool, int]:
    """Removals come last; a table whose definition names another new one comes behind that."""
    trial = planner.found.trial
    return not planner.wanted.present, trial.turn if trial else 0


def shown(wanted: WantedHypertable, table: Table) -> dict[str, Any]:
    """The form in results and diffs."""
    time, space = table.time, table.space
    state: dict[str, Any] = dict(
        schema=wanted.schema,
        relation=wanted.relation,
        time_column_name=time.column if time else None,
        partitioning_column=space.column if space else None,
        number_partitions=space.partitions if space else None,
        chunk_time_interval=_interval.shown(time.interval or 0, time.type) if time else None,
        replication_factor=table.replication_factor,
        data_nodes=sorted(table.data_nodes),
    )
    if wanted.owner is not None:
        state["owner"] = table.owner
    if wanted.create_default_indexes:
        state["default_indexes"] = not missing_indexes(table)
    return state
