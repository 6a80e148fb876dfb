# GPL-3.0-or-later (see LICENSE)
"""The faults: what strikes, and how it is undone."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass

import disk
import machines

# Modules come through standard input; nothing else on a test host has this command line.
_KILL_MODULES = r"""
for process in /proc/[0-9]*; do
  test "$(tr '\0' ' ' <"$process/cmdline" 2>/dev/null)" = '/usr/bin/python3 ' && kill -KILL "${process#/proc/}"
done
true
"""


@dataclass(frozen=True)
class Fault:
    """host, other: names of hosts, or C(source) and C(destination) of the move that is under way."""

    kind: str
    host: str = ""
    other: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.kind, self.host, self.other) if part)


class Strike:
    """A fault that has struck."""

    def __init__(self, fault: Fault, run: subprocess.Popen, roles: dict[str, str]) -> None:
        self._fault = fault
        self._run = run
        self.host = roles.get(fault.host, fault.host)
        self.other = roles.get(fault.other, fault.other)
        # Seconds for which the fault lasts; None: until the run has ended.
        self.lasts: float | None = 30
        getattr(self, f"_strike_{fault.kind}")()

    def undo(self) -> None:
        getattr(self, f"_undo_{self._fault.kind}")()

    # A host loses its power.
    def _strike_kill(self) -> None:
        machines.kill(self.host)

    def _undo_kill(self) -> None:
        machines.start(self.host)

    # The controller loses its power: the host goes on with what it was told.
    def _strike_controller(self) -> None:
        os.killpg(self._run.pid, signal.SIGKILL)
        self.lasts = 0

    def _undo_controller(self) -> None:
        """Nothing is left of it."""

    # The playbook and its module on the host are killed, as by somebody who has lost his patience.
    def _strike_module(self) -> None:
        os.killpg(self._run.pid, signal.SIGKILL)
        machines.docker("exec", machines.container(machines.ACCESS_NODE), "sh", "-c", _KILL_MODULES)
        self.lasts = 0

    _undo_module = _undo_controller

    # Packets between two hosts get lost; who asks does not learn why nobody answers.
    def _strike_cut(self) -> None:
        self._route("add", self.other, self.host)
        self.lasts = 12

    def _undo_cut(self) -> None:
        self._route("del", self.other, self.host)
        machines.start(self.host)

    def _route(self, action: str, here: str, there: str) -> None:
        machines.docker("exec", machines.container(here), "ip", "route", action, "blackhole", machines.address(there))

    # Not one page is left on the disk of a host.
    def _strike_full(self) -> None:
        disk.fill()

    def _undo_full(self) -> None:
        disk.empty()
        machines.start(self.host)

    # The server's postmaster is killed and comes back by itself, or is started.
    def _strike_crash(self) -> None:
        command = "kill -KILL $(head -1 /var/lib/postgresql/15/main/postmaster.pid)"
        machines.docker("exec", machines.container(self.host), "sh", "-c", command)
        self.lasts = 1

    def _undo_crash(self) -> None:
        time.sleep(1)
        machines.start(self.host)
