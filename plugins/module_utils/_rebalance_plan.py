# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Which chunks go where, so that all nodes are filled alike and the least is moved. A pure function; its cost grows as n log n.

1. Copies that have no place, or one on a node that leaves, go to the emptiest nodes, the biggest first.
2. Nodes with more than their share of the newest chunks give the smallest of these.
3. Nodes above the band give what is above it, the biggest chunk that fits first; the emptiest nodes take it.
4. What chunks are too big for is mended by single moves, as long as one makes the fleet more even.

2 to 4 are repeated until nothing moves any more, so that a plan for what a plan leads to is empty.
"""

from __future__ import annotations

from itertools import islice

from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_board import Board
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_fleet import NOWHERE, Fleet, Goal, Rebalance
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_levels import Band, band, least_to_move, to_give
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_mending import Mending
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_moves import loads_after, moved_bytes, moves_between
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_newest import Newest
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_order import biggest_first
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_takers import Takers


def plan_rebalance(fleet: Fleet, goal: Goal) -> Rebalance:
    """The plan for a goal."""
    ordered, numbers = biggest_first(fleet)
    planner = _Planner(ordered, goal)
    least = planner.least_bytes()
    planner.place_homeless()
    while goal.balance and planner.balance() and planner.place_homeless():
        pass  # what found no place at first found one now
    moves = moves_between(planner.board, numbers)
    return Rebalance(
        moves=moves,
        before=planner.board.loads_before,
        after=loads_after(fleet, planner.board.loads_before, moves),
        targets=planner.band().shares,
        moved_bytes=moved_bytes(fleet, moves),
        least_bytes=least,
        unplaced=sorted({ordered.ids[chunk] for chunk, _slot in planner.board.homeless()}),
    )


class _Planner:
    def __init__(self, fleet: Fleet, goal: Goal) -> None:
        self._goal = goal
        self.board = Board(fleet)
        self._newest = Newest(self.board) if goal.spread else None
        self._homeless = self.board.homeless()
        # Whether bytes are moved to make nodes alike; decided once, before anything is moved.
        self._begun = False
        self._begun = self._is_outside(self.band()) or bool(self._homeless)

    def band(self) -> Band:
        """What nodes should hold once everything has a place."""
        board = self.board
        total = sum(board.loads) + sum(board.sizes[chunk] for chunk, _slot in self._homeless)
        return band(total, board.weights, board.biggest(), board.limits, self._tolerance())

    def _tolerance(self) -> float:
        return self._goal.tolerance if self._begun else max(self._goal.tolerance, self._goal.threshold)

    def _is_home(self, node: int) -> bool:
        return node != NOWHERE and not self.board.fleet.nodes[node].leaves

    def least_bytes(self) -> int:
        """What any plan for the goal moves at the least; asked for before anything is placed."""
        forced = sum(self.board.sizes[chunk] for chunk, _slot in self._homeless)
        if not self._goal.balance:
            return forced
        spread = self._newest.least_bytes() if self._newest else [0] * len(self.board.loads)
        return least_to_move(self.board.loads, self.band(), forced, spread)

    def place_homeless(self) -> bool:
        """Step 1; says whether anything was placed."""
        board, found = self.board, self.band()
        # Where there are no bytes at all, nobody has a share of them, and copies need a place all the same.
        shares = found.shares if any(found.shares) else board.weights
        takers = Takers(board, self._newest, range(len(board.loads)), found.most, shares)
        placed = False
        for chunk, slot in self._homeless:
            if not self._has_source(chunk):
                continue
            taker = takers.for_homeless(chunk)
            if taker != NOWHERE:
                self._put(chunk, slot, taker)
                placed = True
        self._homeless = [(chunk, slot) for chunk, slot in self._homeless if not self._is_home(board.slots[slot])]
        return placed

    def _has_source(self, chunk: int) -> bool:
        nodes = self.board.fleet.nodes
        return any(node != NOWHERE and nodes[node].takes_part for node in self.board.holders(chunk))

    def balance(self) -> bool:
        """Steps 2 to 4; says whether anything was moved."""
        moved, again = False, True
        while again:
            again = self._newest.spread() if self._newest else False
            found = self.band()
            if self._is_outside(found):
                again |= self._give(found)
                if self._is_outside(found):
                    again |= Mending(self.board, self._newest, found).mend()
            moved |= again
        return moved

    def _is_outside(self, found: Band) -> bool:
        return any(load < least or load > most for load, least, most, weight in zip(self.board.loads, found.least, found.most, self.board.weights) if weight)

    def _give(self, found: Band) -> bool:
        """Step 3: first chunks that are not too big for what has to be given, then for each node that is still above the band the smallest that is."""
        board = self.board
        sizes, slots, first, loads = board.sizes, board.slots, board.first, board.loads
        give = [amount if weight else -1 for amount, weight in zip(to_give(loads, found), board.weights)]
        give.append(-1)  # that of NOWHERE
        takers = Takers(board, self._newest, [node for node, load in enumerate(loads) if load < found.shares[node]], found.most, found.shares)
        moved = False
        begin = 0
        for chunk, (size, end) in enumerate(zip(sizes, islice(first, 1, None))):
            if not size:
                break
            for slot in range(begin, end):
                giver = slots[slot]
                if give[giver] >= size:
                    taker = takers.for_given(chunk, giver)
                    if taker != NOWHERE:
                        self._put(chunk, slot, taker)
                        give[giver] -= size
                        moved = True
            begin = end
        above = {node for node, weight in enumerate(board.weights) if weight and loads[node] > found.most[node]}
        for chunk in reversed(range(len(sizes))) if above else ():
            if not above:
                break
            for slot in range(first[chunk], first[chunk + 1]):
                giver = slots[slot]
                if giver in above and sizes[chunk] >= loads[giver] - found.most[giver]:
                    taker = takers.for_given(chunk, giver)
                    if taker != NOWHERE:
                        self._put(chunk, slot, taker)
                        above.discard(giver)
                        moved = True
        return moved

    def _put(self, chunk: int, slot: int, taker: int) -> None:
        before = self.board.slots[slot]
        self.board.put(chunk, slot, taker)
        if self._newest:
            self._newest.moved(chunk, before, taker)
