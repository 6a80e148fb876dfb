# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""A plan as people read it before it happens. No I/O."""

from __future__ import annotations

from collections import Counter

from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Plan, Step

_MARKS = {"added": "+", "changed": "~", "moved": ">", "removed": "-"}


def plan_text(plan: Plan) -> str:
    """What is added, changed, moved and removed, why, in which order, and what is dangerous; empty where there is nothing to do."""
    if not plan.steps:
        return ""
    counts = Counter(step.effect for step in plan.steps)
    numbers = ", ".join(f"{counts[effect]} {effect}" for effect in _MARKS if counts[effect])
    dangerous = sum(bool(step.danger) for step in plan.steps)
    title = f"Plan: {len(plan.steps)} step{'s' if len(plan.steps) > 1 else ''} ({numbers})"
    if dangerous:
        title += f", {dangerous} of them DANGEROUS"
    action, subject = (max(map(len, column)) for column in zip(*((step.action, step.subject) for step in plan.steps)))
    width = len(str(len(plan.steps)))
    lines = [line for number, step in enumerate(plan.steps, 1) for line in _lines(number, step, width, action, subject)]
    return "\n".join([title, *lines, *(f"warning: {warning}" for warning in dict.fromkeys(plan.warnings))]) + "\n"


def _lines(number: int, step: Step, width: int, action: int, subject: int) -> list[str]:
    line = f"{number:>{width}} {_MARKS[step.effect]} {step.action:<{action}}  {step.subject:<{subject}}  {step.reason}"
    return [line, f"{'':{width}} ! DANGER: {step.danger}"] if step.danger else [line]
