# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Which of the collection's jobs the user wants. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError, raise_all

# The jobs in the order of plans and results; the module has an option <name>_job for each.
NAMES = ("analyze", "heal")


@dataclass(frozen=True)
class WantedJob:
    """One job as the task describes it."""

    name: str
    present: bool
    schedule_interval: str | None

    @property
    def subject(self) -> str:
        """How messages name it."""
        return f"{self.name} job"


def job_option() -> dict[str, Any]:
    """The option for one job, as AnsibleModule wants it."""
    options = dict(state=dict(type="str", choices=["absent", "present"], default="present"), schedule_interval=dict(type="str"))
    return dict(type="dict", options=options, required_if=[("state", "present", ["schedule_interval"])])


def wanted_jobs(parameters: dict[str, Any]) -> list[WantedJob]:
    """The jobs that the parameters speak of. Raises ClusterError(s) for what can be judged without a server."""
    wanted = [_wanted(name, parameters[f"{name}_job"]) for name in NAMES if parameters.get(f"{name}_job") is not None]
    # An option that is given without a value passes for one that is given.
    raise_all(
        [
            ClusterError(job.subject, "schedule_interval is empty", "give an interval such as 12 hours, or state=absent")
            for job in wanted
            if job.present and not job.schedule_interval
        ]
    )
    return wanted


def _wanted(name: str, row: dict[str, Any]) -> WantedJob:
    present = row["state"] == "present"
    return WantedJob(name, present, row["schedule_interval"] if present else None)
