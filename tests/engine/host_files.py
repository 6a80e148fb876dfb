# GPL-3.0-or-later (see LICENSE)
"""The TimescaleDB files that are installed for this host's PostgreSQL, if they can run multi-node."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

POSTGRESQL_MAJOR = "15"


@dataclass(frozen=True)
class HostFiles:
    version: str
    server_version: str
    loader: Path
    libraries: tuple[Path, ...]
    extension_files: tuple[Path, ...]


def pg_config() -> str | None:
    """The pg_config of PostgreSQL 15's server, wherever the packages of the system put it."""
    candidates = [
        os.environ.get("PG_CONFIG"),
        f"/usr/lib/postgresql/{POSTGRESQL_MAJOR}/bin/pg_config",
        f"/usr/pgsql-{POSTGRESQL_MAJOR}/bin/pg_config",
        shutil.which("pg_config"),
    ]
    for candidate in candidates:
        if candidate and Path(candidate).exists():
            answer = _ask(candidate, "--version")
            if answer.startswith(f"PostgreSQL {POSTGRESQL_MAJOR}."):
                return candidate
    return None


def find() -> HostFiles | None:
    """None unless a TimescaleDB with multi-node is there: control file, script and all three libraries."""
    config = pg_config()
    if config is None:
        return None
    extension = Path(_ask(config, "--sharedir")) / "extension"
    libraries = Path(_ask(config, "--pkglibdir"))
    version = _default_version(extension / "timescaledb.control")
    if version is None or not has_multinode(version):
        return None
    versioned = (
        libraries / f"timescaledb-{version}.so",
        # Multi-node lives in the library under the Timescale License: an Apache edition lacks this file.
        libraries / f"timescaledb-tsl-{version}.so",
    )
    scripts = sorted(extension.glob(f"timescaledb--*{version}.sql"))
    loader = libraries / "timescaledb.so"
    needed = (loader, *versioned, extension / f"timescaledb--{version}.sql")
    if not all(path.is_file() for path in needed):
        return None
    server_version = _ask(config, "--version").split()[1]
    return HostFiles(version, server_version, loader, versioned, (extension / "timescaledb.control", *scripts))


def has_multinode(version: str) -> bool:
    match = re.fullmatch(r"2\.(\d+)\.\d+", version)
    return match is not None and int(match.group(1)) <= 13


def control_setting(control: Path, name: str) -> str | None:
    match = re.search(rf"^\s*{name}\s*=\s*'([^']*)'", control.read_text(), re.MULTILINE)
    return match.group(1) if match else None


def is_real(control: Path) -> bool:
    """The stand-in says what it is in its comment; installed on a host, it still is not the real one."""
    return "stand-in" not in (control_setting(control, "comment") or "").lower()


def _default_version(control: Path) -> str | None:
    return control_setting(control, "default_version") if control.is_file() and is_real(control) else None


def _ask(config: str, option: str) -> str:
    return subprocess.run([config, option], capture_output=True, text=True, check=True).stdout.strip()
