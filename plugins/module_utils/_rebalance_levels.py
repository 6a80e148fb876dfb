# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""How many bytes each node should hold, and the least that has to be moved for it. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, fsum
from typing import Callable

# Halving the doubt this often leaves less than a byte of any fleet's.
_HALVINGS = 90


@dataclass(frozen=True)
class Band:
    """What nodes may hold: by node, its best share, and the least and the most within the tolerance."""

    shares: list[float]
    least: list[int]
    most: list[int]


def band(total: int, weights: list[float], biggest: list[int], limits: list[float], tolerance: float) -> Band:
    """Shares in proportion to the weights, as even as limits and chunks that are bigger than a share let them be.

    Args:
        total: the bytes of all copies.
        weights: by node; 0 for one that shall hold nothing.
        biggest: by node, its biggest chunk: it cannot be divided, so that the node's share is at least that.
        limits: by node, the most that it can hold.
    """
    caps = [limit if weight else 0.0 for weight, limit in zip(weights, limits)]
    floors = [min(size, cap) for size, cap in zip(biggest, caps)]

    def shares(level: float) -> list[float]:
        return [min(max(weight * level, low), cap) for weight, low, cap in zip(weights, floors, caps)]

    highest = total / min([weight for weight in weights if weight] or [1.0])
    # An exact sum is the same in whatever order the nodes are listed.
    found = shares(_least_level(lambda level: fsum(shares(level)) >= total, highest))
    least = [floor(share * (1 - tolerance)) for share in found]
    # A limit is a limit, and so is the tolerance; without any, rounding leaves room for the fraction of a byte.
    most = [int(min(max(floor(share * (1 + tolerance)), ceil(share)), limit)) for share, limit in zip(found, limits)]
    return Band(found, least, most)


def to_give(loads: list[int], allowed: Band) -> list[int]:
    """By node, how many bytes it has to give so that all come into the band: what is above it, or more where that would not fill up the others."""
    excess = [load - most for load, most in zip(loads, allowed.most)]
    lacking = sum(max(least - load, 0) for load, least in zip(loads, allowed.least))
    if lacking <= sum(max(amount, 0) for amount in excess):
        return excess

    def given(part: float) -> list[int]:
        return [floor(load - most + part * (most - share)) for load, most, share in zip(loads, allowed.most, allowed.shares)]

    part = _least_level(lambda part: sum(max(amount, 0) for amount in given(part)) >= lacking, 1.0)
    return given(part)


def least_to_move(loads: list[int], allowed: Band, forced: int, spread: list[int]) -> int:
    """A bound: bytes that any plan has to move which brings all nodes into the band.

    Nodes below the band have to take what they lack. What has no place yet has to be written, as has what nodes above the band give, or nodes with
    too many of the newest chunks.

    Args:
        forced: the bytes of copies that have no place; they are not in the loads.
        spread: by node, the bytes that it has to give of its newest chunks.
    """
    lacking = sum(max(least - load, 0) for load, least in zip(loads, allowed.least))
    given = sum(max(load - most, newest, 0) for load, most, newest in zip(loads, allowed.most, spread))
    return max(lacking, forced + given)


def _least_level(enough: Callable[[float], bool], highest: float) -> float:
    """The least level between 0 and the highest that is enough; the highest where none is."""
    low, high = 0.0, highest
    for _halving in range(_HALVINGS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
