# GPL-3.0-or-later (see LICENSE)
"""Roles with their attributes and memberships, on all nodes at once; what has drifted on one of them."""

from __future__ import annotations

import pytest
from _roles import steps

ODD = ["with space", 'quo"te', "Capitals", "x" * 63, "päß", "per%s{cent}", "semi;colon--"]
NODES = {"access node", "dn1", "dn2", "dn3"}


def test_role_on_all_nodes(roles):
    result = roles.converge(roles=[dict(name="r", login=True, createdb=True, connection_limit=7)])
    assert roles.nodes_with("r") == NODES
    for node in NODES:
        assert roles.attributes(node, "r") == dict(login=True, inherit=True, createdb=True, createrole=False, superuser=False, connection_limit=7, member_of=[])
    assert result["before"]["roles"] == []
    assert {entry["node"] for entry in result["after"]["roles"]} == NODES
    assert [step["database"] for step in result["steps"]][-1].endswith(f"/{roles.database}")
    assert steps(result) == sorted(("create", f'role "r" on {place}') for place in ("the access node", *(f'data node "dn{n}"' for n in (1, 2, 3))))


def test_new_role_is_as_create_role_makes_it(roles):
    roles.converge(roles=[dict(name="r")])
    roles.everywhere("CREATE ROLE plain")
    for node in NODES:
        assert roles.attributes(node, "r") == roles.attributes(node, "plain")


@pytest.mark.parametrize("name", ODD)
def test_odd_names(roles, name):
    result = roles.converge(
        schemas=[dict(name=name, owner=name)],
        roles=[dict(name=name, distributed_hypertables_in=[name]), dict(name="m", member_of=[name])],
    )
    assert roles.nodes_with(name) == NODES
    assert result["changed"]
    result = roles.converge(schemas=[dict(name=name, state="absent")], roles=[dict(name=name, state="absent")])
    assert roles.nodes_with(name) == set()


@pytest.mark.parametrize("node", sorted(NODES))
def test_the_odd_one_out(roles, node):
    wanted = dict(roles=[dict(name="r", login=True, inherit=False, member_of=["g"], exclusive=True), dict(name="g"), dict(name="h")])
    roles.converge(**wanted)
    roles.on(node, "ALTER ROLE r NOLOGIN CONNECTION LIMIT 3")
    roles.on(node, "REVOKE g FROM r")
    roles.on(node, "GRANT h TO r")
    result = roles.converge(**wanted)
    assert [entry["node"] for entry in result["before"]["roles"]] == [entry["node"] for entry in result["after"]["roles"]] == [node]
    assert all(node in step["object"] for step in result["steps"])
    assert [step["action"] for step in result["steps"]] == ["alter", "grant", "revoke"]
    assert result["steps"][0]["reason"] == "it is NOLOGIN"
    assert roles.attributes(node, "r")["connection_limit"] == 3  # not declared


def test_missing_on_one_node(roles):
    wanted = dict(roles=[dict(name="r", login=True)])
    roles.converge(**wanted)
    roles.on("dn2", "DROP ROLE r")
    result = roles.converge(**wanted)
    assert steps(result) == [("create", 'role "r" on data node "dn2"')]


def test_what_is_not_said_is_left(roles):
    roles.everywhere("CREATE ROLE g")
    roles.everywhere("CREATE ROLE r LOGIN CREATEROLE CONNECTION LIMIT 4 PASSWORD 'x' IN ROLE g")
    roles.unchanged(roles=[dict(name="r")])
    roles.unchanged(roles=[dict(name="r", exclusive=True)])


@pytest.mark.parametrize("attribute", ["login", "inherit", "createdb", "createrole", "superuser"])
def test_each_attribute_both_ways(roles, attribute):
    new = attribute == "inherit"
    roles.converge(roles=[dict(name="r", **{attribute: not new})])
    assert {roles.attributes(node, "r")[attribute] for node in NODES} == {not new}
    roles.converge(roles=[dict(name="r", **{attribute: new})])
    assert {roles.attributes(node, "r")[attribute] for node in NODES} == {new}


def test_memberships_beyond_the_declared_stay_unless_exclusive(roles):
    roles.converge(roles=[dict(name="g"), dict(name="h"), dict(name="r", member_of=["g", "h"])])
    roles.unchanged(roles=[dict(name="r", member_of=["g"])])
    roles.converge(roles=[dict(name="r", member_of=["g"], exclusive=True)])
    assert roles.attributes("dn3", "r")["member_of"] == ["g"]
    roles.converge(roles=[dict(name="r", member_of=["pg_read_all_data"], exclusive=True)])
    assert roles.attributes("access node", "r")["member_of"] == ["pg_read_all_data"]


def test_a_node_added_later_gets_the_same(roles):
    wanted = dict(
        schemas=[dict(name="metrics")],
        extensions=[dict(name="pgcrypto")],
        roles=[dict(name="w", password="secret word", distributed_hypertables_in=["metrics"])],
    )
    roles.converge(**wanted)
    roles.cluster.register("dn4")
    roles.servers["dn4"] = roles.cluster.dn("dn4")
    result = roles.converge(**wanted)
    assert {entry["node"] for entry in result["after"]["roles"]} == {"dn4", "access node"}  # USAGE on the new foreign server
    assert {entry["node"] for kind in ("schemas", "extensions") for entry in result["after"][kind]} == {"dn4"}
    assert roles.verifier("dn4", "w") == roles.verifier("access node", "w")


def test_databases_of_one_server_share_its_roles(roles, cluster):
    """A data node in another database of the access node's own server, and two on one server."""
    other, second = f"{cluster.database}_b", f"{cluster.database}_c"
    cluster.an.create_database(other)
    cluster.dn("dn1").create_database(second)
    for name, database, port in (("own", other, cluster.an.port), ("second", second, cluster.dn("dn1").port)):
        cluster.query("SELECT add_data_node(%s, host => '127.0.0.1', port => %s, database => %s, bootstrap => false)", name, port, database)
    wanted = dict(schemas=[dict(name="m", owner="r")], roles=[dict(name="r", login=True, grants=[dict(type="database", privs=["TEMP"])])])
    result = roles.cluster.succeed("timescale_role", **wanted)
    assert len([step for step in result["steps"] if step["action"] == "create" and "role" in step["object"]]) == 4
    assert roles.cluster.succeed("timescale_role", **wanted)["steps"] == []
    for server, database in ((cluster.an, other), (cluster.dn("dn1"), second)):
        assert server.value(database, "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'm'") == "r"
    gone = dict(schemas=[dict(name="m", state="absent")], roles=[dict(name="r", state="absent")])
    roles.cluster.succeed("timescale_role", **gone)
    assert roles.nodes_with("r") == set()
    assert roles.cluster.succeed("timescale_role", **gone)["steps"] == []


def test_interrupted_run_is_finished_by_the_next_one(roles):
    """dn2 fails in the middle; what the others have got they keep."""
    wanted = dict(schemas=[dict(name="metrics")], roles=[dict(name="r", password="secret word", grants=[dict(type="schema", objs=["metrics"], privs=["ALL"])])])
    server = roles.servers["dn2"]
    server.query("postgres", f"ALTER DATABASE {roles.database} SET lock_timeout = '100ms'")
    with server.connection(roles.database) as holder:
        holder.autocommit = False
        holder.cursor().execute("LOCK TABLE pg_namespace IN SHARE MODE")
        result = roles.run(**wanted)
    assert result["failed"] and result["changed"] and "lock timeout" in result["msg"] and 'data node "dn2"' in result["msg"]
    assert "run the task again to go on" in result["msg"]
    assert roles.on("access node", "SELECT to_regnamespace('metrics')") == [(None,)]
    roles.converge(**wanted)
    assert len({roles.verifier(node, "r") for node in NODES}) == 1


def test_one_query_and_one_writing_session_on_each_node(roles):
    offsets = {node: server.log_size() for node, server in roles.servers.items()}
    many = [dict(name=f"r{number}", grants=[dict(type="schema", objs=["public"], privs=["USAGE"])]) for number in range(20)]
    roles.cluster.succeed("timescale_role", roles=many)
    for node in ("dn1", "dn2", "dn3"):
        log = roles.servers[node].log_since(offsets[node])
        # To read, to write, and to read again.
        assert log.count(f"{roles.database}|postgres|LOG:  connection authorized") == 3
        assert log.count("WITH asked AS") == 2
