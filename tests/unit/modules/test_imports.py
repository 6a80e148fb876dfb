# GPL-3.0-or-later (see LICENSE)
"""A module's files are compiled in each run: a run with nothing to do leaves alone what only steps need, and what nobody has declared."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]
NAMESPACE = "ansible_collections.timescaledb.multinode.plugins"
PROGRAM = f"""
import runpy, sys
runpy.run_path({str(TESTS / "conftest.py")!r})
import {NAMESPACE}.modules.timescale_cluster
print(*(name.rpartition(".")[2] for name in sys.modules if name.startswith("{NAMESPACE}.module_utils.")))
"""


def test_what_a_run_with_nothing_to_do_does_not_need():
    imported = set(subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True).stdout.split())
    assert {"_converge", "_cluster_plan", "_hypertable_change"} <= imported
    steps = {"_admission", "_apply", "_healing", "_heal_plan", "_hypertable_creation", "_hypertable_removal", "_leaving", "_node_look", "_prepared_look"}
    of_some = {"_holdings", "_left_out", "_role_look", "_role_plan", "_role_declarations", "_scram"}
    assert not (steps | of_some) & imported
