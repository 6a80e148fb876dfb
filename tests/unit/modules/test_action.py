# GPL-3.0-or-later (see LICENSE)
"""How timescale_cluster is handed over: by an action in which Python does not look for garbage."""

from __future__ import annotations

import gc
from pathlib import Path

from ansible.plugins.loader import action_loader

CHECKOUT = Path(__file__).resolve().parents[3]
NAME = "timescaledb.multinode.timescale_cluster"


def test_ansible_finds_the_action():
    found = action_loader.find_plugin_with_context(NAME)
    assert found.resolved and Path(found.plugin_resolved_path).resolve() == CHECKOUT / "plugins/action/timescale_cluster.py"


def test_no_garbage_is_looked_for():
    assert gc.isenabled()
    try:
        action_loader.get(NAME, task=None, connection=None, play_context=None, loader=None, templar=None, shared_loader_obj=None)
        assert not gc.isenabled()
    finally:
        gc.enable()
