# GPL-3.0-or-later (see LICENSE)
from __future__ import annotations

import hashlib

import pytest
from ansible_collections.timescaledb.multinode.plugins.plugin_utils._passfile_digest import passfile_digest

CONTENT = "dn1:5432:metrics:postgres:pässwörd\n"


def test_the_salt_is_that_of_what_was_seen() -> None:
    seen = passfile_digest(CONTENT, "salt:")
    assert seen.startswith("salt:") and passfile_digest(CONTENT, seen) == seen
    assert passfile_digest(CONTENT, "other:") != seen.replace("salt", "other")


def test_another_content_is_told_from_it() -> None:
    seen = passfile_digest(CONTENT, "salt:")
    assert passfile_digest(CONTENT + "\n", seen) != seen


@pytest.mark.parametrize("seen", [None, "", "nothing"])
def test_without_one_that_was_seen_there_is_none(seen) -> None:
    assert passfile_digest(CONTENT, seen) == ""


def test_it_is_no_plain_hash() -> None:
    assert hashlib.sha256(CONTENT.encode()).hexdigest() not in passfile_digest(CONTENT, ":")
