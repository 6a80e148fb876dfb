# GPL-3.0-or-later (see LICENSE)
"""The roles as their files describe them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).resolve().parents[3]
ROLES = sorted(path.name for path in (CHECKOUT / "roles").iterdir())


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text()) if path.exists() else None


def entry_points(role: str) -> dict[str, dict]:
    return load(CHECKOUT / "roles" / role / "meta/argument_specs.yml")["argument_specs"]


def options(role: str, entry_point: str = "main") -> dict[str, dict]:
    return entry_points(role)[entry_point]["options"]


def defaults(role: str) -> dict[str, Any]:
    return load(CHECKOUT / "roles" / role / "defaults/main.yml")


def is_computed(value: Any) -> bool:
    return isinstance(value, str) and "{{" in value


def every_variable() -> set[str]:
    return {name for role in ROLES for name in options(role)}
