# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: parse_probe
short_description: What is on a host already
version_added: 0.1.0
description:
  - Turns the lines that the probe of the role timescaledb_host prints into data.
  - Used by the roles of this collection.
options:
  _input:
    description: The lines of the probe.
    type: string
    required: true
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
found: "{{ probe.stdout | timescaledb.multinode.parse_probe }}"
"""

RETURN = r"""
_value:
  description: Packages, releases, ports and databases found.
  type: dictionary
"""

from ansible_collections.timescaledb.multinode.plugins.plugin_utils._probe import parse_probe


class FilterModule:
    """The filter parse_probe."""

    def filters(self) -> dict:
        return {"parse_probe": parse_probe}
