# GPL-3.0-or-later (see LICENSE)
"""The stages that need test hosts: molecule's scenarios, interruptions, the hunt for secrets, faults, and the demo from the artefact that users install."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path

from toolbox import BUILD, CHECKOUT, Outcome, environment, run

ARTEFACTS = BUILD / "artefact"
INSTALLED = ARTEFACTS / "installed"
# Named, because molecule looks for it in the root of a git repository only.
SHARED = CHECKOUT / ".config" / "molecule" / "config.yml"
CONFIGURATION = ("--base-config", str(SHARED))

# What the stand-in cannot show: its connections between nodes are postgres_fdw's, by password.
ON_REAL_ENGINES = {
    "elastic": "the stand-in does not copy chunks between data nodes",
    "repair": "the stand-in does not copy chunks between data nodes",
    "standby": "the stand-in does not commit in two phases, so that there is nothing to heal",
    "certificate": "the stand-in's access node has no client certificate to show to data nodes",
    "switch": "the stand-in's access node has no client certificate to show to data nodes",
}


def scenarios() -> list[str]:
    return sorted(path.parent.name for path in (CHECKOUT / "molecule").glob("*/molecule.yml"))


def molecule(scenario: str, log: Path) -> Outcome:
    """Each action of the scenario's sequence is a test; those after a failed one did not run and are named."""
    outcome = Outcome()
    succeeded = run(["molecule", *CONFIGURATION, "test", "--scenario-name", scenario], log)
    output = re.sub(r"\x1b\[[\d;]*m", "", log.read_text())
    seen = dict(re.findall(rf"\[{scenario} > (\w+)\] Executed: (\w+)", output))
    for action in _sequence(scenario):
        if action in seen:
            outcome.count(f"{scenario}: {action}", seen[action] == "Successful")
        else:
            outcome.skip(f"{scenario}: {action}", "did not run: an action before it failed")
    if not succeeded and not outcome.failed:
        outcome.count(f"molecule {scenario}", False)
    return outcome


def _sequence(scenario: str) -> list[str]:
    """The actions of a scenario, which are those that all share unless it has its own."""
    files = (CHECKOUT / "molecule" / scenario / "molecule.yml", SHARED)
    texts = [path.read_text().partition("test_sequence:\n")[2] for path in files]
    actions = re.findall(r"^    - (\w+)$", texts[0] or texts[1], re.MULTILINE)
    return [action for action in actions if action != "destroy"]


def interrupt(log: Path, short: bool = True) -> Outcome:
    outcome = Outcome()
    command = ["python", str(CHECKOUT / "tests" / "interrupt" / "run.py"), *(["--short"] if short else [])]
    outcome.count("deploy.yml goes on after each interruption", run(command, log))
    return outcome


def faults(log: Path) -> Outcome:
    """The few of the fault tests that are quick; make faults has them all."""
    import engine

    outcome = Outcome()
    if engine.choose().engine == "stand-in":
        outcome.skip("faults", "the stand-in does not copy chunks between data nodes")
        return outcome
    before = _points()
    succeeded = run(["python", str(CHECKOUT / "tests" / "faults" / "run.py"), "--short"], log)
    for point in _points():
        if point not in before:
            outcome.count(f"faults: {point['name']}", point["survived"])
    if not outcome.passed or (not succeeded and not outcome.failed):
        outcome.count("faults", False)
    return outcome


def _points() -> list[dict]:
    results = BUILD / "faults.json"
    return json.loads(results.read_text())["per_point"] if results.exists() else []


def canary(log: Path, short: bool = True) -> Outcome:
    """Each place that was looked at, and each place where a secret belongs, is a test; so is each leak."""
    outcome = Outcome()
    run(["python", str(CHECKOUT / "tests" / "canary" / "run.py"), *(["--short"] if short else [])], log)
    found = json.loads((BUILD / "canary.json").read_text())
    for name in found["passed"]:
        outcome.count(name, True)
    for name, remark in found["failed"].items():
        outcome.count(f"{name}: {remark}", False)
    for name, reason in found["skipped"].items():
        outcome.skip(name, reason)
    return outcome


def artefact(log: Path) -> Outcome:
    """Builds what users install, installs it, and uses it from there."""
    outcome = Outcome()
    build = ["ansible-galaxy", "collection", "build", "--force", "--output-path", str(ARTEFACTS)]
    outcome.count("galaxy build", run(build, log))
    made = sorted(ARTEFACTS.glob("timescaledb-multinode-*.tar.gz"))
    # Dependencies come with the ansible package; Galaxy need not be in reach.
    install = ["ansible-galaxy", "collection", "install", "--force", "--no-deps", "--offline", "--collections-path", str(INSTALLED)]
    outcome.count("galaxy install", len(made) == 1 and run([*install, str(made[0])], log))
    # Beside a demo that somebody may be looking at.
    own = {"TEST_COLLECTIONS": str(INSTALLED), "DEMO_NAME": "artefact", "DEMO_PORT": "54330"}
    use = partial(run, log=log, cwd=ARTEFACTS, env=environment(INSTALLED) | own)
    outcome.count("modules are documented", use(["ansible-doc", "timescaledb.multinode.timescale_data_node"]))
    outcome.count("the demo from the artefact", use(["python", str(CHECKOUT / "tests" / "demo" / "run.py")]))
    use(["python", str(CHECKOUT / "tests" / "demo" / "run.py"), "--clean"])
    return outcome
