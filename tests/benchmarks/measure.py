# GPL-3.0-or-later (see LICENSE)
"""Measures two ways of doing the same side by side, and keeps the ratio of their medians."""

from __future__ import annotations

import resource
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Figure:
    """A ratio that has to be reached. at_most: ours / theirs; at_least: theirs / ours; neither: ours / theirs, to be known."""

    name: str
    ours: str
    theirs: str
    at_most: float | None = None
    at_least: float | None = None
    ours_seconds: list[float] = field(default_factory=list)
    theirs_seconds: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        ours, theirs = statistics.median(self.ours_seconds), statistics.median(self.theirs_seconds)
        return theirs / ours if self.at_least is not None else ours / theirs

    @property
    def reached(self) -> bool:
        return (self.at_most is None or self.ratio <= self.at_most) and (self.at_least is None or self.ratio >= self.at_least)

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "ours": self.ours,
            "theirs": self.theirs,
            "ours_seconds": [round(seconds, 3) for seconds in self.ours_seconds],
            "theirs_seconds": [round(seconds, 3) for seconds in self.theirs_seconds],
            "ratio": round(self.ratio, 3),
            "at_most": self.at_most,
            "at_least": self.at_least,
            "reached": self.reached,
        }

    def as_line(self) -> str:
        ours, theirs = statistics.median(self.ours_seconds), statistics.median(self.theirs_seconds)
        measured = f"{self.name:<44} {ours:8.2f} s {theirs:8.2f} s {self.ratio:7.2f}"
        if self.at_most is None and self.at_least is None:
            return measured
        limit = f"<= {self.at_most}" if self.at_most is not None else f">= {self.at_least}"
        return f"{measured}  {limit:<8} {'reached' if self.reached else 'MISSED'}"


@dataclass
class Amount:
    """What something costs by itself, with the most it may cost."""

    name: str
    unit: str
    amount: float
    at_most: float

    @property
    def reached(self) -> bool:
        return self.amount <= self.at_most

    def as_json(self) -> dict[str, object]:
        return {"name": self.name, "unit": self.unit, "amount": round(self.amount, 3), "at_most": self.at_most, "reached": self.reached}

    def as_line(self) -> str:
        return f"{self.name:<44} {self.amount:8.2f} {self.unit:<20} <= {self.at_most:<5} {'reached' if self.reached else 'MISSED'}"


def seconds(act: Callable[[], object]) -> float:
    """Wall-clock time of one act."""
    started = time.monotonic()
    act()
    return time.monotonic() - started


def costs(act: Callable[[], object]) -> tuple[float, float]:
    """Wall-clock time of one act, and processor time of the commands that it runs to their end, and of theirs."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    taken = seconds(act)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return taken, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run(command: list[str], **options: object) -> str:
    """Run a command; its output is the error where it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, check=False, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-4000:]}")
    return done.stdout
