# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: cluster_members
short_description: Hosts of a cluster as the others see them
version_added: 0.1.0
description:
  - Collects from the inventory how each host is reached.
  - Used by the roles of this collection.
positional: hostvars
extends_documentation_fragment:
  - timescaledb.multinode._members
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
members: "{{ groups.timescale_data_nodes | timescaledb.multinode.cluster_members(hostvars) }}"
"""

RETURN = r"""
_value:
  description: For each host node_name, host, port and database.
  type: list
"""

from ansible_collections.timescaledb.multinode.plugins.plugin_utils._members import cluster_members


class FilterModule:
    """The filter cluster_members."""

    def filters(self) -> dict:
        return {"cluster_members": cluster_members}
