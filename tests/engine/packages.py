# GPL-3.0-or-later (see LICENSE)
"""Puts TimescaleDB's files into Debian packages that are named, split and versioned as the vendor's are."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import host_files
from engine import STANDIN, Engine

MAJOR = host_files.POSTGRESQL_MAJOR
LIBRARIES = f"usr/lib/postgresql/{MAJOR}/lib"
EXTENSION = f"usr/share/postgresql/{MAJOR}/extension"
LOADER_NAME = f"timescaledb-2-loader-postgresql-{MAJOR}"
MAIN_NAME = f"timescaledb-2-postgresql-{MAJOR}"
DISTRIBUTION_SUFFIX = "~debian12"
# A newer release than the one to install, and empty: whoever installs it has not pinned.
NEWER_VERSION = "2.99.0"


@dataclass
class Package:
    name: str
    version: str
    depends: str
    description: str
    files: dict[str, Path] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)


def of(engine: Engine) -> list[Package]:
    pair = _from_host(engine) if engine.engine == "real-host" else _from_standin(engine)
    return [*pair, *_pair(NEWER_VERSION, "An empty package that a pinned installation never takes")]


def _pair(version: str, description: str, server: str = f"postgresql-{MAJOR}") -> tuple[Package, Package]:
    full = version + DISTRIBUTION_SUFFIX
    loader = Package(LOADER_NAME, full, server, description)
    # The vendor asks for this loader "or a newer one", which is what breaks installations that pin one of the two only.
    main = Package(MAIN_NAME, full, f"{server}, {LOADER_NAME} (>= {full})", description)
    return loader, main


def _from_host(engine: Engine) -> tuple[Package, Package]:
    found = host_files.find()
    if found is None:
        raise FileNotFoundError("TimescaleDB's files are no longer on this host")
    # Built against this host's server, the libraries may use what an older minor release lacks.
    server = f"postgresql-{MAJOR} (>= {found.server_version})"
    loader, main = _pair(engine.engine_version, engine.description, server)
    loader.files = {f"{LIBRARIES}/{found.loader.name}": found.loader}
    main.files = {f"{LIBRARIES}/{path.name}": path for path in found.libraries}
    main.files |= {f"{EXTENSION}/{path.name}": path for path in found.extension_files}
    return loader, main


def _from_standin(engine: Engine) -> tuple[Package, Package]:
    loader, main = _pair(engine.engine_version, engine.description)
    # The stand-in has no library of its own; preloading "timescaledb" must work all the same.
    loader.links = {f"{LIBRARIES}/timescaledb.so": "auto_explain.so"}
    script = Path(_run(sys.executable, STANDIN / "build.py").strip())
    main.files = {f"{EXTENSION}/{path.name}": path for path in (STANDIN / "timescaledb.control", script)}
    return loader, main


def build(package: Package, pool: Path) -> Path:
    target = pool / f"{package.name}_{package.version}_{architecture()}.deb"
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "root"
        control = root / "DEBIAN" / "control"
        control.parent.mkdir(parents=True)
        root.chmod(0o755)
        control.write_text(_control_text(package))
        for inside, source in package.files.items():
            destination = root / inside
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, destination)
            destination.chmod(0o644)
        for inside, points_to in package.links.items():
            (root / inside).parent.mkdir(parents=True, exist_ok=True)
            (root / inside).symlink_to(points_to)
        _run("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", root, target)
    return target


def architecture() -> str:
    return _run("dpkg", "--print-architecture").strip()


def _control_text(package: Package) -> str:
    return (
        f"Package: {package.name}\nVersion: {package.version}\nArchitecture: {architecture()}\n"
        f"Maintainer: timescaledb.multinode tests <tests@example.invalid>\nSection: database\nPriority: optional\n"
        f"Depends: {package.depends}\nDescription: {package.description}\n"
    )


def _run(*command: object) -> str:
    return subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True, check=True).stdout
