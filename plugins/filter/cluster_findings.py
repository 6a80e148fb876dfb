# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: cluster_findings
short_description: Reasons not to deploy a cluster
version_added: 0.1.0
description:
  - Judges the hosts of a cluster together before anything is changed.
  - Used by the roles of this collection.
options:
  _input:
    description: What the inventory says of each host.
    type: list
    required: true
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
findings: "{{ facts_of_hosts | timescaledb.multinode.cluster_findings }}"
"""

RETURN = r"""
_value:
  description: Findings, each with host, object, cause and remedy; empty where there is none.
  type: list
"""

from ansible_collections.timescaledb.multinode.plugins.plugin_utils._preflight import cluster_findings


class FilterModule:
    """The filter cluster_findings."""

    def filters(self) -> dict:
        return {"cluster_findings": cluster_findings}
