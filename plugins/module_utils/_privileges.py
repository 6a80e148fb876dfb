# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Privileges by the kind of object they are on, and the objects they are on. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

_TABLE = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
_SEQUENCE = ("USAGE", "SELECT", "UPDATE")

# Of PostgreSQL up to 15, in the order in which they are shown.
PRIVILEGES = {
    "database": ("CREATE", "CONNECT", "TEMPORARY"),
    "schema": ("USAGE", "CREATE"),
    "table": _TABLE,
    "sequence": _SEQUENCE,
    "foreign server": ("USAGE",),
    "default tables": _TABLE,
    "default sequences": _SEQUENCE,
    "default functions": ("EXECUTE",),
    "default types": ("USAGE",),
}

Privileges = frozenset[str]
NONE: Privileges = frozenset()


class Object(NamedTuple):
    """What privileges are on.

    Args:
        kind: a key of PRIVILEGES.
        schema: of a table or sequence, and of defaults that hold in one schema only.
        name: of the object; of the role that creates, for defaults. Empty for the database, which nodes may name differently.
    """

    kind: str
    schema: str
    name: str

    @property
    def subject(self) -> str:
        """How messages name it."""
        if self.kind == "database":
            return "the database"
        if self.kind.startswith("default "):
            place = f' in schema "{self.schema}"' if self.schema else ""
            return f'{self.kind.removeprefix("default ")} that role "{self.name}" will create{place}'
        return f'{self.kind} "{self.schema}"."{self.name}"' if self.schema else f'{self.kind} "{self.name}"'


DATABASE = Object("database", "", "")


def expanded(kind: str, names: Iterable[str]) -> Privileges:
    """The privileges that the names stand for. Raises ValueError with the name that is none of that kind."""
    found: set[str] = set()
    for name in (text.strip().upper() for text in names):
        name = "TEMPORARY" if name == "TEMP" else name
        if name in ("ALL", "ALL PRIVILEGES"):
            found |= set(PRIVILEGES[kind])
        elif name in PRIVILEGES[kind]:
            found.add(name)
        else:
            raise ValueError(name)
    return frozenset(found)


def listed(kind: str, privileges: Iterable[str]) -> str:
    """C(SELECT, INSERT), fit for SQL."""
    return ", ".join(ordered(kind, privileges))


def ordered(kind: str, privileges: Iterable[str]) -> list[str]:
    """In the order in which they are shown."""
    wanted = set(privileges)
    return [name for name in PRIVILEGES[kind] if name in wanted]
