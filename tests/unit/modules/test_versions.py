# GPL-3.0-or-later (see LICENSE)
from __future__ import annotations

import pytest
from ansible_collections.timescaledb.multinode.plugins.module_utils._versions import (
    Release,
    accepted_data_nodes,
    accepts_data_node,
    multinode_refusal,
)


@pytest.mark.parametrize("text, release", [("2.13.1", (2, 13, 1)), ("2.13.0-dev", (2, 13, 0)), ("2.9.10", (2, 9, 10))])
def test_parse(text, release):
    assert Release.parse(text) == release
    assert str(Release.parse(text)) == text.partition("-")[0]


@pytest.mark.parametrize("text", ["", "2", "2.13", "latest", "v2.13.1"])
def test_parse_refuses(text):
    with pytest.raises(ValueError, match="not a TimescaleDB release"):
        Release.parse(text)


def test_releases_compare_as_numbers():
    assert Release.parse("2.9.10") > Release.parse("2.9.9")
    assert Release.parse("2.10.0") > Release.parse("2.9.10")


@pytest.mark.parametrize(
    "release, postgresql, word",
    [
        ("1.7.5", 12, "exists in 2.0 to 2.13 only"),
        ("2.0.0", 11, None),
        ("2.13.99", 15, None),
        ("2.14.0", 15, "exists in 2.0 to 2.13 only"),
        ("2.13.1", 16, "PostgreSQL 16"),
        ("3.0.0", 17, "exists in 2.0 to 2.13 only"),
    ],
)
def test_which_pairs_have_multinode(release, postgresql, word):
    refusal = multinode_refusal(Release.parse(release), postgresql)
    assert refusal is None if word is None else word in refusal


@pytest.mark.parametrize(
    "access_node, data_node, accepted",
    [
        # up to 2.7.0 a data node must not be newer
        ("2.7.0", "2.6.1", True),
        ("2.7.0", "2.7.9", True),
        ("2.7.0", "2.8.0", False),
        ("2.0.0", "2.0.2", True),
        ("2.0.0", "2.1.0", False),
        # from 2.7.1 on it must not be older
        ("2.7.1", "2.7.0", True),
        ("2.7.1", "2.6.9", False),
        ("2.7.1", "2.8.0", True),
        ("2.13.1", "2.13.0", True),
        ("2.13.0", "2.13.1", True),
        ("2.13.1", "2.12.9", False),
        ("2.12.0", "2.13.0", True),
        ("2.13.1", "1.7.5", False),
    ],
)
def test_version_skew(access_node, data_node, accepted):
    assert accepts_data_node(Release.parse(access_node), Release.parse(data_node)) is accepted


def test_skew_in_words():
    assert accepted_data_nodes(Release(2, 7, 0)) == "2.7 or older"
    assert accepted_data_nodes(Release(2, 7, 1)) == "2.7 or newer"
