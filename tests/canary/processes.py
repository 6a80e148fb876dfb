# GPL-3.0-or-later (see LICENSE)
"""Command lines and environments of all processes, those in containers too, looked at again and again."""

from __future__ import annotations

import os
import threading
import time

PAUSE = 0.002
# A process becomes another one by exec, mostly at once.
YOUNG = 0.3
# PostgreSQL's servers say in their command line what they do.
AGAIN = 1.0


class Processes(threading.Thread):
    """seen: each command line and environment that there was."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._stop_asked = threading.Event()
        self._seen: dict[str, set[bytes]] = {"cmdline": set(), "environ": set()}
        self.rounds, self.seconds = 0, 0.0

    def run(self) -> None:
        born: dict[str, float] = {}
        next_round_of_all = 0.0
        while not self._stop_asked.is_set():
            now = time.monotonic()
            there = {name for name in os.listdir("/proc") if name.isdigit()}
            born = {pid: born.get(pid, now) for pid in there}
            everyone = now >= next_round_of_all
            next_round_of_all = now + AGAIN if everyone else next_round_of_all
            for pid in there if everyone else [pid for pid in there if now - born[pid] < YOUNG]:
                self._read(pid)
            self.rounds += 1
            time.sleep(PAUSE)
        self.seconds = time.thread_time()

    def _read(self, pid: str) -> None:
        for file, contents in self._seen.items():
            try:
                with open(f"/proc/{pid}/{file}", "rb") as opened:
                    contents.add(opened.read())
            except OSError:
                pass  # it has ended, or is another user's

    def stop(self) -> list[tuple[str, bytes]]:
        """What has been seen, with a place that says what it is without showing it."""
        self._stop_asked.set()
        self.join()
        return [(f"{file} of {_program(content) if file == 'cmdline' else 'a process'}", content) for file in self._seen for content in self._seen[file]]


def _program(command_line: bytes) -> str:
    return command_line.split(b"\0", maxsplit=1)[0].decode(errors="replace")[:60]
