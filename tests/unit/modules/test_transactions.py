# GPL-3.0-or-later (see LICENSE)
from __future__ import annotations

import pytest
from ansible_collections.timescaledb.multinode.plugins.module_utils._apply import transactions
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement, Step
from hypothesis import given
from hypothesis import strategies as st


def steps(*sizes: int) -> list[Step]:
    """So many steps of one object each."""
    return [Step(f"table {number}", "alter", str(part), Statement("SELECT 1")) for number, size in enumerate(sizes) for part in range(size)]


@pytest.mark.parametrize(
    "sizes, pieces",
    [
        ([], []),
        ([1], [1]),
        ([100], [100]),
        ([1] * 250, [100, 100, 50]),
        # A table that is distributed and given back to its owner: 99 steps, and the two of the next one are not parted.
        ([1, *[2] * 60], [99, 22]),
        # There is no room for all of one object.
        ([250, 1], [100, 100, 51]),
    ],
)
def test_what_is_done_to_one_object_stays_in_one_transaction(sizes, pieces):
    assert [len(piece) for piece in transactions(steps(*sizes))] == pieces


@given(st.lists(st.integers(1, 130), max_size=12))
def test_pieces_are_the_steps_in_their_order(sizes):
    pieces = list(transactions(steps(*sizes)))
    assert [step for piece in pieces for step in piece] == steps(*sizes)
    assert all(0 < len(piece) <= 100 for piece in pieces)
    for subject, size in ((f"table {number}", size) for number, size in enumerate(sizes)):
        if size <= 50:
            holders = [piece for piece in pieces if any(step.subject == subject for step in piece)]
            assert len(holders) == 1 or any(other > 100 for other in sizes)
