# GPL-3.0-or-later (see LICENSE)
"""What is there and not declared."""

from __future__ import annotations

from _cluster import CLUSTER


def keep(*names: str) -> list[dict]:
    return [dict(node_name=name) for name in names]


def test_nodes(nodes):
    result = nodes.converge(CLUSTER, data_nodes=keep("dn1", "dn2"), prune=True)
    assert set(nodes.nodes()) == {"dn1", "dn2"}
    assert [node["node_name"] for node in result["before"]["data_nodes"]] == ["dn3"]
    assert result["steps"][0]["effect"] == "removed"


def test_all_of_them(nodes):
    nodes.distribute("a")
    nodes.converge(CLUSTER, data_nodes=[], hypertables=[], prune=True)
    assert nodes.nodes() == {} and nodes.tables() == []


def test_what_is_not_given_is_not_pruned(nodes):
    nodes.distribute("a")
    nodes.unchanged(CLUSTER, data_nodes=keep("dn1", "dn2", "dn3"), prune=True)
    nodes.converge(CLUSTER, hypertables=[], prune=True)
    assert set(nodes.nodes()) == {"dn1", "dn2", "dn3"} and nodes.tables() == []


def test_hypertables_with_chunks_need_to_be_given_up_explicitly(nodes):
    for relation in ("a", "b", "keeper"):
        nodes.distribute(relation)
        nodes.fill(relation)
    declared = dict(hypertables=[dict(relation="keeper", time_column_name="time")], prune=True)
    message = nodes.refuse(CLUSTER, '"public"."a" at ', "it is to be dropped, and it has chunks", "set drop_data", **declared)
    assert '"keeper"' not in message and message.count("has chunks") == 2
    nodes.converge(CLUSTER, drop_data=True, **declared)
    assert [table["relation"] for table in nodes.tables()] == ["keeper"]
    assert nodes.query("SELECT count(*) FROM keeper") == [(100,)]


def test_node_with_the_only_copy_is_not_pruned(nodes):
    nodes.distribute("a")
    nodes.fill("a")
    nodes.refuse(CLUSTER, "would lose 1 chunk", data_nodes=keep("dn1", "dn2"), prune=True)
    nodes.refuse(CLUSTER, "would lose 1 chunk", data_nodes=keep("dn1", "dn2"), prune=True, drop_data=True)


def test_plain_tables_and_databases_of_nodes_stay(nodes):
    nodes.query("CREATE TABLE plain (a int)")
    nodes.converge(CLUSTER, data_nodes=[], hypertables=[], prune=True)
    assert nodes.query("SELECT count(*) FROM plain") == [(0,)]
    assert all(nodes.database in nodes.dn(name).databases() for name in ("dn1", "dn2", "dn3"))


def test_not_without_being_asked(nodes):
    nodes.distribute("a")
    nodes.unchanged(CLUSTER, data_nodes=keep("dn1"), hypertables=[], drop_data=True)
