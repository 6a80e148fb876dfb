# GPL-3.0-or-later (see LICENSE)
"""Every playbook is run where secrets are hunted for, so that a new one cannot be forgotten."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location

from _roles import CHECKOUT


def test_every_playbook_is_run_with_known_secrets() -> None:
    spec = spec_from_file_location("recipes", CHECKOUT / "tests" / "canary" / "recipes.py")
    recipes = module_from_spec(spec)
    sys.modules[spec.name] = recipes
    spec.loader.exec_module(recipes)
    assert recipes.without_recipe() == [], "tests/canary/recipes.py has no line for them"
