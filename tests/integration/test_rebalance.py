# GPL-3.0-or-later (see LICENSE)
from __future__ import annotations

import os
import signal
import threading
import time

import psycopg2
import pytest
from _cluster import CLUSTER, DATA_NODE, Cluster
from _fleet import MODULE, Fleet, Writers
from _modules import start_module
from _prepared import gid_of
from ansible_collections.timescaledb.multinode.plugins.module_utils import _connection, _rebalance_mover, _unproven
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_run import Runner
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement

pytestmark = pytest.mark.real_engine("it does not copy chunks between data nodes")

# As a retention policy does it.
DROP_CHUNK = """
SELECT drop_chunks(format('%%I.%%I', hypertable_schema, hypertable_name)::regclass, older_than => range_end, newer_than => range_start)
  FROM timescaledb_information.chunks WHERE chunk_name = %s
"""


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


def test_what_takes_longer_than_timescaledb_waits_is_foreseen_and_told_of(fleet):
    fleet.register("m1")
    fleet.distribute(days=1)
    fleet.register("m2")
    database = fleet.cluster.database
    predicted = fleet.cluster.succeed(MODULE, check=True, state="drained", nodes=["m1"])
    assert not any("longer" in text for text in predicted["warnings"])
    # As TimescaleDB has it, but with another limit.
    (definition,) = fleet["m2"].query(database, "SELECT pg_get_functiondef('_timescaledb_functions.wait_subscription_sync'::regproc)")[0]
    fleet["m2"].query(database, definition.replace("DEFAULT 18000", "DEFAULT 0").replace("%", "%%"))
    for check in (True, False):
        result = fleet.cluster.run(MODULE, check, state="drained", nodes=["m1"])
        (warning,) = [text for text in result["warnings"] if "longer than 0 s" in text]
        assert "2 chunks" in warning and "_chunk" in warning and "Compress" in warning and " kB" in warning
    assert result["failed"] and "within the time that TimescaleDB waits" in result["msg"] and "Remedy: Compress" in result["msg"]
    fleet["m2"].query(database, definition.replace("%", "%%"))
    fleet.converge(state="drained", nodes=["m1"])


def test_a_limit_of_bytes_and_another_run(fleet):
    fleet.register("m1", "m2")
    fleet.distribute()
    fleet.register("m3")
    whole = fleet.cluster.succeed(MODULE, check=True)
    first = fleet.cluster.succeed(MODULE, byte_limit=max(move["bytes"] for move in whole["moves"]))
    assert len(first["moves"]) == len(fleet.chunks_on("m3")) == 1 and "the byte_limit of" in first["stopped"]
    assert first["plan"]["moves_left"] == len(whole["moves"]) - 1 and "left for another run" in first["diff"]["prepared"]
    second = fleet.converge()
    assert second["stopped"] == ""
    assert len(second["moves"]) == len(whole["moves"]) - 1


def test_a_limit_of_bytes_keeps_no_data_node_from_being_drained_in_several_runs(fleet):
    """The second hypertable has nowhere else to go before its own turn, and is to take no new chunks on the first data node by then."""
    fleet.register("m1")
    fleet.distribute(days=2, partitions=1)
    fleet.distribute("b", days=2, partitions=1)
    fleet.register("m2")
    (one, *_others) = fleet.cluster.succeed(MODULE, check=True, state="drained", nodes=["m1"])["moves"]
    runs = [fleet.cluster.succeed(MODULE, state="drained", nodes=["m1"], byte_limit=one["bytes"] + 65536) for _run in range(4)]
    assert [bool(run["stopped"]) for run in runs] == [True, True, True, False]
    assert fleet.chunks_on("m1") == set() and len(fleet.chunks_on("m2")) == 4


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


@pytest.mark.parametrize("attached_by", ["the module", "TimescaleDB"])
def test_a_data_node_that_came_later_compresses_as_the_others_do(fleet, attached_by):
    """attach_data_node() leaves the settings out: no compressed chunk could be copied there, and none compressed."""
    fleet.register("m1")
    fleet.distribute(days=2, partitions=1)
    settings = "timescaledb.compress_segmentby = 'device', timescaledb.compress_orderby = 'time DESC NULLS LAST, value'"
    fleet.cluster.query(f"ALTER TABLE t SET (timescaledb.compress, {settings})")
    fleet.cluster.query("SELECT compress_chunk(c) FROM show_chunks('t') c")
    fleet.register("m2")
    if attached_by == "TimescaleDB":
        fleet.cluster.query("SELECT attach_data_node('m2', 't', repartition => false)")
    result = fleet.converge(state="drained", nodes=["m1"])
    assert 'have data node "m2" compress it' in result["diff"]["prepared"]
    database = fleet.cluster.database
    columns = "attname, segmentby_column_index, orderby_column_index, orderby_asc, orderby_nullsfirst"
    told = f"SELECT {columns} FROM _timescaledb_catalog.hypertable_compression ORDER BY 1"
    assert fleet["m2"].query(database, told) == fleet["m1"].query(database, told) != []
    fleet.cluster.query("INSERT INTO t VALUES ('2026-03-01', 1, 1)")
    fleet.cluster.query("SELECT compress_chunk(c, true) FROM show_chunks('t') c")
    assert fleet["m2"].query(database, "SELECT count(*) FROM _timescaledb_catalog.chunk WHERE compressed_chunk_id IS NOT NULL") == [(3,)]


def test_attached_by_a_declaration_it_compresses_as_well(fleet):
    fleet.register("m1")
    fleet.distribute(days=1, partitions=1)
    fleet.compress()
    fleet.register("m2")
    declared = dict(relation="t", time_column_name="time", partitioning_column="device", data_nodes=["m1", "m2"], repartition=False)
    result = fleet.cluster.converge("timescale_distributed_hypertable", hypertables=[declared])
    assert [step["action"] for step in result["steps"]] == ["attach", "set"]
    told = "SELECT attname, segmentby_column_index FROM _timescaledb_catalog.hypertable_compression ORDER BY 1"
    assert fleet["m2"].query(fleet.cluster.database, told) == fleet["m1"].query(fleet.cluster.database, told) != []


def test_compressed_hypertables_of_one_name_are_told_of_before_anything_is_moved(fleet):
    fleet.register("m1", "m2")
    fleet.cluster.query("CREATE SCHEMA tenant")
    for name in ("m1", "m2"):
        fleet[name].query(fleet.cluster.database, "CREATE SCHEMA tenant")
    fleet.distribute(days=2)
    fleet.distribute("tenant.t", days=2)
    fleet.compress()
    fleet.converge(state="drained", nodes=["m1"])
    fleet.cluster.query("SELECT timescaledb_experimental.allow_new_chunks('m1')")
    fleet.cluster.query("ALTER TABLE tenant.t SET (timescaledb.compress, timescaledb.compress_segmentby = 'device')")
    told = '"public"."t"', 'TimescaleDB cannot copy its compressed chunks as long as "tenant"."t" has the same name'
    for check in (True, False):
        result = fleet.cluster.run(MODULE, check=check, state="drained", nodes=["m2"])
        assert result["failed"] and all(text in result["msg"] for text in told), result["msg"]
    fleet.cluster.query("ALTER TABLE tenant.t RENAME TO other")
    fleet.converge(state="drained", nodes=["m2"])


def test_a_chunk_that_is_dropped_before_its_turn_is_left_out(fleet, monkeypatch):
    """As a retention policy does it during a run of hours."""
    fleet.register("m1")
    fleet.distribute(days=3, partitions=1)
    fleet.register("m2")
    move, turns = _rebalance_mover.ChunkMover._move, []

    def drop_and_move(self, job):
        if not turns:
            fleet.cluster.an.query(fleet.cluster.database, DROP_CHUNK, job.chunk.relation)
        turns.append(job)
        return move(self, job)

    monkeypatch.setattr(_rebalance_mover.ChunkMover, "_move", drop_and_move)
    result = fleet.cluster.succeed(MODULE, state="drained", nodes=["m1"])
    monkeypatch.undo()
    assert len(result["moves"]) == 2 and any("was dropped meanwhile" in warning for warning in result["warnings"])
    assert fleet.chunks_on("m1") == set() and len(fleet.chunks_on("m2")) == 2 and fleet.left_behind() == []


@pytest.mark.parametrize("stage", ["sync", "attach_chunk", "delete_chunk"])
def test_what_is_left_of_a_chunk_that_was_dropped_is_cleaned_up(fleet, stage):
    """TimescaleDB keeps the entry, and cannot clean it up without the chunk."""
    fleet.register("m1", "m2")
    fleet.distribute(days=2, partitions=1)
    (chunk,) = sorted(fleet.chunks_on("m1"))[:1]
    fleet.die_after(stage, f"CALL timescaledb_experimental.move_chunk('_timescaledb_internal.{chunk}', 'm1', 'm2', 'died')")
    fleet.cluster.query(DROP_CHUNK, chunk)
    assert ("died",) in fleet.left_behind()
    fleet.converge()
    for name in ("m1", "m2"):
        assert fleet[name].query(fleet.cluster.database, "SELECT 1 FROM pg_class WHERE relname = %s", chunk) == []


def test_a_half_copy_on_a_data_node_that_was_dead_is_no_obstacle(fleet):
    """It is no chunk there, and its operation was forgotten while that node was dead."""
    fleet.register("m1", "m2", "m3")
    fleet.distribute(days=2, partitions=3, factor=1)
    (chunk,) = sorted(fleet.chunks_on("m1"))[:1]
    fleet.die_after("sync_start", f"CALL timescaledb_experimental.copy_chunk('_timescaledb_internal.{chunk}', 'm1', 'm2', 'tsmn_died')")
    with fleet.dead("m2"):
        fleet.cluster.succeed(MODULE, state="replicated")
    assert fleet["m2"].query(fleet.cluster.database, "SELECT 1 FROM pg_class WHERE relname = %s", chunk) == [(1,)]
    fleet.cluster.succeed(MODULE, state="replicated")
    fleet.cluster.query("SELECT set_replication_factor('t', 3)")
    fleet.converge(state="replicated")
    assert chunk in fleet.chunks_on("m2")


def test_a_factor_that_is_changed_during_the_run_stays(fleet, monkeypatch):
    fleet.register("m1", "m2", "m3")
    fleet.distribute(days=2, partitions=1)
    fleet.cluster.query("SELECT set_replication_factor('t', 2)")
    move = _rebalance_mover.ChunkMover._move

    def change_and_move(self, job):
        fleet.cluster.an.query(fleet.cluster.database, "SELECT set_replication_factor('t', 3)")
        return move(self, job)

    monkeypatch.setattr(_rebalance_mover.ChunkMover, "_move", change_and_move)
    fleet.cluster.succeed(MODULE, state="replicated")
    monkeypatch.undo()
    assert fleet.cluster.query("SELECT replication_factor FROM _timescaledb_catalog.hypertable WHERE table_name = 't'") == [(3,)]


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


@pytest.mark.parametrize("stage", ["attach_chunk", "complete"])
def test_a_source_that_was_forgotten_since_is_not_dropped_for_a_copy_that_was_never_compared(fleet, stage):
    fleet.register("m1", "m2", "m3")
    fleet.distribute(days=2, partitions=3)
    fleet.cluster.query("SELECT set_replication_factor('t', 2)")
    database = fleet.cluster.database
    (chunk,) = sorted(fleet.known_on("m1"))[:1]
    table = f"_timescaledb_internal.{chunk}"
    fleet.die_after(stage, f"CALL timescaledb_experimental.copy_chunk('{table}', 'm1', 'm2', 'tsmn_died')")
    fleet["m2"].query(database, f"DELETE FROM {table} WHERE device = (SELECT min(device) FROM {table})")
    of_source = "SELECT count(*), sum(value) FROM " + table
    whole = fleet["m1"].query(database, of_source)
    device, when = fleet["m1"].query(database, f"SELECT device, time FROM {table} LIMIT 1")[0]
    fleet["m1"].stop("immediate")
    fleet.cluster.query("SELECT alter_data_node('m1', available => false)")
    try:
        fleet.cluster.query("INSERT INTO t VALUES (%s, %s, 0)", when, device)
        assert chunk in fleet.known_on("m2") - fleet.known_on("m1")
        for state in (dict(state="replicated"), dict(state="balanced")):
            result = fleet.cluster.succeed(MODULE, **state)
            assert all(chunk not in move["object"] for move in result["moves"])
            assert any(chunk in text and "never compared" in text for text in result["warnings"]), result
            assert chunk in fleet.chunks_on("m2")
    finally:
        fleet["m1"].start()
    fleet.cluster.refuse(DATA_NODE, table.replace(".", '"."'), "tsmn_died", f":{fleet['m1'].port}/", "never compared", node_name="m1", available=True)
    fleet.cluster.refuse(CLUSTER, "tsmn_died", "never compared", data_nodes=[dict(node_name="m1", available=True)])
    assert fleet["m1"].query(database, of_source) == whole and fleet.left_behind() == [("tsmn_died",)]
    # Somebody has looked at it.
    fleet.cluster.query("DELETE FROM _timescaledb_catalog.chunk_copy_operation")
    fleet.cluster.succeed(DATA_NODE, node_name="m1", available=True)
    assert chunk not in fleet.chunks_on("m1")


def test_a_source_that_is_forgotten_at_the_moment_in_which_it_is_back_is_not_dropped(fleet, monkeypatch):
    fleet.register("m1", "m2")
    fleet.distribute(days=1)
    fleet.cluster.query("SELECT set_replication_factor('t', 2)")
    database = fleet.cluster.database
    (chunk,) = sorted(fleet.known_on("m1"))[:1]
    table = f"_timescaledb_internal.{chunk}"
    fleet.die_after("complete", f"CALL timescaledb_experimental.copy_chunk('{table}', 'm1', 'm2', 'tsmn_died')")
    device, when = fleet["m1"].query(database, f"SELECT device, time FROM {table} LIMIT 1")[0]
    fleet.cluster.query("SELECT alter_data_node('m1', available => false)")
    observe_returns = _unproven.observe_returns

    def write_after(*arguments):
        found = observe_returns(*arguments)
        fleet.cluster.query("INSERT INTO t VALUES (%s, %s, 0)", when, device)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(_unproven, "observe_returns", write_after)
        result = fleet.cluster.run(DATA_NODE, node_name="m1", available=True)
    assert result["failed"] and "it may have the only whole copy was written to without it at this moment" in result["msg"]
    assert chunk in fleet.chunks_on("m1") - fleet.known_on("m1") and fleet.cluster.nodes()["m1"][3] is False
    fleet.cluster.refuse(DATA_NODE, "never compared", chunk, node_name="m1", available=True)


def test_a_source_that_was_not_written_to_is_back_as_it_was(fleet):
    fleet.register("m1", "m2")
    fleet.distribute(days=1)
    (chunk,) = sorted(fleet.known_on("m1"))[:1]
    fleet.die_after("complete", f"CALL timescaledb_experimental.copy_chunk('_timescaledb_internal.{chunk}', 'm1', 'm2', 'tsmn_died')")
    rows = fleet.cluster.query("SELECT count(*), sum(value) FROM t")
    fleet.cluster.query("SELECT alter_data_node('m1', available => false)")
    fleet.cluster.converge(DATA_NODE, node_name="m1", available=True)
    assert chunk in fleet.chunks_on("m1") & fleet.known_on("m1") and fleet.cluster.query("SELECT count(*), sum(value) FROM t") == rows
    fleet.cluster.query("SELECT alter_data_node('m1', available => false)")
    fleet.cluster.converge(CLUSTER, data_nodes=[dict(node_name="m1", available=True)])
    fleet.converge(state="drained", nodes=["m1"])


def test_a_move_leaves_the_catalogue_in_the_moment_in_which_its_old_copy_is_dropped(fleet, monkeypatch):
    fleet.register("m1")
    fleet.distribute(days=1)
    fleet.register("m2")

    end_pause = _rebalance_mover.ChunkMover._end_pause

    def commit_and_die(self, control, move, begun):
        end_pause(self, control, move, begun)
        raise ClusterError(str(move.chunk), "the controller dies")

    monkeypatch.setattr(_rebalance_mover.ChunkMover, "_end_pause", commit_and_die)
    monkeypatch.setattr(Runner, "_clean_after_failure", lambda self: None)
    result = fleet.cluster.run(MODULE, state="drained", nodes=["m1"])
    assert result["failed"] and "the controller dies" in result["msg"]
    assert len(fleet.known_on("m2")) == 1 and fleet.known_on("m2") == fleet.chunks_on("m2") and fleet.left_behind() == []


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
        assert result["failed"] and 'on data node "m1" had it open for longer than 5 s' in result["msg"] and "run the task again" in result["msg"]
        assert fleet.chunks_on("m2") == set() and fleet.left_behind() == []
        connection.commit()
    fleet.converge()
    assert fleet.cluster.query("SELECT count(*) FROM t WHERE device = -1") == [(1,)]


@pytest.mark.parametrize("act, begins_compressed", [("decompress_chunk", True), ("compress_chunk", False)])
def test_a_chunk_is_neither_compressed_nor_decompressed_while_it_is_moved(fleet, act, begins_compressed):
    """Decompressed meanwhile, it was there twice; compressed meanwhile, only the access node knew of it."""
    fleet.register("m1", "m2")
    fleet.distribute(days=1)
    fleet.compress()
    if not begins_compressed:
        fleet.cluster.query("SELECT decompress_chunk(c) FROM show_chunks('t') c")
    database = fleet.cluster.database
    (chunk,) = fleet.chunks_on("m1")
    rows = fleet.cluster.query("SELECT count(*), sum(value) FROM t")
    device = fleet["m2"].value(database, "SELECT min(device) FROM t")
    errors = []

    def change() -> None:
        try:
            fleet.cluster.an.query(database, f"SELECT {act}('_timescaledb_internal.{chunk}')")
        except psycopg2.Error as error:
            errors.append(str(error))

    changing = threading.Thread(target=change)
    with fleet.cluster.an.connection(database) as writer, writer.cursor() as cursor:
        writer.autocommit = False
        # Holds the move up where it is about to have writers wait.
        cursor.execute("INSERT INTO t VALUES ('2026-01-01 12:00+00', %s, 0)", (device,))
        run = start_module(MODULE, fleet.cluster.login(state="drained", nodes=["m1"]))
        waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND mode = '{}' AND relation::regclass::text = '{}'"
        wait_until(lambda: fleet.cluster.query(waiting.format("ShareLock", "t")))
        changing.start()
        in_the_way = waiting.format("ExclusiveLock", f"_timescaledb_internal.{chunk}")
        wait_until(lambda: errors or not changing.is_alive() or fleet["m1"].query(database, in_the_way))
        writer.commit()
    _pid, status = os.waitpid(run, 0)
    changing.join()
    assert os.waitstatus_to_exitcode(status) == 0 and "canceling statement due to user request" in errors[0]
    assert fleet.cluster.query("SELECT count(*) - 1, sum(value) FROM t") == rows
    assert fleet.chunks_on("m1") == set() and fleet.left_behind() == []
    compressed = "SELECT compressed_chunk_id IS NOT NULL FROM _timescaledb_catalog.chunk WHERE table_name = %s"
    assert fleet["m2"].value(database, compressed, chunk) is begins_compressed
    change()
    assert len(errors) == 1 and fleet["m2"].value(database, compressed, chunk) is not begins_compressed
    assert fleet.cluster.query("SELECT count(*) - 1, sum(value) FROM t") == rows


def test_a_reader_that_stays_open_fails_the_move_before_writers_wait(fleet, monkeypatch):
    """The old copy cannot be dropped before its reader has ended."""
    result, writers = _move_while_somebody_reads(fleet, monkeypatch, begun_before=1.5, seconds=60)
    told = 'on data node "m1" had it open for longer than 10 s'
    assert result["failed"] and told in result["msg"] and "run the task again" in result["msg"], result
    assert fleet.chunks_on("m2") == fleet.known_on("m2") == set() and fleet.left_behind() == []
    assert writers.longest_pause < 2
    fleet.converge()


def test_only_what_stays_prepared_is_waited_for(fleet):
    """Writers prepare something all the time."""
    fleet.register("m1", "m2")
    fleet.distribute(days=1)
    database = fleet.cluster.database
    (chunk,) = fleet.chunks_on("m1")
    readers = Statement(_rebalance_mover._READERS, values=("_timescaledb_internal", chunk))
    told = []
    with fleet["m1"].connection(database) as raw:
        connection = _connection.Connection(raw, "m1")
        fleet["m1"].query(database, f"BEGIN; LOCK TABLE _timescaledb_internal.{chunk} IN ROW EXCLUSIVE MODE; SELECT txid_current(); PREPARE TRANSACTION 'kept'")
        try:
            for _look in range(2):
                told.append(connection.run(readers, "m1")[0]["readers"])
                time.sleep(1.1)
        finally:
            fleet["m1"].query(database, "ROLLBACK PREPARED 'kept'")
        told.append(connection.run(readers, "m1")[0]["readers"])
    assert told == ["", "a prepared transaction", ""]


def test_a_reader_that_comes_when_writers_wait_costs_another_attempt(fleet, monkeypatch):
    """The drop gives up, writers go on with the old copy, and the new one is made again."""
    result, writers = _move_while_somebody_reads(fleet, monkeypatch, begun_before=0, seconds=6)
    assert not result.get("failed"), result["msg"]
    assert len(fleet.chunks_on("m2")) == len(result["moves"]) == 1 and fleet.left_behind() == []
    # The lock_timeout of 2 s, and what a move has writers wait for anyway.
    assert writers.longest_pause < 5
    writers.check("cannot create chunk on its own", 2)


def _move_while_somebody_reads(fleet, monkeypatch, begun_before: float, seconds: float):
    """Somebody begins to read the chunk once its slot is there, so many seconds before writers are to wait, and ends so many seconds later."""
    fleet.register("m1")
    fleet.distribute(days=2, partitions=1)
    fleet.register("m2")
    keep, readers = _rebalance_mover.ChunkMover._keep, []

    def keep_and_read(self, keeper, copy, move):
        keep(self, keeper, copy, move)
        if readers:
            return
        reader = psycopg2.connect(host=str(fleet["m1"].root), port=fleet["m1"].port, dbname=fleet.cluster.database, user="postgres")
        readers.append(reader)
        reader.cursor().execute(f"SELECT count(*) FROM _timescaledb_internal.{move.chunk.relation}")
        threading.Timer(seconds, reader.close).start()
        time.sleep(begun_before)

    monkeypatch.setattr(_rebalance_mover.ChunkMover, "_keep", keep_and_read)
    with Writers(fleet) as writers:
        result = fleet.cluster.run(MODULE, lock_timeout=2)
        written = dict(writers.written)
        time.sleep(0.5)
        assert all(writers.written[device] > written[device] > 0 for device in written), "writers go on"
    monkeypatch.undo()
    return result, writers


@pytest.mark.parametrize("key", ["", ", PRIMARY KEY (time, device)"])
def test_rows_can_be_updated_and_deleted_while_they_are_moved(fleet, key):
    """PostgreSQL refuses both for a published table without an identity of its rows, and the copy has no index yet."""
    fleet.register("m1", "m2")
    fleet.distribute(days=2, partitions=1, columns=key)
    database = fleet.cluster.database
    stop, errors, updated = threading.Event(), [], []

    def change() -> None:
        with fleet.cluster.an.connection(database) as connection, connection.cursor() as cursor:
            while not stop.is_set():
                device, minute = len(updated) % 16, len(updated) % 600 + 1
                try:
                    cursor.execute("UPDATE t SET value = value + 1000 WHERE device = %s AND time < '2026-01-01 10:00+00'", (device,))
                    cursor.execute("DELETE FROM t WHERE time = '2026-01-02 00:00+00'::timestamptz + %s * interval '1 minute'", (minute,))
                    updated.append(device)
                except psycopg2.Error as error:
                    errors.append(str(error))

    changing = threading.Thread(target=change)
    changing.start()
    try:
        moves = fleet.cluster.succeed(MODULE, state="drained", nodes=["m1"])["moves"]
        fleet.cluster.query("SELECT timescaledb_experimental.allow_new_chunks('m1')")
        moves += fleet.cluster.succeed(MODULE, state="drained", nodes=["m2"])["moves"]
    finally:
        stop.set()
        changing.join()
    assert len(moves) == 4 and updated and errors == []
    was = "SELECT device, value::int % 1000, value::int / 1000 FROM t WHERE time < '2026-01-01 10:00+00'"
    assert sorted(fleet.cluster.query(was)) == sorted((minute % 16, minute, updated.count(minute % 16)) for minute in range(1, 600))
    assert fleet.cluster.query("SELECT count(*) FROM t WHERE time >= '2026-01-02'") == [(600 - min(len(updated), 600),)]
    assert fleet["m1"].query(database, "SELECT relname FROM pg_class WHERE relreplident = 'f'") == []
    fleet.converge(state="drained", nodes=["m2"])


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
