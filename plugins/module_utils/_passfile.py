# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""The password file that TimescaleDB hands to libpq for its connections to data nodes. No I/O.

Its form is libpq's: https://www.postgresql.org/docs/15/libpq-pgpass.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_BEGIN, _END = "# BEGIN timescaledb.multinode\n", "# END timescaledb.multinode\n"
_BLOCK = re.compile(f"^{_BEGIN}.*?(?:^{_END}|\\Z)", re.DOTALL | re.MULTILINE)
# The last field begins behind the fourth colon that no backslash protects.
_LOGIN = re.compile(r"((?:(?:\\.|[^\\:])*:){4}).*")


def passfile(nodes: Sequence[Mapping[str, Any]], database: str, role: str, password: str, others: Mapping[str, str] | None = None) -> str:
    """The collection's block: one line host:port:database:role:password for each role and node, with the escapes that libpq wants.

    Args:
        nodes: each with host, port and database, which is None where the node has the common one.
        others: passwords of further roles, by name.

    Raises:
        ValueError: a value has a line break, which the file cannot hold.
    """
    logins = {role: password} | {name: secret for name, secret in (others or {}).items() if name != role}
    rows = ((node["host"], node["port"], node["database"] or database, *login) for login in logins.items() for node in nodes)
    lines = (":".join(_escaped(str(value)) for value in row) for row in rows)
    return _BEGIN + "".join(f"{line}\n" for line in dict.fromkeys(lines)) + _END


def with_block(text: str, block: str) -> str:
    """The file with this block, empty to have none, in place of the one it has. It comes first, because the first line that fits counts."""
    return block + _BLOCK.sub("", text)


def without_passwords(text: str) -> str:
    """The file as it may be shown."""
    return "".join(line if line.startswith("#") else _LOGIN.sub(r"\1********", line) for line in text.splitlines(keepends=True))


def _escaped(text: str) -> str:
    if "\n" in text or "\0" in text:
        raise ValueError("a password file is read line by line, so nothing in it can have a line break")
    return text.replace("\\", "\\\\").replace(":", "\\:")
