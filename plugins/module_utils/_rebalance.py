# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""A rebalancing from connection to exit_json or fail_json: look, plan, move unless in check mode, report."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode, observe_access_node
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection, connect_as_login
from ansible_collections.timescaledb.multinode.plugins.module_utils._copy_operations import read_placement
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError, raise_all
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_estimate import assumed_seconds, too_long
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_jobs import RebalancePlan, Wanted, check_capacity, check_wanted, plan_moves
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_look import observe_fleet
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_names import check_names
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_reach import check_reach
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_run import Runner
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_text import (
    ASSUMED,
    figures,
    nodes_with,
    overview,
    placement_after,
    plan_table,
    too_long_warning,
)

_MOST_CONCURRENCY = 16


def rebalance(module: AnsibleModule) -> None:
    """Run the module."""
    try:
        connection = connect_as_login(module)
    except ClusterError as error:
        module.fail_json(msg=str(error))
    try:
        result = _rebalance(module, connection)
    except ClusterError as error:
        module.fail_json(msg=str(error))
    finally:
        connection.close()
    if result.pop("failed"):
        module.fail_json(**result)
    module.exit_json(**result)


def _rebalance(module: AnsibleModule, connection: Connection) -> dict[str, Any]:
    wanted = _wanted(module.params)
    access_node = observe_access_node(connection)
    check_wanted(wanted, access_node)
    observed = observe_fleet(module, connection, access_node)
    names = sorted(access_node.data_nodes)
    before = nodes_with(observed, read_placement(connection), names)
    plan = plan_moves(wanted, access_node, observed)
    check_names(connection, plan, observed)
    check_capacity(plan, observed, access_node, module.params["concurrency"])
    plan.seconds = assumed_seconds(plan.moves, observed.capacities, module.params["concurrency"])
    if found := too_long(plan.moves, observed.capacities):
        plan.warnings.append(too_long_warning(found, observed, f"at {ASSUMED}, as long as nothing is measured"))
    check_reach(module, connection, access_node, plan)
    after = nodes_with(observed, placement_after(observed, plan), names)
    text = plan_table(plan, before, after)
    result: dict[str, Any] = dict(failed=False, before=before, plan=figures(plan), moves=[move.shown() for move in plan.moves], stopped="")
    result["lost"] = [dict(chunk=str(chunk), nodes=list(chunk.nodes)) for chunk in plan.lost]
    result["overview"] = overview(plan, before, after)
    result["changed"] = bool(text)
    if text and not module.check_mode:
        result.update(_carry_out(module, connection, access_node, plan, Runner(module, connection, access_node, observed)))
        after = nodes_with(observed, read_placement(connection), names)
    if plan.left:
        result["stopped"] = result["stopped"] or f"the byte_limit of {wanted.byte_limit} was reached"
    result["after"] = after
    for warning in dict.fromkeys(plan.warnings + connection.take_warnings()):
        module.warn(warning)
    if module._diff:
        result["diff"] = dict(before=dict(data_nodes=before), after=dict(data_nodes=after), prepared=text)
    return result


def _carry_out(module: AnsibleModule, connection: Connection, access_node: AccessNode, plan: RebalancePlan, runner: Runner) -> dict[str, Any]:
    """What differs from the prediction."""
    runner.be_the_only_one()
    try:
        runner.prepare(plan)
        stopped = runner.move_all(plan)
    except ClusterError as error:
        more = f"Chunks moved before it: {len(runner.done)}; run the task again to go on."
        changed = bool(runner.done or runner.prepared)
        return dict(failed=True, msg=f"{error} {more}", changed=changed, moves=[move.shown() for move in runner.done])
    moves = [move.shown() for move in plan.moves if move in runner.done]
    return dict(stopped=stopped, changed=bool(runner.done or runner.prepared), moves=moves)


def _wanted(options: dict[str, Any]) -> Wanted:
    errors = []
    for name, low, high in (("concurrency", 1, _MOST_CONCURRENCY), ("tolerance", 0.0, 1.0), ("threshold", 0.0, 1.0), ("lock_timeout", 1, 3600)):
        if not low <= options[name] <= high:
            errors.append(ClusterError(f"option {name}", f"it is {options[name]}", f"choose {low} to {high}"))
    if options["threshold"] < options["tolerance"]:
        errors.append(ClusterError("option threshold", f"it is {options['threshold']}, less than tolerance", f"choose {options['tolerance']} or more"))
    for name in ("time_limit", "byte_limit"):
        if options[name] is not None and options[name] <= 0:
            errors.append(ClusterError(f"option {name}", f"it is {options[name]}", "choose more than 0, or leave it out"))
    if options["state"] == "drained" and not options["nodes"]:
        errors.append(ClusterError("option nodes", "it names no data node to be drained", "name one"))
    if options["state"] != "drained" and options["nodes"]:
        errors.append(ClusterError("option nodes", f"state={options['state']} is about all data nodes", "leave it out"))
    capacities = options["capacities"] or []
    for capacity in capacities:
        if capacity["weight"] <= 0 or (capacity["most_bytes"] is not None and capacity["most_bytes"] < 0):
            errors.append(ClusterError("option capacities", f'what it says of data node "{capacity["node_name"]}" is not possible', "choose a weight above 0"))
    raise_all(errors)
    return Wanted(
        state=options["state"],
        nodes=tuple(dict.fromkeys(options["nodes"] or ())),
        tolerance=options["tolerance"],
        threshold=options["threshold"],
        spread_newest=options["spread_newest"],
        byte_limit=options["byte_limit"],
        weights={capacity["node_name"]: capacity["weight"] for capacity in capacities},
        most_bytes={capacity["node_name"]: capacity["most_bytes"] for capacity in capacities if capacity["most_bytes"] is not None},
    )
