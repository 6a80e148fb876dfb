# GPL-3.0-or-later (see LICENSE)
"""Fleets for tests of the planner of the rebalancing, and what holds for them, told by other means than the planner's."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_fleet import Fleet, FleetNode, Rebalance


@dataclass
class Chunk:
    """A chunk as a test has it: nodes by their names."""

    id: int
    size: int
    nodes: set[str]
    hypertable: int = 0
    begin: int = 0
    lacking: int = 0


@dataclass
class Scene:
    """A fleet as a test has it."""

    nodes: list[FleetNode]
    chunks: list[Chunk]
    allowed: dict[int, set[str]] = field(default_factory=dict)

    def fleet(self, backwards: bool = False) -> Fleet:
        nodes = self.nodes[::-1] if backwards else self.nodes
        numbers = {node.name: number for number, node in enumerate(nodes)}
        hypertables = 1 + max((chunk.hypertable for chunk in self.chunks), default=0)
        allowed = [frozenset(numbers[name] for name in self.allowed[hypertable]) if hypertable in self.allowed else None for hypertable in range(hypertables)]
        fleet = Fleet(nodes, allowed)
        for chunk in self.chunks[::-1] if backwards else self.chunks:
            fleet.add(chunk.id, chunk.hypertable, chunk.begin, chunk.size, [numbers[name] for name in chunk.nodes], chunk.lacking)
        return fleet

    def after(self, fleet: Fleet, plan: Rebalance) -> Scene:
        """What the moves lead to. Fails where a move is not possible."""
        found = {chunk.id: Chunk(chunk.id, chunk.size, set(chunk.nodes), chunk.hypertable, chunk.begin, chunk.lacking) for chunk in self.chunks}
        for move in plan.moves:
            chunk = found[fleet.ids[move.chunk]]
            source, destination = (fleet.nodes[node] for node in (move.source, move.destination))
            assert source.name in chunk.nodes and source.takes_part
            assert destination.name not in chunk.nodes and destination.takes_part and not destination.leaves
            assert destination.name in self.allowed.get(chunk.hypertable, {destination.name})
            chunk.nodes.add(destination.name)
            if move.deletes:
                chunk.nodes.remove(source.name)
            else:
                assert chunk.lacking
                chunk.lacking -= 1
        return Scene(self.nodes, list(found.values()), self.allowed)

    def loads(self) -> dict[str, int]:
        loads = Counter({node.name: 0 for node in self.nodes})
        for chunk in self.chunks:
            for name in chunk.nodes:
                loads[name] += chunk.size
        return dict(loads)

    def newest(self, name: str, hypertable: int) -> int:
        """How many of the newest chunks of a hypertable a node has."""
        chunks = [chunk for chunk in self.chunks if chunk.hypertable == hypertable]
        last = max(chunk.begin for chunk in chunks)
        return sum(name in chunk.nodes for chunk in chunks if chunk.begin == last)


def moved(fleet: Fleet, plan: Rebalance) -> list[tuple[int, str, str, bool]]:
    """The moves by names, in an order of their own."""
    return sorted((fleet.ids[move.chunk], fleet.nodes[move.source].name, fleet.nodes[move.destination].name, move.deletes) for move in plan.moves)
