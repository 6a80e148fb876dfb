# GPL-3.0-or-later (see LICENSE)
"""The simulation of the planner, small enough to be run each time: 10 nodes of 1,000 chunks."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "simulate"))

from fleets import SCENARIOS
from rebalance import MOST_OVER_BEST, MOST_OVER_LEAST, simulate


@pytest.mark.parametrize("factor", [1, 2, 3])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.name for scenario in SCENARIOS])
def test_even_and_cheap(scenario, factor):
    outcome = simulate(scenario, nodes=10, chunks=10_000, factor=factor)
    assert outcome.over_best <= MOST_OVER_BEST
    assert outcome.over_least <= MOST_OVER_LEAST
    # What was made to be out of balance is put in order; a lost only copy cannot be.
    assert outcome.moves > 0 or (scenario.lost and factor == 1)
