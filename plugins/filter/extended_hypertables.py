# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: extended_hypertables
short_description: Distributed hypertables that new data nodes are for
version_added: 0.1.0
description:
  - From what M(timescaledb.multinode.timescale_cluster_info) says, the hypertables that are on all data nodes but the new ones, with the new ones.
  - Used by the roles of this collection.
positional: leaving
options:
  _input:
    description: The result of the module, with its subset V(hypertables).
    type: dict
    required: true
  leaving:
    description: Names of data nodes that are about to leave.
    type: list
    elements: str
    default: []
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
hypertables: "{{ found | timescaledb.multinode.extended_hypertables }}"
"""

RETURN = r"""
_value:
  description: Each as the option C(hypertables) of M(timescaledb.multinode.timescale_cluster) wants it.
  type: list
  elements: dict
"""

from ansible_collections.timescaledb.multinode.plugins.plugin_utils._growth import extended_hypertables


class FilterModule:
    """The filter extended_hypertables."""

    def filters(self) -> dict:
        return {"extended_hypertables": extended_hypertables}
