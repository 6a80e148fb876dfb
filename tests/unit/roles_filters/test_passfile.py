# GPL-3.0-or-later (see LICENSE)
"""The passfile, read back by the rules of libpq."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.timescaledb.multinode.plugins.module_utils._passfile import passfile, with_block, without_passwords


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
    assert text == "# BEGIN timescaledb.multinode\ndn1:5432:metrics:postgres:secret\ndn2:6001:other:postgres:secret\n# END timescaledb.multinode\n"


def test_odd_names_survive() -> None:
    password = 'odd: "quote" it\'s \\ 100%:\\'
    line = passfile([member("fe80::1")], "a:b\\c", 'ro"le', password).splitlines()[1]
    assert fields(line) == ["fe80::1", "5432", "a:b\\c", 'ro"le', password]


def test_two_names_for_one_place_are_one_line() -> None:
    assert len(passfile([member(), member()], "metrics", "postgres", "secret").splitlines()) == 3


@pytest.mark.parametrize("value", ["two\nlines", "\0"])
def test_what_a_line_cannot_hold_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        passfile([member()], "metrics", "postgres", value)


BLOCK = passfile([member()], "metrics", "postgres", "new")
OLD = passfile([member("dn0"), member("dn1")], "metrics", "postgres", "old")


@pytest.mark.parametrize(
    "text, rest",
    [
        ("", ""),
        ("dn9:*:*:backup:theirs\n", "dn9:*:*:backup:theirs\n"),
        (OLD, ""),
        ("# theirs\n" + OLD + "dn9:*:*:backup:theirs\n", "# theirs\ndn9:*:*:backup:theirs\n"),
        # The end of a block that somebody has cut off.
        (OLD.removesuffix("# END timescaledb.multinode\n"), ""),
    ],
)
def test_the_block_comes_first_and_once(text: str, rest: str) -> None:
    assert with_block(text, BLOCK) == BLOCK + rest
    assert with_block(with_block(text, BLOCK), BLOCK) == BLOCK + rest


def test_passwords_are_masked_also_behind_escapes() -> None:
    text = "# a:b:c:d:e\nh\\:x:1:d:u\\\\:pass:w\\:ord\nnot a login\n"
    assert without_passwords(text) == "# a:b:c:d:e\nh\\:x:1:d:u\\\\:********\nnot a login\n"


def test_further_roles_have_lines_of_their_own_behind() -> None:
    text = passfile([member(), member("dn2")], "metrics", "postgres", "secret", {"app": "other", "postgres": "ignored"})
    assert [fields(line)[3:] for line in text.splitlines()[1:-1]] == [["postgres", "secret"]] * 2 + [["app", "other"]] * 2
