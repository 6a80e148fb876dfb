# GPL-3.0-or-later (see LICENSE)
"""How a declaration is read, shown and carried out."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from _cluster import CLUSTER

COLUMNS = "time timestamptz NOT NULL, device int NOT NULL"
# What a declaration that is fulfilled is found out by, what is asked besides to prune or where a node leaves a hypertable, and to try definitions.
QUERIES, MORE_QUERIES, TRIAL = 4, 2, 3


def table(number: int, **more) -> dict:
    return dict(relation=f"t{number}", definition=COLUMNS, time_column_name="time", partitioning_column="device", chunk_time_interval="1 day", **more)


def statements(cluster, **declared) -> list[str]:
    before = cluster.an.log_size()
    cluster.succeed(CLUSTER, **declared)
    return cluster.an.statements_since(before, cluster.database)


@pytest.mark.parametrize("prune, queries", [(False, QUERIES), (True, QUERIES + 1)])
def test_number_of_queries_does_not_grow(cluster, prune, queries):
    names = ["dn1", "dn2", "dn3", "dn4", "dn5"]
    few = dict(data_nodes=[cluster.place("dn1")], hypertables=[table(1)], prune=prune)
    cluster.succeed(CLUSTER, **few)
    assert len(statements(cluster, **few)) == queries
    many = dict(data_nodes=[cluster.place(name) for name in names], hypertables=[table(number) for number in range(1, 21)], prune=prune)
    cluster.succeed(CLUSTER, **many)
    offsets = {name: cluster.dn(name).log_size() for name in names}
    found = statements(cluster, **many)
    assert len(found) == queries, found
    for name, offset in offsets.items():
        assert cluster.dn(name).statements_since(offset, cluster.database) == []


@pytest.mark.parametrize("new", [2, 9])
def test_number_of_queries_of_a_change(nodes, new):
    """In check mode, so that all of them are for finding out."""
    for number in range(1, 6):
        nodes.distribute(f"t{number}")
    declared = dict(data_nodes=[dict(node_name="dn3", state="absent")], hypertables=[table(number) for number in range(1, 6 + new)], prune=True)
    before = nodes.an.log_size()
    result = nodes.succeed(CLUSTER, check=True, **dict(declared, data_nodes=[*(dict(node_name=name) for name in ("dn1", "dn2")), *declared["data_nodes"]]))
    assert len(result["steps"]) > 12
    assert len(nodes.an.statements_since(before, nodes.database)) == QUERIES + MORE_QUERIES + TRIAL


def test_plan_that_can_be_read(nodes):
    nodes.distribute("t1")
    nodes.distribute("old")
    nodes.fill("old")
    declared = dict(
        data_nodes=[nodes.place("dn4")],
        hypertables=[table(1, data_nodes=["dn1", "dn2", "dn4"]), table(2), dict(relation="old", state="absent", drop_data=True)],
    )
    result = nodes.run(CLUSTER, check=True, **declared)
    text = result["diff"]["prepared"]
    assert text.splitlines()[0] == "Plan: 7 steps (3 added, 1 changed, 2 moved, 1 removed), 1 of them DANGEROUS"
    lines = [" ".join(line.split()) for line in text.splitlines()[1:]]
    t1, t2, old = (f'distributed hypertable "public"."{name}"' for name in ("t1", "t2", "old"))
    assert lines == [
        '1 + add data node "dn4" it is not registered',
        f"2 ~ set {t1} chunk_time_interval is 7 days, wanted 1 day",
        f'3 > attach {t1} data node "dn4" is not attached',
        f'4 > detach {t1} data node "dn3" is attached and not wanted',
        f"5 + create table {t2} it does not exist",
        f"6 + create {t2} the table is not distributed",
        f"7 - drop {old} it is not wanted and has chunks",
        "! DANGER: all its rows go, on all data nodes",
    ]
    assert [step["effect"] for step in result["steps"]] == ["added", "changed", "moved", "moved", "added", "added", "removed"]
    assert nodes.unchanged(CLUSTER, data_nodes=[])["diff"]["prepared"] == ""


def test_interrupted_run_is_finished_by_the_next_one(cluster):
    declared = dict(data_nodes=[cluster.place(name) for name in ("dn1", "dn2", "dn3")], hypertables=[table(1), table(2)])
    with cluster.read_only("dn2"):
        result = cluster.run(CLUSTER, **declared)
    assert result["failed"] and result["changed"] and 'data node "dn2"' in result["msg"]
    assert [step["object"] for step in result["steps"]] == ['data node "dn1"']
    assert "Steps done before it: 1; run the task again to go on." in result["msg"]
    result = cluster.converge(CLUSTER, **declared)
    assert [step["object"] for step in result["steps"][:2]] == ['data node "dn2"', 'data node "dn3"']


def test_interrupted_between_table_and_distribution(nodes):
    """The table is there, and not distributed yet."""
    nodes.query(f"CREATE TABLE t1 ({COLUMNS})")
    result = nodes.converge(CLUSTER, hypertables=[table(1)])
    assert [step["action"] for step in result["steps"]] == ["create"]


def test_step_under_way_can_be_seen(nodes):
    """By a second session, while it is held up."""
    nodes.distribute("t1")
    with nodes.an.connection(nodes.database) as holder, ThreadPoolExecutor() as pool:
        holder.autocommit = False
        holder.cursor().execute("LOCK TABLE t1 IN ACCESS SHARE MODE")
        # Reading the table's state does not wait for the lock, dropping it does.
        running = pool.submit(nodes.run, CLUSTER, hypertables=[table(2), dict(relation="t1", state="absent")])
        wanted = 'timescale_cluster 3/3 drop distributed hypertable "public"."t1"'
        assert _appears(nodes, wanted[:63])
        holder.rollback()
        assert running.result()["changed"] is True


def _appears(cluster, application_name: str) -> bool:
    for _attempt in range(100):
        if cluster.an.query("postgres", "SELECT 1 FROM pg_stat_activity WHERE application_name = %s", application_name):
            return True
        time.sleep(0.1)
    return False


def test_a_password_is_in_no_text(cluster, closed_port):
    secret = "correct horse battery"
    declared = dict(data_nodes=[dict(cluster.place("dn1"), password=secret)], hypertables=[table(1)])
    for check in (True, False):
        result = cluster.succeed(CLUSTER, check, **declared)
        # What the module prints is searched as a whole; the arguments are not among it.
        assert secret not in str(result)
    assert secret not in cluster.an.log.read_text()
    dead = dict(node_name="dn9", host="127.0.0.1", port=closed_port, password=secret)
    assert secret not in str(cluster.run(CLUSTER, data_nodes=[dead]))


def test_unprivileged_role(nodes):
    nodes.query("GRANT USAGE ON FOREIGN SERVER dn1, dn2, dn3 TO app")
    result = nodes.run(CLUSTER, data_nodes=[dict(node_name="dn3", state="absent")], hypertables=[table(1)], login_user="app")
    assert result["failed"] and "the role does not own it (postgres does)" in result["msg"]
    nodes.refuse(CLUSTER, "the role may not add data nodes", data_nodes=[nodes.place("dn4")], login_user="app")
