# GPL-3.0-or-later (see LICENSE)
"""A module's files are compiled in each run: a run with nothing to do leaves alone what only steps need, and what nobody has declared."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[2]
PLUGINS = TESTS.parent / "plugins"
NAMESPACE = "ansible_collections.timescaledb.multinode.plugins"
UTILS = f"{NAMESPACE}.module_utils"
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
    steps |= {"_definition_trial", "_table_shape", "_readiness", "_unproven", "_copy_operations"}
    of_some = {"_holdings", "_left_out", "_role_look", "_role_plan", "_role_declarations", "_scram"}
    assert not (steps | of_some) & imported


@pytest.mark.parametrize("module", ["timescale_cluster", "timescale_data_node", "timescale_distributed_hypertable", "timescale_role"])
def test_modules_that_run_all_the_time_carry_nothing_of_the_mover(module):
    """Ansible packs whatever a file may import, also by a function that is rarely called, and each task pays for it."""
    carried, waiting = set(), [PLUGINS / "modules" / f"{module}.py"]
    while waiting:
        for node in ast.walk(ast.parse(waiting.pop().read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(UTILS):
                names = [node.module.rpartition(".")[2]] if node.module != UTILS else [name.name for name in node.names]
                waiting += [PLUGINS / "module_utils" / f"{name}.py" for name in names if name not in carried]
                carried.update(names)
    assert carried and not [name for name in carried if name.startswith(("_rebalance", "_info", "_hardening"))]
