# GPL-3.0-or-later (see LICENSE)
"""make simulate: runs the simulation of the rebalancing's planner with the tools' Python."""

from __future__ import annotations

import subprocess
import sys

import toolbox


def main(arguments: list[str]) -> int:
    python = toolbox.virtual_environment() / "bin" / "python"
    toolbox.link_checkout()
    environment = toolbox.environment()
    environment["PYTHONPATH"] = environment["ANSIBLE_COLLECTIONS_PATH"]
    simulation = str(toolbox.CHECKOUT / "tests" / "simulate" / "rebalance.py")
    return subprocess.run([str(python), simulation, *arguments], cwd=toolbox.CHECKOUT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
