# GPL-3.0-or-later (see LICENSE)
from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from _cluster import Cluster
from _prepared import forget, gid_of, in_progress, leave, left, made, prepare, recorded

pytestmark = pytest.mark.real_engine("remote_txn")

MODULE = "timescale_heal"
DECISIONS = ("gid", "decision", "access_node_status", "recorded")


@pytest.fixture
def nodes(nodes: Cluster):
    yield nodes
    forget(nodes)


def heal(cluster: Cluster, **arguments) -> dict:
    """Check mode ends nothing and predicts the run; the second run finds nothing to do."""
    arguments = dict(dict(min_age=0), **arguments)
    before = {name: (left(cluster, name), made(cluster, name)) for name in ("dn1", "dn2", "dn3")}, recorded(cluster)
    predicted = cluster.succeed(MODULE, check=True, **arguments)
    assert before == ({name: (left(cluster, name), made(cluster, name)) for name in ("dn1", "dn2", "dn3")}, recorded(cluster))
    result = cluster.succeed(MODULE, **arguments)
    for key in ("changed", "before", "after", "steps", "diff", "silent_nodes", "warnings"):
        assert result[key] == predicted[key], key
    assert result["changed"] is bool(result["steps"])
    again = cluster.succeed(MODULE, **arguments)
    assert again["changed"] is False and again["steps"] == [] and again["before"] == again["after"] == result["after"]
    return result


def decisions(result: dict) -> dict[str, str]:
    return {f"of {found['gid']}": found["decision"] for found in result["transactions"]}


def test_nothing_to_heal(nodes):
    result = heal(nodes)
    assert result["changed"] is False and result["transactions"] == result["silent_nodes"] == []


def test_what_is_certain_is_ended_on_all_nodes(nodes):
    committed = {name: leave(nodes, name, "COMMIT", recorded=True) for name in ("dn1", "dn2")}
    aborted = {name: leave(nodes, name, "ROLLBACK", recorded=True) for name in ("dn2", "dn3")}
    other = leave(nodes, "dn1", "ROLLBACK", recorded=False)
    result = heal(nodes)
    assert decisions(result) == {**dict.fromkeys(committed.values(), "commit"), **dict.fromkeys([*aborted.values(), other], "rollback")}
    assert made(nodes, "dn1") == {committed["dn1"]} and made(nodes, "dn2") == {committed["dn2"]} and made(nodes, "dn3") == set()
    assert not any(left(nodes, name) for name in ("dn1", "dn2", "dn3"))
    assert recorded(nodes) == 0
    evidence = next(found for found in result["transactions"] if f"of {found['gid']}" == committed["dn1"])
    assert evidence["node_name"] == "dn1" and evidence["access_node_status"] == "committed" and evidence["recorded"] is True
    assert evidence["owner"] == "postgres" and 0 <= evidence["age_seconds"] < 60 and evidence["reason"].endswith("is committed and is in remote_txn")
    assert {step["action"] for step in result["steps"]} == {"commit", "roll back", "delete"}


def test_what_is_not_certain_is_left_with_the_reason(nodes):
    contradictory = leave(nodes, "dn1", "COMMIT", recorded=False)
    former = leave(nodes, "dn1", "ROLLBACK", recorded=False, server=4711)
    foreign = {prepare(nodes, "dn1", gid) for gid in ("of somebody else", "ts-9-1", "ts-1-1-2-3-4", "ts-1-1-1-1 --")}
    with in_progress(nodes, "dn1") as busy:
        result = heal(nodes)
        assert left(nodes, "dn1") == foreign | {contradictory, former, busy}
    assert set(decisions(result).values()) == {"none"} and result["steps"] == []
    reasons = {f"of {found['gid']}": found["reason"] for found in result["transactions"]}
    assert "do not agree" in reasons[contradictory] and "registered with oid 4711" in reasons[former] and "in progress" in reasons[busy]
    assert all("none that an access node gives" in reasons[name] for name in foreign)
    assert decisions(heal(nodes))[busy] == "rollback"


def test_no_transaction_in_progress_is_taken_for_an_old_one(nodes):
    """None has begun or ended after it, so that no snapshot knows of it yet."""
    with in_progress(nodes, "dn1") as first, in_progress(nodes, "dn2") as second:
        result = heal(nodes)
        assert decisions(result) == {first: "none", second: "none"} and {found["access_node_status"] for found in result["transactions"]} == {"in progress"}


@pytest.mark.parametrize("ahead, status, decision", [(1000, "in progress", "none"), (2**31 + 10, None, "rollback"), (-1000000, None, "rollback")])
def test_numbers_that_the_access_node_has_never_come_to(nodes, ahead, status, decision):
    (current,) = nodes.query("SELECT txid_current()")[0]
    name = prepare(nodes, "dn1", gid_of(nodes, "dn1", (current + ahead) % 2**32))
    result = heal(nodes)
    assert decisions(result) == {name: decision} and result["transactions"][0]["access_node_status"] == status


def test_young_ones_are_left_alone(nodes):
    young = leave(nodes, "dn2", "COMMIT", recorded=True)
    result = nodes.succeed(MODULE)
    assert result["changed"] is False and "younger than 60 s" in result["transactions"][0]["reason"] and left(nodes, "dn2") == {young}
    assert nodes.succeed(MODULE, min_age=0)["changed"] is True and made(nodes, "dn2") == {young}


def test_what_its_own_session_ends_meanwhile_is_no_failure(nodes):
    """The first of the two is held in the middle of its commit, for which no standby stands by."""
    tables = {leave(nodes, "dn1", "COMMIT", recorded=True) for _number in range(2)}
    server = nodes.dn("dn1")
    server.query(nodes.database, f'ALTER DATABASE "{nodes.database}" SET synchronous_commit = on')
    with ThreadPoolExecutor() as pool:
        server.query("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        server.query("postgres", "SELECT pg_reload_conf()")
        try:
            healing = pool.submit(nodes.run, MODULE, min_age=0)
            # Jobs of the database may be held as well.
            held_commits = "SELECT query FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE 'COMMIT PREPARED%'"
            (held,) = wait_for(lambda: server.query(nodes.database, held_commits))
            (other,) = (table for table in tables if table.removeprefix("of ") not in held[0])
            with server.connection(nodes.database) as connection, connection.cursor() as cursor:
                cursor.execute("SET synchronous_commit = local")
                cursor.execute(f"COMMIT PREPARED '{other.removeprefix('of ')}'")
        finally:
            server.query("postgres", "ALTER SYSTEM RESET synchronous_standby_names")
            server.query("postgres", "SELECT pg_reload_conf()")
        result = healing.result()
    assert not result.get("failed"), result["msg"]
    assert [step["action"] for step in result["steps"]] == ["commit", "commit", "delete"] and result["after"] == []
    assert made(nodes, "dn1") == tables and recorded(nodes) == 0


def wait_for(ask: Callable[[], list], seconds: float = 30) -> list:
    end = time.monotonic() + seconds
    while not (found := ask()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def test_only_the_named_nodes(nodes):
    other = leave(nodes, "dn1", "ROLLBACK", recorded=False)
    leave(nodes, "dn2", "ROLLBACK", recorded=False)
    assert len(heal(nodes, nodes=["dn2", "dn3"])["steps"]) == 1
    assert left(nodes, "dn1") == {other} and left(nodes, "dn2") == set()


def test_a_dead_node_is_reported_and_the_others_are_healed(nodes, mortal):
    name = leave(nodes, "dn1", "COMMIT", recorded=True)
    mortal.stop()
    result = heal(nodes)
    assert made(nodes, "dn1") == {name}
    assert [found["node_name"] for found in result["silent_nodes"]] == ["mortal"]
    assert any('data node "mortal" is not healed: no connection' in warning for warning in result["warnings"])


def test_a_node_that_is_marked_unavailable_is_healed(nodes):
    name = leave(nodes, "dn1", "COMMIT", recorded=True)
    nodes.query("SELECT alter_data_node('dn1', available => false)")
    heal(nodes)
    assert made(nodes, "dn1") == {name}


def test_a_database_of_another_cluster_is_left_alone(nodes):
    name = leave(nodes, "dn1", "ROLLBACK", recorded=False)
    nodes.dn("dn1").query(nodes.database, "UPDATE _timescaledb_catalog.metadata SET value = gen_random_uuid() WHERE key = 'dist_uuid'")
    result = heal(nodes)
    assert "no data node of this cluster" in result["silent_nodes"][0]["reason"] and left(nodes, "dn1") == {name}


def test_a_role_that_is_no_superuser(nodes):
    own, other = leave(nodes, "dn1", "COMMIT", recorded=True, owner="app"), leave(nodes, "dn2", "ROLLBACK", recorded=False)
    result = nodes.run(MODULE, min_age=0, login_user="app")
    assert result["failed"] and 'data node "dn2"' in result["msg"] and "role app may not end it: it is that of role postgres" in result["msg"]
    assert left(nodes, "dn1") == {own} and left(nodes, "dn2") == {other}
    assert nodes.succeed(MODULE, min_age=0, nodes=["dn1"], login_user="app")["changed"] is True
    # It may not delete from the catalogue: TimescaleDB's own healing does it.
    assert made(nodes, "dn1") == {own} and recorded(nodes) == 1


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (dict(nodes=["nobody"]), 'data node "nobody" is not registered. Remedy: choose of dn1, dn2, dn3'),
        (dict(min_age=-1), "option min_age: it is -1"),
        (dict(connect_timeout=0), "option connect_timeout: it is 0"),
    ],
)
def test_refusals(nodes, arguments, expected):
    nodes.refuse(MODULE, expected, **arguments)


def test_each_node_is_asked_once(nodes):
    """Counted in the servers' logs, in a run with nothing to do and some transactions of others."""
    prepare(nodes, "dn1", "one")
    prepare(nodes, "dn1", "two")
    servers = [nodes.an, nodes.dn("dn1"), nodes.dn("dn2")]
    offsets = [server.log_size() for server in servers]
    nodes.succeed(MODULE, min_age=0)
    counted = [len(server.statements_since(offset, nodes.database)) for server, offset in zip(servers, offsets)]
    assert counted[0] <= 5 and counted[1:] == [1, 1]


def test_other_modules_end_it_before_their_first_step(nodes):
    nodes.distribute("t")
    with nodes.an.connection(nodes.database) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN; SELECT txid_current() % 4294967296; ")
        gid = gid_of(nodes, "dn1", cursor.fetchone()[0])
    # What the step needs is locked by nobody who is alive.
    nodes.dn("dn1").query(nodes.database, f"BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE; CREATE TABLE never (); PREPARE TRANSACTION '{gid}'")
    time.sleep(1.1)
    wish = dict(relation="t", time_column_name="time", partitioning_column="device", chunk_time_interval="2 days")
    result = nodes.succeed("timescale_distributed_hypertable", **wish)
    assert [step["action"] for step in result["steps"]] == ["roll back", "set"]
    assert left(nodes, "dn1") == set()
