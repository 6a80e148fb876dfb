# GPL-3.0-or-later (see LICENSE)
"""Every filter plugin offers the filter it is named after, and its documented example works."""

from __future__ import annotations

import importlib
from pathlib import Path

import ansible_collections.timescaledb.multinode.plugins.filter as package
import pytest
import yaml

NAMES = sorted(path.stem for folder in package.__path__ for path in Path(folder).glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("name", NAMES)
def test_the_filter_has_the_name_of_its_file(name: str) -> None:
    module = importlib.import_module(f"{package.__name__}.{name}")
    filters = module.FilterModule().filters()
    assert list(filters) == [name] and callable(filters[name])
    assert yaml.safe_load(module.DOCUMENTATION)["name"] == name


def test_there_are_filters() -> None:
    assert "server_settings" in NAMES
