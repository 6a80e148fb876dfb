# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""A plan of the rebalancing as people and diffs show it. No I/O."""

from __future__ import annotations

from typing import Any

from ansible_collections.timescaledb.multinode.plugins.module_utils._copy_operations import WITH_COPY
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_estimate import BYTES_A_SECOND, SECONDS_A_CHUNK, duration
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_jobs import TOO_LONG_REMEDY, ChunkMove, RebalancePlan, copies_kept
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_look import Observed


def nodes_with(observed: Observed, placement: dict[int, tuple[str, ...]], names: list[str]) -> list[dict[str, Any]]:
    """What each node has of the chunks that were observed, where they are placed so. A chunk counts with the size that it was observed with."""
    found = {name: dict(node_name=name, chunks=0, bytes=0) for name in names}
    for chunk_id, nodes in placement.items():
        chunk = observed.chunks.get(chunk_id)
        for name in nodes:
            if chunk is not None and name in found:
                found[name]["chunks"] += 1
                found[name]["bytes"] += chunk.bytes
    return [found[name] for name in names]


def placement_after(observed: Observed, plan: RebalancePlan) -> dict[int, tuple[str, ...]]:
    """Where chunks are when the plan is done."""
    placement = {chunk.id: set(chunk.nodes) for chunk in observed.chunks.values()}
    for move in plan.moves:
        placement[move.chunk.id].add(move.destination)
        if move.deletes:
            placement[move.chunk.id].discard(move.source)
    factors = {chunk.id: observed.hypertables[chunk.hypertable_id].replication_factor for chunk in observed.chunks.values()}
    unavailable = set(plan.unavailable)
    kept = {chunk_id: copies_kept(nodes, unavailable, factors[chunk_id]) for chunk_id, nodes in placement.items()}
    for operation in plan.kept:
        if operation.completed_stage in WITH_COPY:
            kept[operation.chunk_id].add(operation.destination)
    return {chunk_id: tuple(sorted(nodes)) for chunk_id, nodes in kept.items()}


def figures(plan: RebalancePlan) -> dict[str, int]:
    """The plan in numbers. least_bytes is for all of it, also for what the limit leaves."""
    return dict(
        moves=len(plan.moves),
        bytes=sum(move.chunk.bytes for move in plan.moves),
        moves_left=len(plan.left),
        bytes_left=sum(move.chunk.bytes for move in plan.left),
        seconds=plan.seconds,
        least_bytes=plan.rebalance.least_bytes,
    )


def overview(plan: RebalancePlan, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[str]:
    """Lines: what it takes, and the nodes before and after. The same where there is nothing to do."""
    numbers = figures(plan)
    lines = [f"Plan: {numbers['moves']} chunks, {_size(numbers['bytes'])}; at the least {_size(numbers['least_bytes'])} have to be moved"]
    if plan.moves:
        assumption = f"{SECONDS_A_CHUNK:g} s for a chunk and {ASSUMED}"
        lines.append(f"estimate: {duration(plan.seconds)} at {assumption}; how long the rest takes is told from what was moved, as soon as it runs")
    if plan.left:
        lines.append(f"left for another run by byte_limit: {numbers['moves_left']} chunks, {_size(numbers['bytes_left'])}")
    width = max([len(node["node_name"]) for node in before] + [9])
    lines.append(f"{'data node':<{width}} {'chunks':>8} {'after':>8} {'bytes':>10} {'after':>10}")
    for was, becomes in zip(before, after):
        row = f"{was['node_name']:<{width}} {was['chunks']:>8} {becomes['chunks']:>8} {_size(was['bytes']):>10} {_size(becomes['bytes']):>10}"
        lines.append(row)
    return lines


def too_long_warning(found: list[tuple[ChunkMove, int]], observed: Observed, basis: str) -> str:
    """What is said of moves that TimescaleDB is likely to give up; basis: what their seconds are told from."""
    sample = ", ".join(f"{move.chunk}, {_size(move.chunk.bytes)}, {duration(seconds)}" for move, seconds in found[:3])
    limit = max(observed.capacities[move.destination].copy_seconds or 0 for move, _seconds in found)
    return (
        f"{len(found)} chunks are likely to take longer than {duration(limit)}, after which TimescaleDB gives up a copy and the run fails ({sample}; {basis}). "
        f"{TOO_LONG_REMEDY}."
    )


def plan_table(plan: RebalancePlan, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> str:
    """The overview and each act; empty where there is nothing to do."""
    if not (plan.healing or plan.moves or plan.leftovers or plan.remains or plan.preparations):
        return ""
    lines = overview(plan, before, after)
    lines += [f"{step.action} {step.subject}: {step.reason}" for step in plan.healing]
    lines += [f"clean up copy operation {operation.operation_id}, which stopped after {operation.completed_stage}" for operation in plan.leftovers]
    lines += [f'drop what copy operation {name} left on data node "{node}"' for node, name in plan.remains]
    lines += [f"{action}: {subject}" for subject, action, _statement in plan.preparations]
    lines += [f"{'move' if move.deletes else 'copy'} {move.chunk}: {move.source} -> {move.destination}, {_size(move.chunk.bytes)}" for move in plan.moves]
    return "\n".join(lines) + "\n"


def _size(number: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TB"


ASSUMED = f"{_size(BYTES_A_SECOND)} a second"
