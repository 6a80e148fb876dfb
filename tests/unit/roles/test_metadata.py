# GPL-3.0-or-later (see LICENSE)
"""The roles and the collection say the same of themselves."""

from __future__ import annotations

import re

import pytest
from _roles import CHECKOUT, ROLES, defaults, load


@pytest.mark.parametrize("role", ROLES)
def test_a_role_promises_what_the_collection_does(role):
    about = load(CHECKOUT / "roles" / role / "meta/main.yml")
    runtime, galaxy = load(CHECKOUT / "meta/runtime.yml"), load(CHECKOUT / "galaxy.yml")
    assert runtime["requires_ansible"].startswith(f">={about['galaxy_info']['min_ansible_version']}")
    assert about["galaxy_info"]["author"] in galaxy["authors"]
    assert about["galaxy_info"]["license"] == "GPL-3.0-or-later"
    assert about["dependencies"] == []


def test_roles_support_the_same_platforms():
    platforms = [load(CHECKOUT / "roles" / role / "meta/main.yml")["galaxy_info"]["platforms"] for role in ROLES]
    assert all(one == platforms[0] for one in platforms)


def test_roles_agree_on_what_they_take_from_each_other():
    """Roles read each other's variables by default(), with the same value as the other role's own default."""
    own = {name: value for role in ROLES for name, value in defaults(role).items()}
    texts = [path.read_text() for path in (CHECKOUT / "roles").rglob("*.yml")]
    borrowed = [found for text in texts for found in re.findall(r"\b(timescaledb_\w+) \| default\((?:'([^']*)'|(\d+))\)", text)]
    assert borrowed
    for name, text, number in borrowed:
        assert str(own[name]) == (text or number), name
