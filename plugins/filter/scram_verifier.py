# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: scram_verifier
short_description: What PostgreSQL keeps of a password
version_added: 0.1.0
description:
  - The SCRAM-SHA-256 verifier of a password. A server that is given it instead of the password never sees the password, and so has it neither
    in its log nor in C(pg_stat_activity).
  - Used by the roles of this collection.
positional: salt
options:
  _input:
    description: The password.
    type: string
    required: true
  salt:
    description:
      - Iterations and salt of the verifier that the server has, between the first and the second dollar sign in it. They are no secret.
      - With them the same password gives the same verifier. Without them, every time another one.
    type: string
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
verifier: "{{ password | timescaledb.multinode.scram_verifier }}"
same: "{{ password | timescaledb.multinode.scram_verifier('4096:c2FsdHNhbHRzYWx0c2FsdA==') }}"
"""

RETURN = r"""
_value:
  description: The verifier.
  type: string
"""

from ansible_collections.timescaledb.multinode.plugins.module_utils._scram import scram_verifier_like


def scram_verifier(password: str, salt: str = "") -> str:
    """The filter."""
    return scram_verifier_like(str(password), salt)


class FilterModule:
    """The filter scram_verifier."""

    def filters(self) -> dict:
        return {"scram_verifier": scram_verifier}
