# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Spreads the chunks that a hypertable's newest rows go to, so that all nodes share the ingest. No I/O."""

from __future__ import annotations

from collections import defaultdict
from heapq import heapify, heappop, heappush
from math import ceil

from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_board import Board
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_fleet import NOWHERE


class Newest:
    """The chunks of the last range of time of each hypertable, and the most of them that one node should have: its share, rounded up."""

    def __init__(self, board: Board) -> None:
        self._board = board
        fleet = board.fleet
        last: dict[int, int] = {}
        for hypertable, begin in zip(fleet.hypertables, fleet.begins):
            if begin > last.get(hypertable, begin - 1):
                last[hypertable] = begin
        self._table = {chunk: hypertable for chunk, (hypertable, begin) in enumerate(zip(fleet.hypertables, fleet.begins)) if begin == last[hypertable]}
        self._chunks: dict[int, list[int]] = {hypertable: [] for hypertable in sorted(last)}
        for chunk in sorted(self._table, key=lambda chunk: (board.sizes[chunk], fleet.ids[chunk])):
            self._chunks[self._table[chunk]].append(chunk)
        self._counts = {hypertable: {node: len(chunks) for node, chunks in self._by_node(hypertable).items()} for hypertable in self._chunks}
        self._most = {hypertable: ceil(sum(counts.values()) / max(len(board.eligible(hypertable)), 1)) for hypertable, counts in self._counts.items()}

    def has_room(self, chunk: int, node: int) -> bool:
        """Whether the node may have this chunk without having too many of the newest ones."""
        hypertable = self._table.get(chunk)
        return hypertable is None or self._counts[hypertable].get(node, 0) < self._most[hypertable]

    def moved(self, chunk: int, source: int, destination: int) -> None:
        """Take note that a copy went from one node to another."""
        hypertable = self._table.get(chunk)
        if hypertable is not None:
            counts = self._counts[hypertable]
            counts[source] -= 1
            counts[destination] = counts.get(destination, 0) + 1

    def least_bytes(self) -> list[int]:
        """By node, what it has to give at the least where it has too many."""
        found = [0] * len(self._board.loads)
        for hypertable, most in self._most.items():
            for node, chunks in self._crowded(hypertable):
                found[node] += sum(self._board.sizes[chunk] for chunk in chunks[: len(chunks) - most])
        return found

    def spread(self) -> bool:
        """Have nodes with too many give their smallest to those with the fewest; says whether anything was moved."""
        moved = [self._spread(hypertable) for hypertable in self._chunks]
        return any(moved)

    def _by_node(self, hypertable: int) -> dict[int, list[int]]:
        """The newest chunks of each node, the smallest first. A copy that is nowhere counts, to be shared by all."""
        found: dict[int, list[int]] = defaultdict(list)
        for chunk in self._chunks[hypertable]:
            for node in self._board.holders(chunk):
                found[node].append(chunk)
        return found

    def _crowded(self, hypertable: int) -> list[tuple[int, list[int]]]:
        """Nodes with too many, and what they have."""
        board, most = self._board, self._most[hypertable]
        if max(self._counts[hypertable].values(), default=0) <= most:
            return []
        crowded = [(node, chunks) for node, chunks in self._by_node(hypertable).items() if node != NOWHERE and board.weights[node] and len(chunks) > most]
        return sorted(crowded, key=lambda entry: board.rank[entry[0]])

    def _spread(self, hypertable: int) -> bool:
        board, counts, most = self._board, self._counts[hypertable], self._most[hypertable]
        crowded = self._crowded(hypertable)
        if not crowded:
            return False
        takers = [self._as_taker(hypertable, node) for node in board.eligible(hypertable) if counts.get(node, 0) < most]
        heapify(takers)
        moved = False
        for giver, chunks in crowded:
            for chunk in chunks:
                if counts[giver] <= most:
                    break
                moved |= self._give(hypertable, chunk, giver, takers)
        return moved

    def _as_taker(self, hypertable: int, node: int) -> tuple[int, float, int, int]:
        board = self._board
        return self._counts[hypertable].get(node, 0), board.loads[node] / board.weights[node], board.rank[node], node

    def _give(self, hypertable: int, chunk: int, giver: int, takers: list[tuple[int, float, int, int]]) -> bool:
        board, size, holders = self._board, self._board.sizes[chunk], list(self._board.holders(chunk))
        aside = []
        found = False
        while takers and not found:
            entry = heappop(takers)
            node = entry[-1]
            if node in holders or board.loads[node] + size > board.limits[node]:
                aside.append(entry)
                continue
            board.put(chunk, board.first[chunk] + holders.index(giver), node)
            self.moved(chunk, giver, node)
            found = True
            if self._counts[hypertable][node] < self._most[hypertable]:
                heappush(takers, self._as_taker(hypertable, node))
        for entry in aside:
            heappush(takers, entry)
        return found
