# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: node_roles
short_description: Roles as which the access node reaches data nodes
version_added: 0.1.0
description:
  - Names the declared roles that can log in, and further ones, in one order whatever that of the declaration.
  - Used by the roles of this collection.
positional: further, without
options:
  _input:
    description: The declared roles, with the options of M(timescaledb.multinode.timescale_role).
    type: list
    elements: dictionary
    required: true
  further:
    description: Names of further roles.
    type: list
    elements: string
    default: []
  without:
    description: A role that is left out.
    type: string
    default: ""
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
names: "{{ timescaledb_cluster_roles | timescaledb.multinode.node_roles(['reporting']) }}"
"""

RETURN = r"""
_value:
  description: The names.
  type: list
"""

from ansible_collections.timescaledb.multinode.plugins.plugin_utils._node_roles import node_roles


class FilterModule:
    """The filter node_roles."""

    def filters(self) -> dict:
        return {"node_roles": node_roles}
