# GPL-3.0-or-later (see LICENSE)
"""Builds the stand-in's extension script: sql/*.sql in their order become timescaledb--VERSION.sql beside this file.

usage: build.py        prints the path of the script; writes it only when it changed
"""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONTROL = HERE / "timescaledb.control"
_HEADER = r"""-- Made by tests/standin/build.py from tests/standin/sql. STAND-IN for tests, not TimescaleDB.
\echo Use CREATE EXTENSION to load this file. \quit
"""


def build() -> Path:
    """Write the extension script and return its path."""
    match = re.search(r"^default_version = '([^']+)'", CONTROL.read_text(), re.MULTILINE)
    if match is None:
        raise ValueError(f"{CONTROL} has no default_version")
    script = HERE / f"timescaledb--{match.group(1)}.sql"
    text = _HEADER + "\n".join(part.read_text() for part in sorted((HERE / "sql").glob("*.sql")))
    if not script.is_file() or script.read_text() != text:
        script.write_text(text)
    return script


if __name__ == "__main__":
    print(build())
