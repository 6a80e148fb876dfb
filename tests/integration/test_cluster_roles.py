# GPL-3.0-or-later (see LICENSE)
"""Roles, schemas and extensions in the plan of a whole cluster: behind its data nodes, before its hypertables, and grants behind these."""

from __future__ import annotations

from typing import Any

import psycopg2
import pytest
from _cluster import CLUSTER
from _roles import Roles

PASSWORD = "s3cret of app"
SCHEMA = "Shop floor"
TABLE = dict(schema=SCHEMA, relation="c", definition="time timestamptz NOT NULL, device int NOT NULL", time_column_name="time", partitioning_column="device")
OWNER = f"SELECT tableowner FROM pg_tables WHERE schemaname = '{SCHEMA}' AND tablename = 'c'"
FILL = f"INSERT INTO \"{SCHEMA}\".c SELECT '2026-01-01'::timestamptz + n * interval '1 min', n FROM generate_series(1, 90) n"
READ = [dict(type="schema", objs=[SCHEMA], privs=["USAGE"]), dict(type="table", schema=SCHEMA, objs=["c"], privs=["SELECT"])]
NODES = {"access node", "dn1", "dn2", "dn3"}


def wanted(cluster, *names: str, **more: Any) -> dict[str, Any]:
    """A cluster of these data nodes, with an application and a reader."""
    fields: dict[str, Any] = dict(
        data_nodes=[cluster.place(name) for name in names],
        schemas=[dict(name=SCHEMA), dict(name="public", public_privs=["USAGE"])],
        extensions=[dict(name="pg_trgm")],
        roles=[
            dict(name="app 1", password=PASSWORD, distributed_hypertables_in=[SCHEMA]),
            dict(name="reader", login=True, grants=READ, exclusive=True),
        ],
        hypertables=[dict(TABLE, owner="app 1", replication_factor=2)],
    )
    return {**fields, **more}


@pytest.fixture
def site(cluster, passfile):
    """An access node without data nodes; the application's password is in its passfile."""
    passfile.write_text(passfile.read_text() + f"*:*:*:app 1:{PASSWORD}\n")
    roles = Roles(cluster)
    for name in ("dn1", "dn2", "dn3"):
        cluster.dn(name)
    yield roles
    roles.clean()


def converge(site, **arguments: Any) -> dict[str, Any]:
    """Check mode changes nothing and predicts the real run; what that shows is there; the second run finds nothing to do."""
    before = site.everything()
    predicted = site.cluster.succeed(CLUSTER, check=True, **arguments)
    assert site.everything() == before
    result = site.cluster.succeed(CLUSTER, **arguments)
    for key in ("changed", "before", "after", "steps", "diff"):
        assert result[key] == predicted[key], key
    assert result["changed"]
    site.check({kind: result["after"].get(kind, []) for kind in ("roles", "schemas", "extensions")})
    unchanged(site, **arguments)
    return result


def unchanged(site, **arguments: Any) -> None:
    before = site.everything()
    for check in (True, False):
        result = site.cluster.succeed(CLUSTER, check, **arguments)
        assert result["changed"] is False and result["steps"] == []
    assert site.everything() == before


def placed(result: dict[str, Any], *actions_of: tuple[str, str]) -> list[int]:
    """Where the first step of each (action, beginning of the object) is."""
    return [next(n for n, step in enumerate(result["steps"]) if step["action"] == action and step["object"].startswith(what)) for action, what in actions_of]


@pytest.mark.real_engine("owners of distributed hypertables")
def test_everything_from_nothing_in_one_run(site):
    result = converge(site, **wanted(site.cluster, "dn1", "dn2", "dn3"))
    order = placed(result, ("add", "data node"), ("create", 'role "app 1"'), ("create", "schema"), ("create", "distributed"), ("alter", "distributed"))
    assert order == sorted(order)
    tables = [n for n, step in enumerate(result["steps"]) if step["sql"].startswith("GRANT SELECT ON TABLE")]
    assert len(tables) == 1 and tables[0] > order[-1]
    for node in NODES:
        assert site.on(node, OWNER) == [("app 1",)]
        assert site.may(node, "reader", "table", f'"{SCHEMA}".c', "SELECT")
        assert not site.may(node, "reader", "table", f'"{SCHEMA}".c', "INSERT")
        assert site.on(node, "SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'") == [(1,)]
    assert PASSWORD not in str(result)


@pytest.mark.real_engine("owners of distributed hypertables")
def test_the_application_creates_and_fills_and_may_do_no_more(site):
    converge(site, **wanted(site.cluster, "dn1", "dn2", "dn3"))
    with site.an.demanding_password("app 1"), site.cluster.dn("dn1").demanding_password("app 1"):
        login = dict(host="127.0.0.1", port=site.an.port, dbname=site.database, user="app 1", password=PASSWORD)
        connection = psycopg2.connect(**login)
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(FILL)
        cursor.execute(f'CREATE TABLE "{SCHEMA}".own (time timestamptz NOT NULL, n int)')
        cursor.execute(f"SELECT create_distributed_hypertable('\"{SCHEMA}\".own', 'time', 'n')")
        for statement in ("CREATE TABLE public.t (a int)", "CREATE SCHEMA mine", "SELECT alter_data_node('dn1', host => 'elsewhere')"):
            with pytest.raises(psycopg2.Error, match=r"permission denied|must be owner of foreign server"):
                cursor.execute(statement)
        connection.close()
    assert site.on("access node", f'SELECT count(*) FROM "{SCHEMA}".c', user="reader") == [(90,)]
    with pytest.raises(psycopg2.Error, match="permission denied for table c"):
        site.on("access node", FILL, user="reader")


@pytest.mark.real_engine("owners of distributed hypertables")
def test_a_node_added_later_has_all_before_hypertables_are_attached(site):
    converge(site, **wanted(site.cluster, "dn1", "dn2"))
    site.on("access node", FILL)
    more = wanted(site.cluster, "dn1", "dn2", "dn3")
    more["hypertables"][0]["data_nodes"] = ["dn1", "dn2", "dn3"]
    result = converge(site, **more)
    order = placed(result, ("add", 'data node "dn3"'), ("create", 'role "app 1" on data node "dn3"'), ("attach", "distributed"))
    assert order == sorted(order)
    assert site.on("dn3", OWNER) == [("app 1",)]
    assert site.may("dn3", "reader", "table", f'"{SCHEMA}".c', "SELECT")
    assert site.on("access node", f'SELECT count(*) FROM "{SCHEMA}".c', user="reader") == [(90,)]


@pytest.mark.real_engine("GRANT on a distributed hypertable, which goes to data nodes as well")
def test_roles_on_a_cluster_that_lacks_them(site):
    """Nodes and hypertables are there already."""
    first = wanted(site.cluster, "dn1", "dn2", "dn3", roles=None, schemas=None, extensions=None, hypertables=[dict(TABLE, schema="public")])
    site.cluster.converge(CLUSTER, **first)
    reads = [dict(type="table", schema="public", objs=["c"], privs=["SELECT"])]
    roles = [dict(name="reader", login=True, grants=reads, exclusive=True)]
    result = converge(site, **dict(first, roles=roles))
    assert {entry["node"] for entry in result["after"]["roles"]} == NODES and result["before"]["roles"] == []
    assert all(site.acl(node, "c")["reader"] == "r" for node in NODES)
    # One that has drifted on one node only.
    site.on("dn2", "ALTER ROLE reader CREATEDB")
    result = converge(site, **dict(first, roles=[dict(roles[0], createdb=False)]))
    assert [step["object"] for step in result["steps"]] == ['role "reader" on data node "dn2"']


def test_roles_are_not_pruned_and_leave_when_said(site):
    declared = wanted(site.cluster, "dn1", "dn2", "dn3", hypertables=[], extensions=[])
    declared["roles"][1]["grants"] = READ[:1]
    converge(site, **declared)
    unchanged(site, **dict(declared, roles=[], schemas=[]), prune=True)
    assert site.nodes_with("reader") == NODES
    gone = dict(declared, roles=[dict(name="reader", state="absent"), dict(name="app 1", state="absent")], schemas=[dict(name=SCHEMA, state="absent")])
    converge(site, **gone)
    assert site.nodes_with("reader") == site.nodes_with("app 1") == set()


def test_a_node_that_leaves_keeps_nobody_from_it(site, mortal):
    """It is not asked: it may be dead, which is why it leaves."""
    site.cluster.register("dn1", "dn2")
    mortal.stop()
    declared = wanted(site.cluster, "dn1", "dn2", hypertables=[], extensions=[])
    declared["roles"][1]["grants"] = READ[:1]
    declared["data_nodes"].append(dict(node_name="mortal", state="absent"))
    site.servers.pop("dn3")
    result = converge(site, **declared)
    assert ("delete", 'data node "mortal"') in [(step["action"], step["object"]) for step in result["steps"]]


@pytest.mark.parametrize(
    "more, expected",
    [
        (dict(hypertables=[dict(TABLE, owner="nobody")]), 'its owner is to be role "nobody", which does not exist'),
        (dict(roles=[dict(name="app 1", state="absent")], hypertables=[dict(TABLE, owner="app 1")]), "which is to be removed. Remedy: name another owner"),
        (dict(schemas=[dict(name=SCHEMA, state="absent")], roles=[], hypertables=[TABLE]), "which is to be removed. Remedy: keep the schema"),
        (dict(extensions=[dict(name="no_such_extension")]), "the server has no such extension to install"),
        (dict(hypertables=[]), "is missing there. Remedy: create it first"),
    ],
)
def test_refused_before_the_first_change(site, more, expected):
    before = site.everything()
    messages = set()
    for check in (True, False):
        result = site.cluster.run(CLUSTER, check, **wanted(site.cluster, "dn1", "dn2", **more))
        assert result.get("failed") and "steps" not in result, result
        messages.add(result["msg"])
    assert len(messages) == 1 and expected in messages.pop()
    assert site.everything() == before


@pytest.mark.real_engine("owners of distributed hypertables")
def test_interrupted_between_its_parts_it_is_finished_by_the_next_run(site):
    """The hypertable cannot be created, for a data node takes nothing; the roles are there by then."""
    declared = wanted(site.cluster, "dn1", "dn2", "dn3")
    site.on("dn2", f"ALTER DATABASE {site.database} SET lock_timeout = '100ms'")
    with site.cluster.dn("dn2").connection(site.database) as holder:
        holder.autocommit = False
        holder.cursor().execute("LOCK TABLE _timescaledb_catalog.hypertable IN SHARE MODE")
        result = site.cluster.run(CLUSTER, **declared)
        assert result["failed"] and result["changed"] and "run the task again to go on" in result["msg"], result
    site.on("dn2", f"ALTER DATABASE {site.database} RESET lock_timeout")
    assert site.nodes_with("app 1") == NODES and site.on("access node", OWNER) == []
    converge(site, **declared)
    assert all(site.on(node, OWNER) == [("app 1",)] for node in NODES)


@pytest.mark.real_engine("owners of distributed hypertables")
def test_another_owner(site):
    declared = wanted(site.cluster, "dn1", "dn2", "dn3")
    converge(site, **dict(declared, hypertables=[dict(TABLE, replication_factor=2)]))
    site.on("access node", FILL)
    assert site.on("dn1", OWNER) == [("postgres",)]
    result = converge(site, **declared)
    assert [step["sql"] for step in result["steps"]] == [f'ALTER TABLE "{SCHEMA}"."c" OWNER TO "app 1"']
    assert all(site.on(node, OWNER) == [("app 1",)] for node in NODES)


@pytest.mark.real_engine("owners of distributed hypertables")
def test_a_plain_table_of_the_application_is_distributed_as_its_own(site):
    declared = wanted(site.cluster, "dn1", "dn2", "dn3", hypertables=[])
    declared["roles"][1]["grants"] = READ[:1]
    converge(site, **declared)
    site.on("access node", f'CREATE TABLE "{SCHEMA}".c (time timestamptz NOT NULL, device int NOT NULL)', user="app 1")
    converge(site, **dict(declared, hypertables=[dict(TABLE)]))
    assert all(site.on(node, OWNER) == [("app 1",)] for node in NODES)
