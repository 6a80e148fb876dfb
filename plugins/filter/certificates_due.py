# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: certificates_due
short_description: Certificates that have to be issued
version_added: 0.1.0
description:
  - Compares the certificates that a node must have with those that it has.
  - Used by the roles of this collection.
positional: found, now, renew_days
options:
  _input:
    description: The wanted ones, as of the filter wanted_certificates.
    type: list
    required: true
  found:
    description: Those that are there, by file, as the filter parse_probe has them.
    type: dictionary
    required: true
  now:
    description: Seconds since 1970.
    type: float
    required: true
  renew_days:
    description: A certificate is issued anew this many days before its end.
    type: int
    required: true
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
due: "{{ wanted | timescaledb.multinode.certificates_due(probe.certificates, now().timestamp(), 30) }}"
"""

RETURN = r"""
_value:
  description: Those of the wanted ones that have to be issued, each with why.
  type: list
"""

from ansible_collections.timescaledb.multinode.plugins.plugin_utils._certificates import certificates_due


class FilterModule:
    """The filter certificates_due."""

    def filters(self) -> dict:
        return {"certificates_due": certificates_due}
