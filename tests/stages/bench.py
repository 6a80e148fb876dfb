# GPL-3.0-or-later (see LICENSE)
"""make bench: sets up what the benchmarks need and runs them with the tools' Python."""

from __future__ import annotations

import subprocess
import sys

import toolbox


def main(arguments: list[str]) -> int:
    import daemon
    import image
    import prepare

    print(f"engine: {prepare.prepare().description}", flush=True)
    python = toolbox.virtual_environment() / "bin" / "python"
    toolbox.link_checkout()
    if daemon.ensure():
        image.ensure_all()
    benchmarks = str(toolbox.CHECKOUT / "tests" / "benchmarks" / "run.py")
    return subprocess.run([str(python), benchmarks, *arguments], cwd=toolbox.CHECKOUT, env=toolbox.environment(), check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
