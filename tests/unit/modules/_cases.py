# GPL-3.0-or-later (see LICENSE)
"""How the properties of a whole cluster's plan are tried: on what examples, and what becomes of those that are refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from _choices import chosen
from _cluster_declarations import Declared, case
from _model import Model
from _place_model import Unforeseen
from _seen import planned
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Plan, Step
from hypothesis import HealthCheck, assume, settings

many = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
cases = chosen(case)


def planned_or_refused(model: Model, declared: Declared) -> Plan | None:
    try:
        return planned(model, declared)
    except ClusterError:
        return None


def planned_or_forgotten(model: Model, declared: Declared) -> Plan:
    """Let hypothesis forget the example where the plan is refused: there is nothing to apply."""
    plan = planned_or_refused(model, declared)
    assume(plan is not None)
    return plan


def done(model: Model, declared: Declared, steps: Sequence[Step]) -> Model:
    """The cluster after the steps. An example is forgotten where they fail for a role on a data node of which the task says nothing."""
    try:
        return model.after(steps)
    except Unforeseen as unforeseen:
        assert not is_declared(unforeseen, declared), unforeseen
        assume(False)
        raise


def is_declared(unforeseen: Unforeseen, declared: Declared) -> bool:
    row: dict[str, Any] = next((row for row in declared["roles"] or () if row["name"] == unforeseen.role), {"state": "absent"})
    staying = {row["node_name"] for row in declared["data_nodes"] if row["state"] == "present"}
    leaving = {row["node_name"] for row in declared["data_nodes"]} - staying
    # A data node that leaves gets no roles, and is told a table's new owner all the same where another one joins: that step fails, and it is not foreseen.
    if row["state"] == "absent" or unforeseen.node_name in leaving or (declared["prune"] and unforeseen.node_name not in staying):
        return False
    return unforeseen.schema is None or (row["login"] is not False and unforeseen.schema in (row["distributed_hypertables_in"] or ()))
