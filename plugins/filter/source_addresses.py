# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: source_addresses
short_description: Addresses that connections of hosts come from
version_added: 0.1.0
description:
  - What the inventory says, else the addresses that their names stand for.
  - Used by the roles of this collection.
positional: hostvars, resolved
extends_documentation_fragment:
  - timescaledb.multinode._members
  - timescaledb.multinode._members.resolved
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
addresses: "{{ groups.timescale_data_nodes | timescaledb.multinode.source_addresses(hostvars, probe.addresses) }}"
"""

RETURN = r"""
_value:
  description: IP addresses.
  type: list
"""

from ansible_collections.timescaledb.multinode.plugins.plugin_utils._members import source_addresses


class FilterModule:
    """The filter source_addresses."""

    def filters(self) -> dict:
        return {"source_addresses": source_addresses}
