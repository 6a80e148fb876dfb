# GPL-3.0-or-later (see LICENSE)
"""Each role's README lists its variables with their defaults."""

from __future__ import annotations

import re

import pytest
from _readme import as_text, table, written_table
from _roles import CHECKOUT, ROLES, defaults, every_variable, is_computed


@pytest.mark.parametrize("role", ROLES)
def test_the_table_is_that_of_the_argument_specification(role):
    assert written_table(role) == table(role), "run python tests/unit/roles/_readme.py"


@pytest.mark.parametrize("role", ROLES)
def test_the_table_has_the_defaults_of_the_role(role):
    shown = dict(re.findall(r"^\| `(\w+)` \| (?:`(.*?)`)? \|", written_table(role), re.MULTILINE))
    expected = {name: "" if is_computed(value) else as_text(value) for name, value in defaults(role).items()}
    assert expected.items() <= shown.items()


def test_variables_in_the_collections_readme_exist():
    named = re.findall(r"\btimescaledb_(?:cluster|database|host|rebalance|repair|standby)_\w+", (CHECKOUT / "README.md").read_text())
    assert named
    assert set(named) <= every_variable()
