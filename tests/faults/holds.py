# GPL-3.0-or-later (see LICENSE)
"""Stops what a playbook has begun at one step, so that a fault strikes there and nowhere else.

A session on a node waits until the step before it is done, and takes a lock that the step needs. When somebody waits for that lock, the point is reached.
"""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass

import machines

_TELL = "held"
_LOOP = """
DO $hold$ BEGIN
  LOOP
    EXIT WHEN EXISTS ({condition});
    PERFORM pg_sleep(0.001);
  END LOOP;
END $hold$;
"""
_WAITING = "SELECT pid, left(query, 200) FROM pg_stat_activity WHERE {pid} = ANY (pg_blocking_pids(pid)) ORDER BY query_start LIMIT 1"
_OPERATIONS = "SELECT operation_id, completed_stage, source_node_name, dest_node_name FROM _timescaledb_catalog.chunk_copy_operation ORDER BY time_start"
_OUR_OPERATIONS = "SELECT FROM _timescaledb_catalog.chunk_copy_operation WHERE operation_id LIKE 'tsmn%'"


@dataclass(frozen=True)
class Hold:
    """One step at which something can be stopped.

    Args:
        name: the step, as the results have it.
        host: where the lock is taken.
        lock: the statement that takes it.
        condition: a query that has a row as soon as the lock may be taken; empty for at once.
    """

    name: str
    host: str
    lock: str
    condition: str = ""


def after_stage(step: str, *stages: str) -> Hold:
    """TimescaleDB notes every stage of a copy in its catalogue when it has done its work, in the same transaction.

    stages: those before the step; several where they are over too quickly to be seen.
    """
    lock = "LOCK TABLE _timescaledb_catalog.chunk_copy_operation IN SHARE MODE"
    return Hold(step, machines.ACCESS_NODE, lock, f"{_OUR_OPERATIONS} AND completed_stage IN ({', '.join(map(repr, stages))})")


def on_table(name: str, host: str, table: str, condition: str = "", mode: str = "SHARE") -> Hold:
    return Hold(name, host, f"LOCK TABLE {table} IN {mode} MODE", condition)


def operations() -> list[dict[str, str]]:
    names = ("operation_id", "completed_stage", "source", "destination")
    return [dict(zip(names, row)) for row in machines.sql(machines.ACCESS_NODE, _OPERATIONS)]


class Holder:
    """The session of a hold."""

    def __init__(self, hold: Hold) -> None:
        self._hold = hold
        self._session = subprocess.Popen(
            machines.psql_command(hold.host, "--set=AUTOCOMMIT=on"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        loop = _LOOP.format(condition=hold.condition) if hold.condition else ""
        script = f"SET application_name = 'hold';\nSELECT pg_backend_pid();\nBEGIN;\n{loop}{hold.lock};\n\\echo {_TELL}\n"
        self._session.stdin.write(script)
        self._session.stdin.flush()
        self.pid = int(self._session.stdout.readline() or 0)

    def reached(self, ended, seconds: float = 300) -> list[str] | None:
        """Who waits for the lock, with his statement; None where the run ended without, or nobody came.

        ended: says whether the run is over.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            rows = machines.sql(self._hold.host, _WAITING.format(pid=self.pid))
            if rows:
                return rows[0]
            if ended():
                return None
            time.sleep(0.1)
        return None

    def release(self) -> None:
        """Also where its server is gone. The client alone may leave its backend waiting in the loop, so that is ended too."""
        self._session.kill()
        self._session.wait()
        try:
            machines.sql(self._hold.host, f"SELECT pg_terminate_backend({self.pid})", timeout=30)
        except (machines.SqlError, subprocess.TimeoutExpired):
            return
