# GPL-3.0-or-later (see LICENSE)
from __future__ import annotations

import pytest
from _build import holding
from ansible_collections.timescaledb.multinode.plugins.module_utils._leaving import leaving_errors, server_wants_force


def causes(held, force=False):
    return [error.cause for error in leaving_errors('data node "dn3"', "dn3", held, force)]


def test_nothing_there():
    assert causes(holding()) == []


@pytest.mark.parametrize("force", [False, True])
def test_only_copies(force):
    (cause,) = causes(holding(("dn3", 1), ("dn1", 5)), force)
    assert cause == 'distributed hypertable public.conditions would lose 1 chunk that only "dn3" holds (c0)'


def test_many_only_copies_are_counted_and_sampled():
    (cause,) = causes(holding(("dn3", 12)))
    assert '12 chunks that only "dn3" holds (c0, c1, c2, ...)' in cause


def test_copies_elsewhere():
    held = holding(("dn2 dn3", 2), ("dn1 dn3", 3), ("dn1 dn2", 4), replication_factor=2)
    assert causes(held) == ['distributed hypertable public.conditions still has copies of 5 chunks on "dn3"']
    assert causes(held, force=True) == []


@pytest.mark.parametrize(
    "factor, accepting, refused, wants_force",
    [
        (2, "dn1 dn2 dn3", False, False),
        (3, "dn1 dn2 dn3", True, True),
        (2, "dn1 dn3", True, True),
        (1, "dn1 dn3", False, False),
        # It takes no new chunks, so that the others do as well without it.
        (1, "dn1", False, True),
        (2, "dn1 dn2", False, True),
        (3, "dn1 dn2", True, True),
    ],
)
def test_new_chunks(factor, accepting, refused, wants_force):
    held = holding(replication_factor=factor, accepting=accepting)
    assert bool(causes(held)) is refused
    assert causes(held, force=True) == []
    assert server_wants_force(held) is wants_force


def test_somebody_elses_table():
    assert causes(holding(may_change=False), force=True) == ["the role does not own distributed hypertable public.conditions"]


def test_after_one_left_the_other_has_the_only_copies():
    held = holding(("dn2 dn3", 1)).without("dn2")
    assert held.attached == held.accepting == {"dn1", "dn3"}
    assert "would lose 1 chunk" in causes(held, force=True)[0]


def test_what_goes_with_nodes_that_are_given_up():
    held = holding(("dn1", 2), ("dn1 dn2", 3), ("dn2 dn3", 4), attached="dn1 dn2 dn3")
    assert [placement.chunks for placement in held.without_chunks_of({"dn1", "dn2"}).placements] == [4]
    assert held.without_chunks_of(set()) == held
