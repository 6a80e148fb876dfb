# GPL-3.0-or-later (see LICENSE)
"""The points: which recipe is struck at which of its steps by which fault. In an order in which each leaves what the next one needs."""

from __future__ import annotations

from dataclasses import dataclass

from recipes import ADD, BALANCE, DRAIN, GIVE_UP, HEAL, JOIN, LEAVE, REMOVE, REPLACE, REPLICATE, RETURN, Recipe
from strikes import Fault

ACCESS = Fault("kill", "access")
SOURCE = Fault("kill", "source")
DESTINATION = Fault("kill", "destination")
WANDERER = Fault("kill", "wanderer")
CONTROLLER = Fault("controller")
MODULE = Fault("module")
FULL = Fault("full", "destination")
FULL_SOURCE = Fault("full", "source")
CUT_DESTINATION = Fault("cut", "access", "destination")
CUT_SOURCE = Fault("cut", "access", "source")
CUT_BETWEEN = Fault("cut", "destination", "source")
CUT_WANDERER = Fault("cut", "access", "wanderer")
CRASH = Fault("crash", "access")


@dataclass(frozen=True)
class Point:
    recipe: Recipe
    step: str
    fault: Fault
    # One of the few that are part of every test run.
    short: bool = False

    @property
    def name(self) -> str:
        return f"{self.recipe.name}: {self.step}: {self.fault}"


def _pairs(rows: list[tuple[str, Fault, Fault]]) -> list[Point]:
    """A step on the way out and back again, each with its fault; the first way out is part of every test run."""
    points = []
    for number, (step, out, back) in enumerate(rows):
        points += [Point(DRAIN, step, out, short=number == 0), Point(BALANCE, step, back)]
    return points


POINTS = (
    *_pairs(
        [
            ("attach_chunk", ACCESS, DESTINATION),
            ("create_replication_slot", SOURCE, FULL),
            ("the old copy is dropped", MODULE, ACCESS),
            ("create_empty_chunk", DESTINATION, MODULE),
            ("create_publication", ACCESS, SOURCE),
            ("create_replication_slot", MODULE, ACCESS),
            ("create_subscription", CUT_DESTINATION, DESTINATION),
            ("sync_start", CONTROLLER, CUT_BETWEEN),
            ("sync", DESTINATION, FULL),
            ("sync", SOURCE, ACCESS),
            ("drop_subscription", MODULE, DESTINATION),
            ("drop_publication", SOURCE, MODULE),
            ("attach_chunk", CUT_DESTINATION, MODULE),
            ("complete", ACCESS, FULL),
            ("the old copy is dropped", SOURCE, CUT_SOURCE),
            ("the operation is forgotten", CONTROLLER, ACCESS),
            ("two-phase commit", DESTINATION, ACCESS),
        ]
    ),
    Point(DRAIN, "new chunks are blocked", ACCESS),
    Point(BALANCE, "rows are copied", SOURCE),
    Point(DRAIN, "complete", CRASH),
    Point(BALANCE, "rows are compared", DESTINATION),
    Point(DRAIN, "sync", FULL_SOURCE),
    Point(BALANCE, "rows are copied", FULL),
    Point(DRAIN, "two-phase commit", MODULE),
    Point(BALANCE, "rows are compared", CUT_BETWEEN),
    Point(DRAIN, "two-phase commit of the drop", SOURCE),
    Point(BALANCE, "two-phase commit of the drop", ACCESS),
    Point(REPLICATE, "attach_chunk", ACCESS),
    Point(REPLICATE, "complete", MODULE),
    Point(REPLICATE, "writers are told", ACCESS),
    Point(REPLICATE, "create_subscription", SOURCE),
    Point(REPLICATE, "drop_subscription", DESTINATION),
    Point(RETURN, "the data node is used again", ACCESS),
    Point(RETURN, "attach_chunk", MODULE),
    Point(RETURN, "stale chunks are dropped", WANDERER),
    Point(RETURN, "drop_subscription", SOURCE),
    Point(GIVE_UP, "the cluster goes on without it", MODULE),
    Point(GIVE_UP, "the cluster goes on without it", ACCESS),
    Point(REPLACE, "create_replication_slot", CONTROLLER),
    Point(REPLACE, "sync", ACCESS),
    Point(REPLACE, "drop_subscription", SOURCE),
    Point(REPLACE, "attach_chunk", DESTINATION),
    Point(REPLACE, "writers are told", MODULE),
    Point(HEAL, "the records are deleted", ACCESS),
    Point(HEAL, "the records are deleted", WANDERER),
    Point(LEAVE, "a hypertable is detached", ACCESS),
    Point(JOIN, "the data node is added", ACCESS),
    Point(LEAVE, "the data node is deleted", MODULE),
    Point(JOIN, "it becomes a member", WANDERER),
    Point(LEAVE, "its membership is cleared", WANDERER, short=True),
    Point(JOIN, "a hypertable is created", MODULE),
    Point(LEAVE, "a hypertable is detached", CUT_WANDERER),
    Point(JOIN, "a hypertable is created on a data node", ACCESS),
    Point(LEAVE, "the data node is deleted", WANDERER),
    Point(JOIN, "a hypertable is attached", WANDERER),
    Point(REMOVE, "a hypertable is detached", ACCESS),
    Point(ADD, "the data node is added", CONTROLLER),
    Point(REMOVE, "the data node is deleted", MODULE),
    Point(ADD, "a hypertable is attached", WANDERER),
    Point(REMOVE, "its membership is cleared", WANDERER),
    Point(ADD, "it becomes a member", ACCESS),
    Point(REMOVE, "sync", DESTINATION),
    Point(ADD, "sync", SOURCE),
)
