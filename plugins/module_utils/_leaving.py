# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Whether a data node can leave hypertables without loss: the server's own rules, judged before anything is changed. No I/O.

The rules: data_node_detach_or_delete_validate() and check_replication_for_new_data() in tsl/src/data_node.c of 2.13.1.
"""

from __future__ import annotations

from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._holdings import Holding, Placement


def leaving_errors(subject: str, node_name: str, holding: Holding, force: bool) -> list[ClusterError]:
    """Why the server would refuse to take the node from the hypertable.

    Args:
        subject: how messages name what is being changed.
        node_name: the node that leaves.
        holding: the hypertable as it is at that moment of the plan.
        force: accept chunks with fewer copies than wanted; never accepts a loss.
    """
    table = f"distributed hypertable {holding.hypertable}"
    if not holding.may_change:
        return [ClusterError(subject, f"the role does not own {table}", "log in as its owner or as a superuser")]

    here = [placement for placement in holding.placements if node_name in placement.nodes]
    lost = [placement for placement in here if len(placement.nodes) < 2]
    if lost:
        sample = ", ".join(name for placement in lost for name in placement.sample[:3])
        return [
            ClusterError(
                subject,
                f'{table} would lose {_chunks(lost)} that only "{node_name}" holds ({sample}{", ..." if _count(lost) > 3 else ""})',
                "move or copy these chunks to other data nodes first (timescaledb_experimental.move_chunk), or drop them; force does not help here, "
                "lose_chunks does where the data node is dead",
            )
        ]
    errors = []
    if here and not force:
        errors.append(
            ClusterError(
                subject,
                f'{table} still has copies of {_chunks(here)} on "{node_name}"',
                "set force to accept fewer copies of these chunks than its replication factor, or copy them elsewhere first",
            )
        )
    others = len(holding.accepting - {node_name})
    if holding.replication_factor > others and not force:
        errors.append(
            ClusterError(
                subject,
                f"{table} has replication factor {holding.replication_factor} and {others} other data node{_that_take(others)} new chunks",
                "attach another data node first, lower the replication factor, or set force to accept under-replicated new chunks",
            )
        )
    return errors


def server_wants_force(holding: Holding) -> bool:
    """Whether the server refuses any node without force, for it expects that the one that leaves takes new chunks.

    Where that one takes none, for it is drained or unavailable, its leaving takes nothing from new chunks, and leaving_errors() has nothing against it.
    """
    return holding.replication_factor >= len(holding.accepting)


def given_up(node_name: str, holding: Holding) -> list[str]:
    """What is lost of safety, in words, where the node leaves nevertheless: nothing, or one sentence."""
    here = [placement for placement in holding.placements if node_name in placement.nodes]
    return [f"{_chunks(here)} of {holding.hypertable} will have one copy less"] if here else []


def _count(placements: list[Placement]) -> int:
    return sum(placement.chunks for placement in placements)


def _chunks(placements: list[Placement]) -> str:
    number = _count(placements)
    return f"{number} chunk{'s' if number != 1 else ''}"


def _that_take(nodes: int) -> str:
    return " that takes" if nodes == 1 else "s that take"
