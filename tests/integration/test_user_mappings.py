# GPL-3.0-or-later (see LICENSE)
"""Data nodes that the access node reaches by user mappings, as in a cluster that was set up by hand."""

from __future__ import annotations

import json
from contextlib import contextmanager

import psycopg2
import pytest
from _cluster import CLUSTER, DATA_NODE, Cluster
from _servers import PASSWORD, SECURED, Server

INFO, FAILOVER = "timescale_cluster_info", "timescale_failover"
WRONG = "not that Pass word"
# What a superuser of the access node asks dn1 through it: by which role it is let in there.
ASK = "CALL distributed_exec('DO $$ BEGIN RAISE EXCEPTION ''it is %'', current_user; END $$', ARRAY['dn1'])"


def map_role(cluster: Cluster, role: str, *options: str, node: str = "dn1") -> None:
    """The stand-in has mappings of its own, to which it prefers others."""
    if role != "PUBLIC":
        cluster.query(f"DROP USER MAPPING IF EXISTS FOR {role} SERVER {node}")
    listed = ", ".join(f"{name} '{value}'" for name, value in zip(("user", "password"), options))
    cluster.query(f"CREATE USER MAPPING FOR {role} SERVER {node}" + (f" OPTIONS ({listed})" if listed else ""))


def members(cluster: Cluster) -> list[Server]:
    return [cluster.an, *(cluster.dn(name) for name in ("dn1", "dn2", "dn3"))]


@pytest.fixture
def closed(nodes):
    """dn1 lets the access node's own roles in by password only, and they have none; SECURED has one."""
    with nodes.dn("dn1").demanding_password("postgres"), nodes.dn("dn1").demanding_password("app"):
        yield nodes


def reached_as(cluster: Cluster, user: str = "postgres") -> str | None:
    """As which role the access node itself comes to dn1; None where it is not let in."""
    try:
        cluster.query(ASK, user=user)
    except psycopg2.Error as error:
        return str(error).partition("it is ")[2].split()[0] if "it is " in str(error) else None
    raise AssertionError("nothing was asked")


def told(cluster: Cluster, **login) -> tuple[bool, str | None]:
    """Whether the module comes to dn1, and why not."""
    result = cluster.succeed(INFO, gather_subset=["nodes"], **login)
    assert all(found["reachable"] for found in result["data_nodes"] if found["node_name"] != "dn1")
    assert PASSWORD not in json.dumps(result) and WRONG not in json.dumps(result)
    found = next(found for found in result["data_nodes"] if found["node_name"] == "dn1")
    return found["reachable"], found["reason"]


@contextmanager
def lets_in(cluster: Cluster, role: str):
    """dn1 lets this role in by its password meanwhile. The tests themselves come in at its socket."""
    begin = cluster.dn("dn1").log_size()
    yield
    assert f'{cluster.database}|{role}|LOG:  connection authenticated: identity="{role}" method=scram-sha-256' in cluster.dn("dn1").log_since(begin)


def test_mapping_of_the_role(closed):
    assert reached_as(closed) is None
    assert told(closed)[0] is False
    map_role(closed, "postgres", SECURED, PASSWORD)
    assert reached_as(closed) == SECURED
    with lets_in(closed, SECURED):
        assert told(closed) == (True, None)


def test_mapping_with_a_wrong_password(closed):
    map_role(closed, "postgres", SECURED, WRONG)
    assert reached_as(closed) is None
    reachable, reason = told(closed)
    assert reachable is False and f'password authentication failed for user "{SECURED}"' in reason


@pytest.mark.real_engine("a passfile beside a user mapping")
def test_mapping_without_a_password(closed, passfile):
    map_role(closed, "postgres", SECURED)
    assert reached_as(closed) == SECURED
    assert told(closed) == (True, None)


def test_password_of_a_mapping_goes_before_the_passfile(closed, passfile):
    map_role(closed, "postgres", SECURED, WRONG)
    assert reached_as(closed) is None
    assert told(closed)[0] is False


@pytest.fixture
def superuser(closed):
    """Another superuser of all nodes than the one that made the cluster."""
    servers = members(closed)
    for server in servers:
        server.query("postgres", "CREATE ROLE r SUPERUSER LOGIN")
    with closed.dn("dn1").demanding_password("r"):
        yield "r"
    closed.drop()
    for server in servers:
        server.query("postgres", "DROP ROLE r")


def test_mapping_of_public(closed, superuser):
    map_role(closed, "PUBLIC", SECURED, PASSWORD)
    with lets_in(closed, SECURED):
        assert told(closed, login_user=superuser) == (True, None)
    assert reached_as(closed, superuser) == SECURED
    # One of its own takes the place of all of it.
    map_role(closed, superuser, SECURED)
    assert told(closed, login_user=superuser)[0] is False
    assert reached_as(closed, superuser) is None


def test_options_that_may_not_be_seen(closed):
    """Of the mapping for all roles, only the owner of the node's entry and superusers may see the options."""
    map_role(closed, "PUBLIC", SECURED, PASSWORD)
    closed.query("GRANT USAGE ON FOREIGN SERVER dn1 TO app")
    reachable, reason = told(closed, login_user="app")
    assert reachable is False and "role app may not see the options of the user mapping" in reason
    # Its own one it may see, also if that has none.
    map_role(closed, "app")
    assert "user mapping" not in told(closed, login_user="app")[1]
    map_role(closed, "app", SECURED, PASSWORD)
    assert told(closed, login_user="app") == (True, None)


def test_node_that_lives_is_not_given_up(closed):
    map_role(closed, "postgres", SECURED, PASSWORD)
    closed.distribute("conditions", options=", 'device', replication_factor => 2")
    closed.refuse(FAILOVER, "it answers, so that it is not dead", nodes=["dn1"])


def test_node_is_altered(closed):
    """It is looked at in its new place."""
    map_role(closed, "postgres", SECURED, PASSWORD)
    with lets_in(closed, SECURED):
        closed.converge(DATA_NODE, **closed.place("dn1", host="localhost"))
    map_role(closed, "postgres", SECURED, WRONG)
    moved = closed.place("dn1", host="127.0.0.1")
    message = closed.refuse(DATA_NODE, f"no connection as role {SECURED}: ", "password authentication failed", **moved)
    assert WRONG not in message


def test_whole_cluster(closed):
    map_role(closed, "postgres", SECURED, PASSWORD)
    wanted = [closed.place(name) for name in ("dn1", "dn2", "dn3")]
    columns = "time timestamptz NOT NULL, device int NOT NULL"
    table = dict(relation="conditions", definition=columns, time_column_name="time", partitioning_column="device")
    servers = members(closed)
    offsets = [server.log_size() for server in servers]
    declared = dict(data_nodes=wanted, hypertables=[table], roles=[dict(name="r", login=True)])
    result = closed.succeed(CLUSTER, **declared)
    assert closed.succeed(CLUSTER, **declared)["changed"] is False
    assert closed.table("conditions")["data_nodes"] == ["dn1", "dn2", "dn3"]
    assert "r" in {name for (name,) in closed.dn("dn1").query("postgres", "SELECT rolname FROM pg_roles")}
    text = json.dumps(result) + "".join(server.log_since(offset) for server, offset in zip(servers, offsets))
    assert PASSWORD not in text
    closed.drop()
    for server in servers:
        server.query("postgres", "DROP ROLE IF EXISTS r")


@pytest.mark.real_engine("remote_txn")
def test_healing(closed):
    map_role(closed, "postgres", SECURED, PASSWORD)
    closed.dn("dn1").query(closed.database, "BEGIN; CREATE TABLE t (); PREPARE TRANSACTION 'of somebody else'")
    try:
        result = closed.succeed("timescale_heal", min_age=0)
    finally:
        closed.dn("dn1").query(closed.database, "ROLLBACK PREPARED 'of somebody else'")
    assert result["silent_nodes"] == [] and [found["gid"] for found in result["transactions"]] == ["of somebody else"]


def test_password_of_the_task_is_that_of_the_role(closed):
    """As it is when the node is added."""
    closed.dn("dn1").query("postgres", f"ALTER ROLE postgres PASSWORD '{PASSWORD}'")
    try:
        map_role(closed, "postgres", SECURED, WRONG)
        with lets_in(closed, "postgres"):
            closed.converge(DATA_NODE, **closed.place("dn1", host="localhost", password=PASSWORD))
    finally:
        closed.dn("dn1").query("postgres", "ALTER ROLE postgres PASSWORD NULL")


@pytest.mark.parametrize("options", [{}, {"drop_database": True}, {"reclaim": "membership"}])
def test_node_with_mappings_is_not_removed(nodes, options):
    """TimescaleDB comes to them last, after the database has been dropped."""
    map_role(nodes, "app", "app", PASSWORD)
    map_role(nodes, "PUBLIC")
    leaving = dict(node_name="dn1", state="absent", **options)
    message = nodes.refuse(DATA_NODE, "as long as there are user mappings for it, of app, public", "DROP USER MAPPING", **leaving)
    assert PASSWORD not in message and nodes.database in nodes.dn("dn1").databases()
    nodes.query("DROP USER MAPPING FOR app SERVER dn1")
    nodes.query("DROP USER MAPPING FOR PUBLIC SERVER dn1")
    nodes.succeed(DATA_NODE, **leaving)
    assert set(nodes.nodes()) == {"dn2", "dn3"}
