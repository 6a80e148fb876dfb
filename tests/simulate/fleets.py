# GPL-3.0-or-later (see LICENSE)
"""Fleets that no test machine has: chunks with skewed sizes on many data nodes, out of balance in the ways that clusters get out of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_fleet import Fleet, FleetNode, Goal

# Most chunks are small and a few are a hundred times as big, as with devices and seasons that are not alike.
_SKEW = 1.2
_MEDIAN = 64 << 20


@dataclass(frozen=True)
class Scenario:
    """A way to get out of balance.

    Args:
        name: what happened.
        new: the part of the nodes that were added and are empty.
        leaving: the part of the nodes that shall be emptied.
        lost: the part of the nodes that are gone, so that their copies are lacking.
        lean: how much fuller the first node is than the last one, before anything else happened.
        goal: what is planned for.
    """

    name: str
    new: float = 0.0
    leaving: float = 0.0
    lost: float = 0.0
    lean: float = 1.0
    goal: Goal = field(default_factory=Goal)


SCENARIOS = (
    Scenario("a tenth of the nodes is new", new=0.1),
    Scenario("a third of the nodes is new", new=1 / 3),
    Scenario("some nodes are twice as full", lean=2.0),
    Scenario("a tenth is drained", leaving=0.1, goal=Goal(balance=False, spread=False)),
    Scenario("a tenth is new, a tenth drained", new=0.1, leaving=0.1),
    Scenario("a tenth is lost", lost=0.1, goal=Goal(balance=False, spread=False)),
)


def make_fleet(scenario: Scenario, nodes: int, chunks: int, factor: int, hypertables: int = 20, seed: int = 1) -> Fleet:
    """A fleet of that many nodes and chunks, each with as many copies."""
    chance = random.Random(seed)
    new, leaving, lost = (int(nodes * part) for part in (scenario.new, scenario.leaving, scenario.lost))
    old = nodes - new
    names = [FleetNode(f"dn{number:04}", leaves=number < leaving, takes_part=not leaving <= number < leaving + lost) for number in range(nodes)]
    fleet = Fleet(names, [None] * hypertables)
    place = _placer(chance, old, factor, scenario.lean)
    for number in range(chunks):
        holders = place()
        # Lost copies are forgotten, as those of a data node that was removed by force are.
        kept = [node for node in holders if names[node].takes_part]
        size = int(chance.lognormvariate(0, _SKEW) * _MEDIAN)
        # Chunks come into being in rounds, one for each node.
        fleet.add(number + 1, number % hypertables, number // (nodes * hypertables), size, kept, len(holders) - len(kept) if kept else 0)
    return fleet


def _placer(chance: random.Random, nodes: int, factor: int, lean: float) -> Callable[[], list[int]]:
    """Nodes for the copies of a chunk, neighbours of each other as TimescaleDB chooses them."""
    chosen = [0.0]
    for node in range(nodes):
        chosen.append(chosen[-1] + lean + (1 - lean) * node / max(nodes - 1, 1))

    def place() -> list[int]:
        node = chance.choices(range(nodes), cum_weights=chosen[1:])[0]
        return [(node + copy) % nodes for copy in range(factor)]

    return place
