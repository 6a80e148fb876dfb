# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: server_settings
short_description: Settings of a node's PostgreSQL server
version_added: 0.1.0
description:
  - Computes the settings of an access node or a data node from its memory and processors.
  - Used by the roles of this collection.
options:
  _input:
    description: Memory in bytes, processors and what else the settings depend on.
    type: dictionary
    required: true
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
settings: "{{ {'node_type': 'data_node', 'memory': 8589934592, 'cpus': 4, 'postgresql_version': 15, 'port': 5432,
                  'listen_addresses': '*', 'passfile': '/etc/timescaledb-multinode.passfile'} | timescaledb.multinode.server_settings }}"
"""

RETURN = r"""
_value:
  description: The settings in the order of the file, each with name, value and why.
  type: list
"""

from ansible_collections.timescaledb.multinode.plugins.plugin_utils._settings import Host, server_settings


class FilterModule:
    """The filter server_settings."""

    def filters(self) -> dict:
        return {"server_settings": lambda host: server_settings(Host(**host))}
