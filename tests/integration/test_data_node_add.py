# GPL-3.0-or-later (see LICENSE)
"""Registering data nodes that can be registered."""

from __future__ import annotations

import pytest
from _cluster import DATA_NODE


def actions(result: dict) -> list[str]:
    return [step["action"] for step in result["steps"]]


def test_prepared_database_is_adopted(cluster):
    result = cluster.converge(DATA_NODE, **cluster.place("dn1"))
    assert cluster.nodes() == {"dn1": ("127.0.0.1", cluster.dn("dn1").port, cluster.database, True)}
    assert actions(result) == ["add"]
    assert "bootstrap => false" in result["steps"][0]["sql"]
    assert cluster.dist_uuid(cluster.dn("dn1")) == cluster.uuid()


@pytest.mark.parametrize("bootstrap", [None, True])
def test_missing_database_is_made(cluster, bootstrap):
    cluster.dn("dn1").drop_database(cluster.database)
    options = {} if bootstrap is None else {"bootstrap": bootstrap}
    result = cluster.converge(DATA_NODE, **cluster.place("dn1", **options))
    assert "bootstrap => true" in result["steps"][0]["sql"]
    assert cluster.database in cluster.dn("dn1").databases()
    assert cluster.dist_uuid(cluster.dn("dn1")) == cluster.uuid()


def test_bootstrap_of_a_ready_database_is_harmless(cluster):
    cluster.converge(DATA_NODE, **cluster.place("dn1", bootstrap=True))
    assert set(cluster.nodes()) == {"dn1"}


def test_missing_extension_is_made(cluster):
    server = cluster.dn("dn1")
    server.create_database("bare_" + cluster.database, template="template0")
    cluster.converge(DATA_NODE, **cluster.place("dn1", database="bare_" + cluster.database))
    assert cluster.dist_uuid(server, "bare_" + cluster.database) == cluster.uuid()


@pytest.mark.parametrize("database, cause", [("nowhere", "the database does not exist"), ("bare", "the database has no extension timescaledb")])
def test_bootstrap_false_wants_it_ready(cluster, database, cause):
    cluster.dn("dn1").create_database("bare", template="template0")
    cluster.refuse(DATA_NODE, cause, **cluster.place("dn1", database=database, bootstrap=False))


def test_list_in_one_call_over_one_connection(cluster):
    offset = cluster.an.log_size()
    wanted = [cluster.place(f"dn{number}") for number in range(1, 6)]
    cluster.succeed(DATA_NODE, data_nodes=wanted)
    logins = f"{cluster.database}|postgres|LOG:  connection authorized"
    assert cluster.an.log_since(offset).count(logins) == 1
    cluster.unchanged(DATA_NODE, data_nodes=wanted)
    assert set(cluster.nodes()) == {"dn1", "dn2", "dn3", "dn4", "dn5"}


def test_list_converges(cluster):
    result = cluster.converge(DATA_NODE, data_nodes=[cluster.place("dn2"), cluster.place("dn1")])
    assert [step["object"] for step in result["steps"]] == ['data node "dn2"', 'data node "dn1"']
    assert [node["node_name"] for node in result["after"]] == ["dn1", "dn2"]


def test_nodes_that_are_not_listed_are_left_alone(nodes):
    before = nodes.nodes()
    nodes.converge(DATA_NODE, **nodes.place("dn4"))
    assert nodes.nodes() == {**before, "dn4": nodes.nodes()["dn4"]}


@pytest.mark.parametrize("name", ['Dn "1"', "Capitals And Spaces", "percent %s {brace}", "o'clock", "n" * 63, "ü" * 31])
def test_odd_names_of_node_and_database(cluster, name):
    result = cluster.converge(DATA_NODE, **cluster.place("dn1", node_name=name, database=name))
    assert cluster.nodes() == {name: ("127.0.0.1", cluster.dn("dn1").port, name, True)}
    assert result["after"][0]["node_name"] == name
    cluster.converge(DATA_NODE, node_name=name, state="absent", drop_database=True)
    assert cluster.nodes() == {}
    assert name not in cluster.dn("dn1").databases()


@pytest.mark.parametrize("option", ["node_name", "database"])
@pytest.mark.parametrize("name", ["n" * 64, "ü" * 32])
def test_names_that_are_too_long(cluster, option, name):
    cluster.refuse(DATA_NODE, "longer than 63 bytes", **cluster.place("dn1", **{option: name}))


def test_added_unavailable(cluster):
    result = cluster.converge(DATA_NODE, **cluster.place("dn1", available=False))
    assert actions(result) == ["add", "alter"]
    assert cluster.nodes()["dn1"][3] is False


def test_access_node_in_another_database_with_odd_name(cluster):
    name = 'An "1" %s'
    cluster.an.create_database(name)
    for check in (True, False):
        result = cluster.succeed(DATA_NODE, check, **cluster.place("dn1", login_db=name, database=cluster.database))
    assert result["after"][0]["database"] == cluster.database
    assert cluster.an.value(name, "SELECT count(*) FROM pg_foreign_server") == 1


def test_server_warnings_without_deprecation(cluster):
    assert cluster.converge(DATA_NODE, **cluster.place("dn1"))["warnings"] == []


def test_without_diff_there_is_none(cluster):
    assert "diff" not in cluster.run(DATA_NODE, diff=False, **cluster.place("dn1"))


@pytest.mark.parametrize("known", [0, 1])
def test_several_sessions_share_the_work(cluster, known):
    """From nothing, where the first node makes the database an access node, and with one that is one already."""
    wanted = [cluster.place(f"dn{number}") for number in range(1, 6)]
    if known:
        cluster.converge(DATA_NODE, data_nodes=wanted[:known])
    offset = cluster.an.log_size()
    result = cluster.succeed(DATA_NODE, data_nodes=wanted, sessions=3)
    assert cluster.an.log_since(offset).count(f"{cluster.database}|postgres|LOG:  connection authorized") == 3
    cluster.unchanged(DATA_NODE, data_nodes=wanted)
    assert [step["object"] for step in result["steps"]] == [f'data node "dn{number}"' for number in range(1 + known, 6)]
    assert set(cluster.nodes()) == {"dn1", "dn2", "dn3", "dn4", "dn5"}


def test_what_other_sessions_have_done_stays_where_one_fails(cluster):
    wanted = [cluster.place(f"dn{number}") for number in range(1, 6)]
    with cluster.read_only("dn2", seconds=3):
        result = cluster.run(DATA_NODE, data_nodes=wanted, sessions=2)
    assert result["failed"] and 'data node "dn2"' in result["msg"] and "lock timeout" in result["msg"]
    # While dn2 was waiting, the other session has added the rest.
    others = {"dn1", "dn3", "dn4", "dn5"}
    assert "Steps done before it: 4; run the task again to go on." in result["msg"]
    assert {step["object"] for step in result["steps"]} == {f'data node "{name}"' for name in others}
    assert set(cluster.nodes()) == others
    assert len(cluster.converge(DATA_NODE, data_nodes=wanted, sessions=2)["steps"]) == 1


@pytest.mark.parametrize("sessions", [0, 65])
def test_a_number_of_sessions_that_makes_no_sense(cluster, sessions):
    cluster.refuse(DATA_NODE, f"option sessions: it is {sessions}. Remedy: choose 1 to 64", **cluster.place("dn1"), sessions=sessions)
