# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: hba_rules
short_description: Lines of pg_hba.conf for the nodes of a cluster
version_added: 0.1.0
description:
  - Makes the lines that let in these addresses, by SCRAM only, or by certificate only.
  - Used by the roles of this collection.
positional: database, role, others, method
options:
  _input:
    description: IP addresses.
    type: list
    required: true
  database:
    description: Name of the database.
    type: string
    required: true
  role:
    description: Name of the role.
    type: string
    required: true
  others:
    description: Names of further roles.
    type: list
    elements: string
    default: []
  method:
    description: How they log in.
    type: string
    choices: [password, certificate]
    default: password
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
rules: "{{ addresses | timescaledb.multinode.hba_rules('metrics', 'postgres') }}"
"""

RETURN = r"""
_value:
  description: Lines of pg_hba.conf.
  type: list
"""

from ansible_collections.timescaledb.multinode.plugins.plugin_utils._members import hba_rules


class FilterModule:
    """The filter hba_rules."""

    def filters(self) -> dict:
        return {"hba_rules": hba_rules}
