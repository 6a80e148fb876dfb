# GPL-3.0-or-later (see LICENSE)
"""Which hypertables new data nodes are for."""

from __future__ import annotations

from ansible_collections.timescaledb.multinode.plugins.plugin_utils._growth import extended_hypertables


def table(relation: str, *nodes: str) -> dict:
    dimensions = [{"column": "time", "type": "timestamp with time zone", "interval": 1, "partitions": None}]
    return dict(schema="public", relation=relation, dimensions=dimensions, data_nodes=[dict(node_name=node, takes_chunks=True) for node in nodes])


def found(nodes: str, *tables: dict, down: str = "") -> dict:
    return dict(data_nodes=[dict(node_name=name, available=name not in down.split()) for name in nodes.split()], hypertables=list(tables))


def extended(*arguments, **more) -> dict[str, list[str]]:
    return {wanted["relation"]: wanted["data_nodes"] for wanted in extended_hypertables(*arguments, **more)}


def test_new_node_gets_what_is_on_all_others():
    assert extended(found("dn1 dn2 dn3", table("a", "dn1", "dn2"), table("b", "dn1"))) == {"a": ["dn1", "dn2", "dn3"]}


def test_nothing_where_no_node_is_new():
    assert extended(found("dn1 dn2", table("a", "dn1", "dn2"), table("b", "dn1"))) == {}


def test_node_that_is_down_is_not_new():
    assert extended(found("dn1 dn2", table("a", "dn1"), down="dn2")) == {}


def test_node_that_leaves_is_neither_new_nor_asked_for():
    state = found("dn1 dn2 dn3 dn4", table("a", "dn1", "dn3"), table("b", "dn1"))
    assert extended(state, ["dn2", "dn3"]) == {"a": ["dn1", "dn3", "dn4"], "b": ["dn1", "dn4"]}


def test_without_hypertables():
    assert extended_hypertables(found("dn1 dn2")) == []


def test_nothing_else_of_it_is_touched():
    wanted = extended_hypertables(found("dn1 dn2", table("a", "dn1")))
    expected = dict(schema="public", relation="a", time_column_name="time", data_nodes=["dn1", "dn2"], create_default_indexes=False)
    assert wanted == [expected]
