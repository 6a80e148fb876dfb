# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""What the planner of the rebalancing is told and what it answers. No I/O.

A fleet may have a million chunks: what grows with them is kept in arrays of numbers, not in objects.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

# In place of a node's number: this copy of a chunk is wanted and not there.
NOWHERE = -1


@dataclass(frozen=True)
class FleetNode:
    """A data node.

    Args:
        weight: its share of the bytes in proportion to the other nodes.
        most_bytes: it must not hold more; None where there is no limit.
        leaves: it shall hold nothing any more.
        takes_part: without, it neither gives nor takes, and its bytes do not count; copies that it has stay where they are.
    """

    name: str
    weight: float = 1.0
    most_bytes: int | None = None
    leaves: bool = False
    takes_part: bool = True


@dataclass
class Fleet:
    """Data nodes and the chunks on them. Nodes, hypertables and chunks are numbered as they are listed.

    Args:
        allowed: by hypertable, the nodes that may take chunks of it; None stands for all.
        ids: by chunk, its number in the access node's catalogue.
        hypertables: by chunk, its hypertable.
        begins: by chunk, where its range of time begins.
        sizes: by chunk, the bytes of one copy.
        first: by chunk, where its copies begin in C(holders); one entry more says where the last one's end.
        holders: the node of each copy, NOWHERE for one that is wanted in addition.
    """

    nodes: list[FleetNode]
    allowed: list[frozenset[int] | None] = field(default_factory=list)
    ids: array = field(default_factory=lambda: array("q"))
    hypertables: array = field(default_factory=lambda: array("i"))
    begins: array = field(default_factory=lambda: array("q"))
    sizes: array = field(default_factory=lambda: array("q"))
    first: array = field(default_factory=lambda: array("q", [0]))
    holders: array = field(default_factory=lambda: array("i"))

    def add(self, chunk_id: int, hypertable: int, begin: int, size: int, nodes: list[int], lacking: int = 0) -> None:
        """Add a chunk, and as many copies as it lacks."""
        self.ids.append(chunk_id)
        self.hypertables.append(hypertable)
        self.begins.append(begin)
        self.sizes.append(size)
        self.holders.extend(sorted(nodes))
        self.holders.extend([NOWHERE] * lacking)
        self.first.append(len(self.holders))


@dataclass(frozen=True)
class Goal:
    """What the plan is for.

    Args:
        balance: bring every node's bytes to its share, give or take the tolerance. Without, only copies that have to be placed are.
        tolerance: how far from its share a node may be, as a part of it.
        threshold: how far from its share a node has to be for bytes to be moved at all; the tolerance where it is less. A chunk is seldom as big after
            it was moved as it was before, so that without a wider one there would be something to mend again and again.
        spread: no node has more than its share of the chunks that a hypertable's newest rows go to.
    """

    balance: bool = True
    tolerance: float = 0.02
    threshold: float = 0.0
    spread: bool = True


@dataclass(frozen=True)
class Move:
    """One copy of a chunk that comes to be on another node.

    Args:
        chunk: the chunk's number in the fleet.
        source: the node that it is read from.
        destination: the node that it is written to.
        deletes: whether the source gives it up; else there is one copy more.
    """

    chunk: int
    source: int
    destination: int
    deletes: bool


@dataclass
class Rebalance:
    """The answer.

    Args:
        moves: in the order in which they should begin.
        before: by node, its bytes.
        after: by node, its bytes when all is done.
        targets: by node, the share that is best for it; 0 for nodes that do not take part.
        moved_bytes: what all moves write.
        least_bytes: no plan that reaches the same goal writes less.
        unplaced: chunks with a copy that has to go somewhere, and no node is left that may take it.
    """

    moves: list[Move]
    before: list[int]
    after: list[int]
    targets: list[float]
    moved_bytes: int
    least_bytes: int
    unplaced: list[int]
