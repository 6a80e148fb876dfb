# GPL-3.0-or-later (see LICENSE)
"""The table of variables in a role's README, from its argument specification. Run as a program, it writes all of them anew."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from _roles import CHECKOUT, ROLES, options

_HEAD = "| variable | default | |\n| --- | --- | --- |\n"
_TABLE = re.compile(re.escape(_HEAD) + r"(?:\|.*\n)*")


def table(role: str) -> str:
    return _HEAD + "".join(f"| `{name}` | {_default(details)} | {_description(details)} |\n" for name, details in options(role).items())


def written_table(role: str) -> str:
    found = _TABLE.search(_readme(role).read_text())
    return found[0] if found else ""


def _default(details: dict[str, Any]) -> str:
    return f"`{as_text(details['default'])}`" if "default" in details else ""


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _description(details: dict[str, Any]) -> str:
    return re.sub(r"\b[CMOV]\(([^)]*)\)", r"`\1`", " ".join(details["description"]))


def _readme(role: str) -> Path:
    return CHECKOUT / "roles" / role / "README.md"


def write(role: str) -> None:
    _readme(role).write_text(_TABLE.sub(lambda _: table(role), _readme(role).read_text()))


if __name__ == "__main__":
    for each in ROLES:
        write(each)
