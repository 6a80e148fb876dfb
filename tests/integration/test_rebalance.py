# GPL-3.0-or-later (see LICENSE)
from __future__ import annotations

import os
import signal
import time

import pytest
from _cluster import DATA_NODE, Cluster
from _fleet import MODULE, Fleet, Writers
from _modules import start_module
from _prepared import gid_of
from ansible_collections.timescaledb.multinode.plugins.module_utils import _connection

pytestmark = pytest.mark.real_engine("it does not copy chunks between data nodes")


@pytest.fixture
def fleet(cluster: Cluster, servers) -> Fleet:
    return Fleet(cluster, servers)


def test_a_new_node_takes_its_share(fleet):
    fleet.register("m1", "m2")
    fleet.distribute()
    fleet.register("m3")
    result = fleet.converge(concurrency=2)
    loads = [node["bytes"] for node in result["after"]]
    assert result["before"][2]["bytes"] == 0
    # No single chunk is small enough to make it better.
    assert max(loads) - min(loads) <= max(move["bytes"] for move in result["moves"])
    assert result["plan"]["bytes"] == sum(move["bytes"] for move in result["moves"])
    assert all(move["destination_node"] == "m3" for move in result["moves"])


def test_drained(fleet):
    fleet.register("m1", "m2", "m3")
    fleet.distribute(partitions=3, days=3)
    fleet.converge(state="drained", nodes=["m2"])
    assert fleet.chunks_on("m2") == set()
    fleet.cluster.query("INSERT INTO t SELECT '2026-02-01'::timestamptz, n, 0 FROM generate_series(1, 50) n")
    assert fleet.chunks_on("m2") == set()


def test_the_only_node_is_drained_onto_one_that_has_nothing_of_the_hypertable(fleet):
    fleet.register("m1")
    fleet.distribute(days=2)
    fleet.register("m2")
    fleet.converge(state="drained", nodes=["m1"])
    assert fleet.chunks_on("m1") == set() != fleet.chunks_on("m2")


def test_a_hypertable_without_chunks_keeps_enough_data_nodes(fleet):
    fleet.register("m1", "m2")
    fleet.distribute(days=0, factor=2)
    told = "1 data nodes would be left for new chunks, and its replication factor is 2"
    for check in (True, False):
        result = fleet.cluster.run(MODULE, check=check, state="drained", nodes=["m2"])
        assert result["failed"] and told in result["msg"], result
    fleet.register("m3")
    fleet.cluster.query("SELECT attach_data_node('m3', 't', repartition => false)")
    fleet.converge(state="drained", nodes=["m2"])


def test_replicated(fleet):
    fleet.register("m1", "m2")
    fleet.distribute(days=2)
    fleet.cluster.query("SELECT set_replication_factor('t', 2)")
    result = fleet.converge(state="replicated", concurrency=2)
    assert fleet.chunks_on("m1") == fleet.chunks_on("m2") != set()
    assert {move["action"] for move in result["moves"]} == {"copy"}


def test_nothing_that_is_written_meanwhile_is_lost(fleet):
    fleet.register("m1", "m2")
    fleet.distribute(days=2, partitions=1)
    fleet.register("m3")
    moves = 0
    with Writers(fleet) as writers:
        for node in ("m1", "m2", "m1"):
            # There and back again: every chunk is moved while it is written to.
            moves += len(fleet.cluster.succeed(MODULE, state="drained", nodes=[node], concurrency=2)["moves"])
            fleet.cluster.query("SELECT timescaledb_experimental.allow_new_chunks(%s)", node)
    assert moves >= 3
    writers.check("cannot create chunk on its own", moves)
    assert fleet.left_behind() == []


def test_copies_are_alike_whatever_is_written_meanwhile(fleet):
    fleet.register("m1", "m2")
    fleet.distribute(days=2, partitions=1)
    fleet.cluster.query("SELECT set_replication_factor('t', 2)")
    with Writers(fleet) as writers:
        moves = len(fleet.cluster.succeed(MODULE, state="replicated")["moves"])
        time.sleep(0.2)
    assert moves == 2
    writers.check("canceling statement", moves)
    rows = [fleet[name].query(fleet.cluster.database, "SELECT time, device, count(*) FROM t GROUP BY 1, 2 ORDER BY 1, 2") for name in ("m1", "m2")]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("moment", ["before it asks", "before its lock", "before its lock for a little while"])
def test_a_controller_that_comes_too_late_to_watch_a_copy_makes_another_one(fleet, monkeypatch, moment):
    """The module's process inherits what is replaced here. A copy looks every 200 ms whether all rows are there."""
    fleet.register("m1")
    fleet.distribute(days=2, partitions=1)
    fleet.register("m2")
    delays = [1.5 if moment != "before its lock for a little while" else 0.21]
    run, sleep = _connection.Connection.run, time.sleep

    def late(connection, statement, *arguments, **keywords):
        if ("COMMENT ON SUBSCRIPTION" if moment != "before it asks" else "subenabled") in statement.template and delays:
            sleep(delays.pop())
        return run(connection, statement, *arguments, **keywords)

    monkeypatch.setattr(_connection.Connection, "run", late)
    result = fleet.cluster.succeed(MODULE, state="drained", nodes=["m1"])
    monkeypatch.undo()
    assert len(result["moves"]) == 2 and fleet.left_behind() == []
    assert fleet.chunks_on("m1") == fleet.known_on("m1") == set() and len(fleet.chunks_on("m2")) == 2
    assert fleet.cluster.query("SELECT count(*) FROM t") == [(1200,)]


def test_a_limit_of_bytes_and_another_run(fleet):
    fleet.register("m1", "m2")
    fleet.distribute()
    fleet.register("m3")
    whole = fleet.cluster.succeed(MODULE, check=True)
    first = fleet.cluster.succeed(MODULE, byte_limit=max(move["bytes"] for move in whole["moves"]))
    assert len(first["moves"]) == len(fleet.chunks_on("m3")) == 1
    assert first["plan"]["moves_left"] == len(whole["moves"]) - 1 and "left for another run" in first["diff"]["prepared"]
    second = fleet.converge()
    assert len(second["moves"]) == len(whole["moves"]) - 1


def test_no_time_left(fleet):
    fleet.register("m1")
    fleet.distribute(days=12)
    fleet.register("m2")
    result = fleet.cluster.succeed(MODULE, time_limit=1)
    assert result["stopped"] == "the time_limit of 1 s was reached"
    assert 0 < len(result["moves"]) == len(fleet.chunks_on("m2")) < result["plan"]["moves"]
    fleet.converge()


def test_compressed_chunks_and_names_that_need_quotes(fleet):
    fleet.register("m1", "m2", "m3")
    fleet.distribute(days=1)
    fleet.distribute('"My Table"', days=3)
    fleet.cluster.query("""ALTER TABLE "My Table" SET (timescaledb.compress, timescaledb.compress_segmentby = 'device')""")
    fleet.cluster.query("""SELECT compress_chunk(c) FROM show_chunks('"My Table"') c""")
    rows = fleet.cluster.query('SELECT count(*), sum(value) FROM "My Table"')
    fleet.converge(state="drained", nodes=["m1"])
    assert fleet.cluster.query('SELECT count(*), sum(value) FROM "My Table"') == rows
    assert fleet.chunks_on("m1") == set()


def test_compressed_chunks_whose_parts_have_one_name(fleet):
    fleet.register("m1", "m2")
    fleet.distribute(days=2)
    fleet.compress()
    names = [fleet[name].query(fleet.cluster.database, "SELECT relname FROM pg_class WHERE relname LIKE 'compress_hyper%_chunk'") for name in ("m1", "m2")]
    assert set(names[0]) & set(names[1])
    fleet.converge(state="drained", nodes=["m1"])
    assert fleet.chunks_on("m1") == set()
    fleet.cluster.query("SELECT decompress_chunk(c) FROM show_chunks('t') c")
    fleet.cluster.query("SELECT compress_chunk(c) FROM show_chunks('t') c")
    fleet.cluster.query("SELECT timescaledb_experimental.allow_new_chunks('m1')")
    fleet.converge(state="drained", nodes=["m2"])


def test_what_a_failed_move_left_is_cleaned_up_first(fleet):
    fleet.register("m1")
    fleet.distribute(days=2)
    fleet.register("m2")
    (chunk,) = fleet.cluster.query("SELECT format('%I.%I', chunk_schema, chunk_name) FROM timescaledb_information.chunks LIMIT 1")[0]
    with pytest.raises(Exception, match="does not exist"):
        # The hypertable is not attached there.
        fleet.cluster.query(f"CALL timescaledb_experimental.move_chunk('{chunk}', 'm1', 'm2', 'failed_one')")
    assert fleet.left_behind() == [("failed_one",)]
    result = fleet.converge()
    assert "clean up copy operation failed_one" in result["diff"]["prepared"]
    assert fleet.chunks_on("m2")


def test_a_stock_move_that_died_after_it_dropped_the_old_copy_keeps_the_new_one(fleet):
    fleet.register("m1", "m2")
    fleet.distribute(days=2)
    (chunk,) = sorted(fleet.chunks_on("m1"))[:1]
    fleet.die_after("delete_chunk", f"CALL timescaledb_experimental.move_chunk('_timescaledb_internal.{chunk}', 'm1', 'm2', 'died')")
    assert chunk in fleet.chunks_on("m2") - fleet.chunks_on("m1")
    result = fleet.converge(state="drained", nodes=["m1"])
    assert "clean up copy operation died" in result["diff"]["prepared"]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("stage", ["attach_chunk", "attach_compressed_chunk", "delete_chunk"])
def test_a_copy_that_died_after_it_was_attached_is_made_anew(fleet, stage, compressed):
    fleet.register("m1", "m2")
    fleet.distribute(days=2)
    if compressed:
        # On one node only: the other one may have given the same names to compressed parts, which only the module changes.
        fleet.compress("WHERE c::text IN (SELECT format('%I.%I', chunk_schema, chunk_name) FROM timescaledb_information.chunks WHERE data_nodes = '{m1}')")
    (chunk,) = sorted(fleet.known_on("m1"))[:1]
    fleet.die_after(stage, f"CALL timescaledb_experimental.copy_chunk('_timescaledb_internal.{chunk}', 'm1', 'm2', 'tsmn_died')")
    assert chunk in fleet.known_on("m1") & fleet.known_on("m2")
    fleet.converge(state="drained", nodes=["m1"])
    assert fleet.known_on("m1") == set()


@pytest.mark.parametrize("dead", ["m1", "m2"])
@pytest.mark.parametrize("stage", ["create_empty_chunk", "create_subscription", "sync_start", "attach_chunk"])
def test_a_copy_one_end_of_which_has_died_is_cleaned_up_without_it(fleet, stage, dead):
    fleet.register("m1", "m2", "m3")
    fleet.distribute(days=2, factor=2, partitions=3)
    (chunk,) = sorted(fleet.known_on("m1") & fleet.known_on("m3"))[:1]
    fleet.die_after(stage, f"CALL timescaledb_experimental.copy_chunk('_timescaledb_internal.{chunk}', 'm1', 'm2', 'tsmn_died')")
    rows = fleet.cluster.query("SELECT count(*), sum(value) FROM t")
    with fleet.dead(dead):
        predicted = fleet.cluster.succeed(MODULE, check=True, state="replicated")
        result = fleet.cluster.succeed(MODULE, state="replicated")
        for key in ("changed", "before", "after", "plan", "moves", "diff"):
            assert result[key] == predicted[key], key
        assert "clean up copy operation tsmn_died" in result["diff"]["prepared"]
        assert fleet.cluster.query("SELECT operation_id FROM _timescaledb_catalog.chunk_copy_operation") == []
        assert fleet.left_behind({"m1", "m2", "m3"} - {dead}) == []
        assert fleet.cluster.query("SELECT count(*), sum(value) FROM t") == rows
        assert fleet.cluster.succeed(MODULE, state="replicated")["changed"] is False
    # What it has itself goes when it is back.
    fleet.converge(state="replicated")


def test_a_copy_whose_source_has_died_stays_where_there_is_no_other(fleet):
    fleet.register("m1", "m2")
    fleet.distribute(days=2)
    (chunk,) = sorted(fleet.known_on("m1"))[:1]
    fleet.die_after("attach_chunk", f"CALL timescaledb_experimental.copy_chunk('_timescaledb_internal.{chunk}', 'm1', 'm2', 'tsmn_died')")
    rows = fleet.cluster.query("SELECT count(*), sum(value) FROM t")
    with fleet.dead("m1"):
        for check in (True, False):
            result = fleet.cluster.succeed(MODULE, check=check, state="replicated")
            assert result["changed"] is False and any("bring back" in text and chunk in text for text in result["warnings"]), result
        assert {"m1", "m2"} == {name for name in ("m1", "m2") if chunk in fleet.known_on(name)}
    fleet.converge(state="replicated")
    assert chunk in fleet.known_on("m1") - fleet.known_on("m2")
    assert fleet.cluster.query("SELECT count(*), sum(value) FROM t") == rows


def test_what_a_crash_left_prepared_is_ended_first(fleet):
    fleet.register("m1")
    fleet.distribute(days=4)
    fleet.register("m2")
    database = fleet.cluster.database
    with fleet.cluster.an.connection(database) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN; SELECT txid_current() % 4294967296")
        gid = gid_of(fleet.cluster, "m1", cursor.fetchone()[0])
    # It keeps replication slots from being created, and sizes from being told.
    table = f"_timescaledb_internal.{min(fleet.chunks_on('m1'))}"
    fleet["m1"].query(database, f"BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE; CREATE TABLE never (); PREPARE TRANSACTION '{gid}'")
    time.sleep(1.1)
    predicted = fleet.cluster.succeed(MODULE, check=True)
    assert f'roll back prepared transaction "{gid}" on data node "m1"' in predicted["diff"]["prepared"]
    result = fleet.cluster.succeed(MODULE)
    assert result["plan"] == predicted["plan"] and result["after"] == predicted["after"] and len(result["moves"]) > 0
    assert fleet["m1"].query(database, "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()") == []
    assert fleet.left_behind() == []


def test_a_copy_that_was_never_compared_is_made_anew(fleet):
    fleet.register("m1", "m2")
    fleet.distribute(days=2)
    fleet.cluster.query("SELECT set_replication_factor('t', 2)")
    (chunk,) = sorted(fleet.chunks_on("m1"))[:1]
    fleet.cluster.query(f"CALL timescaledb_experimental.copy_chunk('_timescaledb_internal.{chunk}', 'm1', 'm2', 'tsmn_interrupted')")
    database = fleet.cluster.database
    fleet["m2"].query(database, "SET timescaledb.enable_client_ddl_on_data_nodes = on")
    fleet["m2"].query(database, f"DELETE FROM _timescaledb_internal.{chunk} WHERE device = (SELECT min(device) FROM _timescaledb_internal.{chunk})")
    fleet.converge(state="replicated")
    counts = [fleet[name].value(database, f"SELECT count(*) FROM _timescaledb_internal.{chunk}") for name in ("m1", "m2")]
    assert counts[0] == counts[1]


def test_an_open_transaction_that_wrote_fails_the_move_and_nothing_is_lost(fleet):
    fleet.register("m1")
    fleet.distribute(days=2)
    fleet.register("m2")
    with fleet.cluster.an.connection(fleet.cluster.database) as connection, connection.cursor() as cursor:
        connection.autocommit = False
        cursor.execute("INSERT INTO t VALUES ('2026-01-01 12:00+00', -1, 0)")
        result = fleet.cluster.run(MODULE, lock_timeout=1)
        assert result["failed"] and "a transaction that wrote there is still open" in result["msg"] and "run the task again" in result["msg"]
        assert fleet.chunks_on("m2") == set() and fleet.left_behind() == []
        connection.commit()
    fleet.converge()
    assert fleet.cluster.query("SELECT count(*) FROM t WHERE device = -1") == [(1,)]


def test_only_one_at_a_time(fleet):
    fleet.register("m1")
    fleet.distribute(days=2)
    fleet.register("m2")
    with fleet.cluster.an.connection(fleet.cluster.database) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtext('timescaledb.multinode'), hashtext('timescale_rebalance'))")
        result = fleet.cluster.run(MODULE)
    assert result["failed"] and "another rebalancing is under way" in result["msg"]
    assert fleet.chunks_on("m2") == set()


def test_refusals(nodes: Cluster):
    nodes.distribute("t")
    nodes.fill("t")
    nodes.refuse(MODULE, "names no data node to be drained", state="drained")
    nodes.refuse(MODULE, 'data node "nobody" is not registered', state="drained", nodes=["nobody"])
    nodes.refuse(MODULE, "option concurrency: it is 0", concurrency=0)
    nodes.refuse(MODULE, "set wal_level = logical (is replica)", state="drained", nodes=["dn1"])
    nodes.refuse(MODULE, "copy that no data node can take", "add a data node", state="drained", nodes=["dn1", "dn2", "dn3"])
    nodes.succeed(DATA_NODE, node_name="dn2", available=False)
    nodes.refuse(MODULE, 'data node "dn2"', "it is not available", state="drained", nodes=["dn2"])


def test_a_run_that_was_killed_is_finished_by_another_one(fleet):
    fleet.register("m1")
    fleet.distribute(days=4)
    fleet.register("m2")
    rows = fleet.cluster.query("SELECT count(*), sum(value) FROM t")
    run = start_module(MODULE, fleet.cluster.login(state="balanced"))
    wait_until(lambda: fleet.cluster.query("SELECT 1 FROM _timescaledb_catalog.chunk_copy_operation"))
    os.kill(run, signal.SIGKILL)
    os.waitpid(run, 0)
    # The server goes on with a copy that nobody waits for any more.
    wait_until(
        lambda: not fleet.cluster.query("SELECT 1 FROM pg_stat_activity WHERE query LIKE '%copy_chunk%' AND state <> 'idle' AND pid <> pg_backend_pid()")
    )
    fleet.converge()
    assert fleet.chunks_on("m1") and fleet.chunks_on("m2")
    assert fleet.cluster.query("SELECT count(*), sum(value) FROM t") == rows


def wait_until(happened, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_it_stops_cleanly_when_it_is_asked_to(fleet):
    fleet.register("m1")
    fleet.distribute(days=12)
    fleet.register("m2")
    run = start_module(MODULE, fleet.cluster.login(state="balanced"))
    wait_until(lambda: fleet.cluster.query("SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'timescale_rebalance 1/% MB ~% s'"))
    os.kill(run, signal.SIGTERM)
    _pid, status = os.waitpid(run, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert fleet.left_behind() == []
    assert fleet.chunks_on("m2") == fleet.known_on("m2") != set()
    assert fleet.cluster.succeed(MODULE, check=True)["moves"] != []
