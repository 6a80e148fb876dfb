# GPL-3.0-or-later (see LICENSE)
"""The linters, each counted as one test."""

from __future__ import annotations

from pathlib import Path

from toolbox import Outcome, run

LINTERS = {
    "yamllint": ["yamllint", "--strict", "."],
    "ruff": ["ruff", "check", "."],
    "changelog fragments": ["antsibull-changelog", "lint"],
    "ansible-lint": ["ansible-lint", "--nocolor"],
}


def lint(log: Path) -> Outcome:
    outcome = Outcome()
    for name, command in LINTERS.items():
        outcome.count(name, run(command, log))
    return outcome
