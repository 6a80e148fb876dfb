# GPL-3.0-or-later (see LICENSE)
"""Every filter is documented and there, and none costs those that do not use it anything."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import ansible_collections.timescaledb.multinode.plugins.filter as package
import pytest
import yaml
from ansible_collections.timescaledb.multinode.plugins.filter import core

FOLDER = Path(next(iter(package.__path__)))
DOCUMENTED = sorted(path.stem for path in FOLDER.glob("*.yml"))


def test_all_filters_are_documented() -> None:
    assert "server_settings" in DOCUMENTED
    assert list(core.FilterModule().filters()) == DOCUMENTED


@pytest.mark.parametrize("name", DOCUMENTED)
def test_documentation_is_that_of_the_filter(name: str) -> None:
    documentation = yaml.safe_load((FOLDER / f"{name}.yml").read_text())
    assert documentation["DOCUMENTATION"]["name"] == name
    assert f"timescaledb.multinode.{name}" in documentation["EXAMPLES"]


@pytest.mark.parametrize("name, place", core._FILTERS.items())
def test_the_function_is_where_it_is_said_to_be(name: str, place: tuple[str, str]) -> None:
    module, function = place
    assert callable(getattr(import_module(f"ansible_collections.timescaledb.multinode.plugins.{module}"), function))


def test_arguments_get_there() -> None:
    filters = core.FilterModule().filters()
    verifier = filters["scram_verifier"]("secret", salt="4096:c2FsdA==")
    assert verifier.startswith("SCRAM-SHA-256$4096:c2FsdA==$")
    assert len(filters["verifier_digest"](verifier)) == 64


def test_only_what_is_used_is_loaded() -> None:
    """In each worker of each task a filter is used in, all files in the folder are loaded."""
    assert [path.name for path in FOLDER.glob("*.py")] == ["core.py"]
    statements = ast.walk(ast.parse((FOLDER / "core.py").read_text()))
    imported = {name for node in statements if isinstance(node, (ast.Import, ast.ImportFrom)) for name in [getattr(node, "module", None) or node.names[0].name]}
    assert imported == {"__future__", "collections.abc", "importlib", "typing"}
