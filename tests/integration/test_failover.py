# GPL-3.0-or-later (see LICENSE)
"""What a data node that hangs does to the others' writes, and what the role timescaledb_repair does about it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import psycopg2
import pytest

MODULE = "timescale_failover"
CANCEL = (Path(__file__).parents[2] / "roles/timescaledb_repair/files/cancel.sql").read_text()
OLD, NEW = (f"INSERT INTO t SELECT '{day}'::timestamptz, n FROM generate_series(1, 50) n" for day in ("2026-01-01", "2026-03-01"))

MAKES_CHUNK = """
SELECT a.pid FROM pg_stat_activity a JOIN pg_locks l USING (pid)
 WHERE wait_event = 'Extension' AND state = 'active' AND mode = 'ShareUpdateExclusiveLock' AND relation = 't'::regclass
"""

pytestmark = pytest.mark.real_engine("locks of the real engine, while it makes a chunk")


@pytest.fixture
def replicated(cluster, mortal):
    cluster.register("dn1", "dn2")
    cluster.distribute("t", options=", 'device', chunk_time_interval => interval '1 day', replication_factor => 2")
    cluster.query(OLD)
    return cluster


def test_writes_go_on_although_a_data_node_hangs(replicated, mortal):
    errors: list[str] = []

    def make_chunk() -> None:
        try:
            replicated.query(NEW)
        except psycopg2.Error as error:
            errors.append(str(error))

    offset = replicated.an.log_size()
    with mortal.hanging():
        hung = threading.Thread(target=make_chunk, daemon=True)
        hung.start()
        _wait_for(replicated, MAKES_CHUNK)
        # Nothing waits for the node that hangs, but what needs a new chunk.
        assert replicated.succeed(MODULE, nodes=["mortal"], connect_timeout=2)["changed"] is True
        replicated.query(OLD)
        with pytest.raises(psycopg2.Error, match="lock timeout"):
            replicated.query(f"SET lock_timeout = '500ms'; {NEW}")
        assert _cancel(replicated) >= 1
        replicated.query(NEW)
        hung.join()
    assert len(errors) == 1 and "canceling statement due to user request" in errors[0]
    assert "terminated by signal" not in replicated.an.log_since(offset)
    assert replicated.query("SELECT count(*) FROM t WHERE time >= '2026-03-01'") == [(50,)]


def test_a_dead_one_is_marked_and_the_second_run_finds_it_so(replicated, mortal):
    replicated.refuse(MODULE, 'data node "mortal"', "it answers, so that it is not dead", nodes=["mortal", "nobody"])
    mortal.stop()
    before = replicated.nodes()
    predicted = replicated.succeed(MODULE, check=True, nodes=["mortal", "nobody"])
    assert replicated.nodes() == before
    result = replicated.succeed(MODULE, nodes=["mortal", "nobody"])
    assert all(result[key] == predicted[key] for key in ("changed", "before", "after", "steps", "diff"))
    assert result["changed"] is True and replicated.nodes()["mortal"][3] is False
    again = replicated.succeed(MODULE, nodes=["mortal", "nobody"])
    assert again["changed"] is False and again["before"] == again["after"] == result["after"]
    for statement in (OLD, NEW):
        replicated.query(statement)


def test_one_that_answers_by_force(replicated):
    assert replicated.succeed(MODULE, nodes=["dn1"], force=True)["changed"] is True and replicated.nodes()["dn1"][3] is False
    assert replicated.succeed(MODULE, nodes=["dn1"])["changed"] is False
    replicated.refuse(MODULE, "option connect_timeout: it is 0", nodes=["dn1"], connect_timeout=0)


def test_nobody_else_is_cancelled(replicated):
    with replicated.an.connection(replicated.database) as connection, connection.cursor() as cursor:
        connection.autocommit = False
        cursor.execute(NEW)
        time.sleep(1.2)
        assert replicated.query(CANCEL) == []
        connection.commit()
    assert replicated.query("SELECT count(*) FROM t WHERE time >= '2026-03-01'") == [(50,)]


def _wait_for(cluster, query: str) -> None:
    end = time.monotonic() + 30
    while not cluster.query(query):
        assert time.monotonic() < end, cluster.query("SELECT state, wait_event, query FROM pg_stat_activity WHERE datname = current_database()")
        time.sleep(0.1)


def _cancel(cluster) -> int:
    """As the role does: until there is nobody left. Returns how many times there was."""
    for attempt in range(20):
        if not cluster.query(CANCEL):
            return attempt
        time.sleep(0.5)
    raise AssertionError
