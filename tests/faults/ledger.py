# GPL-3.0-or-later (see LICENSE)
"""Writes through the access node all the time, and knows of each transaction whether the server said that it is committed.

A batch is one transaction with several rows for several data nodes. Without an answer to COMMIT its fate is unknown: it may be there or not.
What the server refused must not be there.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import threading
import time

import machines
import psycopg2
from forward import forwarded

TABLES = {"single": 2, "double": 1}
ROWS = 3
_FIRST_DAY = "2026-01-01 00:00+00"
_DAYS = 2
_PAUSE = 0.05
_PATIENCE = 120
# The server tells that it was ended, or that something unheard of happened; not what became of COMMIT.
_UNSURE = ("57P", "08", "XX", "58", "53")


class Writers:
    """Several sessions, each of which lasts until it fails."""

    def __init__(self, number: int = 2) -> None:
        self.committed: dict[int, str] = {}
        self.unknown: dict[int, str] = {}
        self.refused: dict[int, str] = {}
        self.errors: dict[str, int] = {}
        self.hung = 0
        self.tables = tuple(TABLES)
        self._batches = iter(range(time.time_ns() // 1_000_000, 1 << 62))
        self.first = next(self._batches)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._go = threading.Event()
        self._go.set()
        self._threads = [_Writer(self, forwarder) for forwarder in range(number)]

    def __enter__(self) -> Writers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        self._go.set()
        for thread in self._threads:
            thread.join(_PATIENCE)

    def next_batch(self) -> int:
        with self._lock:
            return next(self._batches)

    def note(self, fate: dict[int, str], batch: int, table: str, error: str = "") -> None:
        with self._lock:
            fate[batch] = table
            if error:
                self.errors[error] = self.errors.get(error, 0) + 1

    def may_go_on(self) -> bool:
        self._go.wait()
        return not self._stopped.is_set()

    @contextlib.contextmanager
    def writing_to(self, tables: tuple[str, ...]):
        """Only to these meanwhile."""
        self.tables = tables
        try:
            yield
        finally:
            self.tables = tuple(TABLES)

    @contextlib.contextmanager
    def paused(self):
        """Nobody writes. A session that does not come to an end is ended, and counted."""
        self._go.clear()
        try:
            end = time.monotonic() + _PATIENCE
            while any(thread.busy for thread in self._threads) and time.monotonic() < end:
                time.sleep(0.05)
            for thread in self._threads:
                if thread.busy:
                    self.hung += 1
                    thread.break_off()
            yield
        finally:
            self._go.set()


class _Writer(threading.Thread):
    def __init__(self, ledger: Writers, number: int) -> None:
        super().__init__(daemon=True)
        self.busy = False
        self._ledger = ledger
        self._number = number
        self._session = None
        self._random = random.Random(number)

    def run(self) -> None:
        with forwarded(machines.container(machines.ACCESS_NODE), 5432) as folder:
            while self._ledger.may_go_on():
                self.busy = True
                try:
                    self._write(str(folder))
                finally:
                    self.busy = False
                time.sleep(_PAUSE)
            self.break_off()

    def break_off(self) -> None:
        """Also for a session that waits: its socket is closed under it."""
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(psycopg2.Error, OSError), socket.socket(fileno=os.dup(session.fileno())) as its:
                its.shutdown(socket.SHUT_RDWR)

    def _write(self, folder: str) -> None:
        table = self._random.choice(self._ledger.tables)
        batch = self._ledger.next_batch()
        asked = False
        try:
            if self._session is None:
                self._session = psycopg2.connect(host=folder, dbname=machines.DATABASE, user="postgres", application_name="ledger")
            with self._session.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = '30s'")
                for _row in range(ROWS):
                    moment = (self._random.randrange(_DAYS * 86400), self._random.randrange(1000), batch)
                    cursor.execute(f"INSERT INTO {table} VALUES (timestamptz '{_FIRST_DAY}' + %s * interval '1 s', %s, %s)", moment)
            asked = True
            self._session.commit()
            self._ledger.note(self._ledger.committed, batch, table)
        except (psycopg2.Error, AttributeError, ValueError) as error:
            code = getattr(error, "pgcode", None)
            refused = not asked or (code is not None and not code.startswith(_UNSURE))
            fate = self._ledger.refused if refused else self._ledger.unknown
            self._ledger.note(fate, batch, table, f"{code}: {' '.join(str(error).split())[:200]}")
            session, self._session = self._session, None
            with contextlib.suppress(Exception):
                session.close()
            time.sleep(0.5)
