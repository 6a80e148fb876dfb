# GPL-3.0-or-later (see LICENSE)
"""make bench: ratios measured side by side in one run, into build/bench.json and a table.

    run.py [register] [observe] [declare] [rebalance] [fleet] [failover] [deploy]      all of them where none is named
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

sys.path.extend(str(Path(__file__).resolve().parents[1] / folder) for folder in ("stages", "engine", "containers", "integration"))

import daemon
import declare
import deploy
import engine as engines
import failover
import fleet
import observe
import rebalance
import register_nodes
import toolbox

RESULT = toolbox.BUILD / "bench.json"
PARTS = {
    "register": register_nodes.measure,
    "observe": observe.measure,
    "declare": declare.measure,
    "rebalance": rebalance.measure,
    "fleet": fleet.measure,
    "failover": failover.measure,
    "deploy": deploy.measure,
}
ON_CONTAINERS = ("failover", "deploy")


def main(wanted: list[str]) -> int:
    # As users have Ansible, not as the other tests do.
    os.environ["ANSIBLE_CALLBACKS_ENABLED"] = "default"
    folder = toolbox.BUILD / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    found = json.loads(RESULT.read_text())["figures"] if RESULT.exists() and wanted else {}
    print(f"{'':<44} {'ours':>10} {'theirs':>10} {'ratio':>7}  {'wanted':<8}", flush=True)
    missed = False
    for name in wanted or PARTS:
        if name in ON_CONTAINERS and not daemon.ensure():
            print(f"{name}: skipped, no container engine answers or can be started", flush=True)
            continue
        for figure in PARTS[name](folder):
            print(figure.as_line(), flush=True)
            found[figure.name] = figure.as_json()
            missed |= not figure.reached
    RESULT.write_text(json.dumps({"engine": engines.choose().description, "figures": found}, indent=2) + "\n")
    print(f"all figures: {RESULT.relative_to(toolbox.CHECKOUT)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
