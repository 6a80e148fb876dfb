# GPL-3.0-or-later (see LICENSE)
"""A real server with a real TimescaleDB that has no multi-node: Debian trixie's, in a container."""

from __future__ import annotations

import fcntl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import daemon
import image
import psycopg2
import pytest
import toolbox

SECONDS_TO_START = 60


@contextmanager
def trixie() -> Iterator[str]:
    """The server's address; it listens at 5432, its database "ready" has the extension. Skips where there can be no containers."""
    container = _docker("run", "--detach", "--rm", _image())
    try:
        address = _docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", container)
        _wait(address)
        yield address
    finally:
        _docker("rm", "--force", container)


def _image() -> str:
    """One worker makes it, the others wait."""
    with (toolbox.BUILD / "trixie.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not daemon.ensure():
            pytest.skip("no container engine, so no server of Debian trixie")
        try:
            return image.ensure("trixie")
        except (RuntimeError, subprocess.CalledProcessError) as error:
            pytest.skip(f"the image of Debian trixie could not be built: {error}")


def _wait(address: str) -> None:
    end = time.monotonic() + SECONDS_TO_START
    while True:
        try:
            psycopg2.connect(host=address, dbname="ready", user="postgres", connect_timeout=5).close()
            return
        except psycopg2.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def _docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout.strip()
