# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""How long moves take: assumed before the first one has ended, then judged by those that have. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_jobs import ChunkMove
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_look import Capacity

# What is assumed of one move, without what the destination's wal_retrieve_retry_interval adds.
SECONDS_A_CHUNK = 0.5
# Of a chunk so much smaller than another one, how fast it was copied says nothing about the other one.
_COMPARABLE = 10
BYTES_A_SECOND = 50 << 20


def assumed_seconds(moves: Iterable[ChunkMove], capacities: Mapping[str, Capacity], concurrency: int) -> int:
    """For all moves, side by side: as long as the node takes that has the most to give and to take, in whole seconds."""
    by_node: Counter[str] = Counter()
    longest = 0.0
    for move in moves:
        seconds = weight(move) + capacities[move.destination].retry_milliseconds / 1000
        longest = max(longest, seconds)
        by_node[move.source] += seconds
        by_node[move.destination] += seconds
    return round(max(longest, max(by_node.values(), default=0.0) / concurrency))


def weight(move: ChunkMove) -> float:
    """What a move takes in comparison with others."""
    return SECONDS_A_CHUNK + move.chunk.bytes / BYTES_A_SECOND


def seconds_left(elapsed: float, done: Iterable[ChunkMove], moves: Iterable[ChunkMove]) -> int | None:
    """As the moves that are done took it; None before the first one is."""
    made = sum(map(weight, done))
    return round(elapsed * (sum(map(weight, moves)) - made) / made) if made else None


def too_long(moves: Iterable[ChunkMove], capacities: Mapping[str, Capacity], measured: Iterable[tuple[int, float]] = ()) -> list[tuple[ChunkMove, int]]:
    """The moves that TimescaleDB gives up because they take longer than it waits, with the seconds that they are likely to take.

    Args:
        measured: bytes and seconds of moves that are done. Where none of them is comparable, the bytes a second are assumed.
    """
    found = []
    rates = [(size, size / seconds) for size, seconds in measured if seconds > 0]
    for move in moves:
        size, limit = move.chunk.bytes, capacities[move.destination].copy_seconds
        # The fastest: others may have waited for something else.
        rate = max((rate for other, rate in rates if other * _COMPARABLE >= size), default=BYTES_A_SECOND)
        if limit is not None and rate and size / rate > limit:
            found.append((move, round(size / rate)))
    return found


def duration(seconds: int) -> str:
    """For people."""
    if seconds < 120:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
