# GPL-3.0-or-later (see LICENSE)
"""The system's log of this machine, where modules that run on the controller write what they were called with."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from pathlib import Path

SOCKET = Path("/dev/log")


def somebody_listens(path: Path) -> bool:
    """Whether messages that are sent there arrive anywhere."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        try:
            sender.connect(str(path))
        except OSError:
            return False
    return True


class ControllerLog:
    """Where nobody logs, this program does for a while."""

    def __init__(self) -> None:
        self._since = time.strftime("%Y-%m-%d %H:%M:%S")
        self._messages: list[bytes] = []
        self._listener: socket.socket | None = None
        self.works = somebody_listens(SOCKET)
        if not self.works and os.access(SOCKET.parent, os.W_OK):
            # A listener that was killed leaves its socket behind.
            SOCKET.unlink(missing_ok=True)
            self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._listener.bind(str(SOCKET))
            SOCKET.chmod(0o666)
            self.works = True
            self._reader = threading.Thread(target=self._listen, args=(self._listener,), daemon=True)
            self._reader.start()

    def _listen(self, listener: socket.socket) -> None:
        """Until an empty message, which nobody else sends."""
        while message := listener.recv(1 << 20):
            self._messages.append(message)

    def stop(self) -> list[tuple[str, bytes]]:
        if self._listener is not None:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"", str(SOCKET))
            self._reader.join()
            SOCKET.unlink(missing_ok=True)
            self._listener.close()
            return [("message to syslog", message) for message in self._messages]
        journal = ["journalctl", "--no-pager", "--all", "--output=export", f"--since={self._since}"]
        try:
            return [("journal", subprocess.run(journal, capture_output=True, check=False).stdout)]
        except FileNotFoundError:
            return [("/var/log/syslog", Path("/var/log/syslog").read_bytes())] if Path("/var/log/syslog").exists() else []
