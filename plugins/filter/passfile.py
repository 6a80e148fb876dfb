# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: passfile
short_description: Content of a libpq password file
version_added: 0.1.0
description:
  - The password file that C(timescaledb.passfile) names, as M(timescaledb.multinode.timescale_passfile) writes a new one. By this the
    roles know that there is nothing to do.
  - Used by the roles of this collection.
positional: database, role, password, others
options:
  _input:
    description: Members as of the filter cluster_members.
    type: list
    required: true
  database:
    description: Name of the database of members that have no other one.
    type: string
    required: true
  role:
    description: Name of the role.
    type: string
    required: true
  password:
    description: Password of the role.
    type: string
    required: true
  others:
    description: Passwords of further roles, by name.
    type: dictionary
    default: {}
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
content: "{{ members | timescaledb.multinode.passfile('metrics', 'postgres', password) }}"
"""

RETURN = r"""
_value:
  description: One line for each node, between two comments.
  type: string
"""

from ansible_collections.timescaledb.multinode.plugins.module_utils._passfile import passfile


class FilterModule:
    """The filter passfile."""

    def filters(self) -> dict:
        return {"passfile": passfile}
