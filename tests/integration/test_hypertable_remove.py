# GPL-3.0-or-later (see LICENSE)
"""Distributed hypertables that must not be there."""

from __future__ import annotations

import pytest
from _cluster import HYPERTABLE, quoted

ABSENT = dict(relation="conditions", state="absent")


def places(cluster, relation: str = "conditions") -> list[str]:
    """The servers that have a table of this name."""
    found = "SELECT 1 FROM pg_class WHERE relname = %s"
    return [server.name for server in (cluster.an, *map(cluster.dn, ("dn1", "dn2", "dn3"))) if server.query(cluster.database, found, relation)]


def test_empty_one_goes_everywhere(nodes):
    nodes.distribute("conditions")
    assert places(nodes) == ["an", "dn1", "dn2", "dn3"]
    result = nodes.converge(HYPERTABLE, **ABSENT)
    assert places(nodes) == []
    assert [(step["action"], step["effect"], step["danger"]) for step in result["steps"]] == [("drop", "removed", None)]
    assert [table["relation"] for table in result["before"]] == ["conditions"] and result["after"] == []


def test_absent_already(nodes):
    assert nodes.unchanged(HYPERTABLE, **ABSENT)["warnings"] == []


def test_rows_need_to_be_given_up_explicitly(nodes):
    nodes.distribute("conditions")
    nodes.fill("conditions")
    nodes.refuse(HYPERTABLE, 'distributed hypertable "public"."conditions" at ', "it is to be dropped, and it has chunks", "set drop_data", **ABSENT)
    result = nodes.converge(HYPERTABLE, drop_data=True, **ABSENT)
    assert result["steps"][0]["danger"] == "all its rows go, on all data nodes"
    assert "1 of them DANGEROUS" in result["diff"]["prepared"]
    assert places(nodes) == []


@pytest.mark.parametrize("create", ["CREATE TABLE conditions (a int)", "CREATE VIEW conditions AS SELECT 1"])
def test_what_is_not_distributed_is_left_alone(nodes, create):
    nodes.query(create)
    result = nodes.unchanged(HYPERTABLE, **ABSENT)
    assert result["warnings"] == [
        'distributed hypertable "public"."conditions": there is a table of that name that is not distributed; it is left alone'
    ]


@pytest.mark.real_engine("create_hypertable()")
def test_hypertable_that_is_not_distributed_is_left_alone(nodes):
    nodes.query("CREATE TABLE conditions (time timestamptz NOT NULL); SELECT create_hypertable('conditions', 'time')")
    assert "that is not distributed" in nodes.unchanged(HYPERTABLE, drop_data=True, **ABSENT)["warnings"][0]


def test_views_are_in_the_way(nodes):
    nodes.distribute("conditions")
    nodes.query('CREATE VIEW "A view" AS SELECT device FROM conditions')
    nodes.query("CREATE MATERIALIZED VIEW another AS SELECT time FROM conditions WITH NO DATA")
    nodes.refuse(HYPERTABLE, '"A view", another depend on it', "drop what depends on it first", **ABSENT)


def test_role_that_does_not_own_it(nodes):
    nodes.distribute("conditions")
    nodes.refuse(HYPERTABLE, "the role does not own it", login_user="app", **ABSENT)


def test_odd_names(nodes):
    schema, relation = "Schema ü", "T " + "x" * 61
    nodes.query(f"CREATE SCHEMA {quoted(schema)}")
    for name in ("dn1", "dn2", "dn3"):
        nodes.dn(name).query(nodes.database, f"CREATE SCHEMA {quoted(schema)}")
    nodes.distribute(quoted(schema, relation))
    nodes.converge(HYPERTABLE, schema=schema, relation=relation, state="absent")
    assert nodes.tables() == []


def test_present_and_absent_in_one_call(nodes):
    nodes.distribute("old")
    rows = [dict(relation="old", state="absent"), dict(relation="conditions", time_column_name="time", definition="time timestamptz NOT NULL")]
    result = nodes.converge(HYPERTABLE, hypertables=rows)
    assert [(step["action"], step["object"].rpartition(".")[2]) for step in result["steps"]] == [
        ("create table", '"conditions"'),
        ("create", '"conditions"'),
        ("drop", '"old"'),
    ]
    assert [table["relation"] for table in nodes.tables()] == ["conditions"]


def test_dead_data_node(cluster, mortal):
    cluster.distribute("conditions")
    mortal.stop()
    cluster.refuse(HYPERTABLE, 'data node "mortal" at 127.0.0.1:', "Connection refused", 'needed by: distributed hypertable "public"."conditions"', **ABSENT)


def test_options_that_contradict_each_other(nodes):
    nodes.refuse(HYPERTABLE, "drop_data only goes with state=absent", relation="conditions", time_column_name="time", drop_data=True)
    nodes.refuse(HYPERTABLE, "time_column_name is missing", relation="conditions")
