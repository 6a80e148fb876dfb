# GPL-3.0-or-later (see LICENSE)
"""Fault tests: while rows are written, playbooks are struck at chosen steps, the fault is undone, and the playbook is run again.

    run.py [--short] [--keep] [--continue] [PART_OF_A_POINT'S_NAME...]

--short: the few points that are part of make test. --keep: leave the hosts for another call, and take those that are there.
--continue: leave out the points that an earlier call has survived.
Results are in build/faults.json; those of earlier calls for other points stay there.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.extend(str(Path(__file__).resolve().parents[1] / folder) for folder in ("stages", "adopt"))

import holds
import judge
import machines
import toolbox
from ledger import Writers
from points import POINTS, Point
from strikes import Strike

RESULTS = toolbox.BUILD / "faults.json"
# The run before has not ended yet: its module works on without it. Or the access node crashes: TimescaleDB 2.13.1 does so where a session that writes
# meets a data node that has died, and all sessions with it.
_ONCE_MORE = (
    "is under way", "it is still running", "server closed the connection", "connection already closed", "is starting up", "in recovery mode",
    "not yet accepting", "shutting down",
)
_SECONDS_TO_END = 300
_ATTEMPTS = 20


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Fault tests.")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--continue", action="store_true", dest="goes_on")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args(arguments)
    points = [point for point in POINTS if (point.short or not options.short) and (not options.names or any(name in point.name for name in options.names))]
    results = Results()
    if options.goes_on:
        points = [point for point in points if point.name not in results.survived()]
    if not points:
        parser.error("no such point")
    machines.LOG.unlink(missing_ok=True)
    try:
        if not (options.keep and machines.there()):
            begin = time.monotonic()
            machines.create()
            print(f"{time.monotonic() - begin:6.1f} s   a cluster", flush=True)
        with Writers() as writers:
            for point in points:
                results.add(examine(point, writers))
    finally:
        if not options.keep:
            machines.remove()
    return results.tell()


class Results:
    """build/faults.json."""

    def __init__(self) -> None:
        before = json.loads(RESULTS.read_text())["per_point"] if RESULTS.exists() else []
        known = {point.name for point in POINTS}
        self._points = {entry["name"]: entry for entry in before if entry["name"] in known}
        self._now: list[dict] = []

    def add(self, entry: dict) -> None:
        self._now.append(entry)
        self._points[entry["name"]] = entry
        entries = list(self._points.values())
        totals = {"points": len(entries), "survived": sum(entry["survived"] for entry in entries)}
        totals |= {name: sum(entry[name] for entry in entries) for name in ("rows_written", "rows_lost", "rows_duplicated")}
        RESULTS.write_text(json.dumps({**totals, "per_point": entries}, indent=2) + "\n")
        print(f"{entry['seconds']:6.1f} s   {'survived' if entry['survived'] else 'FAILED'}   {entry['name']}", flush=True)
        for reason in entry["reasons"]:
            print(f"             {reason}", flush=True)

    def survived(self) -> set[str]:
        return {name for name, entry in self._points.items() if entry["survived"]}

    def tell(self) -> int:
        survived = sum(entry["survived"] for entry in self._now)
        lost, doubled = (sum(entry[name] for entry in self._now) for name in ("rows_lost", "rows_duplicated"))
        written = sum(entry["rows_written"] for entry in self._now)
        print(f"{survived} of {len(self._now)} points survived; {written} rows written, {lost} lost, {doubled} duplicated")
        return 0 if survived == len(self._now) and not lost and not doubled else 1


def examine(point: Point, writers: Writers) -> dict:
    """One point, from preparation to verdict."""
    print(f"           ... {point.name}", flush=True)
    begin = time.monotonic()
    before = len(writers.committed)
    entry = {"name": point.name, "recipe": point.recipe.name, "step": point.step, "fault": str(point.fault), "reasons": []}
    reasons = entry["reasons"]
    verdict = judge.Verdict()
    try:
        with writers.writing_to(("double",)) if point.recipe.dead else contextlib.nullcontext():
            with writers.paused() if point.recipe.alone else contextlib.nullcontext():
                point.recipe.prepare()
                _strike(point, entry)
            _run_again(point, entry)
            point.recipe.settle()
        with writers.paused():
            verdict = judge.judge(writers)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        reasons.append(f"{type(error).__name__}: {error}")
    reasons += verdict.wrong
    reasons += [f"left over: {what}" for what in verdict.left_over]
    if writers.hung:
        reasons.append(f"{writers.hung} sessions of writers did not come to an end")
        writers.hung = 0
    entry |= {
        "rows_written": 3 * (len(writers.committed) - before), "rows_lost": verdict.rows_lost, "rows_duplicated": verdict.rows_duplicated,
        "survived": not reasons, "seconds": round(time.monotonic() - begin, 1),
    }
    return entry


def _strike(point: Point, entry: dict) -> None:
    hold = point.recipe.steps[point.step]
    holder = holds.Holder(hold)
    output = toolbox.BUILD / "faults.struck.log"
    begin = time.monotonic()
    strike = None
    with output.open("w") as log:
        run = subprocess.Popen(
            machines.playbook_command(point.recipe.playbook, point.recipe.variables), cwd=toolbox.CHECKOUT, env=toolbox.environment(),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )
    try:
        waiting = holder.reached(lambda: run.poll() is not None)
        if waiting is None:
            entry["reasons"].append("the step was not reached")
        else:
            operations = holds.operations()
            entry["struck_at"] = {"statement": waiting[1], "operations": operations}
            roles = point.recipe.roles | ({name: operations[0][name] for name in ("source", "destination")} if operations else {})
            strike = Strike(point.fault, run, roles)
            entry["struck"] = [name for name in (strike.host, strike.other) if name]
    finally:
        holder.release()
    if strike is not None:
        _wait(run, strike.lasts)
        strike.undo()
        machines.wait_for_all(point.recipe.dead)
    entry["first_run"] = {"ended": _wait(run, _SECONDS_TO_END), "seconds": round(time.monotonic() - begin, 1)}
    if run.poll() is None:
        entry["reasons"].append(f"the run did not end within {_SECONDS_TO_END} s after the fault was undone")
        run.kill()
    first = machines.Run(run.wait(), output.read_text(), 0)
    with machines.LOG.open("a") as log:
        log.write(f"\n==== {point.name}\n{first.output}")
    entry["first_run"] |= {"succeeded": first.succeeded, "message": first.message}


def _wait(run: subprocess.Popen, seconds: float) -> bool:
    return _until(lambda: run.poll() is not None, seconds)


def _until(happened: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def _run_again(point: Point, entry: dict) -> None:
    runs = entry["runs_again"] = []
    for _attempt in range(_ATTEMPTS):
        again = machines.play(point.recipe.playbook, point.recipe.variables)
        runs.append({"succeeded": again.succeeded, "seconds": again.seconds, "message": again.message})
        if again.succeeded or not any(text in again.message for text in _ONCE_MORE):
            break
        time.sleep(2)
    if not runs[-1]["succeeded"]:
        entry["reasons"].append(f"running it again failed: {runs[-1]['message']}")
        return
    check = machines.play(point.recipe.playbook, point.recipe.variables, "--check", "--diff")
    entry["check_changed"] = check.changed
    if not check.succeeded or check.changed:
        entry["reasons"].append(f"the plan is not empty afterwards: changed={check.changed} {check.message}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
