# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: wanted_certificates
short_description: Certificates that a node of a cluster must have
version_added: 0.1.0
description:
  - Names the server's certificate, and one client certificate for each role, under the file name for which TimescaleDB looks.
  - Used by the roles of this collection.
positional: names, roles
options:
  _input:
    description: Name of the host.
    type: string
    required: true
  names:
    description: Names and IP addresses by which clients reach the server.
    type: list
    elements: string
    required: true
  roles:
    description: Names of the roles that log in to other nodes.
    type: list
    elements: string
    required: true
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
wanted: "{{ inventory_hostname | timescaledb.multinode.wanted_certificates(['dn1.example.org'], ['postgres']) }}"
"""

RETURN = r"""
_value:
  description: The certificates, each with file, common_name, names and usage.
  type: list
"""

from ansible_collections.timescaledb.multinode.plugins.plugin_utils._certificates import wanted_certificates


class FilterModule:
    """The filter wanted_certificates."""

    def filters(self) -> dict:
        return {"wanted_certificates": wanted_certificates}
