# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Where each copy of each chunk is while a plan is being made. No I/O."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from itertools import islice

from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_fleet import NOWHERE, Fleet


def loads_of(fleet: Fleet, holders: array) -> list[int]:
    """By node, the bytes of its copies."""
    loads = [0] * (len(fleet.nodes) + 1)  # the last one is that of NOWHERE
    begin = 0
    for size, end in zip(fleet.sizes, islice(fleet.first, 1, None)):
        for slot in range(begin, end):
            loads[holders[slot]] += size
        begin = end
    return loads[:-1]


class Board:
    """The fleet with copies that can be put elsewhere.

    Nothing that is decided on it depends on the order in which nodes, chunks and copies were listed: ties are broken by names and numbers.

    Args (all by node unless said):
        fleet: its chunks are numbered by their size, the biggest first.
        before: by copy, the node that it is on now; the copies of a chunk are in the order of the nodes' names.
        slots: by copy, the node that it shall be on.
        loads_before: the bytes of its copies now.
        loads: the bytes of its copies then; 0 for nodes that are not balanced.
        weights: 0 for nodes that are not balanced: they leave or do not take part.
        limits: the most it can hold: its own limit, and one copy of everything.
        rank: its place among all names.
    """

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.first, self.sizes = fleet.first, fleet.sizes
        nodes = fleet.nodes
        self.rank = [0] * len(nodes)
        for place, node in enumerate(sorted(range(len(nodes)), key=lambda node: nodes[node].name)):
            self.rank[node] = place
        self.before = self._ranked()
        self.slots = self.before[:]
        self.weights = [node.weight if node.takes_part and not node.leaves else 0.0 for node in nodes]
        everything = sum(fleet.sizes)
        self.limits = [everything if node.most_bytes is None else min(node.most_bytes, everything) for node in nodes]
        self.loads_before = loads_of(fleet, self.before)
        self.loads = [load if weight else 0 for load, weight in zip(self.loads_before, self.weights)]

    def _ranked(self) -> array:
        holders, first, rank = array("i", self.fleet.holders), self.first, [*self.rank, len(self.rank)]  # the last one is that of NOWHERE
        if self.rank != sorted(self.rank):
            for chunk in range(len(first) - 1):
                holders[first[chunk] : first[chunk + 1]] = array("i", sorted(holders[first[chunk] : first[chunk + 1]], key=rank.__getitem__))
        return holders

    def biggest(self) -> list[int]:
        """By node, the size of its biggest chunk; 0 for nodes that are not balanced."""
        found = [0] * len(self.loads)
        unseen = {node for node, load in enumerate(self.loads) if load}
        for slot, node in enumerate(self.slots):
            if not unseen:
                break
            if node in unseen:
                found[node] = self.sizes[self.chunk_of(slot)]
                unseen.discard(node)
        return found

    def chunk_of(self, slot: int) -> int:
        """The chunk that a copy is of."""
        return bisect_right(self.first, slot) - 1

    def homeless(self) -> list[tuple[int, int]]:
        """Chunk and slot of every copy that has to be placed, the biggest first: those that are lacking, and those on nodes that leave."""
        leaving = {number for number, node in enumerate(self.fleet.nodes) if node.leaves} | {NOWHERE}
        if leaving.isdisjoint(self.slots):
            return []
        return [(self.chunk_of(slot), slot) for slot, node in enumerate(self.slots) if node in leaving]

    def holders(self, chunk: int) -> array:
        """The nodes with a copy of a chunk."""
        return self.slots[self.first[chunk] : self.first[chunk + 1]]

    def put(self, chunk: int, slot: int, node: int) -> None:
        """Place a copy on a node; where it was before, it is no longer."""
        before = self.slots[slot]
        if before != NOWHERE and self.weights[before]:
            self.loads[before] -= self.sizes[chunk]
        self.loads[node] += self.sizes[chunk]
        self.slots[slot] = node

    def eligible(self, hypertable: int) -> list[int]:
        """The nodes that may take chunks of a hypertable."""
        allowed = self.fleet.allowed[hypertable]
        return [node for node, weight in enumerate(self.weights) if weight and (allowed is None or node in allowed)]
