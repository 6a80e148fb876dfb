# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: findings_message
short_description: Findings as one message
version_added: 0.1.0
description:
  - Turns the findings of all hosts into one text for people.
  - Used by the roles of this collection.
options:
  _input:
    description: Findings of the filters host_findings and cluster_findings.
    type: list
    required: true
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
message: "{{ findings | timescaledb.multinode.findings_message }}"
"""

RETURN = r"""
_value:
  description: One line for each finding.
  type: string
"""

from ansible_collections.timescaledb.multinode.plugins.plugin_utils._preflight import as_message


class FilterModule:
    """The filter findings_message."""

    def filters(self) -> dict:
        return {"findings_message": as_message}
