# GPL-3.0-or-later (see LICENSE)
"""The passfile, read back by the rules of libpq."""

from __future__ import annotations

from typing import Any

from ansible_collections.timescaledb.multinode.plugins.plugin_utils._passfile import passfile


def member(host: str = "dn1", port: int = 5432, database: str | None = None) -> dict[str, Any]:
    return dict(node_name=host, host=host, port=port, database=database)


def fields(line: str) -> list[str]:
    """As libpq splits a line: a backslash takes the next character as it is."""
    found, escaped = [""], False
    for character in line:
        if escaped or character not in "\\:":
            found[-1] += character
            escaped = False
        elif character == "\\":
            escaped = True
        else:
            found.append("")
    return found


def test_a_line_for_each_member() -> None:
    text = passfile([member(), member("dn2", 6001, "other")], "metrics", "postgres", "secret")
    assert text == "dn1:5432:metrics:postgres:secret\ndn2:6001:other:postgres:secret\n"


def test_odd_names_survive() -> None:
    password = 'odd: "quote" it\'s \\ 100%:\\'
    line = passfile([member("fe80::1")], "a:b\\c", 'ro"le', password).rstrip("\n")
    assert fields(line) == ["fe80::1", "5432", "a:b\\c", 'ro"le', password]


def test_two_names_for_one_place_are_one_line() -> None:
    assert len(passfile([member(), member()], "metrics", "postgres", "secret").splitlines()) == 1
