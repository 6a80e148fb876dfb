# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: hardening_with_modes
short_description: A hardening report with what hosts say of their files
version_added: 0.1.0
description:
  - Adds to the report of the module timescale_cluster_info what it could not see, the owners and modes of files on other hosts.
  - Used by the roles of this collection.
positional: hosts
options:
  _input:
    description: The report.
    type: dictionary
    required: true
  hosts:
    description: Name of each node, empty for the access node, and what was printed on its host.
    type: list
    elements: dictionary
    required: true
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
report: "{{ facts.hardening | timescaledb.multinode.hardening_with_modes([{'node_name': 'dn1', 'output': looked.stdout}]) }}"
"""

RETURN = r"""
_value:
  description: The report in the same form.
  type: dictionary
"""

from ansible_collections.timescaledb.multinode.plugins.plugin_utils._hardening import with_modes


class FilterModule:
    """The filter hardening_with_modes."""

    def filters(self) -> dict:
        return {"hardening_with_modes": with_modes}
