# GPL-3.0-or-later (see LICENSE)
"""Kills deploy.yml on virgin hosts in task after task, twice with the hosts' power; each next run goes on from there, and the last two must
succeed. Then kills it in task after task while the nodes change from passwords to certificates and rows are written, of which none may be lost.

    run.py [--short]

--short: part of make test. Leaves out some moments, and check mode after each moment of the change. make interrupt has them all.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "stages"))

import toolbox

HERE = Path(__file__).resolve().parent
PROJECT = "timescaledb-multinode-interrupt"
CONTAINERS = toolbox.CHECKOUT / "tests" / "containers"
INVENTORIES = (CONTAINERS / "inventory.yml", toolbox.BUILD / "engine.inventory.yml", HERE / "inventory.yml")
LOG = toolbox.BUILD / "interrupt.log"


class Moment(NamedTuple):
    title: str
    # How long the task may work.
    seconds: float
    # Whether it is part of a short run.
    short: bool = True
    # Whether it is the end of the hosts' power as well.
    power_failure: bool = False


class MomentOfASwitch(NamedTuple):
    title: str
    seconds: float
    # At which time the task comes.
    time_of_its_name: int = 1
    short: bool = True


MOMENTS = (
    Moment("Install PostgreSQL, TimescaleDB and its loader", 3, power_failure=True),
    Moment("Install PostgreSQL, TimescaleDB and its loader", 2, short=False),
    Moment("Hold TimescaleDB and its loader", 0, short=False),
    Moment("Create it in Debian's way", 0.5),
    Moment("Write the settings, once a scratch server has started with them", 1),
    Moment("Open the server for the cluster's nodes", 0.3, short=False),
    Moment("Start the server, and wait until it answers", 0.5, short=False),
    Moment("Give the role its password", 0.3, short=False),
    Moment("Write the passfile for connections to data nodes", 0.3, short=False),
    Moment("Create the database", 0.5, short=False),
    Moment("Create the extension at the pinned release", 0.5),
    Moment("Converge the data nodes, the distributed hypertables and the jobs", 0.3, power_failure=True),
    Moment("Converge the data nodes, the distributed hypertables and the jobs", 0.6, short=False),
    Moment("Write and read over all data nodes, in a scratch table that is removed", 0.5, short=False),
)
# The same while the method is switched: for data nodes, the access node, and data nodes once more. The server is reloaded only where something has
# changed, which for data nodes the runs before have done.
SWITCH = {"timescaledb_host_auth_method": "certificate"}
MOMENTS_OF_A_SWITCH = (
    MomentOfASwitch("Sign the requests", 0.3, short=False),
    MomentOfASwitch("Place the certificates", 0.3, short=False),
    MomentOfASwitch("Write the settings, once a scratch server has started with them", 1),
    MomentOfASwitch("Have the service manager do it: reload", 0.1),
    MomentOfASwitch("Write the settings, once a scratch server has started with them", 1, time_of_its_name=2, short=False),
    MomentOfASwitch("Have the service manager do it: reload", 0, short=False),
    MomentOfASwitch("Wait for the statements that began before", 0, short=False),
    MomentOfASwitch("Open the server for the cluster's nodes", 0.3, time_of_its_name=3),
    MomentOfASwitch("Log in to each data node as the access node does, and try what has to be turned away", 0.3, short=False),
)


def main(short: bool) -> int:
    moments, moments_of_a_switch = ([moment for moment in every if moment.short or not short] for every in (MOMENTS, MOMENTS_OF_A_SWITCH))
    LOG.unlink(missing_ok=True)
    if not (playbook(CONTAINERS / "destroy.yml") and playbook(CONTAINERS / "create.yml")):
        return failed("the hosts could not be made")
    try:
        for moment in moments:
            if not interrupt(moment.title, moment.seconds):
                return failed(f"no run came to the task {moment.title!r}")
            if moment.power_failure:
                fail_power()
        if not playbook("timescaledb.multinode.deploy"):
            return failed("the run after the last interruption failed")
        if not playbook("timescaledb.multinode.deploy") or last_run_changed() != 0:
            return failed("the run after that changed something")
        reason = switch(moments_of_a_switch, foresee=not short)
        if reason:
            return failed(reason)
    finally:
        playbook(CONTAINERS / "destroy.yml")
    print(f"{len(moments) + len(moments_of_a_switch)} interruptions, each finished by running it again")
    return 0


def switch(moments: list[MomentOfASwitch], foresee: bool) -> str:
    """From passwords to certificates while rows are written; why that failed, or nothing. foresee: check mode has to work after each moment."""
    if stands_in():
        print("skipped: the stand-in's access node has no client certificate to show to data nodes")
        return ""
    writer = HERE.parents[1] / "molecule" / "shared" / "files" / "writer.py"
    on_access_node("mkdir -p /ledger && chown postgres /ledger && cat >/ledger/writer.py", writer.read_bytes())
    on_access_node("systemd-run --unit=writer --uid=postgres /usr/bin/python3 /ledger/writer.py timescaledb /ledger")
    for moment in moments:
        if not interrupt(moment.title, moment.seconds, moment.time_of_its_name, SWITCH):
            return f"no run of the switch came to the task {moment.title!r}"
        if foresee and not playbook("timescaledb.multinode.deploy", "--check", "--diff", variables=SWITCH):
            return f"check mode failed after the interruption in {moment.title!r}"
    if not playbook("timescaledb.multinode.deploy", variables=SWITCH):
        return "the run after the last interruption of the switch failed"
    if not playbook("timescaledb.multinode.deploy", variables=SWITCH) or last_run_changed() != 0:
        return "the run after that changed something"
    on_access_node("touch /ledger/stop; until test -s /ledger/ledger.json; do sleep 0.2; done")
    ledger = json.loads(on_access_node("cat /ledger/ledger.json"))
    rows = json.loads(on_access_node("runuser -u postgres -- psql -XAtqc 'SELECT json_agg(device) FROM ledger' timescaledb"))
    print(f"         {len(rows)} rows, {len(ledger['failures'])} failures, longest {ledger['longest'][0]} s", flush=True)
    if ledger["failures"]:
        return f"statements failed during the switch: {ledger['failures'][:3]}"
    if sorted(rows) != sorted(ledger["confirmed"]):
        return "rows that were confirmed are missing, or there are others"
    return ""


def stands_in() -> bool:
    import engine

    return engine.choose().engine == "stand-in"


def on_access_node(script: str, stdin: bytes = b"") -> bytes:
    run = ["docker", "exec", "--interactive", f"{PROJECT}-access", "/bin/sh", "-c", script]
    return subprocess.run(run, input=stdin, stdout=subprocess.PIPE, check=True).stdout


def command(name: str | Path, *options: str, variables: dict[str, str] | None = None) -> list[str]:
    more = [f"--extra-vars={json.dumps(variables)}"] if variables else []
    return ["ansible-playbook", *(f"--inventory={path}" for path in INVENTORIES), *options, *more, str(name)]


def playbook(name: str | Path, *options: str, variables: dict[str, str] | None = None) -> bool:
    return toolbox.run(command(name, *options, variables=variables), LOG)


def interrupt(title: str, seconds: float, time_of_its_name: int = 1, variables: dict[str, str] | None = None) -> bool:
    """Whether the task was reached; the run is killed in it. A run that fails before is not forgiven."""
    begin = time.monotonic()
    with LOG.open("a") as log:
        run = subprocess.Popen(
            command("timescaledb.multinode.deploy", variables=variables), cwd=toolbox.CHECKOUT, env=toolbox.environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True,
        )
        reached, times = False, 0
        for line in run.stdout or ():
            log.write(line)
            if line.startswith("TASK [") and re.sub(r"^TASK \[(.* : )?(.*)\] \**$", r"\2", line.strip()) == title:
                times += 1
            if times == time_of_its_name:
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
    sys.exit(main("--short" in sys.argv[1:]))
