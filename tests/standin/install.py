# GPL-3.0-or-later (see LICENSE)
"""Makes a private copy of this host's PostgreSQL 15 that has the stand-in in place of TimescaleDB, and prints its bindir.

usage: install.py --root DIR

PostgreSQL finds its files relative to its programs, so a copy works from anywhere; what is installed on the host stays as it is.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import build

sys.path.insert(0, str(build.HERE.parent / "engine"))
import host_files

_NOT_COPIED = shutil.ignore_patterns("timescaledb*", "bitcode", "pgxs")


def install(root: Path) -> Path:
    """Copy PostgreSQL below root, put the stand-in into the copy and return its bindir."""
    config = host_files.pg_config()
    if config is None:
        raise FileNotFoundError(f"PostgreSQL {host_files.POSTGRESQL_MAJOR}'s server is not installed on this host")
    programs, libraries, share = (_copy(_ask(config, what), root) for what in ("--bindir", "--pkglibdir", "--sharedir"))
    script = build.build()
    for source in (build.CONTROL, script):
        shutil.copy(source, share / "extension")
    # The stand-in has no library, but shared_preload_libraries = 'timescaledb' has to work.
    preloadable = libraries / "timescaledb.so"
    preloadable.unlink(missing_ok=True)
    preloadable.symlink_to("auto_explain.so")
    return programs


def _copy(directory: str, root: Path) -> Path:
    target = root / Path(directory).relative_to("/")
    if not target.is_dir():
        shutil.copytree(directory, target, symlinks=True, ignore=_NOT_COPIED)
    return target


def _ask(config: str, option: str) -> str:
    return subprocess.run([config, option], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", required=True, type=Path)
    print(install(parser.parse_args().root.resolve()))
