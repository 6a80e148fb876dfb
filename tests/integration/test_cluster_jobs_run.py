# GPL-3.0-or-later (see LICENSE)
"""What the jobs do when they run, with healthy data nodes and with a dead one."""

from __future__ import annotations

import time
from datetime import datetime

import psycopg2
import pytest
from _cluster import CLUSTER, quoted

pytestmark = pytest.mark.real_engine("running jobs")

BOTH = dict(analyze_job=dict(schedule_interval="12 hours"), heal_job=dict(schedule_interval="5 minutes"))
_WAITS = """
SELECT j.proc_name::text, extract(epoch FROM s.next_start - s.last_run_started_at)::float8
  FROM timescaledb_information.job_stats s JOIN timescaledb_information.jobs j USING (job_id) WHERE job_id >= 1000
"""
ANALYZE, HEAL = "analyze_distributed_hypertables", "heal_data_nodes"
NODES = ("dn1", "dn2", "dn3")


def run(cluster, procedure: str, prepare: str = "SELECT 1") -> str:
    """Run a job now and return the warnings and the error; as its owner, for whom the server would run it."""
    (job,) = (job for job in cluster.jobs() if job["procedure"] == procedure)
    with cluster.an.connection(cluster.database, job["owner"]) as connection, connection.cursor() as cursor:
        cursor.execute(prepare)
        try:
            cursor.execute("CALL run_job(%s)", (job["job_id"],))
        except psycopg2.Error as error:
            return "".join([*connection.notices, str(error)])
        return "".join(connection.notices)


def leave_prepared(cluster, name: str, owner: str = "postgres") -> tuple[str, str]:
    """What a crash leaves on a data node: a transaction that was decided to be committed, and one that was not. Returns the tables they make."""
    server = cluster.query("SELECT oid FROM pg_foreign_server WHERE srvname = %s", name)[0][0]
    role = cluster.query("SELECT oid FROM pg_roles WHERE rolname = %s", owner)[0][0]
    tables = []
    for fate in ("committed", "aborted"):
        xid = cluster.query("SELECT txid_current() %% 4294967296 WHERE %s <> ''", fate)[0][0]
        gid = f"ts-1-{xid}-{server}-{role}"
        if fate == "committed":
            cluster.query("INSERT INTO _timescaledb_catalog.remote_txn VALUES (%s, %s)", name, gid)
        tables.append(f"{fate}_{xid}")
        cluster.dn(name).query(cluster.database, f"BEGIN; CREATE TABLE public.{tables[-1]} (); PREPARE TRANSACTION '{gid}'", user=owner)
    return tables[0], tables[1]


def left(server, database: str) -> list[tuple]:
    return server.query(database, "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()")


def exists(cluster, name: str, table: str) -> bool:
    return cluster.dn(name).value(cluster.database, "SELECT to_regclass(%s) IS NOT NULL", f"public.{table}")


def recorded(cluster) -> set[str]:
    return {name for (name,) in cluster.query("SELECT data_node_name::text FROM _timescaledb_catalog.remote_txn")}


def analyzed(cluster, name: str, relation: str) -> bool:
    """Whether all chunks of a hypertable on a data node have statistics."""
    return cluster.dn(name).value(
        cluster.database,
        "SELECT bool_and(EXISTS (SELECT FROM pg_statistic WHERE starelid = inhrelid) AND pg_stat_get_last_analyze_time(inhrelid) IS NOT NULL) "
        "FROM pg_inherits WHERE inhparent = %s::regclass",
        relation,
    )


def rows_guessed(cluster, relation: str) -> list[float]:
    """What the access node's planner believes the chunks of a hypertable to have; -1 or 0 where it knows nothing."""
    return [
        rows
        for (rows,) in cluster.query("SELECT reltuples FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = %s::regclass ORDER BY 1", relation)
    ]


def columns_known(cluster, relation: str) -> int:
    return cluster.query("SELECT count(*) FROM pg_statistic JOIN pg_inherits ON inhrelid = starelid WHERE inhparent = %s::regclass", relation)[0][0]


@pytest.fixture
def with_mortal(cluster, mortal):
    """dn1, dn2 and a data node that may be stopped, with both jobs."""
    cluster.register("dn1", "dn2")
    cluster.succeed(CLUSTER, **BOTH)
    return cluster


# Healing


def test_healing_ends_what_a_crash_left(nodes):
    nodes.succeed(CLUSTER, **BOTH)
    tables = {name: leave_prepared(nodes, name) for name in NODES}
    nodes.dn("dn1").query(nodes.database, "BEGIN; CREATE TABLE foreign_one (); PREPARE TRANSACTION 'of somebody else'")
    try:
        assert recorded(nodes) == set(NODES)
        assert "skipping 1 non-TimescaleDB prepared transaction" in run(nodes, HEAL)
        assert {name: left(nodes.dn(name), nodes.database) for name in NODES} == {"dn1": [("of somebody else",)], "dn2": [], "dn3": []}
        for name, (committed, aborted) in tables.items():
            assert exists(nodes, name, committed) and not exists(nodes, name, aborted)
        assert recorded(nodes) == set()
    finally:
        nodes.dn("dn1").query(nodes.database, "ROLLBACK PREPARED 'of somebody else'")


def test_a_dead_node_does_not_stop_healing_and_the_run_fails(with_mortal, mortal):
    cluster = with_mortal
    tables = {name: leave_prepared(cluster, name) for name in ("dn1", "dn2")}
    mortal.stop()
    message = run(cluster, HEAL)
    assert 'WARNING:  data node "mortal" is not healed: could not connect to "mortal"' in message
    assert 'not every data node was healed: data node "mortal": could not connect to "mortal"' in message and "dn1" not in message
    for name, (committed, aborted) in tables.items():
        assert left(cluster.dn(name), cluster.database) == []
        assert exists(cluster, name, committed) and not exists(cluster, name, aborted)
    assert recorded(cluster) == set()
    mortal.start()
    assert run(cluster, HEAL) == ""


def test_a_node_marked_unavailable_is_left_out(with_mortal, mortal):
    mortal.stop()
    with_mortal.query("SELECT alter_data_node('mortal', available => false)")
    assert run(with_mortal, HEAL) == run(with_mortal, ANALYZE) == ""


def test_healing_leaves_transactions_in_progress(nodes):
    nodes.succeed(CLUSTER, **BOTH)
    server = nodes.query("SELECT oid FROM pg_foreign_server WHERE srvname = 'dn1'")[0][0]
    with nodes.an.connection(nodes.database) as running:
        running.autocommit = False
        cursor = running.cursor()
        cursor.execute("SELECT txid_current() % 4294967296")
        gid = f"ts-1-{cursor.fetchone()[0]}-{server}-10"
        nodes.dn("dn1").query(nodes.database, f"BEGIN; CREATE TABLE busy (); PREPARE TRANSACTION '{gid}'")
        try:
            assert run(nodes, HEAL) == "" and left(nodes.dn("dn1"), nodes.database) == [(gid,)]
        finally:
            running.rollback()
    run(nodes, HEAL)
    assert left(nodes.dn("dn1"), nodes.database) == [] and not exists(nodes, "dn1", "busy")


# ANALYZE


def test_analyzing_reaches_all_data_nodes_and_the_access_node(nodes):
    schema, relation = "S 1", "ü" * 15 + " Table"
    nodes.query(f"CREATE SCHEMA {quoted(schema)}")
    for name in NODES:
        nodes.dn(name).query(nodes.database, f"CREATE SCHEMA {quoted(schema)}")
    tables = ["a", quoted(schema, relation)]
    for table in tables:
        nodes.distribute(table)
        nodes.fill(table, 1000)
        assert not any(analyzed(nodes, name, table) for name in NODES) and sum(rows_guessed(nodes, table)) <= 0
    nodes.succeed(CLUSTER, **BOTH)
    assert run(nodes, ANALYZE) == ""
    for table in tables:
        assert all(analyzed(nodes, name, table) for name in NODES)
        assert sum(rows_guessed(nodes, table)) == 1000 and columns_known(nodes, table) == 2 * 3
        found = nodes.succeed("timescale_cluster_info", gather_subset=["statistics"])["hypertables"]
        told = next(told for told in found if table in (told["relation"], quoted(told["schema"], told["relation"])))
        noted = [nodes.dn(name).value(nodes.database, "SELECT pg_stat_get_last_analyze_time(%s::regclass)", table) for name in NODES]
        assert datetime.fromisoformat(told["last_analyze"]) == min(noted) and told["chunks_without_statistics"] == 0


def test_analyzing_leaves_no_record_of_two_phase_commit(nodes):
    nodes.distribute("a")
    nodes.fill("a")
    nodes.succeed(CLUSTER, **BOTH)
    run(nodes, HEAL)
    assert recorded(nodes) == set()
    run(nodes, ANALYZE)
    assert recorded(nodes) == set()


def test_a_dead_node_does_not_stop_analyzing_and_the_run_fails(with_mortal, mortal):
    cluster = with_mortal
    cluster.distribute("everywhere")
    cluster.distribute("healthy", options=", 'device', data_nodes => ARRAY['dn1', 'dn2']")
    for table in ("everywhere", "healthy"):
        cluster.fill(table, 1000)
    mortal.stop()
    message = run(cluster, ANALYZE)
    assert 'WARNING:  data node "mortal" is not analyzed: could not connect to "mortal"' in message
    assert 'not everything was analyzed: data node "mortal": could not connect to "mortal"' in message and "dn1" not in message
    assert all(analyzed(cluster, name, table) for name in ("dn1", "dn2") for table in ("everywhere", "healthy"))
    assert sum(rows_guessed(cluster, "healthy")) == 1000
    # The access node fetches from all data nodes of a hypertable or from none.
    assert sum(rows_guessed(cluster, "everywhere")) <= 0
    mortal.start()
    assert run(cluster, ANALYZE) == "" and sum(rows_guessed(cluster, "everywhere")) == 1000


@pytest.mark.parametrize("procedure, what", [(ANALYZE, "analyzed"), (HEAL, "healed")])
def test_a_node_that_takes_connections_and_says_nothing_does_not_stop_the_others(with_mortal, mortal, procedure, what):
    cluster = with_mortal
    cluster.distribute("healthy", options=", 'device', data_nodes => ARRAY['dn1', 'dn2']")
    cluster.fill("healthy", 1000)
    tables = {name: leave_prepared(cluster, name) for name in ("dn1", "dn2") if procedure == HEAL}
    with mortal.hanging():
        message = run(cluster, procedure)
    assert f'data node "mortal" is not {what}: it does not answer' in message and "dn1" not in message and "dn2" not in message
    for name, (committed, _aborted) in tables.items():
        assert left(cluster.dn(name), cluster.database) == [] and exists(cluster, name, committed)
    assert procedure == HEAL or all(analyzed(cluster, name, "healthy") for name in ("dn1", "dn2"))


def test_a_table_that_cannot_be_analyzed_does_not_stop_the_others(nodes):
    for table in ("a", "b"):
        nodes.distribute(table)
        nodes.fill(table, 1000)
    # The server runs a new job at once, which would wait for the lock as well and get it when we let go.
    nodes.query("SELECT _timescaledb_functions.stop_background_workers()")
    nodes.succeed(CLUSTER, **BOTH)
    with nodes.dn("dn2").connection(nodes.database) as holder:
        holder.autocommit = False
        holder.cursor().execute("LOCK TABLE a IN SHARE UPDATE EXCLUSIVE MODE")
        message = run(nodes, ANALYZE)
    assert 'public.a on data node "dn2"' in message and "lock timeout" in message and "public.b" not in message
    assert all(analyzed(nodes, name, "b") for name in NODES) and analyzed(nodes, "dn3", "a") and not analyzed(nodes, "dn2", "a")


def test_an_unprivileged_role_has_jobs_for_what_is_its_own(nodes):
    nodes.query("GRANT USAGE ON FOREIGN SERVER dn1, dn2, dn3 TO app")
    nodes.query(f"GRANT CREATE ON DATABASE {nodes.database} TO app")
    nodes.distribute("of_postgres")
    nodes.fill("of_postgres")
    nodes.query("CREATE TABLE its_own (time timestamptz NOT NULL, device int NOT NULL)", user="app")
    nodes.query("SELECT create_distributed_hypertable('its_own', 'time', 'device')", user="app")
    nodes.query("INSERT INTO its_own SELECT '2026-01-01'::timestamptz + n * interval '1 minute', n FROM generate_series(1, 100) n", user="app")
    nodes.converge(CLUSTER, login_user="app", **BOTH)
    assert {job["owner"] for job in nodes.jobs()} == {"app"}
    assert run(nodes, ANALYZE) == ""
    assert sum(rows_guessed(nodes, "its_own")) == 100 and sum(rows_guessed(nodes, "of_postgres")) <= 0
    assert all(analyzed(nodes, name, "its_own") and not analyzed(nodes, name, "of_postgres") for name in NODES)
    committed, aborted = leave_prepared(nodes, "dn1", owner="app")
    assert run(nodes, HEAL) == ""
    assert exists(nodes, "dn1", committed) and not exists(nodes, "dn1", aborted)


@pytest.mark.parametrize("procedure", [ANALYZE, HEAL])
def test_names_are_not_looked_for_where_others_can_put_something(nodes, procedure):
    """A job of a superuser must not call what another role made."""
    nodes.distribute("a")
    nodes.fill("a")
    nodes.succeed(CLUSTER, **BOTH)
    nodes.query("CREATE SCHEMA trap")
    for signature in ("has_server_privilege(oid, text) RETURNS bool", "array_append(name[], name) RETURNS name[]", "random() RETURNS float8"):
        nodes.query(f"CREATE FUNCTION trap.{signature} LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'trapped'; END$$")
    nodes.query("CREATE FUNCTION trap.pg_options_to_table(text[]) RETURNS TABLE (option_name text, option_value text) LANGUAGE plpgsql "
                "AS $$BEGIN RAISE EXCEPTION 'trapped'; END$$")  # fmt: skip
    nodes.query("CREATE VIEW trap.pg_foreign_server AS SELECT 1 / 0 AS oid")
    assert run(nodes, procedure, "SET search_path = trap, pg_catalog, public") == ""


# As the server runs them


def test_the_scheduler_runs_them_and_tells_of_failures(with_mortal, mortal):
    cluster = with_mortal
    committed, _aborted = leave_prepared(cluster, "dn1")
    mortal.stop()
    cluster.query("SELECT _timescaledb_functions.start_background_workers()")
    try:
        jobs = _told(cluster, HEAL, ANALYZE)
    finally:
        cluster.query("SELECT _timescaledb_functions.stop_background_workers()")
    assert {job["last_run_status"] for job in jobs.values()} == {"Failed"}
    assert exists(cluster, "dn1", committed) and left(cluster.dn("dn1"), cluster.database) == []
    errors = dict(cluster.query("SELECT proc_name, max(err_message) FROM timescaledb_information.job_errors GROUP BY 1"))
    assert all('data node "mortal": could not connect to "mortal"' in errors[name] for name in (ANALYZE, HEAL))
    # The first retry comes after a twentieth of the interval, give or take what the server adds at random.
    waits = dict(cluster.query(_WAITS))
    assert 10 < waits[HEAL] < 30 and 1800 < waits[ANALYZE] < 2700


def _told(cluster, *procedures: str) -> dict[str, dict]:
    """What the module with facts says of the jobs, as soon as both have run."""
    for _attempt in range(100):
        found = cluster.succeed("timescale_cluster_info", gather_subset=["jobs"])["jobs"]
        jobs = {job["procedure"].partition(".")[2]: job for job in found if job["procedure"].startswith("timescaledb_multinode.")}
        if all(jobs[name]["total_failures"] for name in procedures):
            return jobs
        time.sleep(0.2)
    raise AssertionError(jobs)
