# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""From what was found and what is wanted to an ordered list of jobs: what to clean up, block, attach, and which chunks to move. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._compression import compression_on
from ansible_collections.timescaledb.multinode.plugins.module_utils._copy_operations import (
    PREFIX,
    Operation,
    PlacedChunk,
    forgotten_source,
    has_arrived,
    has_to_wait,
    is_undone,
)
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError, raise_all
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_fleet import Fleet, FleetNode, Goal, Move, Rebalance
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_look import Hypertable, Observed
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_plan import plan_rebalance
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement, Step
from ansible_collections.timescaledb.multinode.plugins.module_utils._versions import OPERATION_ID

TOO_LONG_REMEDY = (
    "Compress chunks that are not, let fewer moves at a time share disks and network (option concurrency), or have rows get there faster; "
    "a shorter chunk_time_interval makes chunks to come smaller"
)
# As the server does it for a chunk that is written to while it has too few copies on available data nodes (chunk_update_stale_metadata() in
# tsl/src/chunk.c). One that has enough of them it sends to all data nodes that it knows of, the dead one included, and crashes (seen on 2.13.1).
_GIVE_UP = """
DELETE FROM _timescaledb_catalog.chunk_data_node d USING _timescaledb_catalog.chunk c, _timescaledb_catalog.hypertable h
 WHERE c.id = d.chunk_id AND h.id = c.hypertable_id AND d.chunk_id = ANY (%s) AND d.node_name::text = ANY (%s)
   AND h.replication_factor <= (SELECT count(*) FROM _timescaledb_catalog.chunk_data_node o
                                 WHERE o.chunk_id = d.chunk_id AND o.node_name::text <> ALL (%s))
"""
# Invalidates what sessions remember of the hypertable. Also reckons anew which data nodes take its next chunks: those that are available now.
# The one that it has by then: somebody may have changed it during the run.
_SAME_FACTOR = """
SELECT {schema}.set_replication_factor(format('%%I.%%I', schema_name, table_name)::regclass, replication_factor)
  FROM _timescaledb_catalog.hypertable WHERE id = %s AND replication_factor > 0
"""


@dataclass(frozen=True)
class Wanted:
    """The module's options."""

    state: str
    nodes: tuple[str, ...] = ()
    tolerance: float = 0.05
    threshold: float = 0.2
    spread_newest: bool = True
    byte_limit: int | None = None
    weights: dict[str, float] = field(default_factory=dict)
    most_bytes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ChunkMove:
    """One chunk that is moved, or copied where the source keeps it. cluster: tells this cluster from others with nodes on the same servers."""

    chunk: PlacedChunk
    hypertable: Hypertable
    source: str
    destination: str
    deletes: bool
    cluster: str = ""
    unavailable: tuple[str, ...] = ()

    @property
    def operation_id(self) -> str:
        """Told from every other move that can be under way at the same time; also the name of a slot, of which a server has but one."""
        return f"{PREFIX}{self.cluster}_{self.chunk.id}"

    def shown(self) -> dict[str, Any]:
        return dict(
            object=str(self.chunk),
            action="move" if self.deletes else "copy",
            source_node=self.source,
            destination_node=self.destination,
            bytes=self.chunk.bytes,
        )


@dataclass
class RebalancePlan:
    """What will be done.

    Args:
        healing: steps that end what a crash left prepared on data nodes; before all others.
        leftovers: operations that failed or were interrupted, to be cleaned up first.
        kept: operations that can be cleaned up when their source is back, and not before.
        remains: data node and name of an operation that is in no catalogue any more and has left something there.
        blocks: hypertable and data node, to which no new chunks shall go any more.
        attaches: hypertable and data node, to be attached before chunks can go there.
        compressions: hypertable and data node, which has not compressed it so far.
        moves: all that is wanted, up to the limit of bytes.
        left: moves that the limit leaves for another run.
        seconds: what the moves are estimated to take.
        lost: chunks without a copy on an available data node.
        unavailable: data nodes whose copies are given up as soon as others have enough.
    """

    leftovers: list[Operation]
    blocks: list[tuple[Hypertable, str]]
    attaches: list[tuple[Hypertable, str]]
    moves: list[ChunkMove]
    left: list[ChunkMove]
    rebalance: Rebalance
    compressions: list[tuple[Hypertable, str]] = field(default_factory=list)
    lost: list[PlacedChunk] = field(default_factory=list)
    unavailable: tuple[str, ...] = ()
    surplus: list[tuple[Hypertable, list[PlacedChunk]]] = field(default_factory=list)
    healing: list[Step] = field(default_factory=list)
    kept: list[Operation] = field(default_factory=list)
    remains: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    seconds: int = 0

    @property
    def preparations(self) -> list[tuple[str, str, Statement]]:
        """Object, action and statement of what comes before the moves, without leftovers."""
        block = "SELECT timescaledb_experimental.block_new_chunks(%s, hypertable => %s::regclass)"
        attach = "SELECT {schema}.attach_data_node(%s, %s::regclass, if_not_attached => true, repartition => false)"
        blocks = [(_object(table), f'block new chunks on data node "{node}"', Statement(block, values=(node, _regclass(table)))) for table, node in self.blocks]
        attaches = [
            (_object(table), f'attach data node "{node}"', Statement(attach, {"schema": self.extension_schema}, (node, _regclass(table))))
            for table, node in self.attaches
        ]
        compressions = [
            (_object(table), f'have data node "{node}" compress it', compression_on(node, table.compression or "", self.extension_schema))
            for table, node in self.compressions
        ]
        # A node may be blocked as long as enough others take new chunks.
        return self._given_up() + attaches + compressions + blocks

    def _given_up(self) -> list[tuple[str, str, Statement]]:
        nodes = ", ".join(f'"{name}"' for name in self.unavailable)
        steps = []
        for table, chunks in self.surplus:
            action = f"give up copies of {len(chunks)} chunks on unavailable data nodes ({nodes})"
            steps.append((_object(table), action, give_up([chunk.id for chunk in chunks], self.unavailable)))
            steps.append((_object(table), "have sessions look up again where its chunks are", same_factor(table, self.extension_schema)))
        return steps

    extension_schema: str = "public"


def give_up(chunk_ids: list[int], unavailable: tuple[str, ...]) -> Statement:
    """Forget copies on unavailable data nodes of those of the chunks that have all their copies on others."""
    return Statement(_GIVE_UP, values=(chunk_ids, list(unavailable), list(unavailable)))


def same_factor(table: Hypertable, extension_schema: str) -> Statement:
    """Have sessions forget what they know of a hypertable."""
    return Statement(_SAME_FACTOR, {"schema": extension_schema}, (table.id,))


def _object(table: Hypertable) -> str:
    return f'distributed hypertable "{table.schema}"."{table.relation}"'


def _regclass(table: Hypertable) -> str:
    return ".".join('"' + name.replace('"', '""') + '"' for name in (table.schema, table.relation))


def check_wanted(wanted: Wanted, access_node: AccessNode) -> None:
    """Raise for what can be told from the options and the access node alone."""
    errors = []
    if access_node.release < OPERATION_ID:
        errors.append(
            ClusterError("access node", f"TimescaleDB {access_node.release} cannot be told how to name a copy operation", f"upgrade to {OPERATION_ID}")
        )
    if not access_node.superuser:
        errors.append(ClusterError("access node", f"role {access_node.role} is not a superuser, and chunks are moved by publications", "log in as a superuser"))
    for option, names in (("nodes", wanted.nodes), ("capacities", (*wanted.weights, *wanted.most_bytes))):
        for name in sorted(set(names) - set(access_node.data_nodes)):
            errors.append(ClusterError(f"option {option}", f'data node "{name}" is not registered', f"choose of {', '.join(sorted(access_node.data_nodes))}"))
    for name in wanted.nodes:
        if name in access_node.data_nodes and not access_node.data_nodes[name].available:
            cause = "it is not available, so that nothing can be read from it"
            errors.append(ClusterError(f'data node "{name}"', cause, "make it available, or remove it by force and use state=replicated"))
    raise_all(errors)


def plan_moves(wanted: Wanted, access_node: AccessNode, observed: Observed) -> RebalancePlan:
    """The plan. Raises ClusterError where something cannot be placed or stands in the way."""
    running = [operation for operation in observed.operations if operation.running]
    raise_all([_still_running(operation) for operation in running])
    leftovers = [operation for operation in observed.operations if operation.completed_stage != "complete" or operation.operation_id.startswith(PREFIX)]
    available = {name for name, node in access_node.data_nodes.items() if node.available}
    kept = _forget_leftovers(observed, leftovers, available)
    kept_chunks = {operation.chunk_id for operation in kept}
    lost = [chunk for chunk in observed.chunks.values() if available.isdisjoint(chunk.nodes) and chunk.id not in kept_chunks]
    names = sorted(access_node.data_nodes)
    fleet = _fleet(wanted, access_node, observed, names)
    balances = wanted.state == "balanced"
    goal = Goal(balance=balances, tolerance=wanted.tolerance, threshold=wanted.threshold, spread=balances and wanted.spread_newest)
    rebalance = plan_rebalance(fleet, goal)
    _check_placed(wanted, observed, rebalance)
    cluster = (access_node.uuid or "").replace("-", "")[:12]
    unavailable = tuple(name for name in names if wanted.state == "replicated" and not access_node.data_nodes[name].available)
    moves = [_chunk_move(observed, fleet, names, cluster, unavailable, move) for move in rebalance.moves]
    # Of all that is wanted: no data node can be blocked before enough others take new chunks.
    attaches = sorted({(move.hypertable.id, move.destination) for move in moves if move.destination not in move.hypertable.attached})
    moves, left = _within(moves, wanted.byte_limit)
    _check_stale(observed, moves)
    blocks = [(table, node) for table in observed.hypertables.values() for node in wanted.nodes if table.attached.get(node) is False]
    if wanted.state == "drained":
        raise_all(list(_too_few(blocks, attaches, access_node)))
    return RebalancePlan(
        leftovers=[operation for operation in leftovers if operation not in kept],
        kept=kept,
        blocks=blocks if wanted.state == "drained" else [],
        attaches=[(observed.hypertables[table], node) for table, node in attaches],
        moves=moves,
        left=left,
        rebalance=rebalance,
        compressions=_compressions(observed, attaches),
        lost=lost,
        unavailable=unavailable,
        surplus=_surplus(observed, set(unavailable)),
        healing=observed.healing,
        remains=_remains(observed),
        warnings=_of_kept(kept, observed) + _of_lost(lost),
        extension_schema=access_node.extension_schema,
    )


def _compressions(observed: Observed, attaches: list[tuple[int, str]]) -> list[tuple[Hypertable, str]]:
    """Where hypertables have to be compressed that are not: data nodes that were attached, and those that are about to be."""
    found = []
    for table in observed.hypertables.values():
        nodes = {*table.attached, *(node for table_id, node in attaches if table_id == table.id)} if table.compression else set()
        for node in sorted(nodes & set(observed.capacities)):
            if [table.schema, table.relation] not in observed.capacities[node].compressing:
                found.append((table, node))
    return found


def copies_kept(nodes: set[str], unavailable: set[str], factor: int) -> set[str]:
    """The data nodes of a chunk that the access node goes on to know of."""
    available = nodes - unavailable
    return available if len(available) >= factor else nodes


def _surplus(observed: Observed, unavailable: set[str]) -> list[tuple[Hypertable, list[PlacedChunk]]]:
    """Chunks whose copies on unavailable data nodes can be given up at once, by hypertable."""
    found: dict[int, list[PlacedChunk]] = {}
    for chunk in observed.chunks.values():
        nodes = set(chunk.nodes)
        if copies_kept(nodes, unavailable, observed.hypertables[chunk.hypertable_id].replication_factor) != nodes:
            found.setdefault(chunk.hypertable_id, []).append(chunk)
    return [(observed.hypertables[table], chunks) for table, chunks in found.items()]


def _of_lost(lost: list[PlacedChunk]) -> list[str]:
    if not lost:
        return []
    sample = ", ".join(str(chunk) for chunk in lost[:3])
    nodes = ", ".join(f'"{name}"' for name in sorted({name for chunk in lost for name in chunk.nodes}))
    return [f"{len(lost)} chunks have no copy on an available data node ({sample}) and can neither be read nor copied: bring back data node {nodes}."]


def _of_kept(kept: list[Operation], observed: Observed) -> list[str]:
    texts = []
    for operation in kept:
        chunk = observed.chunks[operation.chunk_id]
        if operation.source not in chunk.nodes:
            texts.append(str(forgotten_source(operation, chunk)))
            continue
        texts.append(
            f'{chunk}: copy operation "{operation.operation_id}" from data node "{operation.source}" to "{operation.destination}" stopped after '
            f"{operation.completed_stage}, and no other available data node has the chunk. It stays as it is: bring back "
            f'data node "{operation.source}".'
        )
    return texts


def _still_running(operation: Operation) -> ClusterError:
    cause = f"it is still running, in the access node's process {operation.running}, at stage {operation.completed_stage}"
    return ClusterError(f'copy operation "{operation.operation_id}"', cause, "wait for its end, or end that process and run the task again")


def _forget_leftovers(observed: Observed, leftovers: list[Operation], available: set[str]) -> list[Operation]:
    """Plan with what will be there when they are cleaned up: copies that were never proven are gone.

    Those whose source is dead while there is no other copy stay as they are until it is back, and are returned: what they made may lack rows, and what
    the dead node has must not be given up for it.
    """
    kept = []
    for operation in leftovers:
        chunk = observed.chunks.get(operation.chunk_id)
        if chunk is None or has_arrived(operation, chunk.nodes):
            continue
        waits = has_to_wait(operation, chunk.nodes, available)
        if waits:
            kept.append(operation)
        else:
            observed.stale.get(operation.destination, set()).discard((chunk.schema, chunk.relation))
        if waits or is_undone(operation, chunk.nodes):
            nodes = tuple(node for node in chunk.nodes if node != operation.destination)
            observed.chunks[chunk.id] = PlacedChunk(chunk.id, chunk.hypertable_id, chunk.schema, chunk.relation, chunk.begin, nodes, chunk.bytes)
    return kept


def _remains(observed: Observed) -> list[tuple[str, str]]:
    known = {operation.operation_id for operation in observed.operations}
    return [(node, name) for node, capacity in sorted(observed.capacities.items()) for name in capacity.remains if name not in known]


def _fleet(wanted: Wanted, access_node: AccessNode, observed: Observed, names: list[str]) -> Fleet:
    numbers = {name: number for number, name in enumerate(names)}
    nodes = [
        FleetNode(
            name,
            weight=wanted.weights.get(name, 1.0),
            most_bytes=wanted.most_bytes.get(name),
            leaves=wanted.state == "drained" and name in wanted.nodes,
            takes_part=access_node.data_nodes[name].available,
        )
        for name in names
    ]
    tables = {table_id: number for number, table_id in enumerate(observed.hypertables)}
    fleet = Fleet(nodes, [frozenset(numbers[name] for name in names if not table.attached.get(name, False)) for table in observed.hypertables.values()])
    for chunk in observed.chunks.values():
        holders = [numbers[name] for name in chunk.nodes]
        answering = sum(nodes[node].takes_part for node in holders)
        # What nobody has cannot be copied; it is told of.
        lacking = max(observed.hypertables[chunk.hypertable_id].replication_factor - answering, 0) if wanted.state == "replicated" and answering else 0
        fleet.add(chunk.id, tables[chunk.hypertable_id], chunk.begin or 0, chunk.bytes, holders, lacking)
    return fleet


def _check_placed(wanted: Wanted, observed: Observed, rebalance: Rebalance) -> None:
    if not rebalance.unplaced:
        return
    sample = ", ".join(str(observed.chunks[chunk_id]) for chunk_id in rebalance.unplaced[:3])
    cause = f"{len(rebalance.unplaced)} chunks have a copy that no data node can take ({sample}): each has one already, takes no new chunks or is full"
    raise ClusterError(f"state {wanted.state}", cause, "add a data node, allow new chunks on one, raise its most_bytes or lower the replication factor")


def _chunk_move(observed: Observed, fleet: Fleet, names: list[str], cluster: str, unavailable: tuple[str, ...], move: Move) -> ChunkMove:
    chunk = observed.chunks[fleet.ids[move.chunk]]
    given_up = tuple(name for name in unavailable if name in chunk.nodes)
    return ChunkMove(chunk, observed.hypertables[chunk.hypertable_id], names[move.source], names[move.destination], move.deletes, cluster, given_up)


def _within(moves: list[ChunkMove], limit: int | None) -> tuple[list[ChunkMove], list[ChunkMove]]:
    """The moves that fit into a limit of bytes, in their order, and the others."""
    if limit is None:
        return moves, []
    taken, left, used = [], [], 0
    for move in moves:
        fits = used + move.chunk.bytes <= limit
        used += move.chunk.bytes if fits else 0
        (taken if fits else left).append(move)
    return taken, left


def _too_few(blocks: list[tuple[Hypertable, str]], attaches: list[tuple[int, str]], access_node: AccessNode) -> Iterator[ClusterError]:
    """Hypertables that would have fewer data nodes for new chunks than they need: TimescaleDB refuses to block one then."""
    leaving: dict[int, set[str]] = {}
    for table, node in blocks:
        leaving.setdefault(table.id, set()).add(node)
    for table in {table.id: table for table, _node in blocks}.values():
        taking = {node for node, blocked in table.attached.items() if not blocked} | {node for table_id, node in attaches if table_id == table.id}
        left = {node for node in taking - leaving[table.id] if access_node.data_nodes[node].available}
        if len(left) < table.replication_factor:
            cause = f"{len(left)} data nodes would be left for new chunks, and its replication factor is {table.replication_factor}"
            yield ClusterError(_object(table), cause, "attach it to another data node (as add_data_node does), or lower the factor by set_replication_factor()")


def _check_stale(observed: Observed, moves: list[ChunkMove]) -> None:
    errors = []
    for move in moves:
        if (move.chunk.schema, move.chunk.relation) in observed.stale.get(move.destination, ()):
            cause = f'data node "{move.destination}" has a stale copy, which the access node does not know of'
            remedy = f"SELECT _timescaledb_functions.drop_stale_chunks('{move.destination}') on the access node (in _timescaledb_internal before 2.12)"
            errors.append(ClusterError(str(move.chunk), cause, remedy))
    raise_all(errors)


def check_capacity(plan: RebalancePlan, observed: Observed, access_node: AccessNode, concurrency: int) -> None:
    """Raise where settings of a data node do not allow for that many moves at the same time; warn where they make each of them wait."""
    errors = []
    for name in sorted({name for move in plan.moves for name in (move.source, move.destination)}):
        have = observed.capacities[name]
        reads, writes = (any(name == getattr(move, end) for move in plan.moves) for end in ("source", "destination"))
        wrong = []
        # A copy has a slot and a process for the changes, and another of each while it reads the rows.
        if reads and have.wal_level != "logical":
            wrong.append(f"wal_level = logical (is {have.wal_level})")
        if reads and have.slots - have.used_slots < 2 * concurrency:
            wrong.append(f"max_replication_slots >= {have.used_slots + 2 * concurrency} (is {have.slots})")
        if reads and have.senders - have.used_senders < 2 * concurrency:
            wrong.append(f"max_wal_senders >= {have.used_senders + 2 * concurrency} (is {have.senders})")
        if writes and have.workers < 2 * concurrency:
            wrong.append(f"max_logical_replication_workers >= {2 * concurrency} (is {have.workers})")
        if wrong:
            cause = f"its settings do not allow for {concurrency} moves at a time"
            errors.append(ClusterError(f'data node "{name}"', cause, f"set {', '.join(wrong)} and restart it", str(access_node.data_nodes[name].endpoint)))
        if writes and have.retry_milliseconds > 1000:
            plan.warnings.append(
                f'Data node "{name}" waits {have.retry_milliseconds / 1000:g} s for every chunk it takes: set wal_retrieve_retry_interval to 100ms there.'
            )
    raise_all(errors)
