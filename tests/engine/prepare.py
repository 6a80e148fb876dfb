# GPL-3.0-or-later (see LICENSE)
"""Makes the chosen engine installable on test hosts: packages, their repository, and the role variables to use them.

Writes build/apt-repository and build/engine.inventory.yml. Does nothing when nothing changed.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import engine as engines
import host_files
import packages
import repository

BUILD = Path(__file__).resolve().parents[2] / "build"
REPOSITORY = BUILD / "apt-repository"
INVENTORY = BUILD / "engine.inventory.yml"
# Where test hosts have the repository mounted.
MOUNTED_AT = "/srv/timescaledb-apt"


def prepare() -> engines.Engine:
    engine = engines.choose()
    BUILD.mkdir(exist_ok=True)
    # Test hosts mount this folder, so it is there on every engine.
    REPOSITORY.mkdir(exist_ok=True)
    if engine.engine != "vendor":
        _build_repository(engine)
    inventory = {"all": {"vars": _role_variables(engine)}}
    INVENTORY.write_text("# Written by tests/engine/prepare.py\n" + json.dumps(inventory, indent=2) + "\n")
    return engine


def install_on_this_host() -> bool:
    """For hosts that are this machine: real TimescaleDB is there already, the stand-in is installed if nothing real is."""
    engine = engines.choose()
    if engine.engine == "real-host":
        return True
    control = Path(f"/{packages.EXTENSION}/timescaledb.control")
    if engine.engine != "stand-in" or (control.is_file() and host_files.is_real(control)):
        return False
    import machine

    debs = sorted((REPOSITORY / "pool").glob(f"*_{engine.engine_version}{packages.DISTRIBUTION_SUFFIX}_*.deb"))
    return machine.install("postgresql-15") and machine.install_files(*debs)


def _role_variables(engine: engines.Engine) -> dict[str, str]:
    version = {"timescaledb_host_timescaledb_version": engine.engine_version}
    if engine.engine == "vendor":
        return version
    return version | {
        "timescaledb_host_timescaledb_repository_url": f"file:{MOUNTED_AT}",
        "timescaledb_host_timescaledb_repository_key": f"{MOUNTED_AT}/{repository.KEY_NAME}",
        "timescaledb_host_timescaledb_repository_suite": repository.SUITE,
        "timescaledb_host_timescaledb_repository_components": repository.COMPONENT,
        # The packages were made for the distribution's own PostgreSQL.
        "timescaledb_host_postgresql_repository_url": "",
    }


def _build_repository(engine: engines.Engine) -> None:
    wanted = packages.of(engine)
    mark = REPOSITORY / "made-of"
    fingerprint = _fingerprint(engine, wanted)
    if mark.is_file() and mark.read_text() == fingerprint:
        return
    # The folder itself stays: running test hosts have it mounted.
    for old in REPOSITORY.iterdir():
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    pool = REPOSITORY / "pool"
    pool.mkdir()
    for package in wanted:
        packages.build(package, pool)
    repository.index_and_sign(REPOSITORY, packages.architecture())
    mark.write_text(fingerprint)


def _fingerprint(engine: engines.Engine, wanted: list[packages.Package]) -> str:
    parts = [json.dumps(asdict(engine))]
    sources = [path for package in wanted for path in package.files.values()]
    for path in [*sources, *sorted(Path(__file__).parent.glob("*.py"))]:
        parts.append(f"{path} {hashlib.sha256(path.read_bytes()).hexdigest()}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


if __name__ == "__main__":
    print(f"engine: {prepare().description}")
