# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: hardening_table
short_description: A hardening report for people
version_added: 0.1.0
description:
  - Makes a table of the report of the module timescale_cluster_info, with node, severity, object, finding and remedy.
options:
  _input:
    description: The report.
    type: dictionary
    required: true
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
lines: "{{ facts.hardening | timescaledb.multinode.hardening_table }}"
"""

RETURN = r"""
_value:
  description: The table's lines.
  type: list
"""

from ansible_collections.timescaledb.multinode.plugins.plugin_utils._hardening import as_table


class FilterModule:
    """The filter hardening_table."""

    def filters(self) -> dict:
        return {"hardening_table": as_table}
