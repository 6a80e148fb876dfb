# GPL-3.0-or-later (see LICENSE)
"""Builds the images of the test hosts once; Docker keeps them for the next time, whatever the checkout.

"test" has the large libraries that PostgreSQL depends on, so that tests are quick, "virgin" has not. "installed" has PostgreSQL too, for tests
that are not about installing it. "trixie" is a server with the TimescaleDB of Debian's next release, which has no multi-node.

TEST_BASE_IMAGE names an image to build on (debian:12, say), TEST_TRIXIE_BASE_IMAGE that of trixie. Without it the base is made by debootstrap.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import machine

HERE = Path(__file__).resolve().parent
HOST_PACKAGES = ("systemd", "systemd-sysv", "dbus", "python3", "ca-certificates", "iproute2", "procps", "sudo", "gnupg")


class Recipe(NamedTuple):
    """How one image is made."""

    file: str
    suite: str = "bookworm"
    # The environment variable that names an image to build on.
    base: str = "TEST_BASE_IMAGE"
    # What debootstrap installs beside the minimum, and whether the security suite's packages replace the release's.
    packages: tuple[str, ...] = HOST_PACKAGES
    security: bool = True
    # The kind that it is built on, instead of all that.
    on: str = ""


RECIPES = {
    "test": Recipe("Dockerfile"),
    "installed": Recipe("Dockerfile.installed", on="test"),
    "virgin": Recipe("Dockerfile.virgin"),
    "trixie": Recipe("Dockerfile.trixie", suite="trixie", base="TEST_TRIXIE_BASE_IMAGE", packages=(), security=False),
}


def ensure(kind: str = "test") -> str:
    """The image's name; it is built where it is not there."""
    name = _name(kind)
    _docker("tag", _ensure(kind), f"{name}:latest")
    return f"{name}:latest"


def ensure_all() -> None:
    """The images that the inventories of the tests name."""
    for kind in ("test", "installed"):
        ensure(kind)


def _ensure(kind: str) -> str:
    """The image with the tag that says what it was made of."""
    recipe = RECIPES[kind]
    base = _ensure(recipe.on) if recipe.on else os.environ.get(recipe.base, "")
    # An image made elsewhere names the security suite itself; debootstrap leaves it out.
    security = _security_source(recipe.suite) if recipe.security and not base else ""
    text = (HERE / recipe.file).read_text() + base + security
    tag = f"{_name(kind)}:{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    if not _exists(tag):
        _build(recipe.file, base or _bootstrap(recipe), security, tag)
    return tag


def _name(kind: str) -> str:
    return f"timescaledb-multinode-{kind}-host"


def _security_source(suite: str) -> str:
    """The line of sources.list for the security suite, from where this machine itself has it; empty where it has none."""
    if shutil.which("apt-get") is None:
        return ""
    source = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(REPO_URI) $(RELEASE) $(COMPONENT)"
    command = ["apt-get", "indextargets", "--format", source, "Created-By: Packages", f"Release: {suite}-security", "Component: main"]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    return found[0] if found else ""


def _build(file: str, base: str, security: str, tag: str) -> None:
    print(f"building the image {tag} on {base}", flush=True)
    # Neither needs the newer builder, which is a package of its own.
    environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
    arguments = ["--build-arg", f"base={base}", "--build-arg", f"security={security}"]
    command = ["docker", "build", "--quiet", *arguments, "--file", str(HERE / file), "--tag", tag, str(HERE)]
    subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=True)


def _bootstrap(recipe: Recipe) -> str:
    suite = recipe.suite
    bootstrapped = f"timescaledb-multinode-test-host-base:{suite}"
    if _exists(bootstrapped):
        return bootstrapped
    if not machine.install("debootstrap"):
        raise RuntimeError(f"debootstrap cannot be installed; set {recipe.base} to an image of Debian {suite}")
    print(f"making a base image of Debian {suite} with debootstrap (about a minute)", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "root"
        _root("debootstrap", "--variant=minbase", *([f"--include={','.join(recipe.packages)}"] if recipe.packages else []), suite, root)
        archive = Path(scratch) / "root.tar"
        _root("tar", "--create", "--file", archive, "--directory", root, ".")
        _docker("import", str(archive), bootstrapped)
        _root("rm", "--recursive", "--force", root)
    return bootstrapped


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
