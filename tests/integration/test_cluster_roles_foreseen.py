# GPL-3.0-or-later (see LICENSE)
"""What the plan of a whole cluster foresees of roles: privileges on tables that it is yet to make, and what becomes of owners."""

from __future__ import annotations

from typing import Any

import pytest
from _cluster import CLUSTER, HYPERTABLE

pytestmark = pytest.mark.real_engine("GRANT and ALTER TABLE, which the access node sends to data nodes")

COLUMNS = "time timestamptz NOT NULL, device int NOT NULL"
NODES = ("access node", "dn1", "dn2", "dn3")
OWNER = dict(name='Own "er', login=True, data_nodes=["*"])
READER = dict(
    name="reader",
    login=True,
    exclusive=True,
    grants=[dict(type="schema", objs=["m"], privs=["USAGE"]), dict(type="table", schema="m", objs=["c"], privs=["SELECT"])],
)


def table(relation: str = "c", **more: Any) -> dict[str, Any]:
    return dict(dict(schema="m", relation=relation, definition=COLUMNS, time_column_name="time", partitioning_column="device"), **more)


@pytest.fixture
def declared(roles) -> dict[str, Any]:
    return dict(
        data_nodes=[roles.cluster.place(name) for name in ("dn1", "dn2", "dn3")],
        roles=[OWNER, READER],
        schemas=[dict(name="m", owner=OWNER["name"])],
        hypertables=[table(owner=OWNER["name"])],
    )


def everything(roles) -> Any:
    return roles.everything(), roles.cluster.state()


def converge(on, **declared: Any) -> dict[str, Any]:
    """Check mode changes nothing and predicts the real run; the second run finds nothing to do."""
    before = everything(on)
    predicted = on.cluster.succeed(CLUSTER, check=True, **declared)
    assert everything(on) == before
    result = on.cluster.succeed(CLUSTER, **declared)
    for key in ("changed", "before", "after", "steps", "diff"):
        assert result[key] == predicted[key], key
    on.check(result["after"])
    unchanged(on, **declared)
    return result


def unchanged(on, **declared: Any) -> None:
    before = everything(on)
    for check in (True, False):
        again = on.cluster.succeed(CLUSTER, check, **declared)
        assert again["changed"] is False and again["steps"] == [], again["steps"]
        assert not any(again["before"].values()) and not any(again["after"].values())
    assert everything(on) == before


def owners(roles, relation: str = "m.c") -> dict[str, str]:
    return {node: roles.on(node, "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = %s::regclass", relation)[0][0] for node in roles.servers}


def test_tables_of_a_schema_that_are_yet_to_be_made(roles, declared):
    declared["roles"][1] = dict(READER, grants=[READER["grants"][0], dict(type="table", schema="m", privs=["SELECT", "INSERT"])])
    declared["hypertables"].append(table("d"))
    converge(roles, **declared)
    assert all(roles.may(node, "reader", "table", f"m.{name}", "INSERT") for node in NODES for name in "cd")


def test_default_privileges_on_a_table_that_is_made_in_the_same_run(roles, declared):
    defaults = dict(type="default_privs", target_roles=["postgres"], schema="m", objs=["TABLES"], privs=["SELECT"])
    declared["roles"][1] = dict(READER, grants=[READER["grants"][0], defaults, dict(type="table", schema="m", privs=["SELECT"])])
    result = converge(roles, **declared)
    assert not [step for step in result["steps"] if "ON ALL TABLES" in step["sql"] or 'ON TABLE "' in step["sql"]]
    assert all(roles.may(node, "reader", "table", "m.c", "SELECT") for node in NODES)


def test_more_default_privileges_than_declared_go_in_the_same_run(roles, declared):
    defaults = dict(type="default_privs", target_roles=["postgres"], schema="m", objs=["TABLES"], privs=["INSERT"])
    declared["roles"][1] = dict(READER, grants=[*READER["grants"], defaults])
    converge(roles, **declared)
    assert all(roles.acl(node, "m.c")["reader"] == "r" for node in NODES)


def test_roles_that_go_after_the_tables_of_their_owner_are_given_away(roles, declared):
    converge(roles, **declared)
    gone = dict(declared, roles=[READER, dict(name=OWNER["name"], state="absent", reassign_owned_to="postgres")], schemas=[dict(name="m")])
    gone["hypertables"] = [table()]
    converge(roles, **gone)
    assert roles.nodes_with(OWNER["name"]) == set()
    assert owners(roles) == dict.fromkeys(NODES, "postgres")


def test_new_role_as_owner_in_the_run_in_which_a_data_node_leaves(roles, declared):
    """That data node does not get the role."""
    converge(roles, **declared)
    new = dict(OWNER, name="new owner")
    leaving = dict(node_name="dn3", state="absent")
    changed = dict(declared, data_nodes=[*declared["data_nodes"][:2], leaving], roles=[*declared["roles"], new], hypertables=[table(owner=new["name"])])
    roles.cluster.succeed(CLUSTER, **changed)
    assert owners(roles) == dict.fromkeys(NODES[:3], new["name"]) | {"dn3": OWNER["name"]}
    assert "dn3" not in roles.nodes_with(new["name"]) and "dn3" not in roles.cluster.nodes()
    del roles.servers["dn3"]
    unchanged(roles, **changed)


def test_all_reasons_at_once(roles, declared, closed_port):
    """Those of data nodes, roles and hypertables."""
    declared["data_nodes"].append(dict(node_name="dn9", host="127.0.0.1", port=closed_port))
    declared["roles"].append(dict(name="r", member_of=["lacking"]))
    declared["hypertables"].append(table("d", replication_factor=9))
    result = roles.cluster.run(CLUSTER, **declared)
    for text in ('data node "dn9"', 'role "lacking"', "replication_factor 9"):
        assert text in result["msg"], result["msg"]


def test_node_whose_database_is_made_by_the_run(roles, declared):
    server = next(server for server in roles.cluster.dns if server.name == "dn5")
    declared["data_nodes"].append(dict(node_name="dn5", host="127.0.0.1", port=server.port))
    roles.cluster.succeed(CLUSTER, **declared)
    roles.servers["dn5"] = server
    unchanged(roles, **declared)
    assert owners(roles)["dn5"] == OWNER["name"] and roles.may("dn5", "reader", "table", "m.c", "SELECT")


def test_the_module_for_hypertables_gives_them_away_as_well(roles):
    """One that it makes, and one that is there with rows."""
    roles.everywhere("CREATE ROLE keeper LOGIN")
    roles.cluster.distribute("measured")
    roles.cluster.fill("measured")
    tables = [table("measured", schema="public", owner="keeper"), table("new", schema="public", owner="keeper")]
    predicted = roles.cluster.succeed(HYPERTABLE, check=True, hypertables=tables)
    assert owners(roles, "measured") == dict.fromkeys(NODES, "postgres")
    result = roles.cluster.succeed(HYPERTABLE, hypertables=tables)
    assert result["after"] == predicted["after"] and result["steps"] == predicted["steps"]
    assert owners(roles, "measured") == owners(roles, "new") == dict.fromkeys(NODES, "keeper")
    assert roles.cluster.query("SELECT count(*) FROM measured") == [(100,)]
    assert roles.cluster.succeed(HYPERTABLE, hypertables=tables)["changed"] is False


def test_what_another_role_granted_on_a_data_node_is_not_taken_for_revoked(roles, declared):
    converge(roles, **declared)
    roles.cluster.query("GRANT INSERT ON m.c TO reader")
    roles.everywhere("CREATE ROLE other")
    directly = "SET timescaledb.enable_client_ddl_on_data_nodes = on"
    statements = ("REVOKE INSERT ON m.c FROM reader", "GRANT INSERT ON m.c TO other WITH GRANT OPTION", "GRANT USAGE ON SCHEMA m TO other", "SET ROLE other")
    roles.on("dn1", "; ".join([directly, *statements, "GRANT INSERT ON m.c TO reader"]))
    roles.cluster.refuse(CLUSTER, 'role "reader" on data node "dn1"', "granted by another role than the owner", **declared)


def test_privileges_on_a_data_node_go_with_it(roles, declared):
    converge(roles, **declared)
    declared["data_nodes"][2] = dict(node_name="dn3", state="absent")
    result = roles.cluster.succeed(CLUSTER, check=True, **declared)
    assert roles.cluster.succeed(CLUSTER, **declared)["after"] == result["after"]


def test_default_privileges_that_nobody_declares_go_in_the_same_run(roles, declared):
    """Those of the role of the task, which makes the table."""
    roles.everywhere("CREATE ROLE reader LOGIN; ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO reader")
    converge(roles, **declared)
    assert all(roles.acl(node, "m.c")["reader"] == "r" for node in NODES)


def test_default_privileges_of_the_owner_go_where_a_node_is_attached(roles, declared):
    declared["hypertables"][0]["data_nodes"] = ["dn1", "dn2"]
    converge(roles, **declared)
    roles.on("dn3", 'ALTER DEFAULT PRIVILEGES FOR ROLE "Own ""er" GRANT INSERT ON TABLES TO reader')
    declared["hypertables"][0]["data_nodes"].append("dn3")
    converge(roles, **declared)
    assert all(roles.acl(node, "m.c")["reader"] == "r" for node in NODES)


def test_a_table_of_another_role_that_is_to_belong_to_who_distributes_it(roles):
    roles.everywhere("CREATE ROLE keeper LOGIN")
    roles.cluster.query(f"CREATE TABLE plain ({COLUMNS}); ALTER TABLE plain OWNER TO keeper")
    wanted = [table("plain", schema="public", owner="postgres")]
    predicted = roles.cluster.succeed(HYPERTABLE, check=True, hypertables=wanted)
    assert roles.cluster.succeed(HYPERTABLE, hypertables=wanted)["steps"] == predicted["steps"]
    assert owners(roles, "plain") == dict.fromkeys(NODES, "postgres")
    assert roles.cluster.succeed(HYPERTABLE, hypertables=wanted)["changed"] is False
