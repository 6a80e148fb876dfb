# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Moves one chunk, so that no row is lost that is written meanwhile.

move_chunk() loses them: it ends the replication to the destination, then tells the access node of the new copy and then drops the old one, and what is
written in between goes to the old one only (seen on 2.13.1). Therefore

0. the chunk can neither be compressed nor decompressed on its data node: copy_chunk() goes by what it was when it began, and what is decompressed
   meanwhile would be there twice. And its rows can be updated and deleted, which PostgreSQL refuses for a table that is published without an identity
   of its rows, and cannot do on the other side, where the copy has no index yet;
1. copy_chunk() is begun in a session of its own. As soon as its subscription is enabled, a lock on the subscription keeps it from going on after
   all rows are there;
2. when it waits for that lock, writers of the hypertable are made to wait, the destination catches up, and the rows of both copies are counted;
3. copy_chunk() goes on to its end;
4. the old copy is dropped, and writers go on.

Nobody may write between 3 and 4: a session that has written to the chunk before does not learn of a new copy, only of one that is gone
(ts_catalog_invalidate_cache() in src/ts_catalog/catalog.c). Where the old copy stays, it is told by other means.
COPY looks up the nodes before it waits: one that waited for us fails afterwards, for the node that it knew has no chunk any more.

Writers never wait for what has no end. A session that reads the chunk and stays open would keep the old copy from being dropped: it is waited for before
writers are, and the drop gives up after lock_timeout.

The operation stays in the catalogue until then, and leaves it in the transaction of step 4. One that is found there later made a copy that was never
compared, which is dropped again.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from threading import Lock
from time import monotonic, sleep
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import WITHOUT_LIBRARIES, Connection, connect_as_login
from ansible_collections.timescaledb.multinode.plugins.module_utils._copy_operations import read_operations, read_placement
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import UNDEFINED_OBJECT, ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_cleaning import (
    DIRECTLY,
    FORGET,
    STOP_WRITERS,
    Cleaner,
    connect_to_node,
    drop_copy,
    is_there,
)
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_jobs import TOO_LONG_REMEDY, ChunkMove, give_up, same_factor
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement

COPY = "CALL timescaledb_experimental.copy_chunk(format('%%I.%%I', %s::text, %s::text)::regclass, %s, %s, %s)"

_ENABLED = "SELECT EXISTS (SELECT FROM pg_subscription WHERE subname = %s AND subenabled) AS enabled"
# Conflicts with the lock that ALTER SUBSCRIPTION needs, and with nothing else that a subscription's own processes do.
_KEEP = "COMMENT ON SUBSCRIPTION {name} IS 'is kept until writers wait'"
_READY = """
SELECT coalesce(bool_and(r.srsubstate = 'r'), false)
       AND EXISTS (SELECT FROM pg_locks WHERE locktype = 'object' AND objid = s.oid AND classid = 'pg_subscription'::regclass AND NOT granted) AS ready
  FROM pg_subscription s LEFT JOIN pg_subscription_rel r ON r.srsubid = s.oid WHERE s.subname = %s GROUP BY s.oid
"""
_POSITION = "SELECT pg_current_wal_insert_lsn()::text AS position"
_CAUGHT_UP = "SELECT coalesce(bool_or(replay_lsn >= %s::pg_lsn), false) AS caught_up FROM pg_stat_replication WHERE application_name = %s"
_COUNT = "SELECT count(*) AS rows FROM {schema}.{relation}"
_COMPRESSED_PART = """
SELECT p.schema_name AS schema, p.table_name AS relation
  FROM _timescaledb_catalog.chunk c JOIN _timescaledb_catalog.chunk p ON p.id = c.compressed_chunk_id WHERE c.schema_name = %s AND c.table_name = %s
"""
# d: the primary key, which the copy lacks; n: nothing; i: an index, f: the whole row.
_IDENTITY = """
SELECT c.relreplident::text AS identity, (SELECT r.relname::text FROM pg_index i JOIN pg_class r ON r.oid = i.indexrelid
                                           WHERE i.indrelid = c.oid AND i.indisreplident) AS index
  FROM pg_class c WHERE c.oid = to_regclass(format('%%I.%%I', %s::text, %s::text))
"""
_IDENTIFY = "ALTER TABLE IF EXISTS ONLY {schema}.{relation} REPLICA IDENTITY "
_IDENTITIES = {"d": "DEFAULT", "n": "NOTHING", "i": "USING INDEX {index}"}
# Conflicts with what compressing and decompressing begin with (compress_chunk_impl() and decompress_chunk_impl() in tsl/src/compression/api.c), and not
# with writers.
_HOLD_FORM = "LOCK TABLE ONLY {schema}.{relation} IN ROW EXCLUSIVE MODE"
# Those that wait for it fail, and may be tried again: they were sent to the old copy.
_LET_FORM_GO = """
SELECT pg_cancel_backend(pid) FROM pg_locks
 WHERE relation = to_regclass(format('%%I.%%I', %s::text, %s::text)) AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND NOT granted AND mode = 'ExclusiveLock'
"""
# What the drop would wait for: sessions that have the chunk open for longer than a moment, and what a crash has left prepared; there is always something
# prepared while many write. Vacuuming gives way.
_READERS = """
SELECT coalesce(string_agg(DISTINCT coalesce('process ' || l.pid, 'a prepared transaction'), ', '), '') AS readers
  FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE l.relation = to_regclass(format('%%I.%%I', %s::text, %s::text)) AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
   AND ((a.backend_type = 'client backend' AND a.xact_start < clock_timestamp() - interval '1 second')
        OR (l.pid IS NULL
            AND EXISTS (SELECT FROM pg_locks x JOIN pg_prepared_xacts p ON p.transaction = x.transactionid
                         WHERE x.pid IS NULL AND x.locktype = 'transactionid' AND x.virtualtransaction = l.virtualtransaction
                           AND p.prepared < clock_timestamp() - interval '1 second')))
"""
_TAKEN = "SELECT to_regclass(format('%%I.%%I', %s::text, %s::text)) IS NOT NULL AS taken"
_RENAME = "ALTER TABLE {schema}.{relation} RENAME TO {name}"
_CANCEL_WAITING_COPY = r"""
SELECT pg_cancel_backend(l.pid) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE l.relation = format('%%I.%%I', %s::text, %s::text)::regclass AND NOT l.granted AND l.mode = 'RowExclusiveLock' AND a.query ~* '\mcopy\M'
"""
_WAITING = """
SELECT EXISTS (SELECT FROM pg_locks WHERE relation = format('%%I.%%I', %s::text, %s::text)::regclass AND NOT granted AND mode = 'RowExclusiveLock') AS waiting
"""
_COPIES = """
SELECT array_agg(node_name::text) AS nodes FROM _timescaledb_catalog.chunk_data_node WHERE chunk_id = %s
"""
# Two copies of one hypertable that tell writers at the same moment: "tuple concurrently updated", from its row in TimescaleDB's catalogue.
_ALONE = "SELECT pg_advisory_xact_lock(hashtext('timescaledb.multinode tells writers'), %s)"
_POLL = 0.05
# While writers wait.
_SHORT_POLL = 0.01
# How much longer writers are left alone than they were made to wait.
_REST = 4
_CATCH_UP_SECONDS = 60
# For a copy that goes on to its end by itself, before it is ended.
_SECONDS_TO_END = 5
# Attempts to have writers wait: a transaction that wrote to the hypertable and stays open is in the way of all of them.
_ATTEMPTS = 5
# TimescaleDB drops the slot without waiting for its reader, which it has just told to end: now and then it is still there. And two moves from one
# data node may be in each other's way in its catalogue, of which PostgreSQL ends one. A controller that is busy may come too late to watch a copy.
_TOO_FAST = "it was copied faster than it could be watched"
# What wait_subscription_sync() says that waits for all rows on the destination, an hour by default (sql/ddl_internal.sql).
_TOO_SLOW = "subscription sync wait timedout"
_STILL_READ = "somebody goes on reading it"
_PASSING = ("is active for PID", "deadlock detected", _TOO_FAST, _STILL_READ)


class ChunkMover:
    """Moves chunks of one cluster; safe to be used by several threads."""

    def __init__(self, module: AnsibleModule, access_node: AccessNode, lock_timeout: int) -> None:
        self._module = module
        self._access_node = access_node
        self._lock_timeout = lock_timeout
        self._cleaner = Cleaner(module, access_node)
        # By hypertable, until when no move may have its writers wait again.
        self._rests: dict[int, float] = {}
        self._drops: dict[str, Lock] = {}

    def move(self, move: ChunkMove) -> int | None:
        """Move or copy one chunk and return its rows; None where it was dropped meanwhile. Raises ClusterError; what it leaves is for clean_up()."""
        for attempt in range(_ATTEMPTS):
            try:
                if attempt:
                    self._clean_up(move)
                return self._move(move)
            except ClusterError as error:
                if self._was_dropped(move):
                    self._clean_up(move)
                    return None
                if attempt == _ATTEMPTS - 1 or not any(text in error.cause for text in _PASSING):
                    raise
        raise AssertionError

    def _was_dropped(self, move: ChunkMove) -> bool:
        # Where the access node does not answer, the move's own error says more.
        with suppress(ClusterError), closing(connect_as_login(self._module)) as connection:
            return not is_there(connection, move.chunk.id)
        return False

    def _clean_up(self, move: ChunkMove) -> None:
        with closing(connect_as_login(self._module)) as connection:
            for operation in read_operations(connection):
                if operation.operation_id == move.operation_id:
                    self._cleaner.clean_up(connection, operation, move.chunk, read_placement(connection).get(move.chunk.id, ()))

    def _move(self, move: ChunkMove) -> int:
        with ExitStack() as stack:
            keeper, observer = (stack.enter_context(closing(self._on_node(move.destination))) for _connection in range(2))
            source = stack.enter_context(closing(self._on_node(move.source)))
            self._make_name_unique(source, observer, move)
            self._cleaner.drop_half_copies(observer, move.destination, move.chunk.id)
            self._identify_rows(stack, source, move)
            self._hold_form(source, move)
            control, copier = (stack.enter_context(closing(connect_as_login(self._module))) for _connection in range(2))
            pool = stack.enter_context(ThreadPoolExecutor(1))
            chunk = move.chunk
            process = _run(copier, "SELECT pg_backend_pid() AS pid", move)[0]["pid"]
            copy = pool.submit(copier.run, Statement(COPY, values=(chunk.schema, chunk.relation, move.source, move.destination, move.operation_id)), str(chunk))
            stack.callback(self._end_copy, control, copy, process, move)
            stack.callback(keeper.close)
            self._keep(keeper, copy, move)
            if move.deletes:
                self._wait_for_readers(source, move)
            self._begin_pause(control, move)
            begun = monotonic()
            self._catch_up(source, move)
            rows = self._compare(source, observer, move)
            keeper.close()
            self._finish(control, copy, move)
            if move.deletes:
                # Two at a time on one data node lock what chunks share, their slices of dimensions, in any order.
                with self._drops.setdefault(move.source, Lock()):
                    self._let_form_go(source, move)
                    self._drop(control, move)
            else:
                self._tell_writers(control, move)
                self._let_form_go(source, move)
            _run(control, FORGET, move, move.operation_id)
            self._end_pause(control, move, begun)
            self._check_place(control, move)
        return rows

    def _end_copy(self, control: Connection, copy: Future, process: int, move: ChunkMove) -> None:
        """Whatever happens: the pool waits for the copy, which waits for us, for a transaction, or for a data node that is dead and will never answer."""
        for end in ("SELECT pg_cancel_backend(%s)", "SELECT pg_terminate_backend(%s)"):
            if wait([copy], timeout=_SECONDS_TO_END).done:
                return
            # Where the access node itself is dead, so is the copy.
            with suppress(ClusterError):
                _run(control, end, move, process)

    def _make_name_unique(self, source: Connection, observer: Connection, move: ChunkMove) -> None:
        """The compressed part keeps its name where it goes. Every data node has given it by its own numbers, so that another one may have it there."""
        for row in _run(source, _COMPRESSED_PART, move, move.chunk.schema, move.chunk.relation):
            if _run(observer, _TAKEN, move, row["schema"], row["relation"])[0]["taken"]:
                with closing(self._on_node(move.source, DIRECTLY)) as connection:
                    name = f"compress_{move.cluster}_{move.chunk.id}_chunk"
                    connection.run(Statement(_RENAME, {"schema": row["schema"], "relation": row["relation"], "name": name}), str(move.chunk))

    def _identify_rows(self, stack: ExitStack, source: Connection, move: ChunkMove) -> None:
        """Step 0, until the move has come to its end. In a session without the extension, which allows for no such thing on chunks, and without its event
        trigger, which would load it."""
        _run(source, "SELECT set_config('session_replication_role', 'replica', false)", move)
        self._wait_for_readers(source, move)
        _run(source, "SELECT set_config('lock_timeout', %s, false)", move, f"{self._lock_timeout}s")
        tables = [(move.chunk.schema, move.chunk.relation)]
        tables += [(row["schema"], row["relation"]) for row in _run(source, _COMPRESSED_PART, move, *tables[0])]
        for schema, relation in tables:
            rows = _run(source, _IDENTITY, move, schema, relation)
            if not rows:
                cause = f'data node "{move.source}" has no table "{schema}"."{relation}" any more'
                raise ClusterError(str(move.chunk), cause, "run the task again", source.name)
            found = rows[0]
            if found["identity"] == "f":
                continue
            names = {"schema": schema, "relation": relation}
            with self._as_long_as_nobody_reads(move):
                source.run(Statement(f"{_IDENTIFY}FULL", names), str(move.chunk))
            former = Statement(_IDENTIFY + _IDENTITIES[found["identity"]], names | ({"index": found["index"]} if found["index"] else {}))
            stack.callback(self._restore_identity, source, former, move)

    def _restore_identity(self, source: Connection, former: Statement, move: ChunkMove) -> None:
        """The copy that stays. Where somebody reads it all the time it keeps its whole rows as identity, which costs WAL and does no harm."""
        with suppress(ClusterError):
            _run(source, "ROLLBACK", move)
            _run(source, "SELECT set_config('lock_timeout', '1s', false)", move)
            source.run(former, str(move.chunk))

    def _hold_form(self, source: Connection, move: ChunkMove) -> None:
        """Step 0. The transaction has no id, which a replication slot would wait for."""
        seconds = self._lock_timeout * _ATTEMPTS
        _run(source, "BEGIN", move)
        _run(source, "SELECT set_config('lock_timeout', %s, true)", move, f"{seconds}s")
        cause = f'it was compressed, decompressed or locked on data node "{move.source}" for longer than {seconds} s'
        with _where_locked(move, cause, "wait for its end, and run the task again"):
            source.run(Statement(_HOLD_FORM, {"schema": move.chunk.schema, "relation": move.chunk.relation}), str(move.chunk))

    def _let_form_go(self, source: Connection, move: ChunkMove) -> None:
        _run(source, _LET_FORM_GO, move, move.chunk.schema, move.chunk.relation)
        _run(source, "ROLLBACK", move)

    def _wait_for_readers(self, source: Connection, move: ChunkMove) -> None:
        end = monotonic() + self._lock_timeout * _ATTEMPTS
        while readers := _run(source, _READERS, move, move.chunk.schema, move.chunk.relation)[0]["readers"]:
            if monotonic() > end:
                cause = f'{readers} on data node "{move.source}" had it open for longer than {self._lock_timeout * _ATTEMPTS} s'
                raise ClusterError(str(move.chunk), cause, "end it (pg_stat_activity and pg_prepared_xacts on that node), and run the task again", source.name)
            sleep(_POLL)

    def _finish(self, control: Connection, copy: Future, move: ChunkMove) -> None:
        """Step 3. A data node that has died in between is not waited for by writers."""
        if not wait([copy], timeout=_CATCH_UP_SECONDS).done:
            _run(control, "ROLLBACK", move)
            cause = f"its copy did not come to its end within {_CATCH_UP_SECONDS} s"
            raise ClusterError(str(move.chunk), cause, "look whether both data nodes answer, and run the task again")
        copy.result()

    def _drop(self, control: Connection, move: ChunkMove) -> None:
        """Step 4."""
        with self._as_long_as_nobody_reads(move):
            try:
                drop_copy(control, self._access_node, move.chunk, move.source, self._lock_timeout)
            except ClusterError:
                # Writers go on at once; what they write goes to the old copy, and the new one is dropped.
                with suppress(ClusterError):
                    _run(control, "ROLLBACK", move)
                raise

    def _as_long_as_nobody_reads(self, move: ChunkMove) -> AbstractContextManager[None]:
        cause = f'{_STILL_READ} on data node "{move.source}", where it has to be locked for a moment'
        return _where_locked(move, cause, "end what reads it, and run the task again")

    def _on_node(self, name: str, options: str = WITHOUT_LIBRARIES) -> Connection:
        return connect_to_node(self._module, self._access_node, name, options)

    def _keep(self, keeper: Connection, copy: Future, move: ChunkMove) -> None:
        """Step 1: have copy_chunk() wait behind our lock. Only after it enabled the subscription: before, we would be in its way.

        A replication slot comes into being when every transaction has ended that was writing on that server.
        """
        end = monotonic() + self._lock_timeout * _ATTEMPTS
        while True:
            if monotonic() > end:
                patience = f"{self._lock_timeout * _ATTEMPTS} s"
                cause = f'data node "{move.source}" did not begin to send it within {patience}: a transaction that wrote there is still open'
                remedy = "end it (pg_stat_activity and pg_prepared_xacts on that node, in any database), and run the task again"
                raise ClusterError(str(move.chunk), cause, remedy)
            _check_that_it_goes_on(copy, move)
            if _run(keeper, _ENABLED, move, move.operation_id)[0]["enabled"]:
                break
            sleep(_POLL)
        _run(keeper, "BEGIN", move)
        try:
            keeper.run(Statement(_KEEP, {"name": move.operation_id}), str(move.chunk))
        except ClusterError as error:
            if error.sqlstate != UNDEFINED_OBJECT:
                raise
            raise _too_fast(move) from error
        if not _run(keeper, _ENABLED, move, move.operation_id)[0]["enabled"]:
            raise _too_fast(move)
        while not _ready(keeper, move):
            _check_that_it_goes_on(copy, move)
            sleep(_POLL)

    def _begin_pause(self, control: Connection, move: ChunkMove) -> None:
        """Step 2: wait for what is being written to the hypertable, and let nobody else begin. Reads go on."""
        while monotonic() < self._rests.get(move.hypertable.id, 0.0):
            sleep(_POLL)
        for attempt in range(_ATTEMPTS):
            try:
                self._stop_writers(control, move)
                return
            except ClusterError:
                _run(control, "ROLLBACK", move)
                if attempt == _ATTEMPTS - 1:
                    raise
                sleep(self._lock_timeout)

    def _end_pause(self, control: Connection, move: ChunkMove, begun: float) -> None:
        """Let writers go on; where there were any, leave them alone for a while."""
        busy = _run(control, _WAITING, move, move.hypertable.schema, move.hypertable.relation)[0]["waiting"]
        _run(control, "COMMIT", move)
        if busy:
            self._rests[move.hypertable.id] = monotonic() + _REST * (monotonic() - begun)

    def _stop_writers(self, control: Connection, move: ChunkMove) -> None:
        _run(control, "BEGIN", move)
        _run(control, "SELECT set_config('lock_timeout', %s, true)", move, f"{self._lock_timeout}s")
        # For the drop: a data node that has lost its network says nothing, and the server would wait for as long as the kernel does.
        _run(control, "SELECT set_config('statement_timeout', %s, true)", move, f"{max(_CATCH_UP_SECONDS, 2 * self._lock_timeout)}s")
        if not move.deletes:
            _run(control, _ALONE, move, move.hypertable.id)
        control.run(Statement(STOP_WRITERS, {"schema": move.hypertable.schema, "relation": move.hypertable.relation}), str(move.chunk))

    def _catch_up(self, source: Connection, move: ChunkMove) -> None:
        position = _run(source, _POSITION, move)[0]["position"]
        end = monotonic() + _CATCH_UP_SECONDS
        while not _run(source, _CAUGHT_UP, move, position, move.operation_id)[0]["caught_up"]:
            if monotonic() > end:
                cause = f'data node "{move.destination}" did not catch up with "{move.source}" within {_CATCH_UP_SECONDS} s'
                raise ClusterError(str(move.chunk), cause, "look for the subscription's errors in that node's log, and run the task again")
            sleep(_SHORT_POLL)

    def _compare(self, source: Connection, observer: Connection, move: ChunkMove) -> int:
        """Count what the tables themselves hold: the copy does not know yet that its compressed part belongs to it."""
        tables = [(move.chunk.schema, move.chunk.relation)]
        tables += [(row["schema"], row["relation"]) for row in _run(source, _COMPRESSED_PART, move, *tables[0])]

        def count(connection: Connection) -> int:
            statements = [Statement(_COUNT, {"schema": schema, "relation": relation}) for schema, relation in tables]
            return sum(connection.run(statement, str(move.chunk))[0]["rows"] for statement in statements)

        with ThreadPoolExecutor(2) as pool:
            there, here = pool.map(count, (source, observer))
        if there != here:
            cause = f'"{move.source}" has {there} rows of it and the copy on "{move.destination}" {here}'
            raise ClusterError(str(move.chunk), cause, "run the task again: it drops that copy first")
        return there

    def _tell_writers(self, control: Connection, move: ChunkMove) -> None:
        """Have sessions look up again which nodes have the chunk; COPY that waits for us has done so already, and must not write one copy only."""
        if move.unavailable:
            control.run(give_up([move.chunk.id], move.unavailable), str(move.chunk))
        control.run(same_factor(move.hypertable, self._access_node.extension_schema), str(move.chunk))
        _run(control, _CANCEL_WAITING_COPY, move, move.hypertable.schema, move.hypertable.relation)

    def _check_place(self, control: Connection, move: ChunkMove) -> None:
        nodes = _run(control, _COPIES, move, move.chunk.id)[0]["nodes"] or []
        if move.destination not in nodes or (move.source in nodes) is move.deletes:
            raise ClusterError(str(move.chunk), f"it is on {', '.join(nodes)} according to the access node", "run the task again")


def _check_that_it_goes_on(copy: Future, move: ChunkMove) -> None:
    """A copy that we mean to hold has failed, or has come to its end without us."""
    if copy.done():
        try:
            copy.result()
        except ClusterError as error:
            if _TOO_SLOW not in error.cause:
                raise
            within = f"within the time that TimescaleDB waits for a copy ({error.cause})"
            cause = f'its {move.chunk.bytes >> 20} MB did not get to data node "{move.destination}" {within}'
            raise ClusterError(str(move.chunk), cause, TOO_LONG_REMEDY, error.host) from error
        raise _too_fast(move)


@contextmanager
def _where_locked(move: ChunkMove, cause: str, remedy: str) -> Iterator[None]:
    """Says in our words why a lock was not to be had in time."""
    try:
        yield
    except ClusterError as error:
        if "lock timeout" not in error.cause:
            raise
        raise ClusterError(str(move.chunk), cause, remedy, error.host) from error


def _too_fast(move: ChunkMove) -> ClusterError:
    return ClusterError(str(move.chunk), _TOO_FAST, "run the task again")


def _ready(keeper: Connection, move: ChunkMove) -> bool:
    rows = _run(keeper, _READY, move, move.operation_id)
    return bool(rows) and rows[0]["ready"]


def _run(connection: Connection, template: str, move: ChunkMove, *values: Any) -> list[dict[str, Any]]:
    return connection.run(Statement(template, values=values), str(move.chunk))
