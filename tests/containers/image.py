# GPL-3.0-or-later (see LICENSE)
"""Builds the image of the test hosts once; Docker keeps it for the next time, whatever the checkout.

TEST_BASE_IMAGE names an image to build on (debian:12, say). Without it the base is made by debootstrap.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import machine

HERE = Path(__file__).resolve().parent
SUITE = "bookworm"
NAME = "timescaledb-multinode-test-host"
BOOTSTRAPPED = f"{NAME}-base:{SUITE}"
IMAGE = f"{NAME}:latest"


def ensure() -> str:
    base = os.environ.get("TEST_BASE_IMAGE", "")
    recipe = (HERE / "Dockerfile").read_text() + (HERE / "security.sources").read_text() + base
    tag = f"{NAME}:{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    if not _exists(tag):
        _build(base or _bootstrap(), tag)
    _docker("tag", tag, IMAGE)
    return IMAGE


def _build(base: str, tag: str) -> None:
    print(f"building the image of the test hosts on {base}", flush=True)
    # Neither needs the newer builder, which is a package of its own.
    environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
    command = ["docker", "build", "--quiet", "--build-arg", f"base={base}", "--tag", tag, str(HERE)]
    subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=True)


def _bootstrap() -> str:
    if _exists(BOOTSTRAPPED):
        return BOOTSTRAPPED
    if not machine.install("debootstrap"):
        raise RuntimeError("debootstrap cannot be installed; set TEST_BASE_IMAGE to an image of Debian 12")
    print(f"making a base image of Debian {SUITE} with debootstrap (about a minute)", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "root"
        packages = "systemd,systemd-sysv,dbus,python3,ca-certificates,iproute2,procps,sudo,gnupg"
        _root("debootstrap", "--variant=minbase", f"--include={packages}", SUITE, root)
        archive = Path(scratch) / "root.tar"
        _root("tar", "--create", "--file", archive, "--directory", root, ".")
        _docker("import", str(archive), BOOTSTRAPPED)
        _root("rm", "--recursive", "--force", root)
    return BOOTSTRAPPED


def _exists(tag: str) -> bool:
    return subprocess.run(["docker", "image", "inspect", tag], capture_output=True, check=False).returncode == 0


def _docker(*arguments: str) -> None:
    subprocess.run(["docker", *arguments], stdout=subprocess.DEVNULL, check=True)


def _root(*command: object) -> None:
    subprocess.run(
        [*machine.ROOT, *(str(part) for part in command)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True,
    )


if __name__ == "__main__":
    try:
        print(ensure())
    except (RuntimeError, subprocess.CalledProcessError) as error:
        sys.exit(f"the image of the test hosts could not be built: {error}")
