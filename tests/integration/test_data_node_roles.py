# GPL-3.0-or-later (see LICENSE)
"""Passwords, roles without superuser rights, and plans that are interrupted."""

from __future__ import annotations

import json

import pytest
from _cluster import DATA_NODE
from _servers import PASSWORD, SECURED


def test_password_is_used_and_shown_nowhere(cluster):
    servers = [cluster.an, *cluster.dns]
    offsets = [server.log_size() for server in servers]
    result = cluster.converge(DATA_NODE, **cluster.place("dn1", password=PASSWORD, login_user=SECURED))
    assert "password => '********'" in result["steps"][0]["sql"]
    assert PASSWORD not in json.dumps(result)
    logs = "".join(server.log_since(offset) for server, offset in zip(servers, offsets))
    assert "connection authorized" in logs
    assert not [line for line in logs.splitlines() if "LOG:  statement:" in line and "add_data_node" in line]
    assert PASSWORD not in logs


def test_password_of_a_failing_statement_is_in_no_log(cluster):
    offset = cluster.an.log_size()
    with cluster.read_only("dn1"):
        result = cluster.run(DATA_NODE, **cluster.place("dn1", password=PASSWORD, login_user=SECURED))
    assert result["failed"] and "lock timeout" in result["msg"]
    assert PASSWORD not in cluster.an.log_since(offset) + json.dumps(result)


def test_password_is_in_no_log_of_a_server_that_explains_its_statements(cluster, servers):
    """auto_explain logs the text of a query whatever log_statement says."""
    explaining = {"shared_preload_libraries": "timescaledb, auto_explain", "auto_explain.log_min_duration": 0, "auto_explain.log_nested_statements": "on"}
    server = servers.extra("explaining", **explaining)
    server.create_database(cluster.database)
    server.query(cluster.database, "SELECT 'it does'")
    cluster.succeed(DATA_NODE, **cluster.place("dn1", password=PASSWORD, login_user=SECURED, login_port=server.port))
    assert "Query Text: SELECT 'it does'" in server.log_since(0) and PASSWORD not in server.log_since(0)
    assert server.query(cluster.database, "SELECT srvname FROM pg_foreign_server") == [("dn1",)]


def test_password_in_the_list(cluster):
    result = cluster.converge(DATA_NODE, data_nodes=[cluster.place("dn1", password=PASSWORD)], login_user=SECURED)
    assert PASSWORD not in json.dumps(result)


def test_password_is_in_the_log_of_no_session(cluster):
    offset = cluster.an.log_size()
    wanted = [cluster.place(f"dn{number}", password=PASSWORD) for number in range(1, 5)]
    cluster.succeed(DATA_NODE, data_nodes=wanted, login_user=SECURED, sessions=3)
    assert set(cluster.nodes()) == {"dn1", "dn2", "dn3", "dn4"}
    assert PASSWORD not in cluster.an.log_since(offset)


@pytest.mark.parametrize("options, cause", [({"password": "wrong one"}, "password authentication failed"), ({}, "no password supplied")])
def test_password_wrong_or_missing(cluster, options, cause):
    message = cluster.refuse(DATA_NODE, f"no connection as role {SECURED}", cause, **cluster.place("dn1", login_user=SECURED, **options))
    assert "passfile" in message and "wrong one" not in message


def test_password_from_the_passfile(cluster, passfile):
    cluster.converge(DATA_NODE, **cluster.place("dn1", login_user=SECURED))
    assert set(cluster.nodes()) == {"dn1"}


def test_bootstrap_with_password(cluster):
    cluster.dn("dn1").drop_database(cluster.database)
    cluster.converge(DATA_NODE, **cluster.place("dn1", password=PASSWORD, login_user=SECURED))


def test_reclaim_with_password(cluster):
    cluster.dn("dn1").query(cluster.database, "INSERT INTO _timescaledb_catalog.metadata VALUES ('dist_uuid', gen_random_uuid(), true)")
    cluster.converge(DATA_NODE, **cluster.place("dn1", password=PASSWORD, login_user=SECURED, reclaim="membership"))


def test_role_without_grants(cluster):
    cluster.refuse(
        DATA_NODE, "the role may not add data nodes", "GRANT USAGE ON FOREIGN DATA WRAPPER timescaledb_fdw", **cluster.place("dn1", login_user="app")
    )


def test_role_that_does_not_own_the_node(nodes):
    for options in (nodes.place("dn1", host="localhost"), dict(node_name="dn1", state="absent")):
        nodes.refuse(DATA_NODE, "the role does not own it (postgres does)", login_user="app", **options)


def test_role_with_grants_adopts(cluster):
    cluster.query("GRANT USAGE ON FOREIGN DATA WRAPPER timescaledb_fdw TO app")
    cluster.converge(DATA_NODE, **cluster.place("dn1", login_user="app"))
    cluster.converge(DATA_NODE, **cluster.place("dn1", login_user="app", host="localhost"))
    cluster.converge(DATA_NODE, node_name="dn1", login_user="app", state="absent")


def test_role_that_may_not_create_databases(cluster):
    cluster.query("GRANT USAGE ON FOREIGN DATA WRAPPER timescaledb_fdw TO app")
    cluster.refuse(DATA_NODE, "role app may not create databases there", **cluster.place("dn1", login_user="app", database="nowhere"))


def test_session_role(cluster):
    cluster.query("GRANT USAGE ON FOREIGN DATA WRAPPER timescaledb_fdw TO app")
    offset = cluster.dn("dn1").log_size()
    cluster.converge(DATA_NODE, **cluster.place("dn1", session_role="app"))
    assert f"{cluster.database}|app|LOG:  connection authorized" in cluster.dn("dn1").log_since(offset)
    assert cluster.query("SELECT srvowner::regrole::text FROM pg_foreign_server") == [("app",)]


def test_interrupted_plan_is_finished_by_the_next_run(cluster):
    wanted = [cluster.place(name) for name in ("dn1", "dn2", "dn3")]
    with cluster.read_only("dn2"):
        result = cluster.run(DATA_NODE, data_nodes=wanted)
    assert result["failed"] and result["changed"] is True
    assert [step["object"] for step in result["steps"]] == ['data node "dn1"']
    assert 'data node "dn2"' in result["msg"] and "lock timeout" in result["msg"]
    assert "Steps done before it: 1; run the task again to go on." in result["msg"]
    assert result["before"] == [] and "after" not in result
    assert set(cluster.nodes()) == {"dn1"}
    assert len(cluster.converge(DATA_NODE, data_nodes=wanted)["steps"]) == 2
