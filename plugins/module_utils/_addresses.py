# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""The options of the documentation fragment _addresses."""

from __future__ import annotations

from typing import Any


def address_list(required: bool = False) -> dict[str, Any]:
    """Option nodes."""
    node = dict(
        node_name=dict(type="str"),
        host=dict(type="str", required=True),
        port=dict(type="int", default=5432),
        database=dict(type="str"),
    )
    return dict(type="list", elements="dict", options=node, required=required)
