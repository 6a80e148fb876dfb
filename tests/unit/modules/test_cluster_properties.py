# GPL-3.0-or-later (see LICENSE)
"""What holds for the plan of any cluster and any declaration."""

from __future__ import annotations

from typing import Any

import pytest
from _build import node_parameters, table_parameters
from _model import INTERVALS, SCHEMA, Model, ModelNode, ModelTable
from ansible_collections.timescaledb.multinode.plugins.module_utils._cluster_plan import plan_cluster
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._plan_text import plan_text
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Plan
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_cluster import wanted_cluster
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

NODES = ["dn1", "dn2", "dn3", "dn4", "dn5"]
TABLES = ["a", "b", "c"]
INDEXES = [("time",), ("device", "time")]

many = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])


@st.composite
def clusters(draw) -> Model:
    model = Model()
    for name in draw(st.lists(st.sampled_from(NODES), unique=True)):
        model.nodes[name] = ModelNode(f"{name}.example", draw(st.sampled_from([5432, 6000])), "metrics", draw(st.integers(0, 9)) > 0)
    for name in draw(st.lists(st.sampled_from(TABLES), unique=True)):
        model.tables[name] = draw(tables_on(sorted(model.nodes)))
    return model


@st.composite
def tables_on(draw, nodes: list[str]) -> ModelTable:
    if not nodes or draw(st.integers(0, 4)) == 0:
        return ModelTable()
    attached = draw(st.lists(st.sampled_from(nodes), min_size=1, unique=True))
    factor = draw(st.integers(1, len(attached)))
    space = draw(st.sampled_from(["device", None]))
    chunks = st.lists(st.sampled_from(attached), min_size=1, max_size=factor, unique=True).map(set)
    return ModelTable(
        nodes=attached,
        factor=factor,
        interval=draw(st.sampled_from(sorted(INTERVALS.values()))),
        space=space,
        partitions=draw(st.integers(1, 6)) if space else None,
        indexes=set(draw(st.lists(st.sampled_from(INDEXES)))),
        chunks=draw(st.lists(chunks, max_size=3)),
    )


def or_none(values: st.SearchStrategy) -> st.SearchStrategy:
    return st.one_of(st.none(), values)


@st.composite
def declarations(draw) -> dict[str, Any]:
    """The parameters of timescale_cluster."""
    nodes = []
    for name in draw(st.lists(st.sampled_from(NODES), unique=True)):
        if draw(st.integers(0, 2)) == 0:
            nodes.append(node_parameters(node_name=name, state="absent", force=draw(st.booleans()), repartition=draw(st.booleans())))
        else:
            port, available = draw(or_none(st.sampled_from([5432, 6000]))), draw(or_none(st.booleans()))
            nodes.append(node_parameters(node_name=name, host=f"{name}.example", port=port, available=available))
    tables = []
    for name in draw(st.lists(st.sampled_from(TABLES), unique=True)):
        if draw(st.integers(0, 3)) == 0:
            tables.append(table_parameters(relation=name, state="absent", time_column_name=None, drop_data=draw(st.booleans())))
            continue
        space = draw(st.sampled_from(["device", None]))
        tables.append(
            table_parameters(
                relation=name,
                definition="time timestamptz NOT NULL, device int NOT NULL",
                partitioning_column=space,
                number_partitions=draw(or_none(st.integers(1, 6))) if space else None,
                chunk_time_interval=draw(or_none(st.sampled_from(sorted(INTERVALS)))),
                replication_factor=draw(or_none(st.integers(1, 3))),
                data_nodes=draw(or_none(st.lists(st.sampled_from(NODES), min_size=1, unique=True))),
                create_default_indexes=draw(st.booleans()),
                force=draw(st.booleans()),
                repartition=draw(st.booleans()),
            )
        )
    return dict(data_nodes=nodes, hypertables=tables, prune=draw(st.integers(0, 3)) == 0, drop_data=draw(st.booleans()))


def planned(model: Model, declared: dict[str, Any]) -> Plan:
    wanted = wanted_cluster(declared, model.access_node(), model.distributed())
    return plan_cluster(wanted, model.observe(wanted))


def planned_or_refused(model: Model, declared: dict[str, Any]) -> Plan | None:
    try:
        return planned(model, declared)
    except ClusterError:
        return None


def refused(model: Model, declared: dict[str, Any]) -> None:
    """Let hypothesis forget this example: there is nothing to apply."""
    assume(planned_or_refused(model, declared) is not None)


@many
@given(clusters(), declarations())
def test_no_step_is_refused_and_the_state_is_the_predicted_one(model, declared):
    refused(model, declared)
    plan = planned(model, declared)
    result = model.after(plan.steps)
    again = planned(result, declared)
    assert again.steps == []
    assert again.before == again.after == plan.after


@many
@given(clusters(), declarations())
def test_applying_the_plan_gives_what_was_declared(model, declared):
    refused(model, declared)
    result = model.after(planned(model, declared).steps)
    for node in declared["data_nodes"]:
        found = result.nodes.get(node["node_name"])
        assert (found is not None) is (node["state"] == "present")
        if found:
            assert node["port"] in (None, found.port) and node["available"] in (None, found.available) and node["host"] == found.host
    for table in declared["hypertables"]:
        found = result.tables.get(table["relation"])
        if table["state"] == "absent":
            assert found is None or found.nodes is None
            continue
        assert found.nodes is not None
        assert table["data_nodes"] is None or sorted(table["data_nodes"]) == sorted(found.nodes)
        assert table["number_partitions"] in (None, found.partitions)
        assert table["replication_factor"] in (None, found.factor)
        assert table["chunk_time_interval"] is None or INTERVALS[table["chunk_time_interval"]] == found.interval
        assert not table["create_default_indexes"] or ("time",) in found.indexes
    if declared["prune"]:
        assert set(result.nodes) <= {node["node_name"] for node in declared["data_nodes"]}
        assert {name for dummy, name in result.distributed()} <= {table["relation"] for table in declared["hypertables"]}


@many
@given(clusters(), declarations())
def test_no_row_is_lost_and_nothing_else_is_touched(model, declared):
    refused(model, declared)
    result = model.after(planned(model, declared).steps)
    named = {table["relation"]: table for table in declared["hypertables"]}
    for name, table in model.tables.items():
        given_up = declared["drop_data"] if name not in named else named[name]["drop_data"]
        if table.chunks and not given_up:
            assert len(result.tables[name].chunks) == len(table.chunks)
        if name in result.tables:
            assert all(nodes and nodes <= set(result.nodes) for nodes in result.tables[name].chunks)
        if table.nodes is None and name not in named:
            assert result.tables[name] == table
    if not declared["prune"]:
        touched = {node["node_name"] for node in declared["data_nodes"]}
        assert all(result.nodes[name] == node for name, node in model.nodes.items() if name not in touched)
        left = {name for name in model.tables if name not in named}
        leaving = {node["node_name"] for node in declared["data_nodes"] if node["state"] == "absent"}
        for name in left:
            if not leaving & set(model.tables[name].nodes or ()):
                assert result.tables[name] == model.tables[name]


@many
@given(clusters(), declarations(), st.randoms())
def test_no_order_of_declaration_changes_the_result(model, declared, random):
    shuffled = {**declared, "data_nodes": list(declared["data_nodes"]), "hypertables": list(declared["hypertables"])}
    random.shuffle(shuffled["data_nodes"])
    random.shuffle(shuffled["hypertables"])
    plan, other = planned_or_refused(model, declared), planned_or_refused(model, shuffled)
    assert (plan is None) is (other is None)
    if plan and other:
        assert _comparable(model.after(plan.steps)) == _comparable(model.after(other.steps))


def _comparable(model: Model) -> Any:
    for table in model.tables.values():
        table.nodes = table.nodes and sorted(table.nodes)
    return model


@many
@given(clusters(), declarations(), st.data())
def test_an_interrupted_run_is_finished_by_the_next_one(model, declared, data):
    refused(model, declared)
    plan = planned(model, declared)
    interrupted = model.after(plan.steps[: data.draw(st.integers(0, len(plan.steps)))])
    finished = interrupted.after(planned(interrupted, declared).steps)
    assert _comparable(finished) == _comparable(model.after(plan.steps))


@many
@given(clusters(), declarations())
def test_the_text_says_every_step_and_every_danger(model, declared):
    refused(model, declared)
    plan = planned(model, declared)
    text = plan_text(plan)
    assert bool(text) is bool(plan.steps)
    lines = text.splitlines()[1:]
    assert sum(" ! DANGER: " in line for line in lines) == sum(bool(step.danger) for step in plan.steps)
    said = [line for line in lines if "DANGER" not in line and not line.startswith("warning")]
    assert len(said) == len(plan.steps)
    assert all(step.subject in line and step.reason in line for step, line in zip(plan.steps, said))


def test_enough_of_the_examples_are_not_refused():
    """Else the tests above would prove little."""
    counted = {True: 0, False: 0}

    @settings(max_examples=300, deadline=None, derandomize=True, database=None)
    @given(clusters(), declarations())
    def count(model, declared):
        plan = planned_or_refused(model, declared)
        counted[bool(plan and plan.steps)] += 1

    count()
    assert counted[True] > 60, counted


@pytest.mark.parametrize("state", ["absent", "present"])
def test_the_model_refuses(state):
    """It would not find a wrong plan otherwise."""
    model = Model({"dn1": ModelNode("dn1.example", 5432, "metrics")}, {"a": ModelTable(nodes=["dn1"], chunks=[{"dn1"}])})
    with pytest.raises(AssertionError, match="it would lose data" if state == "absent" else "it cannot be attached"):
        if state == "absent":
            model.delete_data_node("dn1", force=True, repartition=True)
        else:
            model.attach_data_node("dn9", SCHEMA, "a", repartition=True)
