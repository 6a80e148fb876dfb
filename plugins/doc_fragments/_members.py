# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

from __future__ import annotations


class ModuleDocFragment:
    """What filters over the hosts of a cluster are given."""

    DOCUMENTATION = r"""
options:
  _input:
    description: Names of the hosts.
    type: list
    required: true
  hostvars:
    description: The variables of all hosts, or those of them that the filter member_variables has collected.
    type: dictionary
    required: true
"""

    RESOLVED = r"""
options:
  resolved:
    description: For each name, its IP addresses as one of the hosts sees them.
    type: dictionary
    required: true
"""
