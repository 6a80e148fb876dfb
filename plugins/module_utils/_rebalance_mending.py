# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Single moves where chunks are too big for what is left to be given. No I/O."""

from __future__ import annotations

from bisect import bisect_left, insort

from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_board import Board
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_fleet import NOWHERE
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
        # By node, place in the order of size and slot of its copies, the smallest first, as one number: there may be millions.
        self._copies: list[list[int]] = [[] for _node in board.loads]
        self._slots = slots = len(board.slots)
        for place, chunk in enumerate(reversed(board.by_size)):
            if board.sizes[chunk]:
                for slot in range(board.first[chunk], board.first[chunk + 1]):
                    node = board.slots[slot]
                    if node != NOWHERE and board.weights[node]:
                        self._copies[node].append(place * slots + slot)
        self._places = _Places(board)

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
        begin = bisect_left(copies, self._places.of(amount) * self._slots)
        for position in (*range(begin, min(begin + _TRIED, len(copies))), *range(begin - 1, max(begin - 1 - _TRIED, -1), -1)):
            place, slot = divmod(copies[position], self._slots)
            chunk = self._places.chunk(place)
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


class _Places:
    """The order of chunks by size, the smallest first, to be searched in."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._last = len(board.by_size) - 1

    def chunk(self, place: int) -> int:
        """The chunk at a place."""
        return self._board.by_size[self._last - place]

    def of(self, size: int) -> int:
        """The place of the smallest chunk that has this size or more."""
        low, high = 0, self._last + 1
        while low < high:
            middle = (low + high) // 2
            if self._board.sizes[self.chunk(middle)] < size:
                low = middle + 1
            else:
                high = middle
        return low
