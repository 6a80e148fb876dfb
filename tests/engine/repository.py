# GPL-3.0-or-later (see LICENSE)
"""A signed apt repository over a folder of packages: dists/SUITE/main and pool/, as deb822 sources expect."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import tempfile
from email.utils import formatdate
from pathlib import Path

SUITE = "bookworm"
COMPONENT = "main"
KEY_NAME = "key.asc"


def index_and_sign(repository: Path, architecture: str) -> None:
    release = repository / "dists" / SUITE
    index = release / COMPONENT / f"binary-{architecture}"
    index.mkdir(parents=True, exist_ok=True)
    packages = "\n".join(_stanza(deb, repository) for deb in sorted((repository / "pool").glob("*.deb"))).encode()
    (index / "Packages").write_bytes(packages)
    (index / "Packages.gz").write_bytes(gzip.compress(packages, mtime=0))
    (release / "Release").write_text(_release_text(release, architecture))
    _sign(release, repository / KEY_NAME)


def _stanza(deb: Path, repository: Path) -> str:
    control = subprocess.run(["dpkg-deb", "--field", str(deb)], capture_output=True, text=True, check=True).stdout
    return f"{control}Filename: {deb.relative_to(repository)}\n{_size_and_sum(deb)}"


def _size_and_sum(path: Path) -> str:
    return f"Size: {path.stat().st_size}\nSHA256: {hashlib.sha256(path.read_bytes()).hexdigest()}\n"


def _release_text(release: Path, architecture: str) -> str:
    lines = [
        "Origin: timescaledb.multinode tests",
        f"Suite: {SUITE}",
        f"Codename: {SUITE}",
        f"Components: {COMPONENT}",
        f"Architectures: {architecture}",
        f"Date: {formatdate(usegmt=True)}",
        "SHA256:",
    ]
    for path in sorted((release / COMPONENT).rglob("Packages*")):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        lines.append(f" {digest} {path.stat().st_size} {path.relative_to(release)}")
    return "\n".join(lines) + "\n"


def _sign(release: Path, public_key: Path) -> None:
    """With a key made for this one signature: nothing secret stays on the disk."""
    with tempfile.TemporaryDirectory() as home:
        gpg = ["gpg", "--homedir", home, "--batch", "--yes", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
        try:
            subprocess.run([*gpg, "--quick-generate-key", "timescaledb.multinode tests", "rsa2048", "sign", "never"], check=True)
            subprocess.run([*gpg, "--clearsign", "--output", str(release / "InRelease"), str(release / "Release")], check=True)
            subprocess.run([*gpg, "--armor", "--export", "--output", str(public_key)], check=True)
        finally:
            subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)
