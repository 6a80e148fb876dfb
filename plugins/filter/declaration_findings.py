# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: declaration_findings
short_description: What is wrong with declared roles, schemas and extensions in themselves
version_added: 0.1.0
description:
  - Judges the declaration before anything is changed.
  - Used by the roles of this collection.
positional: schemas, extensions
options:
  _input:
    description: The declared roles, with the options of M(timescaledb.multinode.timescale_role).
    type: list
    elements: dictionary
    required: true
  schemas:
    description: The declared schemas, with the options of M(timescaledb.multinode.timescale_role).
    type: list
    elements: dictionary
    required: true
  extensions:
    description: The declared extensions, with the options of M(timescaledb.multinode.timescale_role).
    type: list
    elements: dictionary
    required: true
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
found: "{{ timescaledb_cluster_roles | timescaledb.multinode.declaration_findings(timescaledb_cluster_schemas, timescaledb_cluster_extensions) }}"
"""

RETURN = r"""
_value:
  description: For each finding its object, cause and remedy; empty where there is none.
  type: list
"""

from ansible_collections.timescaledb.multinode.plugins.plugin_utils._node_roles import declaration_findings


class FilterModule:
    """The filter declaration_findings."""

    def filters(self) -> dict:
        return {"declaration_findings": declaration_findings}
