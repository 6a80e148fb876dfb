# GPL-3.0-or-later (see LICENSE)
"""make simulate: the planner of the rebalancing on fleets up to 1,000 nodes and 1,000,000 chunks, into build/simulation.json and a table.

rebalance.py [CHUNKS ...]      all sizes where none is named
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_fleet import Fleet, Rebalance
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_plan import plan_rebalance
from fleets import SCENARIOS, Scenario, make_fleet

RESULT = Path(__file__).resolve().parents[2] / "build" / "simulation.json"
# Chunks and nodes.
SIZES = {1_000: 10, 10_000: 30, 100_000: 100, 1_000_000: 1_000}
FACTORS = (1, 2, 3)
# What has to be reached, from this many chunks a node on: of few, no choice hits the mark.
CHUNKS_A_NODE = 500
MOST_OVER_BEST, MOST_OVER_LEAST, MOST_SECONDS, MOST_MEGABYTES = 1.02, 1.05, 10, 1024


@dataclass
class Outcome:
    """One plan.

    Args:
        seconds: of a processor, as the planner uses but one.
        over_best: the bytes of the fullest node as a part of what it has at the best.
        over_least: the bytes moved as a part of those that any plan has to move.
    """

    scenario: str
    nodes: int
    chunks: int
    factor: int
    moves: int
    seconds: float
    megabytes: float
    over_best: float
    over_least: float

    @property
    def reached(self) -> bool:
        fits = self.seconds <= MOST_SECONDS and self.megabytes <= MOST_MEGABYTES
        return fits and (self.chunks < CHUNKS_A_NODE * self.nodes or (self.over_best <= MOST_OVER_BEST and self.over_least <= MOST_OVER_LEAST))

    def as_row(self) -> str:
        figures = f"{self.over_best:.3f} | {self.over_least:.3f} | {self.seconds:.2f} s | {self.megabytes:.0f} MB"
        return f"| {self.nodes} | {self.chunks} | {self.factor} | {self.scenario} | {self.moves} | {figures} |"


HEADER = """\
| nodes | chunks | copies of each | what happened | moves | fullest node, of the best | bytes moved, of the least | processor time | memory |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |"""


def simulate(scenario: Scenario, nodes: int, chunks: int, factor: int) -> Outcome:
    """Plan once in this process."""
    fleet = make_fleet(scenario, nodes, chunks, factor)
    begin = time.process_time()
    plan = plan_rebalance(fleet, scenario.goal)
    seconds = time.process_time() - begin
    over_least = plan.moved_bytes / plan.least_bytes if plan.least_bytes else 1.0
    over_best = max(plan.after[node] for node in _staying(fleet)) / _best(fleet, plan, scenario)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Outcome(scenario.name, nodes, chunks, factor, len(plan.moves), seconds, memory, over_best, over_least)


def _staying(fleet: Fleet) -> list[int]:
    return [number for number, node in enumerate(fleet.nodes) if node.takes_part and not node.leaves]


def _best(fleet: Fleet, plan: Rebalance, scenario: Scenario) -> float:
    """The bytes that the fullest node has at the best: told without the planner's own arithmetic.

    Where all are to be balanced that is the mean, or the biggest chunk. Where only some copies have to be placed, it is the level to which they fill up
    the emptiest nodes, or the fullest node as it was.
    """
    staying = _staying(fleet)
    total = sum(plan.after[node] for node in staying)
    if scenario.goal.balance:
        biggest = max(fleet.sizes)
        return max(total / len(staying), biggest)
    before = sorted(plan.before[node] for node in staying)
    level = 0.0
    for count in range(1, len(before) + 1):
        level = (total - sum(before[count:])) / count
        if count == len(before) or level <= before[count]:
            break
    return max(level, before[-1])


def main(wanted: list[str]) -> int:
    """Each plan in a process of its own, so that the most memory is that plan's."""
    outcomes = []
    print(HEADER, flush=True)
    for chunks in [int(size) for size in wanted] or SIZES:
        for scenario in SCENARIOS:
            for factor in FACTORS:
                if scenario.lost and factor == 1:
                    continue  # nothing is left to be copied
                command = [sys.executable, __file__, "--one", scenario.name, str(chunks), str(factor)]
                outcome = Outcome(**json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))
                print(outcome.as_row(), flush=True)
                outcomes.append(outcome)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps([asdict(outcome) | {"reached": outcome.reached} for outcome in outcomes], indent=2) + "\n")
    missed = [outcome for outcome in outcomes if not outcome.reached]
    print("".join(f"MISSED: {outcome.as_row()}\n" for outcome in missed) or "all reached", flush=True)
    return 1 if missed else 0


def one(name: str, chunks: str, factor: str) -> int:
    """One plan, as JSON."""
    scenario = next(scenario for scenario in SCENARIOS if scenario.name == name)
    print(json.dumps(asdict(simulate(scenario, SIZES[int(chunks)], int(chunks), int(factor)))))
    return 0


if __name__ == "__main__":
    sys.exit(one(*sys.argv[2:]) if sys.argv[1:2] == ["--one"] else main(sys.argv[1:]))
