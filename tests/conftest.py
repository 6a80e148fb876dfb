# GPL-3.0-or-later (see LICENSE)
"""Makes this checkout importable as ansible_collections.timescaledb.multinode, beside the installed collections."""

from __future__ import annotations

import sys
from pathlib import Path

from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

sys.path.insert(0, str(Path(__file__).resolve().parent / "stages"))

import toolbox

toolbox.link_checkout()
_AnsibleCollectionFinder(paths=[str(toolbox.COLLECTIONS)])._install()
