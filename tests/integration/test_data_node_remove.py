# GPL-3.0-or-later (see LICENSE)
"""Removing data nodes without losing data."""

from __future__ import annotations

import pytest
from _cluster import DATA_NODE


def test_empty_node(nodes):
    result = nodes.converge(DATA_NODE, node_name="dn3", state="absent")
    assert set(nodes.nodes()) == {"dn1", "dn2"}
    assert [step["action"] for step in result["steps"]] == ["delete"]
    assert result["after"] == []
    assert nodes.database in nodes.dn("dn3").databases()
    assert any("keeps its data and its membership" in warning for warning in result["warnings"])


def test_absent_already(nodes):
    assert nodes.unchanged(DATA_NODE, node_name="dn4", state="absent")["after"] == []


def test_unreachable_empty_node(cluster, mortal):
    mortal.stop()
    cluster.converge(DATA_NODE, node_name="mortal", state="absent")
    assert cluster.nodes() == {}


def test_drop_database_goes_with_it(nodes):
    result = nodes.converge(DATA_NODE, node_name="dn3", state="absent", drop_database=True)
    assert "drop_database => true" in result["steps"][0]["sql"]
    assert result["warnings"] == []
    assert nodes.database not in nodes.dn("dn3").databases()


def test_drop_database_needs_the_node(cluster, mortal):
    mortal.stop()
    cluster.refuse(DATA_NODE, "drop_database needs the node", "Connection refused", node_name="mortal", state="absent", drop_database=True)


def test_drop_database_of_somebody_else(nodes):
    nodes.dn("dn3").query(nodes.database, "UPDATE _timescaledb_catalog.metadata SET value = gen_random_uuid() WHERE key = 'dist_uuid'")
    nodes.refuse(DATA_NODE, "no data node of this cluster, it is not dropped", node_name="dn3", state="absent", drop_database=True)


def test_only_copy_is_never_given_up(nodes):
    nodes.distribute("conditions")
    nodes.fill("conditions")
    for force in (False, True):
        message = nodes.refuse(DATA_NODE, "public.conditions would lose 1 chunk", "_dist_hyper_", node_name="dn3", state="absent", force=force)
        assert "force does not help here" in message


def test_only_copies_of_many_chunks_are_counted(nodes):
    nodes.distribute("conditions", options=", 'device', chunk_time_interval => interval '1 hour'")
    nodes.fill("conditions", rows=600)
    chunks = len([name for dummy, name in nodes.chunks() if name == "dn3"])
    message = nodes.refuse(DATA_NODE, f"would lose {chunks} chunks", node_name="dn3", state="absent")
    assert message.count("_dist_hyper_") == 3 and "..." in message


def test_copies_elsewhere_need_force(nodes):
    nodes.distribute("conditions", options=", 'device', replication_factor => 2")
    nodes.fill("conditions")
    nodes.refuse(DATA_NODE, "still has copies of", node_name="dn3", state="absent")
    rows = nodes.query("SELECT count(*) FROM conditions")
    nodes.converge(DATA_NODE, node_name="dn3", state="absent", force=True)
    assert nodes.query("SELECT count(*) FROM conditions") == rows
    assert nodes.table("conditions")["data_nodes"] == ["dn1", "dn2"]


def test_too_few_nodes_for_the_replication_factor(nodes):
    nodes.distribute("conditions", options=", 'device', replication_factor => 3")
    nodes.refuse(DATA_NODE, "replication factor 3 and 2 other data nodes that take new chunks", node_name="dn3", state="absent")
    nodes.converge(DATA_NODE, node_name="dn3", state="absent", force=True)


def test_other_nodes_keep_the_replication_factor(nodes):
    nodes.distribute("conditions", options=", 'device', replication_factor => 2")
    nodes.converge(DATA_NODE, node_name="dn3", state="absent")


def test_two_at_once_are_judged_together(nodes):
    nodes.distribute("conditions", options=", 'device', replication_factor => 2")
    wanted = [dict(node_name=name, state="absent") for name in ("dn2", "dn3")]
    message = nodes.refuse(DATA_NODE, 'data node "dn3"', "replication factor 2 and 1 other data node", data_nodes=wanted)
    assert '"dn2"' not in message


@pytest.mark.real_engine("block_new_chunks()")
def test_blocked_node_takes_no_new_chunks(nodes):
    nodes.distribute("conditions", options=", 'device', replication_factor => 2")
    nodes.query("SELECT timescaledb_experimental.block_new_chunks('dn2', 'conditions')")
    nodes.refuse(DATA_NODE, "1 other data node that takes new chunks", node_name="dn3", state="absent")


@pytest.mark.real_engine("block_new_chunks()")
@pytest.mark.parametrize("reclaim", ["none", "membership"])
def test_last_but_one_leaves_after_it_was_drained(nodes, reclaim):
    """The server counts a node that takes no new chunks among those that would be missed, and wants force."""
    nodes.converge(DATA_NODE, node_name="dn3", state="absent")
    nodes.distribute("conditions", options=", 'device', replication_factor => 1")
    nodes.query("SELECT timescaledb_experimental.block_new_chunks('dn2', 'conditions')")
    nodes.converge(DATA_NODE, **nodes.place("dn2"), state="absent", reclaim=reclaim)
    assert nodes.table("conditions")["data_nodes"] == ["dn1"]


def test_all_hypertables_in_the_way_are_named(nodes):
    for relation in ("first", "second"):
        nodes.distribute(relation)
        nodes.fill(relation)
    nodes.refuse(DATA_NODE, "public.first would lose", "public.second would lose", node_name="dn3", state="absent")


@pytest.mark.parametrize("repartition, partitions", [(True, 2), (False, 3)])
def test_repartition(nodes, repartition, partitions):
    nodes.distribute("conditions")
    nodes.converge(DATA_NODE, node_name="dn3", state="absent", repartition=repartition)
    assert nodes.table("conditions")["number_partitions"] == partitions


def test_present_and_absent_in_one_list(nodes):
    result = nodes.converge(DATA_NODE, data_nodes=[dict(node_name="dn1", state="absent"), nodes.place("dn4"), nodes.place("dn2", host="localhost")])
    assert [(step["object"], step["action"]) for step in result["steps"]] == [
        ('data node "dn4"', "add"),
        ('data node "dn2"', "alter"),
        ('data node "dn1"', "delete"),
    ]
    assert set(nodes.nodes()) == {"dn2", "dn3", "dn4"}


def test_name_that_is_free_again_in_the_same_list(nodes):
    """dn1's place is taken over by another name once dn1 is gone: refused, for the server has both for a moment."""
    wanted = [dict(node_name="dn1", state="absent"), nodes.place("dn1", node_name="new", reclaim="membership")]
    nodes.refuse(DATA_NODE, 'data node "new"', data_nodes=wanted)


@pytest.mark.parametrize("option", ["force", "drop_database", "lose_chunks"])
def test_options_of_removal_only(nodes, option):
    nodes.refuse(DATA_NODE, "only go with state=absent", node_name="dn1", **{option: True})


@pytest.mark.real_engine("DROP FOREIGN TABLE of a chunk")
def test_chunks_that_only_a_dead_node_has_go_where_that_is_said(cluster, mortal):
    cluster.register("dn1", "dn2")
    for relation in ("conditions", '"My {Table}"'):
        cluster.distribute(relation)
        cluster.fill(relation)
    cluster.distribute("replicated", options=", 'device', replication_factor => 2")
    cluster.fill("replicated")
    kept = sum(cluster.rows_on(name, "conditions") for name in ("dn1", "dn2"))
    assert 0 < kept < 100
    mortal.stop()
    removal = dict(node_name="mortal", state="absent", force=True)
    cluster.refuse(DATA_NODE, "lose_chunks is for data nodes that are dead", **removal, lose_chunks=True)
    cluster.query("SELECT alter_data_node('mortal', available => false)")
    cluster.refuse(DATA_NODE, "public.conditions would lose 1 chunk", "lose_chunks does where the data node is dead", **removal)
    result = cluster.converge(DATA_NODE, **removal, lose_chunks=True)
    assert [step["action"] for step in result["steps"]] == ["drop", "drop", "delete"]
    assert all("its rows go" in step["danger"] for step in result["steps"][:2])
    assert cluster.query("SELECT count(*) FROM conditions") == cluster.query('SELECT count(*) FROM "My {Table}"') == [(kept,)]
    assert cluster.query("SELECT count(*) FROM replicated") == [(100,)]
    cluster.fill("conditions")
    assert cluster.query("SELECT count(*) FROM conditions") == [(kept + 100,)]


def _members(nodes, name):
    """(dist_uuid, hypertables) of a node's database."""
    query = "SELECT (SELECT count(*) FROM _timescaledb_catalog.metadata WHERE key = 'dist_uuid'), (SELECT count(*) FROM _timescaledb_catalog.hypertable)"
    return nodes.dn(name).query(nodes.database, query)[0]


def test_clean_database_is_left(nodes):
    nodes.distribute("conditions")
    assert _members(nodes, "dn3") == (1, 1)
    result = nodes.converge(DATA_NODE, node_name="dn3", state="absent", reclaim="membership")
    assert [step["action"] for step in result["steps"]] == ["detach", "delete", "clear membership"]
    assert result["warnings"] == []
    assert set(nodes.nodes()) == {"dn1", "dn2"}
    assert _members(nodes, "dn3") == (0, 0)
    nodes.unchanged(DATA_NODE, **nodes.place("dn3"), state="absent", reclaim="membership")
    nodes.converge(DATA_NODE, **nodes.place("dn3"))


def test_clean_database_after_an_interruption(nodes):
    nodes.query("SELECT delete_data_node('dn3')")
    result = nodes.converge(DATA_NODE, **nodes.place("dn3"), state="absent", reclaim="membership")
    assert [step["action"] for step in result["steps"]] == ["clear membership"]
    assert _members(nodes, "dn3") == (0, 0)


def test_clean_database_is_not_bought_with_rows(nodes):
    nodes.distribute("conditions")
    nodes.fill("conditions")
    nodes.refuse(DATA_NODE, "would lose 1 chunk", node_name="dn3", state="absent", reclaim="membership")
    nodes.query("DROP TABLE conditions")
    nodes.converge(DATA_NODE, node_name="dn3", state="absent", reclaim="membership")


def test_clean_database_still_with_tables(nodes):
    nodes.distribute("conditions")
    nodes.query("SELECT delete_data_node('dn3')")
    assert _members(nodes, "dn3") == (1, 1)
    nodes.refuse(DATA_NODE, "still holds its part of 1 distributed hypertable", **nodes.place("dn3"), state="absent", reclaim="membership")


def test_clean_database_of_somebody_else_is_left_alone(nodes):
    nodes.query("SELECT delete_data_node('dn3')")
    nodes.dn("dn3").query(nodes.database, "UPDATE _timescaledb_catalog.metadata SET value = gen_random_uuid() WHERE key = 'dist_uuid'")
    nodes.unchanged(DATA_NODE, **nodes.place("dn3"), state="absent", reclaim="membership")


def test_clean_database_needs_the_node(cluster, mortal):
    mortal.stop()
    cluster.refuse(DATA_NODE, "reclaim=membership needs the node", "Connection refused", node_name="mortal", state="absent", reclaim="membership")


def test_clean_database_of_a_node_that_has_closed_its_doors(cluster, mortal):
    place = dict(node_name="mortal", host="127.0.0.1", port=mortal.port)
    cluster.converge(DATA_NODE, **place, state="absent", reclaim="membership")
    mortal.stop()
    result = cluster.unchanged(DATA_NODE, **place, state="absent", reclaim="membership")
    assert any("is not known" in warning and "Connection refused" in warning for warning in result["warnings"])
