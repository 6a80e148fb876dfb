# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

from __future__ import annotations


class ModuleDocFragment:
    """Options of the connection that community.postgresql's fragment leaves to each module, and what all modules promise."""

    DOCUMENTATION = r"""
options:
  login_db:
    description:
      - Database of the access node in which the extension C(timescaledb) is installed.
    type: str
    required: true
  session_role:
    description:
      - Switch to this role after the login. Data nodes are then reached as this role as well.
    type: str
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: full
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
requirements:
  - psycopg2 or psycopg >= 3.1 on the host that executes the module
  - TimescaleDB 2.0 to 2.13 on PostgreSQL 15 or older
notes:
  - Every multi-node call of TimescaleDB 2.13 warns that multi-node is deprecated. The modules leave that one warning out.
  - Each step is a transaction of its own, because C(add_data_node) refuses a transaction block. A task that was interrupted is
    finished by running it again.
"""
