# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Carries out a plan of the rebalancing: what a former run left, preparations, then moves side by side, as many for each node as are allowed."""

from __future__ import annotations

import signal
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from time import monotonic
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._apply import apply_steps
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection
from ansible_collections.timescaledb.multinode.plugins.module_utils._copy_operations import PREFIX, read_operations, read_placement
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_cleaning import Cleaner
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_estimate import seconds_left, too_long
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_jobs import ChunkMove, RebalancePlan
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_look import Observed
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_mover import ChunkMover
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_text import too_long_warning
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement

# Two runs at a time would plan with what the other one is about to change.
_ONE_AT_A_TIME = "SELECT pg_try_advisory_lock(hashtext('timescaledb.multinode'), hashtext('timescale_rebalance')) AS free"
_MOST_AT_A_TIME = 32


class Runner:
    """One run. done: the moves that were made, in the order in which they ended."""

    def __init__(self, module: AnsibleModule, connection: Connection, access_node: AccessNode, observed: Observed) -> None:
        self._module = module
        self._connection = connection
        self._access_node = access_node
        self._observed = observed
        self._cleaner = Cleaner(module, access_node)
        self._stopped = ""
        self.done: list[ChunkMove] = []
        self.prepared = 0

    def be_the_only_one(self) -> None:
        """Raise where another run is under way on this access node."""
        if not self._connection.run(Statement(_ONE_AT_A_TIME), "access node")[0]["free"]:
            raise ClusterError("access node", "another rebalancing is under way", "wait for its end", self._connection.name)

    def prepare(self, plan: RebalancePlan) -> None:
        """Everything that has to be done before the first move."""
        if plan.healing:
            apply_steps(self._module, self._connection, self._access_node, plan.healing)
            self.prepared += len(plan.healing)
        for operation in plan.leftovers:
            chunk = self._observed.chunks.get(operation.chunk_id)
            self._cleaner.clean_up(self._connection, operation, chunk, dict(read_placement(self._connection)).get(operation.chunk_id, ()))
            self.prepared += 1
        if plan.remains:
            # Somebody else may have begun one since.
            known = {operation.operation_id for operation in read_operations(self._connection)}
            for node, name in plan.remains:
                if name not in known:
                    self._cleaner.drop_remains(node, name)
                    self.prepared += 1
        for subject, _action, statement in plan.preparations:
            self._connection.run(statement, subject)
            self.prepared += 1

    def move_all(self, plan: RebalancePlan) -> str:
        """Begin moves as long as there are any, and return why it was stopped before the last one; empty where it was not.

        Raises ClusterError at the first move that fails, after those under way have ended and what it left has been cleaned up.
        """
        if not plan.moves:
            return ""
        concurrency, limit = self._module.params["concurrency"], self._module.params["time_limit"]
        mover = ChunkMover(self._module, self._access_node, self._module.params["lock_timeout"])
        waiting = list(plan.moves)
        under_way: dict[Future, ChunkMove] = {}
        began: dict[Future, float] = {}
        measured: list[tuple[int, float]] = []
        failures: list[ClusterError] = []
        begun = monotonic()
        end = begun + limit if limit else None
        handlers = {number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            with ThreadPoolExecutor(_MOST_AT_A_TIME) as pool:
                while under_way or (waiting and not self._stopped and not failures):
                    if end and monotonic() > end and waiting:
                        self._stopped = self._stopped or f"the time_limit of {limit} s was reached"
                    while not self._stopped and not failures and len(under_way) < _MOST_AT_A_TIME:
                        move = _next(waiting, list(under_way.values()), concurrency)
                        if move is None:
                            break
                        waiting.remove(move)
                        if measured:
                            self._warn_of_too_long(move, measured)
                        future = pool.submit(mover.move, move)
                        under_way[future], began[future] = move, monotonic()
                    self._say(plan, under_way, monotonic() - begun)
                    for future in wait(under_way, return_when=FIRST_COMPLETED, timeout=1).done:
                        move = under_way.pop(future)
                        error = future.exception()
                        if error is None and future.result() is None:
                            self._module.warn(f"{move.chunk} was dropped meanwhile, and is not moved.")
                        elif error is None:
                            self.done.append(move)
                            measured.append((move.chunk.bytes, monotonic() - began[future]))
                        elif isinstance(error, ClusterError):
                            failures.append(error)
                        else:
                            raise error
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        if failures:
            self._clean_after_failure()
            raise failures[0]
        return self._stopped if waiting else ""

    def _warn_of_too_long(self, move: ChunkMove, measured: list[tuple[int, float]]) -> None:
        if found := too_long([move], self._observed.capacities, measured):
            self._module.warn(too_long_warning(found, self._observed, "as fast as chunks of comparable size were moved in this run"))

    def _stop(self, number: int, dummy: Any) -> None:
        self._stopped = f"signal {signal.Signals(number).name} asked for it"

    def _say(self, plan: RebalancePlan, under_way: dict[Future, ChunkMove], elapsed: float) -> None:
        """To who watches pg_stat_activity: application_name has room for 63 bytes."""
        total, moved = (sum(move.chunk.bytes for move in moves) for moves in (plan.moves, self.done))
        text = f"timescale_rebalance {len(self.done)}/{len(plan.moves)}+{len(under_way)} {moved >> 20}/{total >> 20} MB"
        left = seconds_left(elapsed, self.done, plan.moves)
        text += "" if left is None else f" ~{left} s"
        self._connection.run(Statement("SELECT set_config('application_name', %s, false)", values=(text,)), "access node")

    def _clean_after_failure(self) -> None:
        """What cannot be cleaned up now is told from by the next run."""
        for operation in read_operations(self._connection):
            if operation.operation_id.startswith(PREFIX) and not operation.running:
                try:
                    nodes = read_placement(self._connection).get(operation.chunk_id, ())
                    self._cleaner.clean_up(self._connection, operation, self._observed.chunks.get(operation.chunk_id), nodes)
                except ClusterError as error:
                    self._module.warn(str(error))


def _next(waiting: list[ChunkMove], under_way: list[ChunkMove], concurrency: int) -> ChunkMove | None:
    """The first move both of whose nodes have a hand free, and whose chunk is not being moved."""
    busy = Counter(name for move in under_way for name in (move.source, move.destination))
    chunks = {move.chunk.id for move in under_way}
    for move in waiting:
        if busy[move.source] < concurrency and busy[move.destination] < concurrency and move.chunk.id not in chunks:
            return move
    return None
