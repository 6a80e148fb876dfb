# GPL-3.0-or-later (see LICENSE)
"""Databases that belong, or belonged, to a cluster."""

from __future__ import annotations

import pytest
from _cluster import DATA_NODE

LEFT_OVER = "it was a data node of this cluster before"
FOREIGN = "it is a data node of another cluster"


@pytest.fixture
def left_over(nodes):
    """A cluster that dn3 was removed from."""
    nodes.query("SELECT delete_data_node('dn3')")
    return nodes


@pytest.fixture
def foreign(cluster):
    """A cluster and a data node of another one, dn1."""
    cluster.an.create_database("elsewhere")
    server = cluster.dn("dn1")
    call = "SELECT add_data_node('x', host => '127.0.0.1', port => %s, database => %s, bootstrap => false)"
    cluster.an.query("elsewhere", call, server.port, cluster.database)
    return cluster


def test_left_over_is_refused_with_the_reason(left_over):
    left_over.refuse(DATA_NODE, LEFT_OVER, "reclaim=membership", **left_over.place("dn3"))


def test_foreign_is_refused_with_the_reason(foreign):
    uuid = foreign.an.value("elsewhere", "SELECT value FROM _timescaledb_catalog.metadata WHERE key = 'uuid'")
    foreign.refuse(DATA_NODE, FOREIGN, uuid, **foreign.place("dn1"))


@pytest.mark.parametrize("fixture, name", [("left_over", "dn3"), ("foreign", "dn1")])
def test_membership(request, fixture, name):
    cluster = request.getfixturevalue(fixture)
    server = cluster.dn(name)
    server.query(cluster.database, "CREATE TABLE kept ()")
    result = cluster.converge(DATA_NODE, **cluster.place(name, reclaim="membership"))
    assert [step["action"] for step in result["steps"]] == ["clear membership", "add"]
    assert result["steps"][0]["database"] == f"127.0.0.1:{server.port}/{cluster.database}"
    assert server.value(cluster.database, "SELECT to_regclass('kept') IS NOT NULL")
    assert cluster.dist_uuid(server) == cluster.uuid()


@pytest.mark.parametrize("fixture, name", [("left_over", "dn3"), ("foreign", "dn1")])
def test_database(request, fixture, name):
    cluster = request.getfixturevalue(fixture)
    server = cluster.dn(name)
    server.query(cluster.database, "CREATE TABLE lost ()")
    result = cluster.converge(DATA_NODE, **cluster.place(name, reclaim="database"))
    assert [step["action"] for step in result["steps"]] == ["drop database", "add"]
    assert "bootstrap => true" in result["steps"][1]["sql"]
    assert server.value(cluster.database, "SELECT to_regclass('lost') IS NULL")
    assert cluster.dist_uuid(server) == cluster.uuid()


@pytest.fixture
def holding(nodes):
    """A cluster that lost dn3, which still has its part of a distributed hypertable."""
    nodes.distribute("conditions", options=", 'device', replication_factor => 2")
    nodes.fill("conditions")
    nodes.query("SELECT delete_data_node('dn3', force => true)")
    return nodes


def test_membership_does_not_take_tables_over(holding):
    holding.refuse(DATA_NODE, LEFT_OVER, "its part of 1 distributed hypertable", **holding.place("dn3", reclaim="membership"))


def test_database_with_tables(holding):
    holding.converge(DATA_NODE, **holding.place("dn3", reclaim="database"))
    assert holding.dn("dn3").value(holding.database, "SELECT to_regclass('conditions') IS NULL")


@pytest.mark.parametrize("reclaim", ["none", "membership", "database"])
def test_access_node_of_another_cluster_is_never_touched(foreign, reclaim):
    foreign.refuse(
        DATA_NODE, "itself an access node with data nodes", node_name="x", host="127.0.0.1", port=foreign.an.port, database="elsewhere", reclaim=reclaim
    )


@pytest.mark.parametrize("reclaim", ["membership", "database"])
def test_database_that_is_free_is_not_reclaimed(cluster, reclaim):
    cluster.dn("dn1").query(cluster.database, "CREATE TABLE kept ()")
    result = cluster.converge(DATA_NODE, **cluster.place("dn1", reclaim=reclaim))
    assert [step["action"] for step in result["steps"]] == ["add"]
    assert cluster.dn("dn1").value(cluster.database, "SELECT to_regclass('kept') IS NOT NULL")


def test_reclaim_database_without_bootstrap(left_over):
    left_over.refuse(DATA_NODE, "bootstrap=false forbids", **left_over.place("dn3", reclaim="database", bootstrap=False))


def test_reclaim_database_without_another_login(left_over):
    server = left_over.dn("dn3")
    with server.rejecting("postgres", "template1"):
        left_over.refuse(DATA_NODE, "reclaim=database needs a login to another database", **left_over.place("dn3", reclaim="database"))


def test_open_session_in_the_database_to_drop(left_over):
    server = left_over.dn("dn3")
    with server.connection(left_over.database):
        result = left_over.run(DATA_NODE, **left_over.place("dn3", reclaim="database"))
    assert result["failed"] and result["changed"] is False and result["steps"] == []
    assert "is being accessed by other users" in result["msg"] and "end the sessions in that database first" in result["msg"]
    left_over.converge(DATA_NODE, **left_over.place("dn3", reclaim="database"))
