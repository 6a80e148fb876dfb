# GPL-3.0-or-later (see LICENSE)
"""Kills deploy.yml on virgin hosts in task after task, twice with the hosts' power; each next run goes on from there, and the last two must
succeed.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "stages"))

import toolbox

HERE = Path(__file__).resolve().parent
PROJECT = "timescaledb-multinode-interrupt"
CONTAINERS = toolbox.CHECKOUT / "tests" / "containers"
INVENTORIES = (CONTAINERS / "inventory.yml", toolbox.BUILD / "engine.inventory.yml", HERE / "inventory.yml")
LOG = toolbox.BUILD / "interrupt.log"
# The title of the task, and how many seconds it may work.
MOMENTS = (
    ("Install PostgreSQL, TimescaleDB and its loader", 3),
    ("Install PostgreSQL, TimescaleDB and its loader", 2),
    ("Hold TimescaleDB and its loader", 0),
    ("Create it in Debian's way", 0.5),
    ("Write the settings, once a scratch server has started with them", 1),
    ("Open the server for the cluster's nodes", 0.3),
    ("Have the service manager start the server", 0.5),
    ("Give the role its password", 0.3),
    ("Write the passfile for connections to data nodes", 0.3),
    ("Create the database", 0.5),
    ("Create the extension at the pinned release", 0.5),
    ("Converge the data nodes, the distributed hypertables and the jobs", 0.3),
    ("Converge the data nodes, the distributed hypertables and the jobs", 0.6),
    ("Write and read over all data nodes, in a scratch table that is removed", 0.5),
)
# Which of these moments are the end of the hosts' power as well.
POWER_FAILURES = (0, 11)


def main() -> int:
    LOG.unlink(missing_ok=True)
    if not (playbook(CONTAINERS / "destroy.yml") and playbook(CONTAINERS / "create.yml")):
        return failed("the hosts could not be made")
    try:
        for number, (title, seconds) in enumerate(MOMENTS):
            if not interrupt(title, seconds):
                return failed(f"no run came to the task {title!r}")
            if number in POWER_FAILURES:
                fail_power()
        if not playbook("timescaledb.multinode.deploy"):
            return failed("the run after the last interruption failed")
        if not playbook("timescaledb.multinode.deploy") or last_run_changed() != 0:
            return failed("the run after that changed something")
    finally:
        playbook(CONTAINERS / "destroy.yml")
    print(f"{len(MOMENTS)} interruptions, each finished by running it again")
    return 0


def command(name: str | Path) -> list[str]:
    return ["ansible-playbook", *(f"--inventory={path}" for path in INVENTORIES), str(name)]


def playbook(name: str | Path) -> bool:
    return toolbox.run(command(name), LOG)


def interrupt(title: str, seconds: float) -> bool:
    """Whether the task was reached; the run is killed in it. A run that fails before is not forgiven."""
    begin = time.monotonic()
    with LOG.open("a") as log:
        run = subprocess.Popen(
            command("timescaledb.multinode.deploy"), cwd=toolbox.CHECKOUT, env=toolbox.environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True,
        )
        reached = False
        for line in run.stdout or ():
            log.write(line)
            if line.startswith("TASK [") and re.sub(r"^TASK \[(.* : )?(.*)\] \**$", r"\2", line.strip()) == title:
                reached = True
                time.sleep(seconds)
                break
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    print(f"{time.monotonic() - begin:6.1f} s   {'killed in' if reached else 'NEVER CAME TO'}: {title}", flush=True)
    return reached


def fail_power() -> None:
    """All hosts lose their power and start again."""
    hosts = subprocess.run(["docker", "ps", "--quiet", "--filter", f"name={PROJECT}-"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    for action in ("kill", "start"):
        subprocess.run(["docker", action, *hosts], stdout=subprocess.DEVNULL, check=True)
    for host in hosts:
        subprocess.run(["docker", "exec", host, "systemctl", "is-system-running", "--wait"], stdout=subprocess.DEVNULL, check=False)
    print("         power failure of all hosts", flush=True)


def last_run_changed() -> int:
    recap = LOG.read_text().rpartition("PLAY RECAP")[2]
    return sum(int(count) for count in re.findall(r"\bchanged=(\d+)", recap))


def failed(reason: str) -> int:
    print(f"FAILED: {reason} (see {LOG.relative_to(toolbox.CHECKOUT)})", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
