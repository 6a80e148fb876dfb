# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""What has to be done to get from where the copies are to where they shall be. No I/O."""

from __future__ import annotations

from array import array

from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_board import Board
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_fleet import NOWHERE, Fleet, Move


def moves_between(board: Board, numbers: array) -> list[Move]:
    """The moves, new copies before all others; of each kind, the biggest first, so that no big one is left when all others are done.

    Args:
        numbers: by chunk, what the answer is to call it.
    """
    fleet = board.fleet
    copies: list[Move] = []
    moves: list[Move] = []
    reads = [0] * len(fleet.nodes)
    first, slots, holders = board.first, board.slots, board.before
    # By chunk, the one slot that changed; NOWHERE where several did.
    touched: dict[int, int] = {}
    for slot, (was, becomes) in enumerate(zip(holders, slots)):
        if was != becomes:
            chunk = board.chunk_of(slot)
            touched[chunk] = NOWHERE if chunk in touched else slot
    for chunk, slot in touched.items():
        if slot != NOWHERE and holders[slot] != NOWHERE != slots[slot]:
            moves.append(Move(numbers[chunk], holders[slot], slots[slot], True))
            continue
        begin, end = first[chunk], first[chunk + 1]
        before, after = set(holders[begin:end]), set(slots[begin:end])
        gone = sorted(before - after - {NOWHERE}, key=board.rank.__getitem__)
        come = sorted(after - before - {NOWHERE}, key=board.rank.__getitem__)
        moves += [Move(numbers[chunk], source, destination, True) for source, destination in zip(gone, come)]
        for destination in come[len(gone) :]:
            source = min((node for node in before if node != NOWHERE and fleet.nodes[node].takes_part), key=lambda node: (reads[node], board.rank[node]))
            reads[source] += fleet.sizes[chunk]
            copies.append(Move(numbers[chunk], source, destination, False))
    return copies + moves


def loads_after(fleet: Fleet, before: list[int], moves: list[Move]) -> list[int]:
    """By node, the bytes of its copies when the moves are done."""
    loads = before[:]
    for move in moves:
        size = fleet.sizes[move.chunk]
        loads[move.destination] += size
        if move.deletes:
            loads[move.source] -= size
    return loads


def moved_bytes(fleet: Fleet, moves: list[Move]) -> int:
    """What the moves write."""
    return sum(fleet.sizes[move.chunk] for move in moves)
