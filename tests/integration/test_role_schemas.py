# GPL-3.0-or-later (see LICENSE)
"""Schemas and extensions that are alike on all nodes."""

from __future__ import annotations

import pytest

NODES = {"access node", "dn1", "dn2", "dn3"}


def owner(roles, node: str, schema: str) -> str:
    return roles.on(node, "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = %s", schema)[0][0]


def public(roles, node: str, schema: str) -> str:
    rows = roles.on(node, "SELECT unnest(nspacl)::text FROM pg_namespace WHERE nspname = %s", schema)
    return next((text.split("/")[0][1:] for (text,) in rows if text.startswith("=")), "")


def test_schema_on_all_nodes(roles):
    roles.converge(schemas=[dict(name="m"), dict(name="n", owner="r")], roles=[dict(name="r")])
    assert {owner(roles, node, "m") for node in NODES} == {"postgres"}
    assert {owner(roles, node, "n") for node in NODES} == {"r"}


def test_owner_drifted_on_one_node(roles):
    wanted = dict(
        schemas=[dict(name="m", owner="r", public_privs=["USAGE"])],
        roles=[dict(name="r"), dict(name="q", grants=[dict(type="schema", objs=["m"], privs=["CREATE"])])],
    )
    roles.converge(**wanted)
    roles.on("dn2", "ALTER SCHEMA m OWNER TO postgres")
    result = roles.converge(**wanted)
    assert [step["object"] for step in result["steps"]] == ['schema "m" on data node "dn2"']
    assert owner(roles, "dn2", "m") == "r" and roles.may("dn2", "q", "schema", "m", "CREATE")


def test_old_and_new_owner_with_privileges_of_their_own(roles):
    roles.everywhere("CREATE ROLE old; CREATE ROLE new; CREATE SCHEMA m AUTHORIZATION old; GRANT USAGE ON SCHEMA m TO new")
    schema = dict(type="schema", objs=["m"])
    result = roles.converge(
        schemas=[dict(name="m", owner="new")],
        roles=[dict(name="old", grants=[dict(schema, privs=["USAGE"])]), dict(name="new", grants=[dict(schema, privs=["ALL"])])],
    )
    # An owner has all privileges without a grant.
    assert (
        sorted((step["action"], step["object"].split(" on ")[0]) for step in result["steps"]) == [("alter", 'schema "m"')] * 4 + [("grant", 'role "old"')] * 4
    )
    assert not roles.may("dn1", "old", "schema", "m", "CREATE") and roles.may("dn1", "old", "schema", "m", "USAGE")


@pytest.mark.parametrize("wanted, letters", [(["USAGE"], "U"), ([], ""), (["ALL"], "UC")])
def test_schema_public_as_postgresql_15_makes_it(roles, wanted, letters):
    """dn1 is as PostgreSQL 14 made it."""
    roles.on("dn1", "GRANT CREATE ON SCHEMA public TO PUBLIC")
    roles.converge(schemas=[dict(name="public", public_privs=wanted)])
    assert {public(roles, node, "public") for node in NODES} == {letters}
    roles.unchanged(schemas=[dict(name="public")])


def test_extension_on_all_nodes(roles):
    roles.on("dn2", "CREATE EXTENSION pgcrypto")
    result = roles.converge(schemas=[dict(name="Ext ensions")], extensions=[dict(name="pgcrypto"), dict(name="hstore", schema="Ext ensions")])
    for node in NODES:
        assert roles.on(node, "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'hstore'") == [('"Ext ensions"',)]
        assert roles.on(node, "SELECT count(*) FROM pg_extension WHERE extname = 'pgcrypto'") == [(1,)]
    assert not any("pgcrypto" in step["object"] and "dn2" in step["object"] for step in result["steps"])


def test_data_nodes_get_the_version_of_the_access_node(roles):
    roles.on("access node", "CREATE EXTENSION hstore VERSION '1.5'")
    roles.on("dn1", "CREATE EXTENSION hstore VERSION '1.4'")
    result = roles.converge(extensions=[dict(name="hstore")])
    assert {roles.on(node, "SELECT extversion FROM pg_extension WHERE extname = 'hstore'")[0][0] for node in NODES} == {"1.5"}
    assert {entry["version"] for entry in result["before"]["extensions"]} == {"1.4"}
    roles.converge(extensions=[dict(name="hstore", version="1.6")])
    assert {roles.on(node, "SELECT extversion FROM pg_extension WHERE extname = 'hstore'")[0][0] for node in NODES} == {"1.6"}


def test_version_that_cannot_be_had(roles):
    roles.on("dn1", "CREATE EXTENSION hstore VERSION '1.6'")
    roles.refuse('extension "hstore" on data node "dn1"', "no way from version 1.6 to 1.4", extensions=[dict(name="hstore", version="1.4")])
    message = roles.refuse("the server has no version 9.9 of it to install", "package", extensions=[dict(name="pgcrypto", version="9.9")])
    assert message.count("9.9") == 4


def test_extension_that_no_server_has(roles):
    roles.refuse("the server has no such extension to install", "package", extensions=[dict(name="no_such_thing")])


def test_extension_in_a_missing_schema(roles):
    roles.refuse('schema "nowhere" is missing there', extensions=[dict(name="pgcrypto", schema="nowhere")])
