# GPL-3.0-or-later (see LICENSE)
"""Each variable of a role carries the role's prefix: given ones plain, internal ones _, registered ones __."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any

import pytest
from _roles import CHECKOUT, ROLES, defaults, load

# The keys of a task under which it names variables.
NAMING_KEYS = ("ansible.builtin.set_fact", "vars")


def tasks(node: Any) -> Iterator[dict]:
    for item in node if isinstance(node, list) else []:
        yield item
        for part in ("block", "rescue", "always"):
            yield from tasks(item.get(part))


def all_tasks(role: str) -> list[dict]:
    return [task for path in sorted((CHECKOUT / "roles" / role / "tasks").glob("*.yml")) for task in tasks(load(path))]


@pytest.mark.parametrize("role", ROLES)
def test_defaults(role):
    assert all(name.startswith(f"{role}_") for name in defaults(role))


@pytest.mark.parametrize("role", ROLES)
def test_internal_variables(role):
    named = set(load(CHECKOUT / "roles" / role / "vars/main.yml") or {})
    # What is handed to another role has the names of that one.
    named |= {name for task in all_tasks(role) if "ansible.builtin.include_role" not in task for key in NAMING_KEYS for name in task.get(key, {})}
    # How Ansible connects is named by Ansible.
    named -= {"ansible_ssh_use_tty", "ansible_connection", "ansible_python_interpreter"}
    assert all(name.startswith((f"_{role}_", f"__{role}_")) for name in named), named


@pytest.mark.parametrize("role", ROLES)
def test_registered_variables(role):
    named = {task["register"] for task in all_tasks(role) if "register" in task}
    assert named
    assert all(name.startswith(f"__{role}_") for name in named), named


@pytest.mark.parametrize("role", ROLES)
def test_modules_have_their_full_names(role):
    """A keyword of a task has no dot; what has none and is no keyword is a module without its collection."""
    keywords = {"name", "when", "loop", "loop_control", "register", "become", "become_user", "vars", "block", "rescue", "always", "diff", "no_log", "tags"}
    keywords |= {"check_mode", "changed_when", "failed_when", "ignore_unreachable", "ignore_errors", "delegate_to", "delegate_facts", "module_defaults"}
    keywords |= {"until", "retries", "delay", "environment", "run_once", "throttle"}
    for task in all_tasks(role):
        modules = set(task) - keywords
        assert len(modules) == (0 if "block" in task else 1), task
        assert all(module.count(".") >= 2 for module in modules), task


def test_deployments_are_interrupted_in_tasks_that_there_are() -> None:
    """Else the test on hosts finds out after minutes."""
    spec = spec_from_file_location("interrupt", CHECKOUT / "tests" / "interrupt" / "run.py")
    interrupt = module_from_spec(spec)
    spec.loader.exec_module(interrupt)
    names = {task.get("name") for role in ROLES for task in all_tasks(role)}
    # What a name is completed with when it is run.
    names |= {name.replace("{{ _timescaledb_host_act }}", "reload") for name in names if name}
    assert [title for title, *_when in (*interrupt.MOMENTS, *interrupt.MOMENTS_OF_A_SWITCH) if title not in names] == []
