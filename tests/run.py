# GPL-3.0-or-later (see LICENSE)
"""Runs the stages of make test: all of them, or those that are named. Nothing need be installed beforehand.

    python3 tests/run.py [lint] [sanity] [unit] [integration] [molecule] [interrupt] [canary] [faults] [artefact]
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "stages"))

import hosts
import lint
import python_tests
import sanity
import toolbox
from toolbox import LOGS, Outcome

Stage = tuple[str, Callable[[Path], Outcome]]
NAMES = ("lint", "sanity", "unit", "integration", "molecule", "interrupt", "canary", "faults", "artefact")
ON_HOSTS = {"molecule", "interrupt", "canary", "faults", "artefact"}
LINES_OF_A_FAILED_LOG = 60


def main(wanted: list[str]) -> int:
    unknown = set(wanted) - set(NAMES)
    if unknown:
        sys.exit(f"no such stage: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    wanted = wanted or list(NAMES)
    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True)
    begin = time.monotonic()
    engine = _prepare(wanted)
    print(f"engine: {engine}", flush=True)
    outcomes: dict[str, Outcome] = {}
    pool = ThreadPoolExecutor(max_workers=1)
    test_hosts = pool.submit(_make_test_hosts, bool(ON_HOSTS & set(wanted)))
    # Two lanes side by side, for two cores: what needs only this machine, and what needs test hosts, each stage hosts of its own. The first one, when
    # it is through, helps the other.
    local, on_hosts = deque(_local_stages(wanted)), deque(_host_stages(wanted, test_hosts, outcomes))
    threads = [threading.Thread(target=_run_lane, args=(lanes, outcomes)) for lanes in ((local, on_hosts), (on_hosts,))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return _summarise(outcomes, engine, time.monotonic() - begin)


def _prepare(wanted: list[str]) -> str:
    """Sets up what stages on either lane need, once; says on which engine they run."""
    toolbox.virtual_environment()
    toolbox.link_checkout()
    if not (ON_HOSTS | {"integration"}) & set(wanted):
        return "none needed"
    import machine
    import prepare

    machine.install("postgresql-15")
    return prepare.prepare().description


def _make_test_hosts(needed: bool) -> bool:
    """The container engine and the images of test hosts, made while the stages run that need none. False where there are none."""
    if not needed:
        return False
    import daemon
    import image

    begin = time.monotonic()
    if not daemon.ensure():
        return False
    image.ensure_all()
    print(f"test hosts are ready after {time.monotonic() - begin:.0f} s", flush=True)
    return True


def _local_stages(wanted: list[str]) -> list[Stage]:
    stages = {
        "lint": lint.lint,
        "sanity": sanity.sanity,
        "unit": python_tests.unit,
        "integration": python_tests.integration,
    }
    return [(name, stage) for name, stage in stages.items() if name in wanted]


def _host_stages(wanted: list[str], test_hosts: Future[bool], outcomes: dict[str, Outcome]) -> list[Stage]:
    stages: list[Stage] = []
    if "molecule" in wanted:
        import engine

        left_out = hosts.ON_REAL_ENGINES if engine.choose().engine == "stand-in" else {}
        for scenario in hosts.scenarios():
            name = f"molecule {scenario}"
            if scenario in left_out:
                outcomes[name] = Outcome()
                outcomes[name].skip(name, left_out[scenario])
            else:
                stages.append((name, partial(hosts.molecule, scenario)))
    # The longest ones, of which switch and standby are two, not at the end, so that both lanes end at about the same time; nor the canary, which
    # looks at all processes all the time, at the beginning, beside the integration tests.
    # Of both not all that there is, unless one was asked for by name.
    short = set(wanted) == set(NAMES)
    interrupt, canary = partial(hosts.interrupt, short=short), partial(hosts.canary, short=short)
    others = [(name, stage) for name, stage in (("interrupt", interrupt), ("canary", canary)) if name in wanted]
    stages = [*stages[:3], *others, *reversed(stages[3:])]
    if "faults" in wanted:
        stages.append(("faults", hosts.faults))
    if "artefact" in wanted:
        stages.append(("artefact", hosts.artefact))
    return [(name, partial(_on_test_hosts, test_hosts, name, stage)) for name, stage in stages]


def _on_test_hosts(test_hosts: Future[bool], name: str, stage: Callable[[Path], Outcome], log: Path) -> Outcome:
    # The demo has hosts on this machine where there are no containers.
    if test_hosts.result() or stage is hosts.artefact:
        return stage(log)
    outcome = Outcome()
    outcome.skip(name, "no container engine answers or can be started")
    return outcome


def _stages(lanes: tuple[deque[Stage], ...]) -> Iterator[Stage]:
    """What nobody has begun yet."""
    for lane in lanes:
        with contextlib.suppress(IndexError):
            while True:
                yield lane.popleft()


def _run_lane(lanes: tuple[deque[Stage], ...], outcomes: dict[str, Outcome]) -> None:
    for name, stage in _stages(lanes):
        begin = time.monotonic()
        log = LOGS / f"{name.replace(' ', '-')}.log"
        try:
            outcome = stage(log)
        except Exception as error:  # a stage that cannot run is a failed test, not the end of the others
            outcome = Outcome(failed=1, remarks=[f"failed: {name}: {type(error).__name__}: {error}"])
        outcomes[name] = outcome
        _report(name, outcome, time.monotonic() - begin, log)


def _report(name: str, outcome: Outcome, seconds: float, log: Path) -> None:
    counts = f"{outcome.passed} passed, {outcome.failed} failed, {outcome.skipped} skipped"
    lines = [f"{name:<22} {seconds:6.1f} s   {counts}", *(f"    {remark}" for remark in outcome.remarks)]
    if outcome.failed and log.exists():
        lines += [f"    --- from {log.relative_to(toolbox.CHECKOUT)}", *(f"    | {line}" for line in _telling_part(log))]
    print("\n".join(lines), flush=True)


def _telling_part(log: Path) -> list[str]:
    """The end of the log; of a playbook that failed, what leads to the failure, which the clean-up has pushed up."""
    lines = log.read_text(errors="replace").splitlines()
    fatal = [number for number, line in enumerate(lines) if line.startswith(("fatal: [", "failed: ["))]
    end = fatal[-1] + 1 if fatal else len(lines)
    return lines[max(0, end - LINES_OF_A_FAILED_LOG) : end]


def _summarise(outcomes: dict[str, Outcome], engine: str, seconds: float) -> int:
    passed = sum(outcome.passed for outcome in outcomes.values())
    failed = sum(outcome.failed for outcome in outcomes.values())
    skipped = sum(outcome.skipped for outcome in outcomes.values())
    remarks = [remark for outcome in outcomes.values() for remark in outcome.remarks]
    print("\n".join(["", *remarks, f"all stages: {seconds:.0f} s, on engine: {engine}"]))
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
