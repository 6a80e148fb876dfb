# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""What is there of the wanted jobs: one query, and none where no job is spoken of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection, taken
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError, is_wrong_value
from ansible_collections.timescaledb.multinode.plugins.module_utils._job_procedures import PROCEDURES, SCHEMA, body
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement
from ansible_collections.timescaledb.multinode.plugins.module_utils._versions import JOB_OWNER_IS_REGROLE
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_jobs import WantedJob

# Jobs know their procedures by name. Whoever can put another procedure under that name, or change ours, can have it run as the job's owner.
_JOBS = """
SELECT w.name, w.schedule_interval::text AS wanted_interval, w.schedule_interval > '0' AS is_positive,
       extract(year FROM w.schedule_interval) * 12 + extract(month FROM w.schedule_interval) <> 0
         AND w.schedule_interval <> date_trunc('month', w.schedule_interval) AS is_mixed,
       r.rolcanlogin AS may_log_in, has_database_privilege(current_database(), 'CREATE') AS may_create_schema,
       n.oid IS NOT NULL AS schema_exists, pg_has_role(n.nspowner, 'USAGE') AS owns_schema,
       p.oid IS NOT NULL AS procedure_exists,
       p.prosrc = w.body AND p.prokind = 'p' AND NOT p.prosecdef AND p.proconfig IS NULL AND l.lanname = 'plpgsql'
         AND NOT EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) WHERE grantee = 0) AS procedure_is_ours,
       EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid AND d.objid NOT IN (
         SELECT o.oid FROM pg_proc o WHERE o.pronamespace = n.oid AND o.proname = ANY (%s) AND o.proargtypes = '23 3802'::oidvector)) AS schema_has_more,
       (SELECT jsonb_agg(DISTINCT coalesce(s.rolname::text, 'PUBLIC'))
          FROM (SELECT n.nspowner AS oid UNION SELECT p.proowner
                 UNION SELECT grantee FROM aclexplode(n.nspacl) WHERE privilege_type = 'CREATE') AS o
          LEFT JOIN pg_roles s ON s.oid = o.oid
         WHERE o.oid IS NOT NULL AND o.oid <> r.oid AND s.rolsuper IS NOT TRUE) AS strangers,
       (SELECT jsonb_agg(jsonb_build_object('job_id', j.id, 'schedule_interval', j.schedule_interval::text, 'max_runtime', j.max_runtime::text,
                                            'scheduled', j.scheduled, 'may_change', pg_has_role({owner}, 'USAGE')) ORDER BY j.id)
          FROM _timescaledb_config.bgw_job j WHERE j.proc_schema = n.nspname AND j.proc_name = w.procedure) AS jobs
  FROM (SELECT name, procedure, body, schedule_interval::interval
          FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS t (name, procedure, body, schedule_interval)) AS w
  JOIN pg_roles r ON r.rolname = current_user
  LEFT JOIN pg_namespace n ON n.nspname = %s
  LEFT JOIN pg_proc p ON p.pronamespace = n.oid AND p.proname = w.procedure AND p.proargtypes = '23 3802'::oidvector
  LEFT JOIN pg_language l ON l.oid = p.prolang
"""


@dataclass(frozen=True)
class ScheduledJob:
    """A job that runs our procedure."""

    job_id: int
    schedule_interval: str
    max_runtime: str
    scheduled: bool = True
    may_change: bool = True


@dataclass(frozen=True)
class Job:
    """What is known of one of our jobs.

    Args:
        wanted_interval: as the server writes it; None where none is wanted, or what is none.
        is_positive, is_mixed: of that interval; mixed: months together with days or time.
        procedure_is_ours: it is there and what it should be.
        schema_has_more: the schema holds something besides the procedures of the wanted jobs.
        strangers: roles that could have the job run something else.
        scheduled: the jobs that run the procedure, the oldest first; there should be one at most.
    """

    wanted_interval: str | None = None
    is_positive: bool = True
    is_mixed: bool = False
    may_log_in: bool = True
    may_create_schema: bool = True
    schema_exists: bool = False
    owns_schema: bool = False
    procedure_exists: bool = False
    procedure_is_ours: bool = False
    schema_has_more: bool = False
    strangers: tuple[str, ...] = ()
    scheduled: tuple[ScheduledJob, ...] = ()


def observe_jobs(connection: Connection, access_node: AccessNode, wanted: list[WantedJob]) -> dict[str, Job]:
    """Read the wanted jobs by name."""
    if not wanted:
        return {}
    intervals = [job.schedule_interval for job in wanted]
    try:
        rows = connection.run(_query(access_node, wanted, intervals), "options of jobs")
    except ClusterError as error:
        if not is_wrong_value(error):
            raise
        # With a wrong one nothing else is read.
        right = [text if taken(connection, Statement("SELECT %s::interval", values=(text,))) else None for text in intervals]
        rows = connection.run(_query(access_node, wanted, right), "options of jobs")
    return {row.pop("name"): _job(row) for row in rows}


def _query(access_node: AccessNode, wanted: list[WantedJob], intervals: list[str | None]) -> Statement:
    names = [job.name for job in wanted]
    procedures = [PROCEDURES[name] for name in names]
    owner = "j.owner::oid" if access_node.release >= JOB_OWNER_IS_REGROLE else "j.owner"
    values = (procedures, names, procedures, [body(name, access_node) for name in names], intervals, SCHEMA)
    return Statement(_JOBS.replace("{owner}", owner), values=values)


def _job(row: dict[str, Any]) -> Job:
    lists = dict(strangers=tuple(row.pop("strangers") or ()), scheduled=tuple(ScheduledJob(**job) for job in row.pop("jobs") or ()))
    interval = row.pop("wanted_interval")
    return Job(interval, **{key: bool(value) for key, value in row.items()}, **lists)
