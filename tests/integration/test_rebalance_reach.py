# GPL-3.0-or-later (see LICENSE)
"""Data nodes that cannot log in to each other: told before anything is changed, and asked without a trace."""

from __future__ import annotations

from contextlib import closing, contextmanager
from types import SimpleNamespace

import pytest
from _cluster import Cluster
from _fleet import MODULE, Fleet
from _servers import PASSWORD, READY, SECURED, Server, give_to_server_user
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import connect_with
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_reach import conninfo, refusal_of

pytestmark = pytest.mark.real_engine("it does not copy chunks between data nodes")


@pytest.fixture
def fleet(cluster: Cluster, servers) -> Fleet:
    fleet = Fleet(cluster, servers)
    fleet.register("m1", "m2")
    fleet.distribute(days=2)
    fleet.register("m3")
    return fleet


def refused(fleet: Fleet, *parts: str, **arguments) -> None:
    """As in check mode, so in earnest; and nothing has happened."""
    for check in (True, False):
        result = fleet.cluster.run(MODULE, check=check, **arguments)
        assert result["failed"], result
        for part in parts:
            assert part in result["msg"], result["msg"]
        assert PASSWORD not in str(result)
    assert fleet.chunks_on("m3") == set() and fleet.left_behind() == []
    assert fleet.cluster.query("SELECT 1 FROM _timescaledb_catalog.hypertable_data_node WHERE node_name = 'm3'") == []


def traces(fleet: Fleet) -> list[tuple]:
    query = (
        "SELECT roname::text FROM pg_replication_origin UNION ALL SELECT subname::text FROM pg_subscription"
        " UNION ALL SELECT slot_name::text FROM pg_replication_slots"
    )
    return [row for name in ("m1", "m2", "m3") for row in fleet[name].query(fleet.cluster.database, query)]


def test_asking_leaves_nothing_behind(fleet):
    before = traces(fleet)
    begun = {name: fleet[name].log_size() for name in ("m1", "m2")}
    found = fleet.cluster.succeed(MODULE, check=True, state="drained", nodes=["m1"])
    assert found["changed"] and f"estimate: {found['plan']['seconds']} s at" in found["diff"]["prepared"]
    assert found["plan"]["seconds"] > 0
    assert traces(fleet) == before
    # The check did what it says: somebody came to replicate.
    assert "replication connection authorized" in fleet["m1"].log_since(begun["m1"])


@contextmanager
def password_demanded(fleet: Fleet):
    """m1 lets the superuser in by password only. The access node has it, in a file of which it tells data nodes the name in their own directory."""
    an, m1 = fleet.cluster.an, fleet["m1"]
    m1.query("postgres", f"ALTER ROLE postgres PASSWORD '{PASSWORD}'")
    write_passfile(an)
    an.query(fleet.cluster.database, "ALTER SYSTEM SET timescaledb.passfile = 'passfile'")
    an.query("postgres", "SELECT pg_reload_conf()")
    try:
        with m1.demanding_password("postgres"):
            yield
    finally:
        an.query(fleet.cluster.database, "ALTER SYSTEM RESET timescaledb.passfile")
        an.query("postgres", "SELECT pg_reload_conf()")
        m1.query("postgres", "ALTER ROLE postgres PASSWORD NULL")
        for server in (an, fleet["m2"], fleet["m3"]):
            (server.data / "passfile").unlink(missing_ok=True)


def write_passfile(server: Server, password: str = PASSWORD) -> None:
    path = server.data / "passfile"
    path.write_text(f"*:*:*:postgres:{password}\n")
    path.chmod(0o600)
    give_to_server_user(path)


def test_a_node_without_the_password(fleet):
    with password_demanded(fleet):
        told = ('cannot log in to data node "m1"', 'as "postgres"', "passfile on the host of data node")
        refused(fleet, *told, "no password supplied", state="drained", nodes=["m1"])
        for name in ("m2", "m3"):
            write_passfile(fleet[name], "another one")
        refused(fleet, *told, "password authentication failed", state="drained", nodes=["m1"])
        # With what the check asks for, the server's own copies succeed.
        for name in ("m2", "m3"):
            write_passfile(fleet[name])
        fleet.converge(state="drained", nodes=["m1"])


def test_a_node_that_is_reached_by_a_user_mapping(fleet):
    """By the access node, by the module and by the data nodes that fetch from it."""
    with fleet["m1"].demanding_password("postgres"):
        refused(fleet, 'data node "m1"', "no password supplied", state="drained", nodes=["m1"])
        fleet.cluster.query(f"CREATE USER MAPPING FOR postgres SERVER m1 OPTIONS (user '{SECURED}', password '{PASSWORD}')")
        result = fleet.converge(state="drained", nodes=["m1"])
    assert PASSWORD not in str(result) and fleet.chunks_on("m1") == set()


def test_a_password_of_a_user_mapping_is_in_no_log(fleet):
    """The role is let in at m1 and may not replicate from there."""
    begun = {name: fleet[name].log_size() for name in fleet.servers}
    fleet.cluster.query(f"CREATE USER MAPPING FOR postgres SERVER m1 OPTIONS (user 'app', password '{PASSWORD}')")
    refused(fleet, 'cannot log in to data node "m1"', 'as "app"', "walsender", "give the role REPLICATION", state="drained", nodes=["m1"])
    for name, offset in begun.items():
        assert PASSWORD not in fleet[name].log_since(offset)


def test_nobody_waits_for_a_port_that_never_says_a_word(servers, silent_port):
    """The server's own attempt has no limit of time, whatever the connection string says."""
    server = servers.access_node
    parameters = dict(host="127.0.0.1", port=server.port, dbname=READY, user="postgres")
    connection, reason = connect_with(SimpleNamespace(fail_json=None), parameters)
    assert connection, reason
    with closing(connection):
        silent = conninfo(dict(parameters, port=silent_port, connect_timeout=1))
        assert refusal_of(connection, silent, "it", seconds=2) == "canceling statement due to statement timeout"
        # The session is as it was.
        assert refusal_of(connection, conninfo(parameters), "it") == ""
