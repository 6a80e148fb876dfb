# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Where each copy of each chunk is while a plan is being made. No I/O."""

from __future__ import annotations

from array import array

from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_fleet import NOWHERE, Fleet


def loads_of(fleet: Fleet, holders: array) -> list[int]:
    """By node, the bytes of its copies."""
    loads = [0] * (len(fleet.nodes) + 1)  # the last one is that of NOWHERE
    first = fleet.first
    for chunk, size in enumerate(fleet.sizes):
        for node in holders[first[chunk] : first[chunk + 1]]:
            loads[node] += size
    return loads[:-1]


class Board:
    """The fleet with copies that can be put elsewhere.

    Nothing that is decided on it depends on the order in which nodes, chunks and copies were listed: ties are broken by names and numbers.

    Args (all by node unless said):
        before: by copy, the node that it is on now; the copies of a chunk are in the order of the nodes' names.
        slots: by copy, the node that it shall be on.
        loads_before: the bytes of its copies now.
        loads: the bytes of its copies then; 0 for nodes that are not balanced.
        weights: 0 for nodes that are not balanced: they leave or do not take part.
        limits: the most it can hold: its own limit, and one copy of everything.
        rank: its place among all names.
        by_size: the chunks, the biggest first; of equal ones, the oldest.
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
        self.by_size = sorted(range(len(fleet.ids)), key=fleet.ids.__getitem__)
        self.by_size.sort(key=fleet.begins.__getitem__)
        self.by_size.sort(key=self.sizes.__getitem__, reverse=True)
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
        slots, first = self.slots, self.first
        found = [0] * len(self.loads)
        unseen = {node for node, load in enumerate(self.loads) if load}
        for chunk in self.by_size:
            if not unseen:
                break
            for node in slots[first[chunk] : first[chunk + 1]]:
                if node in unseen:
                    found[node] = self.sizes[chunk]
                    unseen.discard(node)
        return found

    def homeless(self) -> list[tuple[int, int]]:
        """Chunk and slot of every copy that has to be placed, the biggest first: those that are lacking, and those on nodes that leave."""
        slots, first = self.slots, self.first
        leaving = [node.leaves for node in self.fleet.nodes] + [True]  # the last one is that of NOWHERE
        if not any(leaving[:-1]) and NOWHERE not in slots:
            return []
        return [(chunk, slot) for chunk in self.by_size for slot in range(first[chunk], first[chunk + 1]) if leaving[slots[slot]]]

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
