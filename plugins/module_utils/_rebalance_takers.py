# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""The nodes that may take chunks, the emptiest of them first. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush, heapreplace

from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_board import Board
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_fleet import NOWHERE
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_newest import Newest

# Nodes that are asked for a chunk that has the choice of many.
_ASKED = 16
# A quotient times its divisor may be a little less than the dividend.
_ROUNDING = 1 + 1e-9


class Takers:
    """Takers for one pass over the chunks, in which they only get fuller: an entry of the heap that is out of date was too hopeful.

    Args:
        most: by node, how much it may hold after it took a chunk that somebody else gives.
        shares: by node, what it should hold: the emptiest is the one with the least in proportion to that.
    """

    def __init__(self, board: Board, newest: Newest | None, nodes: Iterable[int], most: list[int], shares: list[float]) -> None:
        self._board = board
        self._newest = newest
        self._nodes = [node for node in nodes if shares[node] > 0]
        self._most = most
        self._shares = shares
        self._widest = max((shares[node] for node in self._nodes), default=0.0)
        self._heaps: dict[frozenset[int] | None, list[tuple[float, int, int]]] = {}

    def _heap(self, chunk: int) -> list[tuple[float, int, int]]:
        allowed = self._board.fleet.allowed[self._board.fleet.hypertables[chunk]]
        heap = self._heaps.get(allowed)
        if heap is None:
            nodes = self._nodes if allowed is None else [node for node in self._nodes if node in allowed]
            heap = self._heaps[allowed] = [(self._fullness(node), self._board.rank[node], node) for node in nodes]
            heapify(heap)
        return heap

    def _fullness(self, node: int) -> float:
        return (self._board.loads[node] - self._most[node]) / self._shares[node]

    def for_given(self, chunk: int, giver: int) -> int:
        """The emptiest node that stays within its band with the chunk, and emptier than the giver was; else NOWHERE."""
        board, size = self._board, self._board.sizes[chunk]
        heap = self._heap(chunk)
        aside = []
        found = NOWHERE
        while heap and len(aside) < _ASKED:
            fullness, rank, node = heap[0]
            now = self._fullness(node)
            if now != fullness:
                heapreplace(heap, (now, rank, node))
                continue
            if size > -now * self._widest * _ROUNDING:
                break  # not even the emptiest has room
            if board.loads[node] + size <= self._most[node] and self._wants(chunk, node, True) and is_emptier(board, node, size, giver):
                found = node
                break
            aside.append(heappop(heap))
        for entry in aside:
            heappush(heap, entry)
        return found

    def for_homeless(self, chunk: int) -> int:
        """The emptiest node that can take the chunk at all; NOWHERE where there is none. Too many of the newest chunks are better than none."""
        found = self._first(chunk, True)
        return found if found != NOWHERE else self._first(chunk, False)

    def _first(self, chunk: int, spread: bool) -> int:
        board, size = self._board, self._board.sizes[chunk]
        heap = self._heap(chunk)
        aside = []
        found = NOWHERE
        while heap:
            fullness, rank, node = heap[0]
            now = self._fullness(node)
            if now != fullness:
                heapreplace(heap, (now, rank, node))
                continue
            if board.loads[node] + size <= board.limits[node] and self._wants(chunk, node, spread):
                found = node
                break
            aside.append(heappop(heap))
        for entry in aside:
            heappush(heap, entry)
        return found

    def _wants(self, chunk: int, node: int, spread: bool) -> bool:
        board = self._board
        if node in board.slots[board.first[chunk] : board.first[chunk + 1]]:
            return False
        return not spread or self._newest is None or self._newest.has_room(chunk, node)


def is_emptier(board: Board, taker: int, size: int, giver: int) -> bool:
    """Whether the taker is emptier afterwards than the giver was before: every such move makes the fleet more even, so that planning ends.

    A node above its own limit has to give in any case.
    """
    loads, weights = board.loads, board.weights
    return (loads[taker] + size) * weights[giver] < loads[giver] * weights[taker] or loads[giver] > board.limits[giver]
