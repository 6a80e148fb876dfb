# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: member_variables
short_description: What the hosts of a cluster have to know of each other
version_added: 0.1.0
description:
  - Collects the few variables of each host that the other filters of this collection read, to be given to them in the place of hostvars.
  - Used by the roles of this collection.
positional: hostvars
extends_documentation_fragment:
  - timescaledb.multinode._members
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
roster: "{{ groups.timescale_data_nodes | timescaledb.multinode.member_variables(hostvars) }}"
"""

RETURN = r"""
_value:
  description: For each host its variables.
  type: dict
"""

from ansible_collections.timescaledb.multinode.plugins.plugin_utils._members import member_variables


class FilterModule:
    """The filter member_variables."""

    def filters(self) -> dict:
        return {"member_variables": member_variables}
