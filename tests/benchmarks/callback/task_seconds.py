# GPL-3.0-or-later (see LICENSE)
"""Writes the seconds of the run and of each of its tasks to the file that TASK_SECONDS_FILE names."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: task_seconds
type: aggregate
short_description: Writes how long a run and its tasks took
description: For benchmarks. Each task has to run on one host.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "task_seconds"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._begin = time.monotonic()
        self._tasks: list[float] = []
        self._task_begin = 0.0

    def v2_playbook_on_task_start(self, task, is_conditional) -> None:
        self._task_begin = time.monotonic()

    def v2_runner_on_ok(self, result) -> None:
        self._tasks.append(time.monotonic() - self._task_begin)

    def v2_playbook_on_stats(self, stats) -> None:
        found = {"run": time.monotonic() - self._begin, "tasks": self._tasks}
        Path(os.environ["TASK_SECONDS_FILE"]).write_text(json.dumps(found))
