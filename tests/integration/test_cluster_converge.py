# GPL-3.0-or-later (see LICENSE)
"""A whole cluster as one declaration."""

from __future__ import annotations

import pytest
from _cluster import CLUSTER, DATA_NODE, HYPERTABLE

COLUMNS = "time timestamptz NOT NULL, device int NOT NULL"


def table(relation: str, **more) -> dict:
    return dict(dict(relation=relation, definition=COLUMNS, time_column_name="time", partitioning_column="device"), **more)


def actions(result: dict) -> list[tuple[str, str]]:
    """(action, the last name of the object) of each step."""
    return [(step["action"], step["object"].split('"')[-2]) for step in result["steps"]]


def test_from_nothing(cluster):
    result = cluster.converge(CLUSTER, data_nodes=[cluster.place("dn1"), cluster.place("dn2")], hypertables=[table("a"), table("b", replication_factor=2)])
    assert actions(result) == [("add", "dn1"), ("add", "dn2"), ("create table", "a"), ("create", "a"), ("create table", "b"), ("create", "b")]
    assert {found["relation"]: found["data_nodes"] for found in cluster.tables()} == {"a": ["dn1", "dn2"], "b": ["dn1", "dn2"]}
    cluster.fill("a")
    assert cluster.rows_on("dn1", "a") + cluster.rows_on("dn2", "a") == 100


@pytest.mark.parametrize("missing", ["data_nodes", "hypertables"])
def test_only_one_kind_of_objects(nodes, missing):
    declared = dict(data_nodes=[nodes.place("dn4")], hypertables=[table("a")])
    del declared[missing]
    result = nodes.converge(CLUSTER, **declared)
    assert result["after"][missing] == []
    assert len(nodes.nodes()) == (3 if missing == "data_nodes" else 4)


def test_what_is_not_declared_is_left_alone(nodes):
    nodes.distribute("a")
    nodes.unchanged(CLUSTER, data_nodes=[nodes.place("dn1")], hypertables=[])
    nodes.unchanged(CLUSTER, data_nodes=[], hypertables=[])


def test_is_the_same_as_the_modules_of_its_objects(nodes):
    """What one has made, the other finds as it is to be."""
    declared = [nodes.place(name) for name in ("dn1", "dn2", "dn3", "dn4")]
    tables = [table("a", number_partitions=8), table("b", chunk_time_interval="1 day", data_nodes=["dn1", "dn4"])]
    nodes.converge(CLUSTER, data_nodes=declared, hypertables=tables)
    nodes.unchanged(DATA_NODE, data_nodes=declared)
    nodes.unchanged(HYPERTABLE, hypertables=tables)


def test_new_node_is_registered_before_it_is_attached(nodes):
    nodes.distribute("a")
    result = nodes.converge(CLUSTER, data_nodes=[nodes.place("dn4")], hypertables=[table("a", data_nodes=["dn1", "dn2", "dn3", "dn4"])])
    assert actions(result) == [("add", "dn4"), ("attach", "a")]
    assert nodes.table("a")["number_partitions"] == 4


def test_node_leaves_its_hypertables_before_it_is_removed(nodes):
    nodes.distribute("a")
    nodes.distribute("b")
    result = nodes.converge(CLUSTER, data_nodes=[dict(node_name="dn3", state="absent")], hypertables=[table("a", number_partitions=8)])
    assert actions(result) == [("detach", "a"), ("set", "a"), ("delete", "dn3")]
    assert {found["relation"]: (found["data_nodes"], found["number_partitions"]) for found in nodes.tables()} == {
        "a": (["dn1", "dn2"], 8),
        # It is not declared: left to delete_data_node().
        "b": (["dn1", "dn2"], 2),
    }


@pytest.mark.parametrize("more", [{}, {"data_nodes": ["dn1", "dn2"]}])
def test_nothing_is_left_on_a_node_that_leaves_clean(nodes, more):
    """Its hypertables are detached before it is removed: they, too, go from it."""
    nodes.distribute("a")
    leaving = dict(node_name="dn3", state="absent", reclaim="membership")
    result = nodes.converge(CLUSTER, data_nodes=[leaving], hypertables=[table("a", **more)])
    assert [step["action"] for step in result["steps"]] == ["detach", "delete", "clear membership"]
    assert nodes.dn("dn3").query(nodes.database, "SELECT count(*) FROM pg_tables WHERE tablename = 'a'") == [(0,)]
    assert nodes.dist_uuid(nodes.dn("dn3")) is None
    nodes.converge(CLUSTER, data_nodes=[nodes.place("dn3")])


def test_node_is_replaced_in_one_run(nodes):
    nodes.distribute("a", options=", 'device', replication_factor => 3")
    declared = [nodes.place("dn4"), dict(node_name="dn3", state="absent")]
    nodes.refuse(CLUSTER, "replication factor 3 and 2 other data nodes", data_nodes=declared, hypertables=[table("a")])
    result = nodes.converge(CLUSTER, data_nodes=declared, hypertables=[table("a", data_nodes=["dn1", "dn2", "dn4"])])
    assert actions(result) == [("add", "dn4"), ("attach", "a"), ("detach", "a"), ("delete", "dn3")]


def test_new_hypertable_is_not_put_on_a_node_that_leaves(nodes):
    result = nodes.converge(CLUSTER, data_nodes=[dict(node_name="dn3", state="absent")], hypertables=[table("a")])
    assert actions(result) == [("create table", "a"), ("create", "a"), ("delete", "dn3")]
    assert nodes.table("a")["data_nodes"] == ["dn1", "dn2"] and nodes.table("a")["number_partitions"] == 2


def test_node_with_the_only_copy_does_not_leave(nodes):
    nodes.distribute("a")
    nodes.fill("a")
    leaving = [dict(node_name="dn3", state="absent", force=True)]
    nodes.refuse(CLUSTER, 'distributed hypertable "public"."a": ', "would lose 1 chunk", data_nodes=leaving, hypertables=[table("a")])
    nodes.refuse(CLUSTER, 'data node "dn3": ', "would lose 1 chunk", data_nodes=leaving)


def test_forced_to_leave_with_fewer_copies(nodes):
    nodes.distribute("a", options=", 'device', replication_factor => 2")
    nodes.fill("a")
    leaving = dict(node_name="dn3", state="absent")
    nodes.refuse(CLUSTER, "still has copies of 2 chunks", data_nodes=[leaving], hypertables=[table("a")])
    result = nodes.converge(CLUSTER, data_nodes=[dict(leaving, force=True)], hypertables=[table("a")])
    assert result["steps"][0]["danger"] == "2 chunks of public.a will have one copy less"
    assert nodes.query("SELECT count(*) FROM a") == [(100,)]


def test_dropped_hypertable_sets_its_node_free(nodes):
    nodes.distribute("a")
    nodes.fill("a")
    gone = dict(relation="a", state="absent", drop_data=True)
    result = nodes.converge(CLUSTER, data_nodes=[dict(node_name="dn3", state="absent")], hypertables=[gone])
    assert actions(result) == [("drop", "a"), ("delete", "dn3")]


def test_contradiction(nodes):
    leaving = [dict(node_name="dn3", state="absent")]
    cause = 'it is to be on data node "dn3", which is to be removed'
    nodes.refuse(CLUSTER, cause, data_nodes=leaving, hypertables=[table("a", data_nodes=["dn1", "dn3"])])


def test_all_reasons_in_one_message(nodes, closed_port):
    declared = [dict(node_name="dn9", host="127.0.0.1", port=closed_port)]
    tables = [table("a", data_nodes=["dn1", "nobody"]), dict(relation="b", time_column_name="time")]
    nodes.refuse(CLUSTER, 'data node "dn9" at 127.0.0.1', "Connection refused", '"nobody" is not registered', "the table does not exist",
                 data_nodes=declared, hypertables=tables)  # fmt: skip


def test_availability_counts_for_what_follows(nodes):
    nodes.converge(CLUSTER, data_nodes=[nodes.place("dn3", available=False)], hypertables=[table("a", data_nodes=["dn1", "dn2"])])
    back = [nodes.place("dn3", available=True)]
    nodes.refuse(CLUSTER, 'data node "dn3" is marked unavailable', hypertables=[table("b", data_nodes=["dn1", "dn3"])])
    nodes.converge(CLUSTER, data_nodes=back, hypertables=[table("b", data_nodes=["dn1", "dn3"])])


@pytest.mark.parametrize(
    "change",
    [
        dict(chunk_time_interval="1 day"),
        dict(number_partitions=8),
        dict(data_nodes=["dn1"], drop_remote_data=True),
        dict(create_default_indexes=True),
        dict(relation="new"),
    ],
)
def test_dead_node_is_found_before_the_first_change(cluster, mortal, change):
    cluster.register("dn1")
    cluster.distribute("a", options=", 'device', create_default_indexes => false")
    mortal.stop()
    wanted = dict(table("a", create_default_indexes=False), **change)
    message = cluster.refuse(CLUSTER, 'data node "mortal" at 127.0.0.1:', data_nodes=[cluster.place("dn2")], hypertables=[wanted])
    assert "needed by: " in message and '"dn1"' not in message


def test_dead_node_does_not_matter_where_it_is_not_needed(cluster, mortal):
    cluster.register("dn1", "dn2")
    cluster.distribute("a", options=", 'device', replication_factor => 2")
    mortal.stop()
    wanted = [table("a", data_nodes=["dn1", "dn2"], replication_factor=1), table("b", data_nodes=["dn1", "dn2"])]
    cluster.converge(CLUSTER, data_nodes=[dict(node_name="mortal", state="absent")], hypertables=wanted)
    assert set(cluster.nodes()) == {"dn1", "dn2"}


def test_sessions(cluster):
    declared = [cluster.place(name) for name in ("dn1", "dn2", "dn3", "dn4")]
    cluster.converge(CLUSTER, data_nodes=declared, hypertables=[table("a")], sessions=3)
    assert len(cluster.nodes()) == 4
    cluster.refuse(CLUSTER, "option sessions: it is 0", data_nodes=declared, sessions=0)


@pytest.mark.parametrize(("hypertables", "met"), [([table("a", data_nodes=["dn1", "dn2", "dn4"])], ["dn2", "dn4"]), ([], [])], ids=["needed", "not needed"])
def test_data_nodes_are_met_while_others_are_added(cluster, hypertables, met):
    """By the session that needs their connections afterwards. dn1, the first one, is added before all others, beside nothing."""
    declared = [cluster.place(name) for name in ("dn1", "dn2", "dn3", "dn4")]
    offset = cluster.an.log_size()
    cluster.converge(CLUSTER, data_nodes=declared, hypertables=hypertables, sessions=3)
    statements = cluster.an.statements_since(offset, cluster.database)
    calls = [(number, statement) for number, statement in enumerate(statements) if "distributed_exec" in statement]
    assert [next(name for name in ("dn1", "dn2", "dn3", "dn4") if f"'{name}'" in statement) for _number, statement in calls] == met
    creation = next((number for number, statement in enumerate(statements) if "create_distributed_hypertable" in statement), len(statements))
    assert all(number < creation for number, _statement in calls)
    assert len(cluster.nodes()) == 4


def test_new_hypertables_share_a_transaction(nodes):
    alike = [dict(table(f"a{number}"), definition=f"LIKE a{number - 1} INCLUDING ALL", number_partitions=number + 1) for number in range(1, 6)]
    offset = nodes.an.log_size()
    result = nodes.converge(CLUSTER, hypertables=[table("a0"), *alike])
    assert actions(result) == [(action, f"a{number}") for number in range(6) for action in ("create table", "create")]
    for number in range(1, 6):
        assert nodes.table(f"a{number}")["number_partitions"] == number + 1
        nodes.fill(f"a{number}")
        assert nodes.query(f"SELECT count(*) FROM a{number}") == [(100,)]
    # One transaction for all of them.
    sent = nodes.an.statements_since(offset, nodes.database)
    assert [sum(statement.endswith(word) for statement in sent) for word in ("BEGIN", "COMMIT")] == [1, 1]


def test_hypertables_of_a_transaction_that_fails_are_not_there(nodes):
    nodes.dn("dn2").query(nodes.database, "CREATE TABLE b (other int)")
    before = nodes.state()
    result = nodes.run(CLUSTER, hypertables=[table("a"), table("b"), table("c")])
    assert result["failed"] and 'hypertable "public"."b" at ' in result["msg"] and 'relation "b" already exists' in result["msg"]
    assert result["changed"] is False and result["steps"] == []
    assert nodes.state() == before
    nodes.dn("dn2").query(nodes.database, "DROP TABLE b")
    assert len(nodes.converge(CLUSTER, hypertables=[table("a"), table("b"), table("c")])["steps"]) == 6


def test_odd_names(cluster):
    names = ['Dn "1"', "ü" * 31, "d n"]
    declared = [dict(cluster.place(dn), node_name=name) for dn, name in zip(("dn1", "dn2", "dn3"), names)]
    tables = [dict(table("My Table", data_nodes=names[:2]), schema="S 1")]
    result = cluster.converge(CLUSTER, data_nodes=declared, hypertables=tables)
    assert len(result["steps"]) == 7
    cluster.converge(CLUSTER, data_nodes=[dict(declared[0], state="absent", host=None)], hypertables=[dict(tables[0], data_nodes=names[1:])])


def test_text_that_no_server_takes_is_refused_without_a_traceback(nodes):
    message = nodes.run(CLUSTER, hypertables=[dict(relation="a\0b", time_column_name="time")])["msg"]
    assert "NUL" in message and "Traceback" not in message


def test_declaration_with_several_mistakes_is_told_in_one_message(nodes):
    """Whatever they are about: nothing of them needs a look at the cluster."""
    message = nodes.refuse(
        CLUSTER,
        "option sessions: it is 0",
        'data node "dn9": 0 is not a port number',
        'distributed hypertable "public"."a": replication_factor is 0',
        "heal job: schedule_interval is empty",
        'role "": ',
        sessions=0,
        data_nodes=[dict(node_name="dn9", host="h", port=0)],
        hypertables=[table("a", replication_factor=0)],
        heal_job=dict(schedule_interval=""),
        roles=[dict(name="")],
    )
    assert len(message.splitlines()) == 5, message


def test_what_only_the_cluster_tells_is_told_in_one_message(nodes):
    """Intervals that are none, a node that is down, a wrong definition; each with its object, its host and its remedy."""
    node = nodes.dn("dn2")
    with node.rejecting(nodes.database):
        message = nodes.refuse(
            CLUSTER,
            'data node "dn2" at ',
            'needed by: distributed hypertable "public"."a"',
            'chunk_time_interval "often" is no interval',
            'chunk_time_interval "seldom" is no interval',
            "its definition is refused",
            'schedule_interval "now and then" is no interval',
            hypertables=[
                table("a"),
                table("b", chunk_time_interval="often"),
                table("c", chunk_time_interval="1 day"),
                table("d", chunk_time_interval="seldom"),
                dict(table("e"), definition="nonsense"),
            ],
            analyze_job=dict(schedule_interval="now and then"),
            heal_job=dict(schedule_interval="5 minutes"),
        )
    assert len(message.splitlines()) == 5, message
    assert all(" at " in line and "Remedy: " in line for line in message.splitlines()), message
    assert not any(line.startswith(('distributed hypertable "public"."c"', "heal")) for line in message.splitlines()), message


@pytest.mark.real_engine("DDL that is refused where a data node is unavailable")
@pytest.mark.parametrize("indexes, declared, what", [("true", dict(owner="app"), "change its owner"), ("false", {}, "create its default indexes")])
def test_statements_that_need_all_nodes_available_are_refused_before_the_first_change(nodes, indexes, declared, what):
    nodes.distribute("a", options=f", 'device', create_default_indexes => {indexes}")
    nodes.query("SELECT alter_data_node('dn3', available => false)")
    nodes.refuse(CLUSTER, 'data node "dn3", which is marked unavailable', what, data_nodes=[nodes.place("dn4")], hypertables=[table("a", **declared)])


def test_dead_node_is_found_before_the_first_change_where_it_is_marked_unavailable(cluster, mortal):
    cluster.register("dn1")
    cluster.distribute("a")
    cluster.query("SELECT alter_data_node('mortal', available => false)")
    cluster.converge(CLUSTER, hypertables=[table("a", chunk_time_interval="1 day")])
    mortal.stop()
    message = cluster.refuse(CLUSTER, 'data node "mortal" at 127.0.0.1:', hypertables=[table("a", chunk_time_interval="2 days")])
    assert "needed by: " in message


def test_node_that_has_moved_is_not_needed_at_its_old_place(nodes, closed_port):
    """A registration that has the old place is as good as a server that has left it."""
    nodes.distribute("a")
    nodes.query("SELECT alter_data_node('dn3', port => %s)", closed_port)
    result = nodes.converge(CLUSTER, data_nodes=[nodes.place("dn3")], hypertables=[table("a", chunk_time_interval="1 day")])
    assert actions(result) == [("alter", "dn3"), ("set", "a")]
