# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

from __future__ import annotations


class ModuleDocFragment:
    """Where nodes are, for modules that run on a node and not against the access node."""

    DOCUMENTATION = r"""
options:
  nodes:
    description:
      - The nodes to log in to, as they are registered at the access node.
    type: list
    elements: dict
    suboptions:
      node_name:
        description:
          - Name of the node at the access node, as messages call it. Its host where not given.
        type: str
      host:
        description:
          - Host name or address of the node.
        type: str
        required: true
      port:
        description:
          - Port of its server.
        type: int
        default: 5432
      database:
        description:
          - Its database. O(database) where not given.
        type: str
  database:
    description:
      - Database of the nodes that have no other one.
    type: str
"""

    PATIENCE = r"""
options:
  connect_timeout:
    description:
      - Seconds to wait for a data node that does not answer.
    type: int
    default: 10
"""
