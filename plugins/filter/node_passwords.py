# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: node_passwords
short_description: Passwords by which the access node logs in to data nodes
version_added: 0.1.0
description:
  - Takes the passwords of declared roles that can log in, unless they are verifiers, by which nobody can log in.
  - Used by the roles of this collection.
positional: given
options:
  _input:
    description: The declared roles, with the options of M(timescaledb.multinode.timescale_role).
    type: list
    elements: dictionary
    required: true
  given:
    description: Passwords by role, which come before those of the declaration.
    type: dictionary
    required: true
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
passwords: "{{ timescaledb_cluster_roles | timescaledb.multinode.node_passwords(timescaledb_database_passwords) }}"
"""

RETURN = r"""
_value:
  description: The passwords by role.
  type: dictionary
"""

from ansible_collections.timescaledb.multinode.plugins.plugin_utils._node_roles import node_passwords


class FilterModule:
    """The filter node_passwords."""

    def filters(self) -> dict:
        return {"node_passwords": node_passwords}
