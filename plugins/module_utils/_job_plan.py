# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""The plan for the collection's jobs: a procedure each, and the job that runs it. No I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._job_procedures import ARGUMENTS, PROCEDURES, SCHEMA, creation
from ansible_collections.timescaledb.multinode.plugins.module_utils._jobs import Job, ScheduledJob
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement, Step
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_jobs import WantedJob

# After a failure the server waits for retry_period times the number of failures in a row, up to 20 times and up to five intervals
# (calculate_next_start_on_failure() in src/bgw/job_stat.c). With a twentieth of the interval a data node that stays dead is tried again
# soon at first, and never costs the others more than one interval. A run that hangs with a data node ends before the next one is due.
_HOW = "max_runtime => %s::interval, retry_period => %s::interval / 20"
_ADD = f"SELECT {{schema}}.alter_job({{schema}}.add_job(%s::regproc, %s::interval), {_HOW})"
_ALTER = f"SELECT {{schema}}.alter_job(%s, schedule_interval => %s::interval, {_HOW}, scheduled => true)"
_DELETE = "SELECT {schema}.delete_job(%s)"
_SCHEMA_SUBJECT = f'schema "{SCHEMA}"'


def shown_jobs(wanted: list[WantedJob], found: dict[str, Job]) -> list[dict[str, Any]]:
    """Those of the wanted jobs that are there, in the form of results and diffs."""
    return [shown(job.name, found[job.name]) for job in wanted if found[job.name].procedure_exists or found[job.name].scheduled]


def shown(name: str, job: Job) -> dict[str, Any]:
    """The form in results and diffs."""
    first = job.scheduled[0] if job.scheduled else None
    return dict(
        job=name,
        schedule_interval=first.schedule_interval if first else None,
        max_runtime=first.max_runtime if first else None,
        scheduled=first.scheduled if first else False,
        procedure_is_ours=job.procedure_is_ours,
        jobs=len(job.scheduled),
    )


def _drift(job: ScheduledJob, interval: str) -> str:
    """What is not as it should be; empty where nothing is."""
    settings = {"schedule_interval": job.schedule_interval, "max_runtime": job.max_runtime}
    reasons = [f"{name} is {found}, wanted {interval}" for name, found in settings.items() if found != interval]
    return ", ".join(reasons + ([] if job.scheduled else ["it is not scheduled"]))


class JobPlanner:
    """Collects the steps and errors for the wanted jobs, and what they lead to."""

    def __init__(self, access_node: AccessNode, found: dict[str, Job]) -> None:
        self._access_node = access_node
        self.after = dict(found)
        self.steps: list[Step] = []
        self.errors: list[ClusterError] = []

    def decide(self, wanted: list[WantedJob]) -> None:
        """Fill steps and errors."""
        for job in wanted:
            if job.present:
                self._keep(job, self.after[job.name])
            else:
                self._remove(job, self.after[job.name])
        self._remove_empty_schema(wanted)

    def _keep(self, wanted: WantedJob, found: Job) -> None:
        first = len(self.steps)
        self._check_interval(wanted, found)
        if found.strangers:
            cause = f"{' and '.join(found.strangers)} could have it run something else, having rights on {_SCHEMA_SUBJECT} or its procedure"
            self._refuse(wanted, cause, "make the role that the task uses the owner of both and REVOKE CREATE ON SCHEMA, or use the other role")
        if not found.may_log_in:
            cause = f'role "{self._access_node.role}" may not log in, so that no job can run as it'
            self._refuse(wanted, cause, "ALTER ROLE ... LOGIN, or choose another role")
        self._create_schema(found)
        if not found.procedure_is_ours:
            action, reason = ("replace", "it is not what it should be") if found.procedure_exists else ("create", "it does not exist")
            self.steps.append(Step(wanted.subject, f"{action} procedure", reason, creation(wanted.name, self._access_node)))
        interval = found.wanted_interval or ""
        if not found.scheduled:
            values = (f'"{SCHEMA}".{PROCEDURES[wanted.name]}', interval, interval, interval)
            self._call(wanted, "add", "it does not exist", _ADD, *values)
        elif reasons := _drift(found.scheduled[0], interval):
            self._call(wanted, "alter", reasons, _ALTER, found.scheduled[0].job_id, interval, interval, interval)
        for job in found.scheduled[1:]:
            self._call(wanted, "delete", f"job {job.job_id} does the same", _DELETE, job.job_id)
        self._check_rights(wanted, found, bool(self.steps[first:]))
        kept = found.scheduled[0] if found.scheduled else ScheduledJob(0, interval, interval)
        scheduled = (replace(kept, schedule_interval=interval, max_runtime=interval, scheduled=True),)
        there = dict(schema_exists=True, owns_schema=True, procedure_exists=True, procedure_is_ours=True)
        self.after[wanted.name] = replace(found, **there, scheduled=scheduled)

    def _create_schema(self, found: Job) -> None:
        if not found.schema_exists and not any(step.action == "create schema" for step in self.steps):
            self.steps.append(Step(_SCHEMA_SUBJECT, "create schema", "the jobs' procedures go there", Statement("CREATE SCHEMA {own}", {"own": SCHEMA})))

    def _remove(self, wanted: WantedJob, found: Job) -> None:
        first = len(self.steps)
        for job in found.scheduled:
            self._call(wanted, "delete", "it is not wanted", _DELETE, job.job_id)
        if found.procedure_exists:
            names = {"own": SCHEMA, "procedure": PROCEDURES[wanted.name]}
            statement = Statement(f"DROP PROCEDURE {{own}}.{{procedure}}({ARGUMENTS})", names)
            self.steps.append(Step(wanted.subject, "drop procedure", "it is not wanted", statement))
        self._check_rights(wanted, found, bool(self.steps[first:]))
        self.after[wanted.name] = replace(found, procedure_exists=False, procedure_is_ours=False, scheduled=())

    def _remove_empty_schema(self, wanted: list[WantedJob]) -> None:
        """Drop the schema after the last procedure, also where an earlier run came to the procedure only."""
        needed = any(not job.schema_exists or not job.owns_schema or job.procedure_exists or job.schema_has_more for job in self.after.values())
        if any(not job.present for job in wanted) and not needed:
            self.steps.append(Step(_SCHEMA_SUBJECT, "drop schema", "nothing is left in it", Statement("DROP SCHEMA {own}", {"own": SCHEMA})))
            self.after = {name: replace(job, schema_exists=False, owns_schema=False) for name, job in self.after.items()}

    def _check_interval(self, wanted: WantedJob, found: Job) -> None:
        if found.wanted_interval is None:
            self._refuse(wanted, f'schedule_interval "{wanted.schedule_interval}" is no interval', "write it as in 12 hours")
        elif not found.is_positive:
            self._refuse(wanted, f'schedule_interval "{wanted.schedule_interval}" is not positive', "choose a longer one")
        elif found.is_mixed:
            self._refuse(wanted, f'schedule_interval "{wanted.schedule_interval}" has months beside days or time', "give days and time only")

    def _check_rights(self, wanted: WantedJob, found: Job, has_steps: bool) -> None:
        if not has_steps:
            return
        role = self._access_node.role
        if not found.schema_exists and not found.may_create_schema:
            self._refuse(wanted, f'role "{role}" may not create {_SCHEMA_SUBJECT}', "GRANT CREATE ON DATABASE to the role, or choose another role")
        elif found.schema_exists and not found.owns_schema:
            self._refuse(wanted, f'role "{role}" does not own {_SCHEMA_SUBJECT}', "choose the role that does")
        for job in found.scheduled:
            if not job.may_change:
                self._refuse(wanted, f'role "{role}" may not change job {job.job_id}', "choose the role that owns it")

    def _refuse(self, wanted: WantedJob, cause: str, remedy: str) -> None:
        self.errors.append(ClusterError(wanted.subject, cause, remedy, self._access_node.name))

    def _call(self, wanted: WantedJob, action: str, reason: str, template: str, *values: Any) -> None:
        self.steps.append(Step(wanted.subject, action, reason, Statement(template, {"schema": self._access_node.extension_schema}, values)))
