# GPL-3.0-or-later (see LICENSE)
"""What may have been done of a plan where its run was interrupted: a transaction wholly or not at all, and neighbours side by side."""

from __future__ import annotations

from itertools import groupby

from _choices import Choices
from ansible_collections.timescaledb.multinode.plugins.module_utils._apply import transactions
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Step


def interrupted(choose: Choices, steps: list[Step]) -> list[Step]:
    """The steps that were done, in the order in which they were."""
    groups = [list(group) for _kind, group in groupby(steps, key=lambda step: (step.lane is not None, step.beside_others, step.together))]
    if not groups:
        return []
    whole = choose.up_to(len(groups) - 1)
    return [step for group in groups[:whole] for step in group] + _begun(choose, groups[whole])


def _begun(choose: Choices, group: list[Step]) -> list[Step]:
    if group[0].lane is not None:
        return _lanes(choose, group)
    if group[0].beside_others:
        return choose.some_of(group, len(group))
    if group[0].together:
        pieces = list(transactions(group))
        return [step for piece in pieces[: choose.up_to(len(pieces))] for step in piece]
    return group[: choose.up_to(len(group))]


def _lanes(choose: Choices, group: list[Step]) -> list[Step]:
    """Each lane keeps its order."""
    lanes: dict[str | None, list[Step]] = {}
    for step in group:
        lanes.setdefault(step.lane, []).append(step)
    done = []
    for _step in range(choose.up_to(len(group))):
        lane = choose.one_of([lane for lane in lanes.values() if lane])
        done.append(lane.pop(0))
    return done
