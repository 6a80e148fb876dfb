# GPL-3.0-or-later (see LICENSE)
"""The jobs as part of a declared cluster."""

from __future__ import annotations

import pytest
from _cluster import CLUSTER, DATA_NODE, quoted

OURS = "timescaledb_multinode"
BOTH = dict(analyze_job=dict(schedule_interval="12 hours"), heal_job=dict(schedule_interval="5 minutes"))
NEITHER = dict(analyze_job=dict(state="absent"), heal_job=dict(state="absent"))


def actions(result: dict) -> list[tuple[str, str]]:
    return [(step["action"], step["object"]) for step in result["steps"]]


def intervals(cluster) -> dict[str, tuple[str, str, str, bool]]:
    keys = ("schedule_interval", "max_runtime", "retry_period", "scheduled")
    return {job["procedure"]: tuple(job[key] for key in keys) for job in cluster.jobs() if job["schema"] == OURS}


@pytest.fixture
def scheduled(nodes):
    """A cluster with both jobs."""
    nodes.succeed(CLUSTER, **BOTH)
    return nodes


def test_jobs_are_added(nodes):
    result = nodes.converge(CLUSTER, **BOTH)
    assert actions(result) == [
        ("create schema", f'schema "{OURS}"'),
        ("create procedure", "analyze job"),
        ("add", "analyze job"),
        ("create procedure", "heal job"),
        ("add", "heal job"),
    ]
    assert {step["effect"] for step in result["steps"]} == {"added"} and result["before"]["jobs"] == []
    assert intervals(nodes) == {
        "analyze_distributed_hypertables": ("12:00:00", "12:00:00", "00:36:00", True),
        "heal_data_nodes": ("00:05:00", "00:05:00", "00:00:15", True),
    }
    assert {job["owner"] for job in nodes.jobs()} == {"postgres"}


def test_nobody_else_may_call_the_procedures(scheduled):
    name = f"{OURS}.heal_data_nodes(integer, jsonb)"
    assert scheduled.query("SELECT has_function_privilege('app', %s, 'EXECUTE'), has_schema_privilege('app', %s, 'CREATE')", name, OURS) == [(False, False)]


@pytest.mark.parametrize(
    "drift, action",
    [
        (f"CREATE OR REPLACE PROCEDURE {OURS}.heal_data_nodes(job_id int, config jsonb) LANGUAGE plpgsql AS 'BEGIN END'", "replace procedure"),
        (f"ALTER PROCEDURE {OURS}.heal_data_nodes SET search_path = public", "replace procedure"),
        (f"ALTER PROCEDURE {OURS}.heal_data_nodes SECURITY DEFINER", "replace procedure"),
        (f"GRANT EXECUTE ON PROCEDURE {OURS}.heal_data_nodes TO PUBLIC", "replace procedure"),
        ("SELECT alter_job(job_id, schedule_interval => '1 h') FROM timescaledb_information.jobs WHERE proc_name = 'heal_data_nodes'", "alter"),
        ("SELECT alter_job(job_id, max_runtime => '0') FROM timescaledb_information.jobs WHERE proc_name = 'heal_data_nodes'", "alter"),
        ("SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs WHERE proc_name = 'heal_data_nodes'", "alter"),
        (f"SELECT add_job('{OURS}.heal_data_nodes', '1 h')", "delete"),
        ("SELECT delete_job(job_id) FROM timescaledb_information.jobs WHERE proc_name = 'heal_data_nodes'", "add"),
    ],
)
def test_drift_is_made_up_for(scheduled, drift, action):
    as_declared = scheduled.state()
    scheduled.query(drift)
    result = scheduled.converge(CLUSTER, **BOTH)
    assert actions(result) == [(action, "heal job")]
    made_up, number = scheduled.state(), scheduled.jobs()[-1]["job_id"]
    if action == "add":
        as_declared["jobs"][-1]["job_id"] = number
    assert made_up == as_declared


def test_other_intervals(scheduled):
    result = scheduled.converge(CLUSTER, analyze_job=dict(schedule_interval="1 day"), heal_job=dict(schedule_interval="300 s"))
    assert actions(result) == [("alter", "analyze job")] and result["steps"][0]["reason"] == (
        "schedule_interval is 12:00:00, wanted 1 day, max_runtime is 12:00:00, wanted 1 day"
    )
    assert intervals(scheduled)["analyze_distributed_hypertables"] == ("1 day", "1 day", "01:12:00", True)


def test_removal_leaves_nothing_of_ours_and_all_of_others(scheduled):
    scheduled.query("CREATE PROCEDURE tidy(job_id int, config jsonb) LANGUAGE SQL AS 'SELECT 1'")
    scheduled.query("SELECT add_job('tidy', '1 h')")
    result = scheduled.converge(CLUSTER, analyze_job=dict(state="absent"))
    assert actions(result) == [("delete", "analyze job"), ("drop procedure", "analyze job")]
    result = scheduled.converge(CLUSTER, **NEITHER)
    assert actions(result) == [("delete", "heal job"), ("drop procedure", "heal job"), ("drop schema", f'schema "{OURS}"')]
    assert [job["procedure"] for job in scheduled.jobs()] == ["tidy"]
    scheduled.unchanged(CLUSTER, **NEITHER)


def test_removal_keeps_a_schema_with_more_in_it(scheduled):
    scheduled.query(f"CREATE TABLE {OURS}.notes ()")
    assert ("drop schema", f'schema "{OURS}"') not in actions(scheduled.converge(CLUSTER, **NEITHER))
    assert scheduled.query("SELECT to_regclass(%s) IS NOT NULL", f"{OURS}.notes") == [(True,)]


def test_left_alone_where_not_given(scheduled):
    scheduled.query("SELECT alter_job(job_id, schedule_interval => '1 h') FROM timescaledb_information.jobs WHERE proc_name = 'heal_data_nodes'")
    before = scheduled.jobs()
    scheduled.converge(CLUSTER, data_nodes=[], hypertables=[], prune=True)
    assert scheduled.jobs() == before


def test_interrupted_run_is_finished_by_the_next_one(nodes):
    nodes.query(f"CREATE SCHEMA {OURS}")
    assert actions(nodes.converge(CLUSTER, **BOTH))[0] == ("create procedure", "analyze job")
    nodes.succeed(CLUSTER, **NEITHER)
    nodes.query(f"CREATE SCHEMA {OURS}")
    assert actions(nodes.converge(CLUSTER, **NEITHER)) == [("drop schema", f'schema "{OURS}"')]


@pytest.mark.parametrize(
    "interval, reason",
    [
        ("often", 'analyze job at {}: schedule_interval "often" is no interval'),
        ("0 s", 'analyze job at {}: schedule_interval "0 s" is not positive'),
        ("-1 day", "is not positive"),
        ("1 month 2 days", "has months beside days or time"),
        (None, "analyze job: schedule_interval is empty"),
        ("", "analyze job: schedule_interval is empty"),
    ],
)
def test_intervals_that_cannot_be(nodes, interval, reason):
    name = f"{nodes.an.root}:{nodes.an.port}/{nodes.database}"
    message = nodes.refuse(CLUSTER, analyze_job=dict(schedule_interval=interval))
    assert reason.format(name) in message


def test_refused_before_the_first_change(nodes):
    declared = dict(BOTH, data_nodes=[nodes.place("dn4")])
    nodes.query("CREATE ROLE caretaker SUPERUSER NOLOGIN")
    try:
        nodes.refuse(CLUSTER, 'role "caretaker" may not log in, so that no job can run as it', session_role="caretaker", **declared)
        nodes.refuse(CLUSTER, 'role "app" may not create schema "timescaledb_multinode"', login_user="app", **BOTH)
    finally:
        nodes.query("DROP ROLE caretaker")


@pytest.mark.parametrize(
    "opening",
    [
        f"ALTER SCHEMA {OURS} OWNER TO app",
        f"GRANT CREATE ON SCHEMA {OURS} TO app",
        f"GRANT CREATE ON SCHEMA {OURS} TO PUBLIC",
        f"ALTER PROCEDURE {OURS}.analyze_distributed_hypertables OWNER TO app",
    ],
)
def test_schema_that_others_could_put_something_into(scheduled, opening):
    scheduled.query(opening)
    who = "PUBLIC" if "PUBLIC" in opening else "app"
    scheduled.refuse(CLUSTER, f"{who} could have it run something else", **BOTH)


def test_jobs_of_a_superuser_are_not_an_unprivileged_role_s(scheduled):
    changed = dict(heal_job=dict(schedule_interval="1 day"))
    scheduled.refuse(CLUSTER, 'role "app" does not own schema', 'role "app" may not change job', login_user="app", **changed)
    scheduled.refuse(CLUSTER, 'role "app" may not change job', login_user="app", heal_job=dict(state="absent"))


def test_one_query_whatever_their_number(scheduled):
    def queries(**declared) -> int:
        before = scheduled.an.log_size()
        scheduled.unchanged(CLUSTER, **declared)
        return len(scheduled.an.statements_since(before, scheduled.database))

    nodes = [dict(node_name="dn1")]
    one, both = queries(data_nodes=nodes, heal_job=BOTH["heal_job"]), queries(data_nodes=nodes, **BOTH)
    assert one == both == queries(data_nodes=nodes) + 2  # in check mode, and in the real run


def test_extension_in_a_schema_of_an_odd_name(nodes):
    name, schema = f"{nodes.database} odd", quoted("The Extension")
    nodes.an.create_database(name, template="template0")
    nodes.an.query(name, f"CREATE SCHEMA {schema}")
    nodes.an.query(name, f"CREATE EXTENSION timescaledb SCHEMA {schema}")
    found = "SELECT proc_name::text FROM timescaledb_information.jobs WHERE proc_schema = 'timescaledb_multinode' ORDER BY 1"
    assert nodes.succeed(CLUSTER, login_db=name, **BOTH)["changed"] is True
    assert nodes.an.query(name, found) == [("analyze_distributed_hypertables",), ("heal_data_nodes",)]
    assert nodes.succeed(CLUSTER, login_db=name, **BOTH)["changed"] is False
    nodes.succeed(CLUSTER, login_db=name, **NEITHER)
    assert nodes.an.query(name, found) == []


def test_module_for_data_nodes_knows_nothing_of_them(nodes):
    result = nodes.run(DATA_NODE, node_name="dn1", **BOTH)
    assert result["failed"] and "analyze_job" in result["msg"]
