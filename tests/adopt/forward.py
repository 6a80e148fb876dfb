# GPL-3.0-or-later (see LICENSE)
"""The Unix domain socket of a test host's server, forwarded to a socket of this machine, as ssh -L does it for hosts with ssh."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Between its own standard streams and the server's socket.
_BRIDGE = """
import os, select, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect(sys.argv[1])
while True:
    ready, _, _ = select.select([0, server], [], [])
    for source in ready:
        data = os.read(0, 65536) if source == 0 else server.recv(65536)
        if not data:
            sys.exit()
        server.sendall(data) if source == 0 else os.write(1, data)
"""


@contextmanager
def forwarded(container: str, port: int) -> Iterator[Path]:
    """The directory of a socket that leads to the server at this port, as the user postgres there."""
    with tempfile.TemporaryDirectory(prefix="forward-") as folder, socket.socket(socket.AF_UNIX) as listener:
        name = f".s.PGSQL.{port}"
        listener.bind(f"{folder}/{name}")
        listener.listen()
        command = ["docker", "exec", "-i", "-u", "postgres", container, "/usr/bin/python3", "-c", _BRIDGE, f"/var/run/postgresql/{name}"]
        threading.Thread(target=_serve, args=(listener, command), daemon=True).start()
        yield Path(folder)


def _serve(listener: socket.socket, command: list[str]) -> None:
    while True:
        try:
            client, _address = listener.accept()
        except OSError:  # closed at the end
            return
        with client:
            subprocess.run(command, stdin=client.fileno(), stdout=client.fileno(), stderr=subprocess.DEVNULL, check=False)
