# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""The password file that TimescaleDB hands to libpq for its connections to data nodes. No I/O."""

from __future__ import annotations

from typing import Any


def passfile(members: list[dict[str, Any]], database: str, role: str, password: str) -> str:
    """One line host:port:database:role:password for each member; colon and backslash are escaped, as libpq wants.

    database is that of members whose inventory does not name another one.
    """
    rows = ((member["host"], member["port"], member["database"] or database, role, password) for member in members)
    lines = (":".join(_escaped(str(value)) for value in row) for row in rows)
    return "".join(f"{line}\n" for line in dict.fromkeys(lines))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace(":", "\\:")
