# GPL-3.0-or-later (see LICENSE)
"""Privileges on all kinds of objects, on all nodes; what is sent by TimescaleDB is not done again."""

from __future__ import annotations

import pytest
from _roles import steps

NODES = {"access node", "dn1", "dn2", "dn3"}
SENT = "grants that the access node sends to data nodes"


def role(*grants: dict, **more) -> dict:
    return dict(roles=[dict(dict(name="r", grants=list(grants)), **more)])


def on_tables(*privs: str, schema: str = "public", **more) -> dict:
    return dict(type="table", schema=schema, privs=list(privs), **more)


@pytest.fixture
def tables(roles):
    """Role r; distributed hypertables a (on all data nodes) and "B c" (on dn1 and dn2); a plain table on the access node only."""
    roles.converge(roles=[dict(name="r")])
    roles.cluster.distribute("a")
    roles.cluster.distribute('"B c"', options=", 'device', data_nodes => '{dn1, dn2}'")
    roles.on("access node", "CREATE TABLE plain (a int); CREATE VIEW v AS SELECT 1 AS one; CREATE SEQUENCE s")
    return roles


def test_database_and_schema(roles):
    roles.everywhere("CREATE SCHEMA m")
    roles.converge(**role(dict(type="database", privs=["create", "temp"]), dict(type="schema", objs=["m", "public"], privs=["ALL"])))
    for node in NODES:
        assert roles.on(node, "SELECT has_database_privilege('r', current_database(), 'CREATE')") == [(True,)]
        assert all(roles.may(node, "r", "schema", schema, "CREATE") for schema in ("m", "public"))


def test_all_tables_of_a_schema(tables):
    result = tables.converge(**role(on_tables("SELECT", "INSERT")))
    for node, names in {"access node": ("a", '"B c"', "plain", "v"), "dn1": ("a", '"B c"'), "dn3": ("a",)}.items():
        for name in names:
            assert tables.acl(node, name)["r"] == "ar"
    assert len(result["steps"]) == 4  # one for each node


def test_drift_of_one_table_on_one_data_node(tables):
    wanted = role(on_tables("SELECT"))
    tables.converge(**wanted)
    tables.on("dn2", "SET timescaledb.enable_client_ddl_on_data_nodes = on; REVOKE SELECT ON a FROM r")
    result = tables.converge(**wanted)
    assert steps(result) == [("grant", 'role "r" on data node "dn2"')]
    assert 'it lacks SELECT on 1 of the 2 tables in schema "public"' in result["steps"][0]["reason"]


@pytest.mark.real_engine(SENT)
def test_what_the_access_node_sends_is_not_done_again(tables):
    result = tables.converge(**role(on_tables("SELECT", "UPDATE", objs=["a"])))
    assert steps(result) == [("grant", 'role "r" on the access node')]
    assert {tables.acl(node, "a")["r"] for node in NODES} == {"rw"}


@pytest.mark.real_engine(SENT)
def test_what_data_nodes_lack_beyond_that_is_done_there(tables):
    tables.on("access node", "GRANT SELECT ON a TO r")
    tables.on("dn3", "SET timescaledb.enable_client_ddl_on_data_nodes = on; REVOKE SELECT ON a FROM r")
    result = tables.converge(**role(on_tables("SELECT", "UPDATE", objs=["a"])))
    assert sorted((step["object"], step["reason"]) for step in result["steps"]) == [
        ('role "r" on data node "dn3"', 'it lacks SELECT on table "public"."a"'),
        ('role "r" on the access node', 'it lacks UPDATE on table "public"."a"'),
    ]
    assert {tables.acl(node, "a")["r"] for node in NODES} == {"rw"}


@pytest.mark.real_engine(SENT)
def test_named_tables_where_they_are(tables):
    tables.converge(**role(on_tables("ALL", objs=["B c", "plain"]), dict(type="sequence", schema="public", objs=["s"], privs=["USAGE"])))
    assert tables.acl("access node", "plain")["r"] == "arwdDxt" and tables.acl("access node", "s")["r"] == "U"
    assert {tables.acl(node, '"B c"')["r"] for node in ("access node", "dn1", "dn2")} == {"arwdDxt"}
    assert "r" not in tables.acl("dn1", "a")


@pytest.mark.real_engine(SENT)
def test_undeclared_privileges_stay_unless_exclusive(tables):
    for what in ("SELECT, DELETE ON plain", "SELECT, DELETE ON a", "CREATE ON SCHEMA public", "UPDATE ON s"):
        tables.on("access node", f"GRANT {what} TO r")
    tables.on("dn1", "SET timescaledb.enable_client_ddl_on_data_nodes = on; GRANT TRUNCATE ON a TO r")
    wanted = [on_tables("SELECT"), dict(type="schema", objs=["public"], privs=["USAGE"]), dict(type="sequence", schema="public", privs=["SELECT"])]
    tables.converge(**role(*wanted))
    assert tables.acl("access node", "plain")["r"] == "rd" and tables.acl("dn1", "a")["r"] in ("rD", "rdD")
    result = tables.converge(**role(*wanted, exclusive=True))
    assert {tables.acl("access node", name)["r"] for name in ("plain", "a", "s")} == {tables.acl("dn1", "a")["r"]} == {"r"}
    assert ",r=U/" in tables.on("access node", "SELECT nspacl::text FROM pg_namespace WHERE nspname = 'public'")[0][0]
    assert any("which is not declared" in step["reason"] for step in result["steps"])


def test_exclusive_leaves_what_the_role_owns(roles):
    roles.everywhere("CREATE ROLE r; CREATE SCHEMA m AUTHORIZATION r; CREATE TABLE m.t (a int); ALTER TABLE m.t OWNER TO r")
    roles.unchanged(roles=[dict(name="r", exclusive=True, grants=[dict(type="schema", objs=["m"], privs=["USAGE"]), on_tables("SELECT", schema="m")])])


def test_exclusive_refuses_what_another_role_granted(roles):
    roles.everywhere("CREATE ROLE r; CREATE ROLE g; CREATE TABLE t (a int); GRANT SELECT, UPDATE ON t TO g WITH GRANT OPTION")
    roles.on("dn1", "SET ROLE g; GRANT UPDATE ON t TO r")
    roles.refuse('role "r" on data node "dn1"', 'UPDATE on table "public"."t"', "granted by another role", **role(on_tables("SELECT"), exclusive=True))


def test_default_privileges_hold_on_all_nodes(roles):
    roles.converge(
        schemas=[dict(name="m")],
        roles=[
            dict(name="maker", distributed_hypertables_in=["m"]),
            dict(name="r", grants=[dict(type="default_privs", target_roles=["maker"], schema="m", objs=["TABLES", "SEQUENCES"], privs=["SELECT"])]),
            dict(name="q", grants=[dict(type="default_privs", target_roles=["maker"], objs=["FUNCTIONS", "types"], privs=["ALL"])]),
        ],
    )
    for node in NODES:
        roles.on(node, "CREATE TABLE m.t (a int); CREATE SEQUENCE m.s", user="maker")
        assert roles.acl(node, "m.t")["r"] == roles.acl(node, "m.s")["r"] == "r"
        assert roles.on(node, "SELECT count(*) FROM pg_default_acl") == [(4,)]
    roles.converge(
        roles=[dict(name="r", exclusive=True, grants=[dict(type="default_privs", target_roles=["maker"], schema="m", objs=["TABLES"], privs=["INSERT"])])]
    )
    assert {row for node in NODES for row in roles.on(node, "SELECT defaclacl::text FROM pg_default_acl WHERE defaclobjtype = 'r'")} == {("{r=a/maker}",)}


def test_data_nodes(roles):
    def usable() -> list:
        return roles.on("access node", "SELECT srvname::text FROM pg_foreign_server WHERE has_server_privilege('r', oid, 'USAGE') ORDER BY 1")

    roles.converge(**role(data_nodes=["dn1", "dn3"]))
    assert usable() == [("dn1",), ("dn3",)]
    roles.unchanged(**role(data_nodes=["dn1"]))
    roles.converge(**role(data_nodes=["dn1"], exclusive=True))
    assert usable() == [("dn1",)]
    roles.converge(**role(data_nodes=["*"], exclusive=True))
    assert usable() == [("dn1",), ("dn2",), ("dn3",)]
    roles.converge(**role(data_nodes=[], exclusive=True))
    assert usable() == []
    roles.refuse('data node "dn9" is not registered', **role(data_nodes=["dn9"]))


@pytest.mark.real_engine(SENT)
def test_setting_that_sends_more_does_not_matter(tables):
    """timescaledb_experimental.enable_distributed_ddl would send CREATE SCHEMA a second time."""
    tables.an.query("postgres", f"ALTER DATABASE {tables.database} SET timescaledb_experimental.enable_distributed_ddl = on")
    tables.converge(
        schemas=[dict(name="m")],
        **role(dict(type="schema", objs=["m"], privs=["USAGE"]), dict(type="database", privs=["CREATE"]), on_tables("SELECT")),
    )


@pytest.mark.real_engine(SENT)
def test_data_node_that_is_not_available(tables):
    tables.on("access node", "SELECT alter_data_node('dn3', available => false)")
    tables.refuse('table "public"."a"', 'data node "dn3", which is not available', **role(on_tables("SELECT", objs=["a"])))
    del tables.servers["dn3"]
    result = tables.converge(**role(on_tables("SELECT", objs=["B c"]), dict(type="schema", objs=["public"], privs=["USAGE"])))
    assert any('data node "dn3" is not available and was left as it is' in warning for warning in result["warnings"])
    # All tables of a schema: TimescaleDB does not send that.
    tables.converge(**role(on_tables("SELECT")))
    tables.servers["dn3"] = tables.cluster.dn("dn3")
    assert "r" not in tables.acl("dn3", "a")
    tables.on("access node", "SELECT alter_data_node('dn3', available => true)")
    tables.converge(**role(on_tables("SELECT")))
    assert tables.acl("dn3", "a")["r"] == "r"
