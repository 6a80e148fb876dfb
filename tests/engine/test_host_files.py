# GPL-3.0-or-later (see LICENSE)
"""What counts as a real TimescaleDB with multi-node on this host."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import engine
import host_files


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A PostgreSQL 15 with the files of TimescaleDB 2.13.1, as far as anyone can see."""
    return make_host(tmp_path, monkeypatch, "2.13.1")


def make_host(root, monkeypatch, version, postgresql="15.9"):
    (root / "extension").mkdir()
    (root / "extension" / "timescaledb.control").write_text(f"comment = 'Time-series'\ndefault_version = '{version}'\n")
    for name in (f"timescaledb--{version}.sql", f"timescaledb--2.9.0--{version}.sql", "timescaledb--2.9.0.sql"):
        (root / "extension" / name).touch()
    for name in ("timescaledb.so", f"timescaledb-{version}.so", f"timescaledb-tsl-{version}.so"):
        (root / name).touch()
    config = root / "pg_config"
    config.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "PostgreSQL {postgresql}" || echo {root}\n')
    config.chmod(0o755)
    monkeypatch.setenv("PG_CONFIG", str(config))
    monkeypatch.delenv("TIMESCALEDB_ENGINE", raising=False)
    return root


def test_complete_files_are_real(host):
    found = host_files.find()
    assert (found.version, found.server_version) == ("2.13.1", "15.9")
    assert {path.name for path in found.extension_files} == {
        "timescaledb.control", "timescaledb--2.13.1.sql", "timescaledb--2.9.0--2.13.1.sql",
    }
    assert engine.choose().engine == "real-host"


def test_stand_in_is_never_real(host):
    (host / "extension" / "timescaledb.control").write_text((engine.STANDIN / "timescaledb.control").read_text())
    assert host_files.find() is None


@pytest.mark.parametrize(
    "missing", ["timescaledb.so", "timescaledb-2.13.1.so", "timescaledb-tsl-2.13.1.so", "extension/timescaledb--2.13.1.sql"]
)
def test_incomplete_files_are_not_real(host, missing):
    (host / missing).unlink()
    assert host_files.find() is None


@pytest.mark.parametrize("version", ["2.14.0", "1.7.5", "2.13.1-dev"])
def test_releases_without_multinode_are_not_taken(tmp_path, monkeypatch, version):
    make_host(tmp_path, monkeypatch, version)
    assert host_files.find() is None


def test_forced_engine_that_is_not_there_is_an_error(host, monkeypatch):
    (host / "timescaledb.so").unlink()
    monkeypatch.setenv("TIMESCALEDB_ENGINE", "real-host")
    with pytest.raises(engine.NoEngine, match="not to be had"):
        engine.choose()
    monkeypatch.setenv("TIMESCALEDB_ENGINE", "real")
    with pytest.raises(engine.NoEngine, match="must be one of"):
        engine.choose()
