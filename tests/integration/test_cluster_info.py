# GPL-3.0-or-later (see LICENSE)
"""Facts of a cluster, each compared with what the servers say by other means."""

from __future__ import annotations

import time
from datetime import datetime

import pytest
from _cluster import quoted

INFO = "timescale_cluster_info"
ALWAYS = {"access_node", "data_nodes"}


def facts(cluster, *subsets: str, **more) -> dict:
    """Check mode and real run find the same."""
    before = cluster.state()
    result = cluster.succeed(INFO, gather_subset=list(subsets), **more)
    assert result["changed"] is False and cluster.state() == before
    return result


def node(result: dict, name: str) -> dict:
    return next(node for node in result["data_nodes"] if node["node_name"] == name)


def table(result: dict, relation: str = "conditions") -> dict:
    return next(table for table in result["hypertables"] if table["relation"] == relation)


def keys(result: dict) -> set[str]:
    return set(result) - {"changed", "warnings", "invocation", "deprecations", "msg"}


@pytest.fixture
def replicated(nodes):
    """Three chunks with two copies each."""
    nodes.distribute("conditions", options=", 'device', replication_factor => 2")
    nodes.fill("conditions")
    return nodes


# The access node


def test_what_is_always_there(nodes):
    result = facts(nodes, "min")
    assert keys(result) == ALWAYS
    version, uuid = nodes.an.value(nodes.database, "SHOW server_version"), nodes.uuid()
    told = result["access_node"]
    assert (told["database"], told["port"], told["postgresql_version"]) == (nodes.database, nodes.an.port, version)
    assert told["uuid"] == told["dist_uuid"] == uuid
    assert told["timescaledb_version"] == nodes.query("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")[0][0]
    assert {found["node_name"]: (found["host"], found["port"], found["database"], found["available"]) for found in result["data_nodes"]} == nodes.nodes()
    assert "reachable" not in result["data_nodes"][0]


def test_before_the_first_data_node(cluster):
    result = facts(cluster, "all", "!jobs")
    assert result["data_nodes"] == result["hypertables"] == [] and result["access_node"]["dist_uuid"] is None


@pytest.mark.parametrize("subset", ["nodez", "!nodez"])
def test_unknown_subset(nodes, subset):
    result = nodes.run(INFO, gather_subset=[subset])
    assert result["failed"] and "option gather_subset: there is no nodez" in result["msg"] and "stale_chunks" in result["msg"]


# Data nodes


def test_nodes(nodes):
    result = facts(nodes, "nodes")
    assert keys(result) == ALWAYS
    for name in ("dn1", "dn2", "dn3"):
        told, server = node(result, name), nodes.dn(name)
        assert told["reachable"] is True and told["reason"] is None and told["in_recovery"] is False and told["is_member"] is True
        assert told["database_bytes"] == server.value(nodes.database, "SELECT pg_database_size(current_database())")
        assert told["postgresql_version"] == server.value(nodes.database, "SHOW server_version")
        assert 0 < told["latency_milliseconds"] < 5000


def test_dead_node_is_reported_and_the_others_are_asked(cluster, mortal):
    cluster.register("dn1")
    mortal.stop()
    result = facts(cluster, "all", "!jobs")
    dead, alive = node(result, "mortal"), node(result, "dn1")
    assert dead["reachable"] is False and "Connection refused" in dead["reason"] and dead["database_bytes"] is None
    assert alive["reachable"] is True and alive["database_bytes"] > 0
    assert all(setting["node_name"] != "mortal" for setting in result["settings"])


def test_silent_node_costs_its_timeout_once(nodes, silent_port):
    nodes.register("dn4")
    for number in (1, 2, 3):
        nodes.query("SELECT alter_data_node(%s, port => %s)", f"dn{number}", silent_port)
    begin = time.monotonic()
    result = nodes.succeed(INFO, gather_subset=["nodes"], connect_timeout=2)
    assert time.monotonic() - begin < 2 * 2
    assert [found["reachable"] for found in result["data_nodes"]] == [False] * 3 + [True]
    assert all("timeout" in found["reason"] for found in result["data_nodes"][:3])


@pytest.mark.real_engine("chunks in the catalogue of data nodes")
def test_what_is_locked_by_something_prepared_is_null_and_costs_nothing_else(nodes):
    nodes.distribute("a")
    nodes.fill("a", 100)
    server = nodes.dn("dn2")
    server.query(nodes.database, "BEGIN; LOCK TABLE a IN ACCESS EXCLUSIVE MODE; PREPARE TRANSACTION 'left by a crash'")
    try:
        result = nodes.succeed(INFO, gather_subset=["all", "!jobs"], connect_timeout=1)
    finally:
        server.query(nodes.database, "ROLLBACK PREPARED 'left by a crash'")
    sizes = table(result, "a")["bytes_by_node"]
    assert sizes["dn1"] > 0 and sizes["dn3"] > 0 and sizes.get("dn2") is None
    assert any("sizes" in warning and "dn2" in warning and "lock timeout" in warning for warning in result["warnings"])
    assert [found["gid"] for found in result["prepared_transactions"]] == ["left by a crash"]


def test_options_out_of_range(nodes):
    for option, value in (("connect_timeout", 0), ("certificate_days", 36501), ("certificate_days", -1)):
        assert f"option {option}: it is {value}" in nodes.run(INFO, **{option: value})["msg"]


def test_node_that_is_marked_unavailable_is_asked_all_the_same(nodes):
    nodes.query("SELECT alter_data_node('dn2', available => false)")
    told = node(facts(nodes, "nodes"), "dn2")
    assert told["available"] is False and told["reachable"] is True


def test_database_that_is_no_member(nodes):
    nodes.dn("dn2").query(nodes.database, "DELETE FROM _timescaledb_catalog.metadata WHERE key = 'dist_uuid'")
    assert [node(facts(nodes, "nodes"), name)["is_member"] for name in ("dn1", "dn2")] == [True, False]


def test_odd_names(cluster):
    names = ['Dn "1"', "ü" * 31]
    for server, name in zip(("dn1", "dn2"), names):
        cluster.query("SELECT add_data_node(%s, host => '127.0.0.1', port => %s, bootstrap => false)", name, cluster.dn(server).port)
    cluster.query(f"CREATE SCHEMA {quoted('S 1')}")
    for server in ("dn1", "dn2"):
        cluster.dn(server).query(cluster.database, f"CREATE SCHEMA {quoted('S 1')}")
    cluster.distribute(quoted("S 1", "My Table"))
    cluster.fill(quoted("S 1", "My Table"))
    result = facts(cluster, "nodes", "placement", "hypertables")
    assert {found["node_name"]: found["reachable"] for found in result["data_nodes"]} == dict.fromkeys(names, True)
    assert table(result, "My Table")["chunks_by_node"] == dict.fromkeys(names, 1)


# Hypertables


def test_hypertables(replicated):
    replicated.distribute("other")
    result = facts(replicated, "hypertables")
    assert keys(result) == {*ALWAYS, "hypertables"}
    told = table(result)
    assert (told["schema"], told["owner"], told["replication_factor"]) == ("public", "postgres", 2)
    assert [(dimension["column"], dimension["interval"], dimension["partitions"]) for dimension in told["dimensions"]] == [
        ("time", 604_800_000_000, None),
        ("device", None, 3),
    ]
    assert told["data_nodes"] == [dict(node_name=name, takes_chunks=True) for name in ("dn1", "dn2", "dn3")]


@pytest.mark.real_engine("block_new_chunks()")
def test_node_that_takes_no_chunks(replicated):
    replicated.query("SELECT timescaledb_experimental.block_new_chunks('dn2', 'conditions', force => true)")
    assert [entry["takes_chunks"] for entry in table(facts(replicated, "hypertables"))["data_nodes"]] == [True, False, True]


def test_placement(replicated):
    counted = dict(replicated.query("SELECT node_name::text, count(*) FROM _timescaledb_catalog.chunk_data_node GROUP BY 1"))
    told = table(facts(replicated, "placement"))
    assert told["chunks_by_node"] == counted and told["chunks"] == 3
    assert told["imbalance_of_chunks"] == 1.0 and told["under_replicated"] == dict(chunks=0, sample=[])
    assert "dimensions" not in told and "bytes" not in told


def test_imbalance_counts_nodes_without_a_chunk(nodes):
    nodes.distribute("conditions", options="")
    nodes.fill("conditions")
    told = table(facts(nodes, "placement"))
    assert sorted(told["chunks_by_node"].values()) == [0, 0, 1] and told["imbalance_of_chunks"] == 3.0
    nodes.distribute("empty")
    assert table(facts(nodes, "placement"), "empty")["imbalance_of_chunks"] is None


def test_under_replicated(replicated):
    chunk = replicated.query("DELETE FROM _timescaledb_catalog.chunk_data_node WHERE node_name = 'dn1' RETURNING chunk_id")
    names = replicated.query("SELECT format('%%I.%%I', schema_name, table_name) FROM _timescaledb_catalog.chunk WHERE id = ANY (%s)", [row[0] for row in chunk])
    told = table(facts(replicated, "placement"))["under_replicated"]
    assert told["chunks"] == len(chunk) and sorted(told["sample"]) == sorted(name for (name,) in names)


@pytest.mark.real_engine("chunks in the catalogue of data nodes")
def test_sizes(replicated):
    told = table(facts(replicated, "sizes"))
    for name in ("dn1", "dn2", "dn3"):
        chunks = "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'conditions'::regclass"
        assert told["bytes_by_node"][name] == replicated.dn(name).value(replicated.database, chunks) > 0
    assert told["bytes"] == sum(told["bytes_by_node"].values()) and told["imbalance_of_bytes"] == 1.0


@pytest.mark.real_engine("compression")
def test_sizes_of_compressed_chunks(nodes):
    nodes.distribute("conditions")
    nodes.fill("conditions", rows=5000)
    nodes.query("ALTER TABLE conditions SET (timescaledb.compress)")
    nodes.query("SELECT compress_chunk(c) FROM show_chunks('conditions') c")
    told = table(facts(nodes, "sizes"))
    detailed = dict(nodes.query("SELECT node_name, total_bytes FROM hypertable_detailed_size('conditions') WHERE node_name IS NOT NULL"))
    hypertable = "SELECT pg_total_relation_size('conditions')"
    assert told["bytes_by_node"] == {name: size - nodes.dn(name).value(nodes.database, hypertable) for name, size in detailed.items()}


def test_statistics(replicated):
    told = table(facts(replicated, "statistics"))
    assert told["last_analyze"] is None
    count = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'conditions'::regclass"
    chunks = {name: replicated.dn(name).value(replicated.database, count) for name in ("dn1", "dn2")}
    assert {name: told["statistics_by_node"][name] for name in chunks} == {
        name: dict(oldest_analyze=None, never_analyzed=number) for name, number in chunks.items()
    }
    replicated.dn("dn1").query(replicated.database, "ANALYZE")
    told = table(facts(replicated, "statistics"))
    assert told["statistics_by_node"]["dn1"]["never_analyzed"] == 0 and told["statistics_by_node"]["dn1"]["oldest_analyze"].startswith("20")
    assert told["statistics_by_node"]["dn2"]["oldest_analyze"] is None and told["last_analyze"] is None


@pytest.mark.real_engine("ANALYZE on data nodes")
def test_statistics_of_the_access_node(replicated):
    """It notes no time of its own, so that the data nodes' count; what its planner knows it has fetched."""
    unknown = "SELECT count(*) FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = 'conditions'::regclass AND reltuples = -1"
    names = ("dn1", "dn2", "dn3")
    for name in names:
        replicated.dn(name).query(replicated.database, "ANALYZE conditions")
    chunks = replicated.query(unknown)[0][0]
    assert chunks and table(facts(replicated, "statistics"))["chunks_without_statistics"] == chunks
    replicated.query("ANALYZE conditions")
    assert replicated.query("SELECT last_analyze FROM pg_stat_user_tables WHERE relname = 'conditions'") == [(None,)]
    told = table(facts(replicated, "statistics"))
    times = [replicated.dn(name).value(replicated.database, "SELECT pg_stat_get_last_analyze_time('conditions'::regclass)") for name in names]
    assert datetime.fromisoformat(told["last_analyze"]) == min(times) and told["chunks_without_statistics"] == 0
    # What comes later is not known yet. A data node without any chunk of it is none that was never analysed.
    replicated.query("INSERT INTO conditions VALUES ('2030-01-01', 1)")
    told = table(facts(replicated, "statistics"))
    assert told["chunks_without_statistics"] == replicated.query(unknown)[0][0] == 1 and datetime.fromisoformat(told["last_analyze"]) == min(times)
    replicated.register("dn4")
    assert datetime.fromisoformat(table(facts(replicated, "statistics"))["last_analyze"]) == min(times)
    replicated.query("SELECT attach_data_node('dn4', 'conditions')")
    assert table(facts(replicated, "statistics"))["last_analyze"] is None


# What goes wrong


@pytest.mark.real_engine("chunks that become stale")
def test_stale_chunks(replicated):
    assert all(found["stale_chunks"] == dict(chunks=0, sample=[]) for found in facts(replicated, "stale_chunks")["data_nodes"])
    held = replicated.query("SELECT count(*) FROM _timescaledb_catalog.chunk_data_node WHERE node_name = 'dn3'")[0][0]
    replicated.query("SELECT alter_data_node('dn3', available => false)")
    replicated.fill("conditions")
    told = {found["node_name"]: found["stale_chunks"] for found in facts(replicated, "stale_chunks")["data_nodes"]}
    assert held and told["dn3"]["chunks"] == held == len(told["dn3"]["sample"])
    chunks = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'conditions'::regclass"
    assert set(told["dn3"]["sample"]) == {name for (name,) in replicated.dn("dn3").query(replicated.database, chunks)}
    assert told["dn1"]["chunks"] == told["dn2"]["chunks"] == 0


def operations(cluster, **login) -> dict[str, dict]:
    return {operation["operation_id"]: operation for operation in facts(cluster, "copy_operations", **login)["copy_operations"]}


@pytest.mark.real_engine("chunk_copy_operation")
def test_copy_operations(replicated):
    assert facts(replicated, "copy_operations")["copy_operations"] == []
    chunk, name = replicated.query("SELECT id, format('%I.%I', schema_name, table_name) FROM _timescaledb_catalog.chunk ORDER BY id LIMIT 1")[0]
    insert = "INSERT INTO _timescaledb_catalog.chunk_copy_operation VALUES (%s, %s, %s, now() - interval '1 h', %s, '', 'dn1', 'dn2', %s)"
    with replicated.an.connection(replicated.database) as running:
        cursor = running.cursor()
        cursor.execute(insert.replace("now() - interval '1 h'", "now()"), ("under way", running.info.backend_pid, "init", chunk, True))
        running.autocommit = False
        cursor.execute("SELECT 1")
        cursor.execute("SELECT 1")
        replicated.query(insert, "failed", 1, "create_subscription", chunk, True)
        replicated.query(insert, "done", 1, "complete", chunk, False)
        told = operations(replicated)
        # Who may not see others' sessions does not know whether this one goes on. That a session is gone is seen by everybody.
        hidden = operations(replicated, login_user="app")
        replicated.query("GRANT pg_read_all_stats TO app")
        try:
            seen = operations(replicated, login_user="app")
        finally:
            replicated.query("REVOKE pg_read_all_stats FROM app")
    assert {name: operation["status"] for name, operation in told.items()} == {"failed": "failed", "done": "complete", "under way": "running"}
    assert seen == told and hidden == {**told, "under way": {**told["under way"], "status": None}}
    assert {key: told["failed"][key] for key in ("completed_stage", "moves", "source_node", "destination_node", "chunk")} == dict(
        completed_stage="create_subscription", moves=True, source_node="dn1", destination_node="dn2", chunk=name
    )


def test_replication_slots(nodes):
    nodes.dn("dn2").query("postgres", "SELECT pg_create_physical_replication_slot('a_slot', true)")
    try:
        nodes.dn("dn2").query("postgres", "SELECT pg_switch_wal()")
        (slot,) = facts(nodes, "replication_slots")["replication_slots"]
        assert (slot["node_name"], slot["slot_name"], slot["slot_type"], slot["active"]) == ("dn2", "a_slot", "physical", False)
        assert slot["retained_bytes"] > 0
    finally:
        nodes.dn("dn2").query("postgres", "SELECT pg_drop_replication_slot('a_slot')")


@pytest.mark.real_engine("remote_txn")
def test_prepared_transactions_and_their_fate(nodes):
    dn1 = nodes.dn("dn1")
    server = nodes.query("SELECT oid FROM pg_foreign_server WHERE srvname = 'dn1'")[0][0]
    with nodes.an.connection(nodes.database) as open_on_access_node:
        open_on_access_node.autocommit = False
        cursor = open_on_access_node.cursor()
        cursor.execute("SELECT txid_current() % 4294967296")
        running = cursor.fetchone()[0]
        committed, aborted = (nodes.query("SELECT txid_current() % 4294967296")[0][0] for _transaction in range(2))
        gids = {f"ts-1-{xid}-{server}-10": fate for xid, fate in ((running, "in_progress"), (committed, "commit"), (aborted, "rollback"))}
        gids |= {"of somebody else": "foreign", "ts-9-1": "foreign"}
        nodes.query("INSERT INTO _timescaledb_catalog.remote_txn VALUES ('dn1', %s)", f"ts-1-{committed}-{server}-10")
        for gid in gids:
            dn1.query(nodes.database, f"BEGIN; CREATE TABLE t{abs(hash(gid))} (); PREPARE TRANSACTION '{gid}'")
        try:
            result = facts(nodes, "transactions")
        finally:
            for gid in gids:
                dn1.query(nodes.database, f"ROLLBACK PREPARED '{gid}'")
    assert {found["gid"]: found["fate"] for found in result["prepared_transactions"]} == gids
    assert all(found["node_name"] == "dn1" and 0 <= found["age_seconds"] < 60 for found in result["prepared_transactions"])
    size = nodes.query("SELECT pg_total_relation_size('_timescaledb_catalog.remote_txn')")[0][0]
    assert result["remote_transactions"] == dict(entries=1, bytes=size)


def test_jobs(nodes):
    nodes.query("CREATE PROCEDURE tidy(job_id int, config jsonb) LANGUAGE SQL AS 'SELECT 1'")
    job = nodes.query("SELECT add_job('tidy', '1 h', config => '{\"a\": 1}', scheduled => false)")[0][0]
    told = next(found for found in facts(nodes, "jobs")["jobs"] if found["job_id"] == job)
    assert (told["procedure"], told["schedule_interval"], told["config"], told["scheduled"]) == ("public.tidy", "01:00:00", {"a": 1}, False)


def test_settings(nodes):
    told = {(found["node_name"], found["name"]): found["value"] for found in facts(nodes, "settings")["settings"]}
    # As the servers of the tests are set.
    assert told[None, "max_prepared_transactions"] == told["dn1", "max_prepared_transactions"] == "20"
    assert told["dn3", "wal_level"] == "replica" and (None, "wal_level") not in told
    assert told[None, "synchronous_commit"] == "off" and ("dn1", "synchronous_commit") not in told
    nodes.an.query("postgres", "ALTER SYSTEM SET jit = off")
    nodes.an.query("postgres", "SELECT pg_reload_conf()")
    try:
        after = {(found["node_name"], found["name"]) for found in facts(nodes, "settings")["settings"]}
        assert set(told) - after == {(None, "jit")}
    finally:
        nodes.an.query("postgres", "ALTER SYSTEM RESET jit")
        nodes.an.query("postgres", "SELECT pg_reload_conf()")


# What it costs


@pytest.mark.parametrize(
    "subsets, here, there",
    [
        (["min"], 2, 0),
        (["hypertables"], 3, 0),
        (["placement"], 3, 0),
        (["nodes"], 2, 2),
        (["sizes"], 2, 1),
        (["transactions"], 3, 1),
        (["statistics"], 3, 1),
        (["hypertables", "placement", "sizes", "nodes"], 4, 3),
        (["hardening"], 6, 4),
    ],
)
def test_only_what_is_asked_for_is_read(replicated, subsets, here, there):
    for number in range(3):
        replicated.distribute(f"more{number}")
    servers = [replicated.an, *(replicated.dn(name) for name in ("dn1", "dn2", "dn3"))]
    offsets = [server.log_size() for server in servers]
    facts_only = replicated.run(INFO, gather_subset=subsets)
    assert not facts_only.get("failed")
    counted = [len(server.statements_since(offset, replicated.database)) for server, offset in zip(servers, offsets)]
    assert counted == [here, there, there, there]


def test_role_without_rights(nodes):
    nodes.distribute("conditions")
    result = nodes.run(INFO, gather_subset=["all", "!jobs", "!transactions", "!copy_operations"], login_user="app")
    assert not result.get("failed"), result
    assert [found["reachable"] for found in result["data_nodes"]] == [True] * 3
    assert result["access_node"]["superuser"] is False and table(result)["owner"] == "postgres"
