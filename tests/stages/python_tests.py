# GPL-3.0-or-later (see LICENSE)
"""The tests that pytest runs, counted from its own report."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from toolbox import CHECKOUT, Outcome, run

# Each has servers of its own. They wait as often as they compute.
WORKERS = 2
# For one test, with what is set up for it. One that hangs fails and says where, and the others go on.
LIMIT = ("--timeout", "600", "--timeout-method", "signal")


def unit(log: Path) -> Outcome:
    return _pytest(["tests/unit", "tests/engine", "tests/canary"], log)


def integration(log: Path) -> Outcome:
    # A file's tests stay together: what they share is started for them once.
    return _pytest(["tests/integration", "tests/standin"], log, "--numprocesses", str(WORKERS), "--dist", "loadfile")


def _pytest(folders: list[str], log: Path, *options: str) -> Outcome:
    outcome = Outcome()
    for folder in folders:
        if not any((CHECKOUT / folder).rglob("test_*.py")):
            outcome.count(f"{folder} holds tests", False)
            return outcome
    report = log.with_suffix(".xml")
    report.unlink(missing_ok=True)
    succeeded = run(["python", "-m", "pytest", "-ra", f"--junitxml={report}", *LIMIT, *options, *folders], log)
    for case in ElementTree.parse(report).iter("testcase") if report.exists() else ():
        name = f"{case.get('classname')}.{case.get('name')}"
        skipped = case.find("skipped")
        if skipped is not None:
            outcome.skip(name, skipped.get("message") or "")
        else:
            outcome.count(name, case.find("failure") is None and case.find("error") is None)
    if not succeeded and not outcome.failed:
        outcome.count(f"pytest {' '.join(folders)}", False)
    return outcome
