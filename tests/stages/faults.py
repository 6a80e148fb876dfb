# GPL-3.0-or-later (see LICENSE)
"""make faults: sets up what the fault tests need and runs them with the tools' Python. They are about the real engine only."""

from __future__ import annotations

import subprocess
import sys

import toolbox


def main(arguments: list[str]) -> int:
    import daemon
    import image
    import prepare

    chosen = prepare.prepare()
    print(f"engine: {chosen.description}", flush=True)
    if chosen.engine == "stand-in":
        print("skipped: the stand-in does not copy chunks between data nodes", flush=True)
        return 0
    python = toolbox.virtual_environment() / "bin" / "python"
    toolbox.link_checkout()
    if not daemon.ensure():
        print("skipped: no container engine answers or can be started", flush=True)
        return 0
    image.ensure_all()
    faults = str(toolbox.CHECKOUT / "tests" / "faults" / "run.py")
    return subprocess.run([str(python), faults, *arguments], cwd=toolbox.CHECKOUT, env=toolbox.environment(), check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
