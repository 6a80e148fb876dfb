# GPL-3.0-or-later (see LICENSE)
"""Command lines and environments of all processes, those in containers too, looked at again and again."""

from __future__ import annotations

import os
import threading
import time

PAUSE = 0.002
# A process becomes another one by exec, mostly at once: it is looked at after 2, 4, 8 ... ms until it is as old as this.
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
        there: set[str] = set()
        # Of each young process: when to look at it next, and the time from then to the look after that.
        due: dict[str, tuple[float, float]] = {}
        latest, next_round_of_all = b"", 0.0
        while not self._stop_asked.is_set():
            now = time.monotonic()
            everyone = now >= next_round_of_all
            latest_before, latest = latest, _latest_process()
            if everyone or latest != latest_before:
                before, there = there, {name for name in os.listdir("/proc") if name.isdigit()}
                due = {pid: due[pid] for pid in there & due.keys()} | dict.fromkeys(there - before, (now, PAUSE))
            if everyone:
                next_round_of_all = now + AGAIN
            for pid in there if everyone else [pid for pid, (look, _pause) in due.items() if look <= now]:
                self._read(pid)
            due = {pid: (look, pause) if look > now else (now + pause, 2 * pause) for pid, (look, pause) in due.items() if pause < YOUNG}
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


def _latest_process() -> bytes:
    """The number that the latest process or thread was given: another one tells that there is something new, far sooner than a list of all."""
    with open("/proc/loadavg", "rb") as file:
        return file.read().rpartition(b" ")[2]


def _program(command_line: bytes) -> str:
    return command_line.split(b"\0", maxsplit=1)[0].decode(errors="replace")[:60]
