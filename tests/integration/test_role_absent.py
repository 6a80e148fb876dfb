# GPL-3.0-or-later (see LICENSE)
"""Roles and schemas that must not be there: dropped everywhere, or refused with what would be lost, and where."""

from __future__ import annotations

import pytest

NODES = {"access node", "dn1", "dn2", "dn3"}
GONE = dict(roles=[dict(name="r", state="absent")])


def test_role_with_privileges_of_all_kinds(roles):
    roles.everywhere("CREATE ROLE r LOGIN; CREATE ROLE other; CREATE ROLE third; GRANT other TO r; GRANT r TO third")
    roles.everywhere("CREATE SCHEMA m; CREATE TABLE m.plain (a int)")
    roles.everywhere(f"GRANT CREATE ON DATABASE {roles.database} TO r; GRANT ALL ON SCHEMA m TO r; GRANT SELECT ON m.plain TO r")
    roles.everywhere("ALTER DEFAULT PRIVILEGES FOR ROLE r GRANT SELECT ON TABLES TO other; ALTER DEFAULT PRIVILEGES FOR ROLE other GRANT SELECT ON TABLES TO r")
    roles.on("access node", "GRANT USAGE ON FOREIGN SERVER dn1 TO r; CREATE USER MAPPING FOR r SERVER dn2 OPTIONS (user 'r')")
    roles.cluster.distribute("c")
    roles.on("access node", "GRANT SELECT ON c TO r")
    roles.converge(**GONE)
    assert roles.nodes_with("r") == set()
    assert roles.nodes_with("other") == NODES
    assert roles.on("dn1", "SELECT to_regclass('m.plain')") == [("m.plain",)]


def test_absent_already(roles):
    roles.unchanged(**GONE)


def test_there_on_some_nodes_only(roles):
    for node in ("dn2", "dn3"):
        roles.on(node, "CREATE ROLE r")
    result = roles.converge(**GONE)
    assert {entry["node"] for entry in result["before"]["roles"]} == {"dn2", "dn3"} and result["after"]["roles"] == []


@pytest.mark.parametrize("node", sorted(NODES))
def test_owner_is_refused_and_told_what_it_owns_and_where(roles, node):
    roles.everywhere("CREATE ROLE r")
    roles.on(node, "CREATE SCHEMA x AUTHORIZATION r")
    place = "the access node" if node == "access node" else f'data node "{node}"'
    roles.refuse(f'role "r" on {place}', "it owns 1 object there: schema x", "reassign_owned_to", **GONE)


def test_owned_is_reassigned_where_asked_for(roles):
    roles.everywhere("CREATE ROLE r; CREATE ROLE heir; CREATE SCHEMA x AUTHORIZATION r; CREATE TABLE x.t (a int); ALTER TABLE x.t OWNER TO r")
    result = roles.converge(roles=[dict(name="r", state="absent", reassign_owned_to="heir")])
    for node in NODES:
        assert roles.on(node, "SELECT relowner::regrole::text FROM pg_class WHERE oid = 'x.t'::regclass") == [("heir",)]
    assert "table x.t" in result["steps"][0]["reason"] and 'role "heir"' in result["steps"][0]["reason"]


def test_distributed_hypertable_is_reassigned_on_all_nodes(roles):
    roles.everywhere("CREATE ROLE r LOGIN; CREATE ROLE heir LOGIN; GRANT CREATE ON SCHEMA public TO r")
    roles.on("access node", "GRANT USAGE ON FOREIGN SERVER dn1, dn2, dn3 TO r")
    roles.on("access node", "CREATE TABLE c (time timestamptz NOT NULL, device int NOT NULL)", user="r")
    roles.on("access node", "SELECT create_distributed_hypertable('c', 'time', 'device')", user="r")
    roles.on("access node", "INSERT INTO c SELECT '2026-01-01'::timestamptz + n * interval '1 min', n FROM generate_series(1, 50) n", user="r")
    roles.refuse("it owns", "table c", **GONE)
    roles.converge(roles=[dict(name="r", state="absent", reassign_owned_to="heir")])
    for node in NODES:
        assert roles.on(node, "SELECT relowner::regrole::text FROM pg_class WHERE oid = 'public.c'::regclass") == [("heir",)]
    assert roles.on("access node", "SELECT count(*) FROM c", user="postgres") == [(50,)]


def test_heir_must_be_everywhere(roles):
    roles.everywhere("CREATE ROLE r")
    roles.on("dn1", "CREATE ROLE heir")
    message = roles.refuse('role "heir" on the access node', "missing there", roles=[dict(name="r", state="absent", reassign_owned_to="heir")])
    assert 'data node "dn2"' in message and 'data node "dn1"' not in message
    roles.converge(roles=[dict(name="r", state="absent", reassign_owned_to="heir"), dict(name="heir")])


def test_other_database_of_a_server(roles):
    roles.everywhere("CREATE ROLE r")
    server = roles.servers["dn1"]
    server.create_database("elsewhere", "template0")
    server.query("elsewhere", "CREATE TABLE t (a int); ALTER TABLE t OWNER TO r")
    roles.refuse('role "r" on data node "dn1"', 'in database "elsewhere" of that server', **GONE)
    server.drop_database("elsewhere")
    roles.converge(**GONE)


@pytest.mark.real_engine("background jobs")
def test_background_job(roles):
    roles.everywhere("CREATE ROLE r LOGIN")
    roles.on("access node", "CREATE PROCEDURE p(job_id int, config jsonb) LANGUAGE sql AS 'SELECT 1'")
    ((job,),) = roles.on("access node", "SELECT add_job('p', '1 day')", user="r")
    roles.refuse('role "r" on the access node', f"background job {job} runs as it", "delete_job", **GONE)
    roles.refuse(f"background job {job} runs as it", roles=[dict(name="r", state="absent", reassign_owned_to="postgres")])


def test_role_of_the_login(roles):
    roles.refuse('role "postgres"', "the task itself logs in as it", roles=[dict(name="postgres", state="absent")])


def test_schema(roles):
    for node in ("dn1", "access node"):
        roles.on(node, "CREATE SCHEMA x")
    gone = dict(schemas=[dict(name="x", state="absent")])
    roles.on("dn1", "CREATE TABLE x.t (a int)")
    roles.refuse('schema "x" on data node "dn1"', "it holds 1 object: table x.t", **gone)
    roles.on("dn1", "DROP TABLE x.t")
    roles.converge(**gone)
    assert roles.on("dn1", "SELECT to_regnamespace('x')") == [(None,)]


def test_schema_together_with_its_owner(roles):
    roles.everywhere("CREATE ROLE r; CREATE SCHEMA x AUTHORIZATION r")
    roles.converge(schemas=[dict(name="x", state="absent")], **GONE)
    assert roles.nodes_with("r") == set()
