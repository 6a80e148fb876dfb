# GPL-3.0-or-later (see LICENSE)
"""The inventories of tests and demo, and those that the README shows, set variables that exist to values that are accepted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from _roles import CHECKOUT, ROLES, is_computed, load, options
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

INVENTORIES = sorted(str(path.relative_to(CHECKOUT)) for folder in ("molecule", "tests") for path in (CHECKOUT / folder).rglob("inventory.yml"))
SPECIFIED = {
    name: {key: value for key, value in details.items() if key != "description"} for role in ROLES for name, details in options(role).items()
}


def variables(node: Any) -> Iterator[tuple[str, Any]]:
    """Every variable of the collection, at whatever group or host."""
    for name, value in node.items() if isinstance(node, dict) else ():
        if re.match(r"timescaledb_(cluster|database|host|repair|standby)_", name):
            yield name, value
        else:
            yield from variables(value)


def accept(text: Any) -> int:
    given = list(variables(text))
    assert {name for name, value in given} <= set(SPECIFIED)
    for name, value in given:
        if not is_computed(value):
            assert ArgumentSpecValidator({name: SPECIFIED[name]}).validate({name: value}).error_messages == [], name
    return len(given)


@pytest.mark.parametrize("path", INVENTORIES)
def test_inventory(path):
    accept(load(CHECKOUT / path))


def test_inventories_with_variables_were_found():
    assert {"molecule/default/inventory.yml", "molecule/customized/inventory.yml"} <= set(INVENTORIES)
    assert accept(load(CHECKOUT / "molecule/customized/inventory.yml")) > 10


def test_examples_of_the_readme():
    examples = re.findall(r"```yaml\n(.*?)```", (CHECKOUT / "README.md").read_text(), re.DOTALL)
    assert sum(accept(yaml.safe_load(example)) for example in examples) > 3
