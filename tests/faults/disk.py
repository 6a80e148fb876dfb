# GPL-3.0-or-later (see LICENSE)
"""A disk that can be full: a volume in memory, of a few hundred megabytes. It lasts as long as some container has it mounted."""

from __future__ import annotations

import subprocess

VOLUME = "timescaledb-multinode-faults-disk"
_KEEPER = "timescaledb-multinode-faults-keeper"
_IMAGE = "timescaledb-multinode-test-host:latest"
_PLACE = "/disk"
_MEGABYTES = 700
_FILLER = f"{_PLACE}/filler"


def create() -> None:
    _docker("volume", "create", "--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", f"o=size={_MEGABYTES}m,mode=0755", VOLUME)


def keep() -> None:
    """Keep it when the host that uses it is killed."""
    _docker("run", "--detach", "--name", _KEEPER, "--network", "none", "--volume", f"{VOLUME}:{_PLACE}", _IMAGE, "sleep", "infinity")


def fill() -> None:
    """Leave not one page; whoever frees something meanwhile frees it for himself."""
    _docker("exec", _KEEPER, "sh", "-c", f"dd if=/dev/zero of={_FILLER} bs=4k 2>/dev/null; test -s {_FILLER}")


def empty() -> None:
    _docker("exec", _KEEPER, "rm", "--force", _FILLER)


def remove() -> None:
    for command in (["rm", "--force", _KEEPER], ["volume", "rm", "--force", VOLUME]):
        subprocess.run(["docker", *command], capture_output=True, check=False)


def _docker(*arguments: str) -> None:
    subprocess.run(["docker", *arguments], stdout=subprocess.DEVNULL, check=True)
