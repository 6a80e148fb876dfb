# GPL-3.0-or-later (see LICENSE)
"""What holds for the plan of any cluster and any declaration."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from _cases import cases, done, many, planned_or_forgotten, planned_or_refused
from _choices import Choices, chosen
from _interruptions import interrupted
from _seen import planned
from _small_cluster import endpoint, small_cluster
from ansible_collections.timescaledb.multinode.plugins.module_utils._plan_text import plan_text
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Endpoint
from hypothesis import given, settings
from hypothesis import strategies as st


@many
@given(cases)
def test_no_step_is_refused_and_the_state_is_the_predicted_one(case):
    model, declared = case
    plan = planned_or_forgotten(model, declared)
    result = done(model, declared, plan.steps)
    again = planned(result, declared)
    assert again.steps == []
    assert again.before == again.after == plan.after


@many
@given(cases)
def test_no_step_is_in_vain(case):
    model, declared = case
    state = model.state()
    for step in planned_or_forgotten(model, declared).steps:
        model, before = done(model, declared, [step]), state
        state = model.state()
        # What a role has in a database is taken from it whether or not it has anything; whether a schema is there only the data node knows.
        as_well = "DROP OWNED" in step.statement.template or "distributed_exec" in step.statement.template
        assert as_well or state != before, step


@many
@given(cases, st.randoms())
def test_no_order_of_declaration_changes_the_result(case, random):
    model, declared = case
    shuffled = _shuffled(declared, random)
    plan, other = planned_or_refused(model, declared), planned_or_refused(model, shuffled)
    assert (plan is None) is (other is None)
    if plan and other:
        assert done(model, declared, plan.steps).state() == done(model, shuffled, other.steps).state()


def _shuffled(value: Any, random: Any) -> Any:
    """With every list in it in another order."""
    if isinstance(value, dict):
        return {name: _shuffled(each, random) for name, each in value.items()}
    if isinstance(value, list):
        value = [_shuffled(each, random) for each in value]
        random.shuffle(value)
    return value


@many
@given(cases, chosen(lambda choose: choose))
def test_an_interrupted_run_is_finished_by_the_next_one(case, choose):
    model, declared = case
    plan = planned_or_forgotten(model, declared)
    uninterrupted = done(model, declared, plan.steps)
    begun = done(model, declared, interrupted(choose, plan.steps))
    finished = done(begun, declared, planned(begun, declared).steps)
    assert finished.state() == uninterrupted.state()


@many
@given(cases)
def test_the_text_says_every_step_and_every_danger(case):
    plan = planned_or_forgotten(*case)
    text = plan_text(plan)
    assert bool(text) is bool(plan.steps)
    lines = text.splitlines()[1:]
    assert sum(" ! DANGER: " in line for line in lines) == sum(bool(step.danger) for step in plan.steps)
    said = [line for line in lines if "DANGER" not in line and not line.startswith("warning")]
    assert len(said) == len(plan.steps)
    assert all(step.subject in line and step.reason in line for step, line in zip(plan.steps, said))


ENOUGH = {
    "data node": {"add", "alter", "delete", "detach", "clear membership", "drop database"},
    "distributed hypertable": {"create table", "create", "alter", "attach", "detach", "set", "create index", "drop"},
    "chunk": {"drop"},
    "role": {"create", "alter", "grant", "revoke", "reassign", "drop"},
    "schema": {"create schema", "create", "alter", "grant", "revoke", "drop", "drop schema"},
    "extension": {"create", "alter"},
    "analyze job": {"create procedure", "replace procedure", "add", "alter", "delete", "drop procedure"},
    "heal job": {"create procedure", "replace procedure", "add", "alter", "delete", "drop procedure"},
}


def test_enough_of_the_examples_are_not_refused():
    """Else the tests above would prove little: of each kind of object, and of whatever can happen to it."""
    counted: Counter[tuple[str, str]] = Counter()

    @settings(many, max_examples=600, derandomize=True, database=None)
    @given(cases)
    def count(case):
        plan = planned_or_refused(*case)
        counted.update({(_kind(step.subject), step.action) for step in plan.steps} | {("plan", "")} if plan and plan.steps else ())

    count()
    assert counted["plan", ""] > 120, counted
    kinds = {kind: {action for of, action in counted if of == kind} for kind in ENOUGH}
    assert kinds == ENOUGH
    for kind in ENOUGH:
        assert sum(number for (of, _action), number in counted.items() if of == kind) > (0 if kind == "chunk" else 10), (kind, counted)


def _kind(subject: str) -> str:
    return next(kind for kind in ENOUGH if subject.startswith(kind))


@pytest.mark.parametrize(
    "reason, refused",
    [
        ("it would lose data", lambda model: model.delete_data_node("dn1", force=True, repartition=True)),
        ("it cannot be attached", lambda model: model.hypertables.attach_data_node("dn9", "public", "a", repartition=True)),
        ("it is a data node", lambda model: model.clear_membership(endpoint("dn1"), {})),
        ("no connection", lambda model: model.clear_membership(Endpoint("dn1.example", 6000, "of_dn1"), {})),
        ("it is another one", lambda model: model.drop_database(Endpoint("dn1.example", 5432, "postgres"), {"database": "of_dn1"})),
        ("function does not exist", lambda model: model.jobs.add({}, ["heal_data_nodes", "1 day", "1 day", "1 day"])),
    ],
)
def test_the_model_refuses(reason, refused):
    """It would not find a wrong plan otherwise."""
    with pytest.raises(AssertionError, match=reason):
        refused(small_cluster(chunks={"a_0": {"dn1"}}))


def test_choices_are_as_usual_where_there_are_none_left():
    choose = Choices(b"\x01")
    assert (choose.one_of("ab"), choose.one_of("ab"), choose.up_to(3, 1), choose.maybe(), choose.some_of("ab", least=1)) == ("b", "a", 1, False, ["a"])
