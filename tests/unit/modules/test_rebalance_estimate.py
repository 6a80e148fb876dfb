# GPL-3.0-or-later (see LICENSE)
from __future__ import annotations

import pytest
from ansible_collections.timescaledb.multinode.plugins.module_utils._copy_operations import PlacedChunk
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_estimate import (
    BYTES_A_SECOND,
    assumed_seconds,
    duration,
    seconds_left,
    too_long,
)
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_jobs import ChunkMove
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_look import Capacity, Hypertable

TABLE = Hypertable(1, "public", "t", 1, {})


def move(source: str, destination: str, seconds: float) -> ChunkMove:
    """Of a chunk whose bytes alone take so long."""
    return ChunkMove(PlacedChunk(1, 1, "internal", "c", 0, (source,), int(seconds * BYTES_A_SECOND)), TABLE, source, destination, True)


def capacities(retry_milliseconds: int) -> dict[str, Capacity]:
    return dict.fromkeys(("dn1", "dn2", "dn3", "dn4"), Capacity("logical", 10, 0, 10, 0, 4, retry_milliseconds))


@pytest.mark.parametrize(
    ("moves", "retry", "concurrency", "seconds"),
    [
        ([], 0, 1, 0),
        ([("dn1", "dn2", 9.5)], 0, 1, 10),
        # One chunk is not moved faster by doing two at a time.
        ([("dn1", "dn2", 9.5)], 0, 2, 10),
        ([("dn1", "dn2", 9.5)] * 4, 0, 2, 20),
        # Other pairs of nodes work beside it; the fullest node tells.
        ([("dn1", "dn2", 9.5), ("dn3", "dn4", 3.5)], 0, 1, 10),
        ([("dn1", "dn2", 9.5), ("dn1", "dn3", 3.5)], 0, 1, 14),
        # What PostgreSQL waits by default.
        ([("dn1", "dn2", 9.5)] * 4, 5000, 2, 30),
    ],
)
def test_assumed(moves, retry, concurrency, seconds):
    assert assumed_seconds([move(*one) for one in moves], capacities(retry), concurrency) == seconds


def test_what_is_left_is_told_from_what_was_done():
    done, rest = [move("dn1", "dn2", 1.5)], [move("dn1", "dn2", 3.5), move("dn1", "dn2", 7.5)]
    assert seconds_left(5, done, done + rest) == 30
    assert seconds_left(5, done, done) == 0
    assert seconds_left(5, [], rest) is None


@pytest.mark.parametrize(
    ("seconds", "measured", "expected"),
    [
        # By what is assumed.
        (99, [], None),
        (101, [], 101),
        # By the fastest that was measured.
        (101, [(50, 40), (50, 25)], None),
        (60, [(50, 100)], 120),
        # Those that are much smaller tell nothing.
        (99, [(1, 10)], None),
    ],
)
def test_what_timescaledb_gives_up_is_foreseen(seconds, measured, expected):
    one = move("dn1", "dn2", seconds)
    limits = {"dn2": Capacity("logical", 10, 0, 10, 0, 4, 100, copy_seconds=100)}
    found = too_long([one], limits, [(size * BYTES_A_SECOND, taken) for size, taken in measured])
    assert found == ([] if expected is None else [(one, expected)])
    assert too_long([one], capacities(0)) == []


def test_duration():
    assert [duration(seconds) for seconds in (0, 119, 120, 7140, 7200, 90061)] == ["0 s", "119 s", "2 min", "119 min", "2 h 0 min", "25 h 1 min"]
