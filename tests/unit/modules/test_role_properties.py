# GPL-3.0-or-later (see LICENSE)
"""Properties of every plan for roles: checked on many nodes and declarations, by a model that only reads SQL."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from _choices import Choices, chosen
from _role_checks import check_role
from _role_examples import NAMES, VERIFIERS, declared_roles, defaults, held, role
from _role_model import Model, Refused
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._plan_text import plan_text
from ansible_collections.timescaledb.multinode.plugins.module_utils._privileges import Object
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_declarations import wanted_roles
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_options import ATTRIBUTES, role_list
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_plan import plan_roles, shown
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_state import ACCESS_NODE, PUBLIC, NodeState, Owned, Relation, Role, Schema
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Endpoint, Plan
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

DATA_NODES = ("dn1", "dn2", "dn3")
TABLES = (Object("table", "public", "t"), Object("table", "public", "d"), Object("table", "m", "d"), Object("sequence", "m", "s"))

many = settings(max_examples=200, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


def clusters(choose: Choices) -> list[NodeState]:
    distributed = {object: frozenset(choose.some_of(DATA_NODES, least=1)) for object in TABLES if object.name == "d"}
    nodes: list[NodeState] = []
    schemas_there = choose.one_of([("public", "m"), ("public", "m"), ("public",)])
    for number, name in enumerate((ACCESS_NODE, *DATA_NODES)):
        if number and choose.one_in(16):
            continue  # registered as not available
        node = NodeState(name, Endpoint(name, 5432, f"db{number}") if number else None, "s", f"db{number}", "postgres")
        # dn2 may be on the access node's server, dn3 on that of dn1.
        node.server = choose.one_of({"dn2": ["dn2", ACCESS_NODE], "dn3": ["dn3", "dn1"]}.get(name, [name]))
        beside = next((other for other in nodes if other.server == node.server), None)
        node.roles = {"postgres": Role(dict.fromkeys(ATTRIBUTES, True)), "g": Role(dict.fromkeys(ATTRIBUTES, False))}
        node.roles.update({name: role(choose) for name in choose.some_of(NAMES)})
        if beside:
            node.roles = beside.roles
        node.schemas = {schema: Schema("postgres", choose.one_of([0, 0, 1])) for schema in schemas_there}
        for schema in node.schemas:
            node.held(Object("schema", "", schema), "postgres").grant(frozenset({"USAGE", "CREATE"}))
            node.acl[Object("schema", "", schema)][PUBLIC] = held(choose, "schema")
        for object in TABLES:
            there = object.schema in node.schemas and (not number or (name in distributed[object] if object.name == "d" else choose.maybe()))
            if there:
                node.relations[object] = Relation("postgres", None if number else distributed.get(object))
        objects = [Object("database", "", ""), *(Object("schema", "", schema) for schema in node.schemas), *node.relations]
        objects += [] if number else [Object("foreign server", "", data_node) for data_node in DATA_NODES]
        objects += [Object("default tables", "", role) for role in node.roles if role != "postgres"]
        for object in objects:
            for name in node.roles:
                if name != "postgres" and choose.maybe():
                    node.acl.setdefault(object, {})[name] = held(choose, object.kind)
        node.owned = {name: Owned() for name in node.roles}
        if not number and choose.maybe():
            node.mappings = {name: {"dn1": False} for name in node.roles if name != "postgres"}
        nodes.append(node)
    return nodes


def planned(model: Model, declared: dict[str, Any]) -> Plan:
    return plan_roles(wanted_roles(declared), model.nodes, list(DATA_NODES))


def planned_or_assumed(model: Model, declared: dict[str, Any]) -> Plan:
    try:
        return planned(model, declared)
    except ClusterError:
        assume(False)
        raise


@many
@given(chosen(clusters), chosen(declared_roles, TABLES, DATA_NODES))
def test_the_steps_lead_to_what_the_plan_says_and_nothing_is_left_to_do(nodes, declared):
    model = Model(nodes)
    plan = planned_or_assumed(model, declared)
    result = model.after(plan.steps)
    wanted = wanted_roles(declared)
    assert plan.before == shown(wanted, model.nodes)
    assert plan.after == shown(wanted, result.nodes)
    again = planned(result, declared)
    assert again.steps == [] and again.before == again.after == plan.after


@many
@given(chosen(clusters), chosen(declared_roles, TABLES, DATA_NODES))
def test_every_node_is_as_declared(nodes, declared):
    model = Model(nodes)
    result = model.after(planned_or_assumed(model, declared).steps)
    for row, wanted in zip(declared["roles"], wanted_roles(declared).roles):
        for node in result.nodes:
            check_role(row, wanted, node)


@many
@given(chosen(clusters), chosen(declared_roles, TABLES, DATA_NODES))
def test_no_step_is_in_vain(nodes, declared):
    model = Model(nodes)
    for step in planned_or_assumed(model, declared).steps:
        changed = model.after([step])
        # What a role has in a database is taken from it whether or not it has anything.
        assert changed.state() != model.state() or "DROP OWNED" in step.statement.template, step
        model = changed


@many
@given(chosen(clusters), chosen(declared_roles, TABLES, DATA_NODES))
def test_what_is_not_declared_is_not_touched(nodes, declared):
    model = Model(nodes)
    result = model.after(planned_or_assumed(model, declared).steps)
    declared_roles = {row["name"] for row in declared["roles"]}
    for before, after in zip(model.nodes, result.nodes):
        assert all(after.roles[name] == role for name, role in before.roles.items() if name not in declared_roles)
        for object, entry in before.acl.items():
            if object.kind == "schema" and declared["schemas"] and object.name == "m":
                continue
            assert all(after.held(object, role) == held for role, held in entry.items() if role not in declared_roles)


@many
@given(chosen(clusters), chosen(declared_roles, TABLES, DATA_NODES), st.data())
def test_an_interrupted_run_is_finished_by_the_next_one(nodes, declared, data):
    model = Model(nodes)
    plan = planned_or_assumed(model, declared)
    # Lanes run side by side: of each server's steps the first ones are done. The access node's come in between.
    done = plan.steps[: data.draw(st.integers(0, len(plan.steps)))]
    interrupted = model.after(done)
    rest = planned(interrupted, declared)
    wanted = wanted_roles(declared)
    assert shown(wanted, interrupted.after(rest.steps).nodes) == plan.after


@many
@given(chosen(clusters), chosen(declared_roles, TABLES, DATA_NODES))
def test_secrets_are_in_no_text(nodes, declared):
    plan = planned_or_assumed(Model(nodes), declared)
    text = f"{plan} {plan_text(plan)} {[step.statement.without_secrets() for step in plan.steps]}"
    assert not any(verifier in text for verifier in VERIFIERS)


def test_enough_of_the_examples_are_not_refused():
    """Else the tests above would prove little."""
    counted = {True: 0, False: 0}

    @settings(many, max_examples=300)
    @given(chosen(clusters), chosen(declared_roles, TABLES, DATA_NODES))
    def count(nodes, declared):
        with suppress(ClusterError):
            counted[bool(planned(Model(nodes), declared).steps)] += 1

    count()
    assert counted[True] > 30, counted


def test_the_model_refuses():
    """It would not find a wrong plan otherwise."""
    node = NodeState(ACCESS_NODE, None, "s", "db", "postgres", schemas={"m": Schema("postgres")})
    wanted = wanted_roles(dict(roles=[dict(defaults(role_list()), name="r", distributed_hypertables_in=["m"])], schemas=None, extensions=None))
    steps = plan_roles(wanted, [node], []).steps
    assert [step.action for step in steps] == ["create", "grant", "grant"]
    with pytest.raises(Refused, match="role r does not exist"):
        Model([node]).after(steps[1:])
    with pytest.raises(Refused, match="it has privileges"):
        drop = wanted_roles(dict(roles=[dict(defaults(role_list()), name="r", state="absent")], schemas=None, extensions=None))
        there = Model([node]).after(steps)
        there.after(plan_roles(drop, there.nodes, []).steps[1:])
