# GPL-3.0-or-later (see LICENSE)
"""What a data node that hangs does to the others' writes, and what the role timescaledb_repair does about it."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import psycopg2
import pytest

MODULE = "timescale_failover"
HUNG = "timescale_hung_sessions"
OLD, NEW = (f"INSERT INTO t SELECT '{day}'::timestamptz, n FROM generate_series(1, 50) n" for day in ("2026-01-01", "2026-03-01"))

WAITS = """
SELECT a.pid FROM pg_stat_activity a JOIN pg_locks l USING (pid)
 WHERE wait_event = 'Extension' AND state = 'active' AND mode = '{}' AND relation = 't'::regclass AND clock_timestamp() - query_start > interval '1 second'
"""
MAKES_CHUNK, WRITES = (WAITS.format(mode) for mode in ("ShareUpdateExclusiveLock", "RowExclusiveLock"))

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
        predicted = replicated.succeed(HUNG, check=True, nodes=["mortal"])
        assert hung.is_alive()
        result = replicated.succeed(HUNG, nodes=["mortal"])
        assert result["changed"] is predicted["changed"] is True and result["sessions"] == predicted["sessions"]
        assert [session["query"] for session in result["sessions"]] == [NEW]
        replicated.query(NEW)
        assert replicated.succeed(HUNG, nodes=["mortal"])["changed"] is False
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


def test_a_session_that_has_written_and_hangs_is_terminated(replicated, mortal):
    with _hung_writer(replicated, mortal) as (hung, errors):
        assert replicated.succeed(HUNG, nodes=["mortal"])["sessions"] == []
        (ended,) = replicated.succeed(HUNG, nodes=["mortal"], act="terminate")["sessions"]
        hung.join()
    assert ended["query"] == OLD and len(errors) == 1


@pytest.mark.parametrize("act", ["cancel", "terminate"])
@pytest.mark.parametrize("load", ["waits for a data node that is at work", "goes on"])
def test_a_long_load_is_left_alone(replicated, mortal, load, act):
    with _session(replicated) as (begin, errors):
        # It has a connection to the one that is going to die, which it does not wait for.
        begin(OLD).join()
        mine = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'timescaledb' AND datname = current_database()"
        assert mortal.value(replicated.database, mine) >= 1
        with mortal.hanging():
            replicated.succeed(MODULE, nodes=["mortal"], connect_timeout=2)
            with replicated.dn("dn1").connection(replicated.database) as holder:
                if load == "goes on":
                    rows = 400000
                    loading = begin(NEW.replace("50", str(rows)))
                    # Younger ones are not looked at.
                    time.sleep(1.1)
                else:
                    rows = 50
                    holder.cursor().execute("BEGIN; LOCK TABLE t")
                    loading = begin(NEW)
                    _wait_for(replicated, MAKES_CHUNK)
                result = replicated.succeed(HUNG, nodes=["mortal"], act=act)
                assert result["changed"] is False and result["sessions"] == result["warnings"] == []
                assert loading.is_alive() or load == "goes on"
            loading.join()
        assert errors == [] and replicated.query("SELECT count(*) FROM t WHERE time >= '2026-03-01'") == [(rows,)]


def test_where_it_cannot_be_told_nobody_is_ended(replicated, mortal):
    with _hung_writer(replicated, mortal) as (hung, errors):
        with replicated.dn("dn1").rejecting(replicated.database), replicated.dn("dn2").rejecting(replicated.database):
            result = replicated.succeed(HUNG, nodes=["mortal"], act="terminate")
            assert result["sessions"] == [] and any("pg_hba.conf rejects" in text for text in result["warnings"]), result
        assert hung.is_alive()
    assert errors == []


def test_refusals_of_waits(replicated):
    for option, value in (("wait", 0), ("patience", -1), ("connect_timeout", 0)):
        replicated.refuse(HUNG, f"option {option}: it is {value}", nodes=["dn1"], **{option: value})
    assert replicated.succeed(HUNG, nodes=["nobody"])["changed"] is False


@contextmanager
def _hung_writer(replicated, mortal):
    """A session that waits for a data node that hangs, and the errors that it gets."""
    with _session(replicated) as (begin, errors):
        # With its connections open: TimescaleDB crashes for one that has none yet.
        begin(OLD).join()
        with mortal.hanging():
            hung = begin(OLD)
            _wait_for(replicated, WRITES)
            replicated.succeed(MODULE, nodes=["mortal"], connect_timeout=2)
            yield hung, errors
        hung.join()


@contextmanager
def _session(cluster):
    """A function that begins a statement in one and the same session, and a list of what went wrong."""
    errors: list[str] = []
    with cluster.an.connection(cluster.database) as connection:

        def run(statement: str) -> None:
            try:
                connection.cursor().execute(statement)
            except psycopg2.Error as error:
                errors.append(str(error))

        def begin(statement: str) -> threading.Thread:
            thread = threading.Thread(target=run, args=(statement,), daemon=True)
            thread.start()
            return thread

        yield begin, errors


def _wait_for(cluster, query: str) -> None:
    end = time.monotonic() + 30
    while not cluster.query(query):
        assert time.monotonic() < end, cluster.query("SELECT state, wait_event, query FROM pg_stat_activity WHERE datname = current_database()")
        time.sleep(0.1)
