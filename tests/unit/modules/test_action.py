# GPL-3.0-or-later (see LICENSE)
"""How timescale_cluster is handed over: by an action in which Python does not look for garbage."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
# In a process of its own: where Ansible's controller has been loaded, modules print their warnings instead of returning them.
PROGRAM = f"""
import gc, json, runpy
runpy.run_path({str(CHECKOUT / "tests/conftest.py")!r})
from ansible.plugins.loader import action_loader
name, nothing = "timescaledb.multinode.timescale_cluster", dict.fromkeys(["task", "connection", "play_context", "loader", "templar", "shared_loader_obj"])
path, before = action_loader.find_plugin_with_context(name).plugin_resolved_path, gc.isenabled()
action_loader.get(name, **nothing)
print(json.dumps([path, before, gc.isenabled()]))
"""


def test_ansible_finds_the_action_and_no_garbage_is_looked_for():
    path, before, after = json.loads(subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True).stdout)
    assert Path(path).resolve() == CHECKOUT / "plugins/action/timescale_cluster.py"
    assert before and not after
