# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""What every module of the collection does around its plan: connect, plan, apply unless in check mode, report."""

from __future__ import annotations

from time import monotonic, sleep
from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode, observe_access_node
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection, connect_as_login
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError, InterruptedPlan, findings, raise_all
from ansible_collections.timescaledb.multinode.plugins.module_utils._plan_text import plan_text
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Plan, State, Step

MakePlan = Callable[[AnsibleModule, Connection, AccessNode], Plan]
ReadState = Callable[[AnsibleModule, Connection], State]

# What objects are known by among those of their kind.
_NAMES = (("node_name",), ("job",), ("node", "name"), ("schema", "relation"))


# What the server, or its death, says to sessions while it starts again after a crash.
_RESTARTING = (
    "is starting up",
    "in recovery mode",
    "not yet accepting connections",
    "closed the connection unexpectedly",
    "is shutting down",
    "terminating connection",
    "crash of another server process",
)
_POLL = 0.05
_MAXIMUM_SESSIONS = 64


class _Failed(Exception):
    """The end of an attempt: the error, and what the result says beside it."""

    def __init__(self, error: ClusterError, message: str, result: dict[str, Any]) -> None:
        super().__init__(message)
        self.error = error
        self.result = result


def session_errors(module: AnsibleModule) -> list[ClusterError]:
    """What is wrong with the option sessions."""
    sessions = module.params["sessions"]
    return [] if 1 <= sessions <= _MAXIMUM_SESSIONS else [ClusterError("option sessions", f"it is {sessions}", f"choose 1 to {_MAXIMUM_SESSIONS}")]


def converge(module: AnsibleModule, make_plan: MakePlan, read_state: ReadState, only: str | None = None, patience: float = 0) -> None:
    """Run a module from connection to exit_json or fail_json.

    Args:
        make_plan: reads what it needs and returns the plan; raises ClusterError with every reason not to start.
        read_state: reads the state again after steps were taken, in the form of Plan.after.
        only: the one kind of objects that the module is about; its result has them as a list. A module about a whole cluster shows the
            objects that change, for the others may be many.
        patience: seconds to go on trying while the access node's server starts again.
    """
    end = monotonic() + patience
    while True:
        try:
            result = _attempt(module, make_plan, read_state, only)
            break
        except _Failed as failure:
            if monotonic() > end or not any(text in failure.error.cause for text in _RESTARTING):
                module.fail_json(msg=str(failure), **failure.result)
        sleep(_POLL)
    # By itself Ansible would list each option that was left out, of each of hundreds of objects.
    module.exit_json(invocation={"module_args": _given(module.params)}, **result)


def _given(value: Any) -> Any:
    """A module's parameters without those that are None."""
    if isinstance(value, dict):
        return {name: _given(each) for name, each in value.items() if each is not None}
    return [_given(each) for each in value] if isinstance(value, list) else value


def _attempt(module: AnsibleModule, make_plan: MakePlan, read_state: ReadState, only: str | None) -> dict[str, Any]:
    """The result. Raises _Failed."""
    try:
        connection = connect_as_login(module)
    except ClusterError as error:
        raise _Failed(error, str(error), {}) from error
    result: dict[str, Any] = {}
    try:
        access_node = observe_access_node(connection)
        try:
            plan = make_plan(module, connection, access_node)
        except ClusterError as error:
            raise_all(findings(error) + _node_errors(module, access_node, error.steps))
        raise_all(_node_errors(module, access_node, plan.steps))
        plan.steps[:0] = _steps_before(module, connection, access_node, plan.steps)
        text, before, after = plan_text(plan), plan.before, plan.after
        if not only:
            before, after = _without_equal(before, after)
        result = dict(plan.notes, changed=bool(plan.steps), before=before[only] if only else before, steps=_shown(connection, plan.steps))
        if plan.steps and not module.check_mode:
            plan.warnings += _apply(module, connection, access_node, plan.steps)
            after = read_state(module, connection)
            if not only:
                after = _without_equal(plan.before, after)[1]
        result["after"] = after[only] if only else after
        for warning in dict.fromkeys(plan.warnings + connection.take_warnings()):
            module.warn(warning)
    except InterruptedPlan as error:
        done = [shown for step, shown in zip(plan.steps, result["steps"]) if step in error.done]
        result.update(changed=bool(done), steps=done)
        raise _Failed(error, f"{error} Steps done before it: {len(done)}; run the task again to go on.", result) from error
    except ClusterError as error:
        raise _Failed(error, str(error), {}) from error
    finally:
        connection.close()
    if module._diff:
        # What is prepared is shown as it is, below the two states.
        result["diff"] = dict(before=before, after=after, prepared=text)
    return result


# Most runs have nothing to do. A module's files are compiled in each run, so what only steps need is not imported before there are any.
def _steps_before(module: AnsibleModule, connection: Connection, access_node: AccessNode, steps: list[Step]) -> list[Step]:
    needed = {name for step in steps for name in step.needs}
    if not needed:
        return []
    from ansible_collections.timescaledb.multinode.plugins.module_utils._healing import healing_steps

    return healing_steps(module, connection, access_node, needed)


def _node_errors(module: AnsibleModule, access_node: AccessNode, steps: list[Step]) -> list[ClusterError]:
    if not any(step.needs for step in steps):
        return []
    from ansible_collections.timescaledb.multinode.plugins.module_utils._readiness import node_errors

    return node_errors(module, access_node, steps)


def _apply(module: AnsibleModule, connection: Connection, access_node: AccessNode, steps: list[Step]) -> list[str]:
    from ansible_collections.timescaledb.multinode.plugins.module_utils._apply import apply_steps

    return apply_steps(module, connection, access_node, steps, module.params.get("sessions") or 1)


def _without_equal(before: State, after: State) -> tuple[State, State]:
    """Both states without the objects that are the same in both."""
    there = {(kind, _name(entry)): entry for kind, entries in before.items() for entry in entries}
    equal = {(kind, _name(entry)) for kind, entries in after.items() for entry in entries if there.get((kind, _name(entry))) == entry}

    def without(state: State) -> State:
        return {kind: [entry for entry in entries if (kind, _name(entry)) not in equal] for kind, entries in state.items()}

    return without(before), without(after)


def _name(entry: dict[str, Any]) -> tuple[str, ...]:
    return next(tuple(entry[key] for key in keys) for keys in _NAMES if keys[0] in entry)


def _shown(connection: Connection, steps: list[Step]) -> list[dict[str, Any]]:
    return [
        dict(
            object=step.subject,
            action=step.action,
            effect=step.effect,
            reason=step.reason,
            danger=step.danger or None,
            sql=connection.render(step.statement),
            database=str(step.endpoint) if step.endpoint else connection.name,
        )
        for step in steps
    ]
