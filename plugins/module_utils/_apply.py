# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""The only place that writes: runs the steps of a plan in their order."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count, groupby
from queue import SimpleQueue

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode, reach_node
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection, connect_as_login
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import UNDEFINED_OBJECT, ClusterError, InterruptedPlan
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Endpoint, Secret, Statement, Step

# A statement with a password must not reach the server's log, whatever it logs otherwise, nor its statistics, nor what well-known extensions log.
# Only superusers may say so.
_HUSH = Statement(
    """SELECT set_config('log_statement', 'none', false), set_config('log_min_duration_statement', '-1', false),
              set_config('log_min_error_statement', 'panic', false), set_config('log_min_duration_sample', '-1', false),
              set_config('pg_stat_statements.track_utility', 'off', false), set_config('pgaudit.log', 'none', false),
              set_config('auto_explain.log_min_duration', '-1', false)"""
)

# TimescaleDB lets a data node's client change a part of a distributed hypertable only where it says that it knows what it does. What runs in a
# lane is what the access node would not send, or has sent to other data nodes only.
_DIRECTLY = "-c timescaledb.enable_client_ddl_on_data_nodes=on"

# All locks of a transaction are kept until its end, on each data node as well, and a server has room for 64 for each of its sessions.
_STEPS_OF_A_TRANSACTION = 100
_BEGIN, _COMMIT, _ROLLBACK = Statement("BEGIN"), Statement("COMMIT"), Statement("ROLLBACK")

# What it is for is the connection to the data node, which TimescaleDB keeps for the session (tsl/src/remote/connection_cache.c).
_MEET = "CALL {schema}.distributed_exec('SELECT 1', ARRAY[%s]::name[], transactional => false)"

_MAXIMUM_LANES = 16


def apply_steps(module: AnsibleModule, connection: Connection, access_node: AccessNode, steps: list[Step], sessions: int = 1) -> list[str]:
    """Run every step, and return what the server warned of in sessions other than the given one. Raises InterruptedPlan at the first that fails.

    Args:
        sessions: how many sessions of the access node may share steps that may run beside each other.
    """
    hushed = access_node.superuser and any(isinstance(value, Secret) for step in steps for value in step.statement.values)
    if hushed:
        connection.run(_HUSH, "session of the access node")
    done: list[Step] = []
    warnings: list[str] = []
    progress = _Progress(module, len(steps))
    lanes = _Lanes(module, access_node, hushed)
    try:
        for (in_lane, beside_others, together), group in groupby(steps, key=lambda step: (step.lane is not None, step.beside_others, step.together)):
            neighbours = list(group)
            if in_lane:
                lanes.run(neighbours, done, progress)
            elif together:
                _run_together(module, connection, access_node, neighbours, done, progress)
            elif beside_others and sessions > 1:
                met = _needed_afterwards(access_node, steps, neighbours)
                with _more_sessions(module, connection, min(sessions, len(neighbours)), hushed) as connections:
                    _run_side_by_side(connections, neighbours, done, progress, met)
                    warnings += [text for another in connections[1:] for text in another.take_warnings()]
            else:
                _run_in_turn(module, connection, access_node, neighbours, done, progress)
    finally:
        warnings += lanes.close()
    return warnings


class _Progress:
    """Says which step has begun, to who watches: in the host's log and, in pg_stat_activity, as the session's application_name."""

    def __init__(self, module: AnsibleModule, total: int) -> None:
        self._module = module
        self._total = total
        self._begun = count(1)

    def begin(self, connection: Connection, step: Step) -> None:
        text = f"{next(self._begun)}/{self._total} {step.action} {step.subject}"
        self._module.log(f"step {text}: {step.reason}")
        connection.run(Statement("SELECT set_config('application_name', %s, false)", values=(f"{self._module._name} {text}",)), step.subject)


def _run_in_turn(module: AnsibleModule, connection: Connection, access_node: AccessNode, steps: list[Step], done: list[Step], progress: _Progress) -> None:
    for step in steps:
        try:
            progress.begin(connection, step)
            if step.endpoint is None:
                connection.run(step.statement, step.subject)
            else:
                _run_on_node(module, access_node, step)
        except ClusterError as error:
            raise InterruptedPlan(error, done) from error
        done.append(step)


def _run_together(module: AnsibleModule, connection: Connection, access_node: AccessNode, steps: list[Step], done: list[Step], progress: _Progress) -> None:
    """Few transactions: with many data nodes, the two-phase commit of one takes as long as what is in it."""
    for some in transactions(steps):
        begun: list[Step] = []
        try:
            connection.run(_BEGIN, some[0].subject)
            _run_in_turn(module, connection, access_node, some, begun, progress)
            connection.run(_COMMIT, some[-1].subject)
        except ClusterError as error:
            # Where the connection is lost, the server has done so.
            with suppress(ClusterError):
                connection.run(_ROLLBACK, some[0].subject)
            raise InterruptedPlan(error, done) from error
        done += begun


def transactions(steps: list[Step]) -> Iterator[list[Step]]:
    """The steps in pieces, each for one transaction. What is done to one object stays together, as far as there is room for it: a table that has been
    distributed and not been given back to its owner is not seen to be unfinished by the next run."""
    piece: list[Step] = []
    for _subject, group in groupby(steps, key=lambda step: step.subject):
        of_one = list(group)
        if piece and len(piece) + len(of_one) > _STEPS_OF_A_TRANSACTION:
            yield piece
            piece = []
        piece += of_one
        while len(piece) > _STEPS_OF_A_TRANSACTION:
            yield piece[:_STEPS_OF_A_TRANSACTION]
            piece = piece[_STEPS_OF_A_TRANSACTION:]
    if piece:
        yield piece


@contextmanager
def _more_sessions(module: AnsibleModule, connection: Connection, number: int, hushed: bool) -> Iterator[list[Connection]]:
    """The connection and as many more as the server lets us have, up to the number."""
    connections = [connection]
    try:
        for _another in range(number - 1):
            try:
                connections.append(connect_as_login(module))
                if hushed:
                    connections[-1].run(_HUSH, "session of the access node")
            except ClusterError:
                break
        yield connections
    finally:
        for another in connections[1:]:
            another.close()


def _needed_afterwards(access_node: AccessNode, steps: list[Step], neighbours: list[Step]) -> dict[str, Statement]:
    """For each data node that neighbours provide and that later steps need: by what the access node connects to it."""
    needed = {name for step in steps for name in step.needs}
    schema = {"schema": access_node.extension_schema}
    return {step.provides: Statement(_MEET, schema, (step.provides,)) for step in neighbours if step.provides in needed}


def _run_side_by_side(
    connections: list[Connection], steps: list[Step], done: list[Step], progress: _Progress, met: dict[str, Statement]
) -> None:
    """After a failure no further step begins; those under way come to their end.

    Args:
        met: what the first session, with which the plan goes on, does with a new data node as soon as it is there. It leaves the steps to the others
            then: otherwise it would connect to one data node after the other when all of them are there, and nothing else would go on.
    """
    first, *others = connections
    if not others:
        met = {}
    free: SimpleQueue[Connection] = SimpleQueue()
    for connection in others if met else connections:
        free.put(connection)
    failures: list[ClusterError] = []

    def run(step: Step) -> bool:
        if failures:
            return False
        connection = free.get()
        try:
            progress.begin(connection, step)
            connection.run(step.statement, step.subject)
        except ClusterError as error:
            failures.append(error)
            return False
        finally:
            free.put(connection)
        return True

    with ThreadPoolExecutor(max_workers=free.qsize()) as pool:
        for step, succeeded in zip(steps, pool.map(run, steps)):
            if not succeeded:
                continue
            done.append(step)
            if step.provides in met:
                # The step that needs it says what is wrong.
                with suppress(ClusterError):
                    first.run(met[step.provides], step.subject)
    if failures:
        raise InterruptedPlan(failures[0], done) from failures[0]


class _Lanes:
    """The connections of steps in lanes, one for each endpoint, kept until the plan is through. After a failure no further step begins."""

    def __init__(self, module: AnsibleModule, access_node: AccessNode, hushed: bool) -> None:
        self._module = module
        self._access_node = access_node
        self._hushed = hushed
        self._connections: dict[Endpoint | None, Connection] = {}

    def run(self, steps: list[Step], done: list[Step], progress: _Progress) -> None:
        """Each lane in its order, all of them at the same time."""
        lanes: dict[str | None, list[Step]] = {}
        for step in steps:
            lanes.setdefault(step.lane, []).append(step)
        failures: list[ClusterError] = []
        succeeded: set[int] = set()

        def run_lane(lane: list[Step]) -> None:
            for step in lane:
                if failures:
                    return
                try:
                    connection = self._connection(step)
                    progress.begin(connection, step)
                    connection.run(step.statement, step.subject)
                except ClusterError as error:
                    if not (step.ends and error.sqlstate == UNDEFINED_OBJECT):
                        failures.append(error)
                        return
                succeeded.add(id(step))

        with ThreadPoolExecutor(max_workers=min(_MAXIMUM_LANES, len(lanes))) as pool:
            list(pool.map(run_lane, lanes.values()))
        done += [step for step in steps if id(step) in succeeded]
        if failures:
            raise InterruptedPlan(failures[0], done) from failures[0]

    def _connection(self, step: Step) -> Connection:
        if step.endpoint not in self._connections:
            connection = self._connections[step.endpoint] = _connect_to_node(self._module, self._access_node, step, _DIRECTLY)
            if self._hushed:
                connection.run(_HUSH, f"session at {connection.name}")
        return self._connections[step.endpoint]

    def close(self) -> list[str]:
        """Returns what the servers warned of."""
        warnings = [f"{connection.name}: {text}" for connection in self._connections.values() for text in connection.take_warnings()]
        for connection in self._connections.values():
            connection.close()
        return warnings


def _run_on_node(module: AnsibleModule, access_node: AccessNode, step: Step) -> None:
    node = _connect_to_node(module, access_node, step)
    try:
        node.run(step.statement, step.subject)
    finally:
        node.close()


def _connect_to_node(module: AnsibleModule, access_node: AccessNode, step: Step, options: str = "") -> Connection:
    if step.endpoint is None:
        raise ClusterError(step.subject, "the step has no endpoint")
    node, reason = reach_node(module, access_node, step.endpoint, options=options, password=step.password)
    if node is None:
        raise ClusterError(step.subject, f"no connection: {reason}", "start the node", str(step.endpoint))
    return node
