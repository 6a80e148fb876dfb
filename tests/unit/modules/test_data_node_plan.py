# GPL-3.0-or-later (see LICENSE)
from __future__ import annotations

import pytest
from _build import UUID, access_node, data_node, endpoint, holding, look, node_parameters
from ansible_collections.timescaledb.multinode.plugins.module_utils._data_node_plan import looks_needed, plan_data_nodes
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Endpoint, Plan
from ansible_collections.timescaledb.multinode.plugins.module_utils._versions import Release
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_nodes import wanted_nodes

OURS = look(dist_uuid=UUID, maintenance_database="postgres")


def wanted(*rows):
    return wanted_nodes([node_parameters(**row) for row in rows])


def new(name: str, **more) -> dict:
    return dict(node_name=name, host=f"{name}.example", **more)


def plan(rows, an, seen=None, holdings=()) -> Plan:
    """The look at every place where the plan asks for one is the same."""
    nodes = wanted(*rows)
    looks = {request.endpoint: seen or look() for request in looks_needed(nodes, an)}
    return plan_data_nodes(nodes, an, looks, list(holdings))


def taken(made: Plan) -> list[tuple[str, str]]:
    return [(step.subject.split('"')[1], step.action) for step in made.steps]


def refusal(*arguments, **more) -> str:
    with pytest.raises(ClusterError) as raised:
        plan(*arguments, **more)
    return str(raised.value)


@pytest.mark.parametrize(
    "row, looked_at",
    [
        (new("dn1"), False),
        (dict(node_name="dn1"), False),
        (dict(node_name="dn1", available=False), False),
        (dict(node_name="dn1", port=6000), True),
        (new("dn9"), True),
        (dict(node_name="dn2", available=True), True),
        (dict(node_name="dn2"), False),
        (dict(node_name="dn1", state="absent"), False),
        (dict(node_name="dn1", state="absent", drop_database=True), True),
        (dict(node_name="dn9", state="absent", drop_database=True), False),
    ],
)
def test_only_nodes_that_change_are_looked_at(row, looked_at):
    an = access_node("dn1", data_node("dn2", available=False))
    assert bool(looks_needed(wanted(row), an)) is looked_at


@pytest.mark.parametrize(
    "row, needed", [(new("dn9"), False), (new("dn9", reclaim="database"), True), (dict(node_name="dn1", state="absent", drop_database=True), True)]
)
def test_another_database_is_looked_for_where_one_is_dropped(row, needed):
    (request,) = looks_needed(wanted(row), access_node("dn1"))
    assert request.needs_maintenance_database is needed


def test_add():
    made = plan([new("dn1")], access_node())
    (step,) = made.steps
    assert step.statement.template == "SELECT * FROM {schema}.add_data_node(%s, host => %s, database => %s, port => %s, bootstrap => %s)"
    assert step.statement.values == ("dn1", "dn1.example", "metrics", 5432, False)
    assert step.statement.identifiers == {"schema": "public"}
    assert (made.before["data_nodes"], made.after["data_nodes"]) == ([], [data_node("dn1").shown()])


def test_added_unavailable():
    made = plan([new("dn1", available=False)], access_node())
    assert taken(made) == [("dn1", "add"), ("dn1", "alter")]
    assert made.after["data_nodes"][0]["available"] is False


def test_equal():
    made = plan([new("dn1", port=5432, database="metrics", available=True)], access_node("dn1"))
    assert made.steps == [] and made.before["data_nodes"] == made.after["data_nodes"] == [data_node("dn1").shown()]


@pytest.mark.parametrize(
    "option, value, argument", [("host", "h", "host"), ("port", 6000, "port"), ("database", "d", "database"), ("available", False, "available")]
)
def test_alter_says_only_what_changes(option, value, argument):
    made = plan([{"node_name": "dn1", option: value}], access_node("dn1"), OURS)
    (step,) = made.steps
    assert step.statement.template == f"SELECT * FROM {{schema}}.alter_data_node(%s, {argument} => %s)"
    assert step.statement.values == ("dn1", value)
    assert made.after["data_nodes"][0][option] == value


def test_alter_of_several():
    made = plan([dict(node_name="dn1", host="h", port=6000)], access_node("dn1"), OURS)
    assert made.steps[0].reason == "host is dn1.example, wanted h, port is 5432, wanted 6000"
    assert made.after["data_nodes"] == [data_node("dn1", endpoint=Endpoint("h", 6000, "metrics")).shown()]


def test_alter_on_an_old_release():
    old = access_node("dn1", release=Release(2, 8, 1))
    assert "2.8.1 cannot alter a data node (2.9.0 can)" in refusal([dict(node_name="dn1", host="h")], old, look(dist_uuid=UUID, release=Release(2, 8, 1)))
    assert plan([new("dn1")], old).steps == []


@pytest.mark.parametrize("row", [dict(node_name="dn1", available=False), dict(node_name="dn1", state="absent")])
def test_node_of_another_owner(row):
    an = access_node(data_node("dn1", may_change=False, owner="alice"))
    assert "the role does not own it (alice does)" in refusal([row], an)


def test_may_not_add():
    assert "may not add data nodes" in refusal([new("dn1")], access_node(may_add=False))


def test_removals_come_last():
    made = plan([dict(node_name="dn1", state="absent"), new("dn3"), dict(node_name="dn2", available=False)], access_node("dn1", "dn2"))
    assert taken(made) == [("dn3", "add"), ("dn2", "alter"), ("dn1", "delete")]
    assert [node["node_name"] for node in made.before["data_nodes"]] == ["dn1", "dn2"]
    assert [node["node_name"] for node in made.after["data_nodes"]] == ["dn2", "dn3"]


@pytest.mark.parametrize(
    "rows",
    [
        [new("dn9"), dict(new("dn9"), node_name="twin")],
        [dict(new("dn1"), node_name="twin")],
        [dict(node_name="dn1", state="absent"), dict(new("dn1"), node_name="twin")],
        [dict(node_name="dn2", host="dn1.example")],
    ],
)
def test_one_place_for_two_names(rows):
    assert "is already that of data node" in refusal(rows, access_node("dn1", "dn2"), OURS)


def test_two_nodes_change_places():
    made = plan([dict(node_name="dn1", host="dn2.example"), dict(node_name="dn2", host="dn1.example")], access_node("dn1", "dn2"), OURS)
    assert taken(made) == [("dn1", "alter"), ("dn2", "alter")]


def test_delete_and_its_warning():
    made = plan([dict(node_name="dn1", state="absent", repartition=False, force=True)], access_node("dn1"))
    assert made.steps[0].statement.template == "SELECT {schema}.delete_data_node(%s, force => %s, repartition => %s)"
    assert made.steps[0].statement.values == ("dn1", True, False)
    assert "keeps its data and its membership" in made.warnings[0]
    assert made.after["data_nodes"] == []


@pytest.mark.parametrize(
    "release, actions",
    [
        ("2.9.2", ["delete"]),
        ("2.9.1", ["delete", "drop database"]),
        ("2.6.0", ["delete", "drop database"]),
    ],
)
def test_drop_database_is_left_to_releases_that_do_it_safely(release, actions):
    row = dict(node_name="dn1", state="absent", drop_database=True)
    made = plan([row], access_node("dn1", release=Release.parse(release)), OURS)
    assert [step.action for step in made.steps] == actions
    assert ("drop_database => %s" in made.steps[0].statement.template) is (len(actions) == 1)
    if len(actions) == 2:
        assert made.steps[1].endpoint == endpoint("dn1", "postgres")
        assert made.steps[1].statement.identifiers == {"database": "metrics"}
    assert made.warnings == []


@pytest.mark.parametrize(
    "seen, word",
    [
        (look(unreachable=True, reason="refused."), "drop_database needs the node: refused"),
        (look(dist_uuid=UUID), "no login to another database"),
        (look(dist_uuid="foreign", maintenance_database="postgres"), "no data node of this cluster, it is not dropped"),
    ],
)
def test_drop_database_has_limits(seen, word):
    assert word in refusal([dict(node_name="dn1", state="absent", drop_database=True)], access_node("dn1"), seen)


def test_absent_already():
    made = plan([dict(node_name="dn9", state="absent")], access_node("dn1"))
    assert (made.steps, made.before["data_nodes"], made.after["data_nodes"], made.warnings) == ([], [], [], [])


def test_data_in_the_way():
    row = dict(node_name="dn3", state="absent", force=True)
    assert 'that only "dn3" holds' in refusal([row], access_node("dn1", "dn2", "dn3"), holdings=[holding(("dn3", 2))])


def test_nodes_that_leave_together_are_judged_together():
    rows = [dict(node_name=name, state="absent", force=True) for name in ("dn2", "dn3")]
    message = refusal(rows, access_node("dn1", "dn2", "dn3"), holdings=[holding(("dn2 dn3", 4), replication_factor=2)])
    assert 'data node "dn3": distributed hypertable public.conditions would lose 4 chunks' in message
    assert 'data node "dn2"' not in message


def test_reclaim_steps():
    member = look(dist_uuid="foreign", maintenance_database="template1")
    made = plan([new("dn1", reclaim="membership", password="x")], access_node(), member)
    assert [step.action for step in made.steps] == ["clear membership", "add"]
    assert made.steps[0].endpoint == endpoint("dn1") and made.steps[0].password == "x"
    assert made.steps[1].statement.values[-2:] == (False, "x")
    made = plan([new("dn1", reclaim="database")], access_node(), member)
    assert [step.action for step in made.steps] == ["drop database", "add"]
    assert made.steps[0].endpoint == endpoint("dn1", "template1")
    assert made.steps[1].statement.values[-1] is True


def test_all_reasons_in_one_message():
    message = refusal([new("dn1"), new("dn2"), dict(node_name="dn3", port=6000)], access_node("dn3"), look(in_recovery=True, dist_uuid="foreign"))
    assert all(f'data node "{name}"' in message for name in ("dn1", "dn2", "dn3"))
    assert len(message.splitlines()) == 6


def beside_others(made: Plan) -> list[bool]:
    return [step.beside_others for step in made.steps]


def test_first_node_of_a_cluster_is_added_alone():
    assert beside_others(plan([new("dn1"), new("dn2"), new("dn3")], access_node())) == [False, True, True]
    assert beside_others(plan([new("dn2"), new("dn3")], access_node("dn1"))) == [True, True]


def test_only_additions_are_done_side_by_side():
    """What comes before and after them may depend on it."""
    rows = [new("dn2", reclaim="database"), new("dn3", reclaim="database"), dict(node_name="dn1", available=False)]
    made = plan(rows, access_node("dn1"), seen=OURS)
    assert taken(made) == [("dn2", "drop database"), ("dn2", "add"), ("dn3", "drop database"), ("dn3", "add"), ("dn1", "alter")]
    assert beside_others(made) == [False, True, False, True, False]


@pytest.mark.parametrize("order", [("dn2", "dn3"), ("dn3", "dn2")])
def test_the_order_of_the_declaration_decides_nothing(order):
    """dn3 may leave while there are enough others, dn2 in any case."""
    rows = [dict(node_name=name, state="absent", force=name == "dn2") for name in order]
    made = plan(rows, access_node("dn1", "dn2", "dn3"), holdings=[holding(replication_factor=2)])
    assert taken(made) == [("dn3", "delete"), ("dn2", "delete")]
