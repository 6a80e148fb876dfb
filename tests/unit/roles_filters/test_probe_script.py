# GPL-3.0-or-later (see LICENSE)
"""The probe on this machine, of which it only reads."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.timescaledb.multinode.plugins.plugin_utils._probe import parse_probe

SCRIPT = Path(__file__).resolve().parents[3] / "roles/timescaledb_host/files/probe.sh"


def probe(interpreter: str) -> dict[str, Any]:
    layout = ["/nonexistent"] * 3
    arguments = ["database", "role", "/nonexistent/passfile", "", "", "", "SELECT 1", interpreter, "Debian", *layout, "RedHat", *layout]
    done = subprocess.run(["sh", SCRIPT, *arguments], capture_output=True, text=True, check=True)
    return parse_probe(done.stdout)


@pytest.fixture
def interpreter(tmp_path: Path):
    def make(version: str) -> str:
        """This machine's Python, which says that it is of another release."""
        path = tmp_path / f"python{version}"
        major, minor = version.split(".")
        path.write_text(f'#!/bin/sh\nexec python3 -c "import sys; sys.version_info = ({major}, {minor}); $2"\n')
        path.chmod(0o755)
        return str(path)

    return make


@pytest.mark.parametrize(("version", "outdated"), [("3.6", "3.6"), ("3.8", "3.8"), ("3.9", None), ("3.14", None)])
def test_a_python_that_modules_cannot_run_on_is_found(interpreter, version, outdated):
    found = probe(interpreter(version))
    assert found["python"] is True and found["outdated"] == outdated


def test_no_python():
    found = probe("/nonexistent/python")
    assert found["python"] is False and found["outdated"] is None
