# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Single moves where chunks are too big for what is left to be given. No I/O."""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from itertools import islice

from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_board import Board
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_levels import Band
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_newest import Newest
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_takers import is_emptier

# Chunks of one node that are tried for one other node.
_TRIED = 200


class Mending:
    """Takes nodes that are outside the band one by one, and looks among all chunks of two nodes for the one that helps best."""

    def __init__(self, board: Board, newest: Newest | None, allowed: Band) -> None:
        self._board = board
        self._newest = newest
        self._band = allowed
        # By node, the slots of its copies, the biggest first. Without empty chunks, which help nobody.
        self._copies: list[array] = [array("q") for _node in board.loads]
        add = [copies.append for copies in self._copies]
        add.append(_ignore)  # that of NOWHERE
        for slot, node in enumerate(islice(board.slots, board.first[_first_below(board, 1)])):
            add[node](slot)

    def mend(self) -> bool:
        """Move as long as a single move helps; says whether any did."""
        board, allowed = self._board, self._band
        moved = False
        again = True
        while again:
            again = False
            for giver in self._by_fullness(reverse=True):
                excess = board.loads[giver] - allowed.most[giver]
                if excess <= 0:
                    continue  # one with a chunk bigger than a share is full and has nothing to give
                again |= any(self._move(giver, taker, excess) for taker in self._by_fullness() if taker != giver)
            for taker in self._by_fullness():
                lacking = allowed.least[taker] - board.loads[taker]
                if lacking > 0:
                    again |= any(self._move(giver, taker, lacking) for giver in self._by_fullness(reverse=True) if taker != giver)
            moved |= again
        return moved

    def _by_fullness(self, reverse: bool = False) -> list[int]:
        board = self._board
        nodes = [node for node, weight in enumerate(board.weights) if weight]
        nodes.sort(key=board.rank.__getitem__)
        nodes.sort(key=lambda node: board.loads[node] / board.weights[node], reverse=reverse)
        return nodes

    def _move(self, giver: int, taker: int, amount: int) -> bool:
        """Move the smallest chunk that is enough; where there is none that helps, the biggest that does."""
        copies = self._copies[giver]
        begin = bisect_left(copies, self._board.first[_first_below(self._board, amount)])
        for position in (*range(begin - 1, max(begin - 1 - _TRIED, -1), -1), *range(begin, min(begin + _TRIED, len(copies)))):
            slot = copies[position]
            chunk = self._board.chunk_of(slot)
            if self._helps(chunk, giver, taker):
                self._board.put(chunk, slot, taker)
                if self._newest:
                    self._newest.moved(chunk, giver, taker)
                insort(self._copies[taker], copies.pop(position))
                return True
        return False

    def _helps(self, chunk: int, giver: int, taker: int) -> bool:
        board, size = self._board, self._board.sizes[chunk]
        allowed = board.fleet.allowed[board.fleet.hypertables[chunk]]
        return (
            board.loads[taker] + size <= board.limits[taker]
            and (allowed is None or taker in allowed)
            and is_emptier(board, taker, size, giver)
            and taker not in board.holders(chunk)
            and (self._newest is None or self._newest.has_room(chunk, taker))
        )


def _first_below(board: Board, size: int) -> int:
    """The biggest chunk that is smaller than that; as many as there are chunks where there is none."""
    sizes = board.sizes
    low, high = 0, len(sizes)
    while low < high:
        middle = (low + high) // 2
        if sizes[middle] < size:
            high = middle
        else:
            low = middle + 1
    return low


def _ignore(slot: int) -> None:
    """Copies that are nowhere give nothing."""
