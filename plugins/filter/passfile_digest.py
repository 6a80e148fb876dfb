# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: passfile_digest
short_description: Tell whether a password file is as it should be
version_added: 0.1.0
description:
  - Digest of a password file, salted and slow to compute, to be compared with one that a host has computed.
  - Used by the roles of this collection.
positional: seen
options:
  _input:
    description: What the file should have in it.
    type: string
    required: true
  seen:
    description: The digest that was computed on the host. Its salt is used.
    type: string
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
right: "{{ content | timescaledb.multinode.passfile_digest(seen) == seen }}"
"""

RETURN = r"""
_value:
  description: Salt and digest. Empty where none was seen.
  type: string
"""

from ansible_collections.timescaledb.multinode.plugins.plugin_utils._passfile_digest import passfile_digest


class FilterModule:
    """The filter passfile_digest."""

    def filters(self) -> dict:
        return {"passfile_digest": passfile_digest}
