# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: unknown_members
short_description: Hosts whose addresses are not known
version_added: 0.1.0
description:
  - Finds those for which neither the inventory nor the resolution of names gives an address.
  - Used by the roles of this collection.
positional: hostvars, resolved
extends_documentation_fragment:
  - timescaledb.multinode._members
  - timescaledb.multinode._members.resolved
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
unknown: "{{ groups.timescale_data_nodes | timescaledb.multinode.unknown_members(hostvars, probe.addresses) }}"
"""

RETURN = r"""
_value:
  description: Names of hosts.
  type: list
"""

from ansible_collections.timescaledb.multinode.plugins.plugin_utils._members import unknown_members


class FilterModule:
    """The filter unknown_members."""

    def filters(self) -> dict:
        return {"unknown_members": unknown_members}
