# GPL-3.0-or-later (see LICENSE)
from __future__ import annotations

import itertools

import pytest
from ansible_collections.timescaledb.multinode.plugins.module_utils._prepared import COMMIT, LEAVE, ROLL_BACK, Known, Prepared, fate, judge

SERVER = 16385


def decided(status: str | None, recorded: bool, gid: str = f"ts-1-77-{SERVER}-10", age: float = 100, min_age: float = 60) -> str:
    judgement = judge(Prepared("dn1", gid, "postgres", "2026-01-01", age), Known(status, recorded), SERVER, min_age)
    assert judgement.reason
    return judgement.decision


@pytest.mark.parametrize(
    "status, recorded, decision, by_the_server",
    [
        ("committed", True, COMMIT, "commit"),
        (None, True, COMMIT, "commit"),
        ("aborted", False, ROLL_BACK, "rollback"),
        (None, False, ROLL_BACK, "rollback"),
        ("in progress", True, LEAVE, "in_progress"),
        ("in progress", False, LEAVE, "in_progress"),
        ("committed", False, LEAVE, "rollback"),
        ("aborted", True, LEAVE, "commit"),
    ],
)
def test_evidence(status, recorded, decision, by_the_server):
    assert decided(status, recorded) == decision
    assert fate(f"ts-1-77-{SERVER}-10", Known(status, recorded)) == by_the_server


@pytest.mark.parametrize(
    "gid",
    ["", "mine", "ts-", "ts-1-77-16385", "ts-2-77-16385-10", "ts-1-77-16385-10-1", "ts-1-x-16385-10", "ts-1-77-16385-10'", "ts-1-77-16386-10"],
)
def test_what_is_not_ours_is_never_ended(gid):
    for status, recorded in itertools.product(("committed", "aborted", None), (True, False)):
        assert decided(status, recorded, gid) == LEAVE


@pytest.mark.parametrize("age, decision", [(0, LEAVE), (59.9, LEAVE), (60, COMMIT), (1e6, COMMIT)])
def test_age(age, decision):
    assert decided("committed", True, age=age) == decision
