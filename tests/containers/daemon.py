# GPL-3.0-or-later (see LICENSE)
"""Finds a container engine (Docker) that answers, or starts one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import machine

LOG = Path("/tmp/timescaledb-multinode-dockerd.log")
SECONDS_TO_START = 60


def answers() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def ensure() -> bool:
    if os.environ.get("TEST_WITHOUT_CONTAINERS"):
        return False
    # Test hosts are reached by it.
    if shutil.which("ssh") is None and not machine.install("openssh-client"):
        return False
    if answers():
        return True
    if shutil.which("dockerd") is None and not machine.install("docker.io"):
        return False
    # An installed daemon may just be on its way up; one without an init system has to be started here.
    return _wait(5) or _start()


def _start() -> bool:
    with LOG.open("ab") as log:
        daemon = subprocess.Popen(
            [*machine.ROOT, "dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    return _wait(SECONDS_TO_START, daemon)


def _wait(seconds: int, daemon: subprocess.Popen[bytes] | None = None) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answers():
            return True
        if daemon is not None and daemon.poll() is not None:
            return False
        time.sleep(0.5)
    return False


if __name__ == "__main__":
    sys.exit(0 if ensure() else f"no container engine answers, and none could be started (see {LOG})")
