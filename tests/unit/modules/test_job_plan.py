# GPL-3.0-or-later (see LICENSE)
from __future__ import annotations

from dataclasses import replace

import pytest
from _build import access_node
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._job_plan import JobPlanner, shown_jobs
from ansible_collections.timescaledb.multinode.plugins.module_utils._job_procedures import body, creation
from ansible_collections.timescaledb.multinode.plugins.module_utils._jobs import Job, ScheduledJob
from ansible_collections.timescaledb.multinode.plugins.module_utils._versions import Release
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_jobs import NAMES, WantedJob, wanted_jobs
from hypothesis import given
from hypothesis import strategies as st

MISSING = Job(wanted_interval="12:00:00")
THERE = replace(
    MISSING, schema_exists=True, owns_schema=True, procedure_exists=True, procedure_is_ours=True, scheduled=(ScheduledJob(1000, "12:00:00", "12:00:00"),)
)


def decide(wanted: dict[str, bool], found: dict[str, Job]) -> JobPlanner:
    planner = JobPlanner(access_node("dn1"), found)
    planner.decide([WantedJob(name, present, "12 hours" if present else None) for name, present in wanted.items()])
    return planner


def actions(planner: JobPlanner) -> list[str]:
    return [step.action for step in planner.steps]


@pytest.mark.parametrize(
    "found, expected",
    [
        (MISSING, ["create schema", "create procedure", "add"]),
        (THERE, []),
        (replace(THERE, procedure_is_ours=False), ["replace procedure"]),
        (replace(THERE, procedure_exists=False, procedure_is_ours=False), ["create procedure"]),
        (replace(THERE, scheduled=(ScheduledJob(1, "1 day", "1 day"), ScheduledJob(2, "12:00:00", "12:00:00"))), ["alter", "delete"]),
        (replace(THERE, scheduled=(ScheduledJob(1, "12:00:00", "12:00:00", scheduled=False),)), ["alter"]),
        # Nothing would end a run that hangs.
        (replace(THERE, scheduled=(ScheduledJob(1, "12:00:00", "00:00:00"),)), ["alter"]),
    ],
)
def test_present(found, expected):
    planner = decide({"heal": True}, {"heal": found})
    assert planner.errors == [] and actions(planner) == expected


@pytest.mark.parametrize(
    "found, expected",
    [
        (MISSING, []),
        (replace(MISSING, schema_exists=True, owns_schema=True), ["drop schema"]),
        (replace(MISSING, schema_exists=True), []),
        (THERE, ["delete", "drop procedure", "drop schema"]),
        (replace(THERE, schema_has_more=True), ["delete", "drop procedure"]),
        (replace(THERE, scheduled=()), ["drop procedure", "drop schema"]),
        (replace(THERE, strangers=("app",)), ["delete", "drop procedure", "drop schema"]),
    ],
)
def test_absent(found, expected):
    planner = decide({"heal": False}, {"heal": found})
    assert planner.errors == [] and actions(planner) == expected


def test_one_schema_for_both_and_as_long_as_one_needs_it():
    assert actions(decide({"analyze": True, "heal": True}, {"analyze": MISSING, "heal": MISSING})).count("create schema") == 1
    assert "drop schema" not in actions(decide({"analyze": True, "heal": False}, {"analyze": THERE, "heal": THERE}))
    assert actions(decide({"analyze": False, "heal": False}, {"analyze": THERE, "heal": THERE})).count("drop schema") == 1


@pytest.mark.parametrize(
    "found, cause",
    [
        (replace(MISSING, is_positive=False), "is not positive"),
        (replace(MISSING, is_mixed=True), "months beside days or time"),
        (replace(MISSING, may_log_in=False), "may not log in"),
        (replace(MISSING, may_create_schema=False), "may not create schema"),
        (replace(THERE, strangers=("app", "PUBLIC")), "app and PUBLIC could have it run something else"),
        (replace(THERE, procedure_is_ours=False, owns_schema=False), "does not own schema"),
        (replace(THERE, scheduled=(ScheduledJob(7, "1 day", "1 day", may_change=False),)), "may not change job 7"),
    ],
)
def test_refused(found, cause):
    (error,) = decide({"heal": True}, {"heal": found}).errors
    assert cause in error.cause and error.remedy and error.host == "an"


def test_rights_do_not_matter_where_nothing_is_to_be_done():
    found = replace(THERE, owns_schema=False, scheduled=(ScheduledJob(7, "12:00:00", "12:00:00", may_change=False),))
    assert decide({"heal": True}, {"heal": found}).errors == []


_intervals = st.sampled_from(["12:00:00", "1 day"])
_scheduled = st.builds(ScheduledJob, st.integers(1000, 1003), _intervals, _intervals, st.booleans())
found_jobs = st.builds(
    Job,
    wanted_interval=st.just("12:00:00"),
    schema_exists=st.just(True),
    owns_schema=st.just(True),
    procedure_exists=st.booleans(),
    procedure_is_ours=st.booleans(),
    schema_has_more=st.booleans(),
    scheduled=st.lists(_scheduled, max_size=3).map(tuple),
)


@given(st.dictionaries(st.sampled_from(NAMES), st.booleans()), st.fixed_dictionaries(dict.fromkeys(NAMES, found_jobs)) | st.just(dict.fromkeys(NAMES, MISSING)))
def test_what_a_plan_leads_to_needs_no_more_steps(wanted, found):
    first = decide(wanted, found)
    assert first.errors == []
    again = decide(wanted, first.after)
    assert again.steps == [] and again.after == first.after
    wishes = [WantedJob(name, present, "12 hours") for name, present in wanted.items()]
    assert {job["job"] for job in shown_jobs(wishes, first.after)} == {name for name, present in wanted.items() if present}


@pytest.mark.parametrize("release, schema", [("2.0.0", "_timescaledb_internal"), ("2.11.2", "_timescaledb_internal"), ("2.12.0", "_timescaledb_functions")])
def test_helpers_are_where_the_release_has_them(release, schema):
    node = access_node("dn1", release=Release.parse(release))
    for name in NAMES:
        assert f'"{schema}".' in body(name, node) and creation(name, node).identifiers["functions"] == schema


def test_the_body_is_compared_as_it_is_created():
    node = access_node("dn1", extension_schema='The "Extension"')
    for name in NAMES:
        statement = creation(name, node)
        quoted = {key: '"' + text.replace('"', '""') + '"' for key, text in statement.identifiers.items()}
        assert f"$job${body(name, node)}$job$" in statement.template.format(**quoted)
        assert 'CALL "The ""Extension""".distributed_exec' in body(name, node)


def test_options():
    row = dict(state="present", schedule_interval="1 h")
    assert wanted_jobs(dict(analyze_job=None, heal_job=row)) == [WantedJob("heal", True, "1 h")]
    assert wanted_jobs(dict(analyze_job=dict(row, state="absent"))) == [WantedJob("analyze", False, None)]
    for nothing in (None, ""):
        with pytest.raises(ClusterError, match="heal job: schedule_interval is empty"):
            wanted_jobs(dict(heal_job=dict(row, schedule_interval=nothing)))


@pytest.mark.parametrize("release, pings", [("2.10.1", 0), ("2.10.2", 1), ("2.13.1", 1)])
def test_a_hanging_node_is_told_by_where_the_release_has_a_ping_with_a_timeout(release, pings):
    node = access_node("dn1", release=Release.parse(release))
    for name in NAMES:
        assert body(name, node).count("ping_data_node") == pings and "{" not in body(name, node)
