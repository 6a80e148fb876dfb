# GPL-3.0-or-later (see LICENSE)
"""The cluster that the faults strike: one access node, three data nodes, one of them on a small disk."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path

import disk
import toolbox

HERE = Path(__file__).resolve().parent
PROJECT = "timescaledb-multinode-faults"
ACCESS_NODE = "access"
DATA_NODES = ("data1", "data2", "data3")
HOSTS = (ACCESS_NODE, *DATA_NODES)
DATABASE = "timescaledb"
CONTAINERS = toolbox.CHECKOUT / "tests" / "containers"
INVENTORIES = (CONTAINERS / "inventory.yml", toolbox.BUILD / "engine.inventory.yml", HERE / "inventory.yml")
LOG = toolbox.BUILD / "faults.log"
_PSQL = ["psql", "--no-psqlrc", "--no-align", "--tuples-only", "--quiet", "--field-separator=\t", "--set=ON_ERROR_STOP=1"]
_SECONDS_TO_START = 180


class SqlError(RuntimeError):
    """psql failed, or could not connect."""


def container(host: str) -> str:
    return f"{PROJECT}-{host}"


def docker(*arguments: str, given: str | None = None, check: bool = True, timeout: float | None = None) -> str:
    command = ["docker", *arguments]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=timeout)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def psql_command(host: str, *options: str) -> list[str]:
    return ["docker", "exec", "--interactive", "--user", "postgres", container(host), *_PSQL, *options, DATABASE]


def sql(host: str, query: str, timeout: float = 180) -> list[list[str]]:
    """Rows of a query on a node, as its superuser."""
    done = subprocess.run(psql_command(host), input=query, capture_output=True, text=True, check=False, timeout=timeout)
    if done.returncode != 0:
        raise SqlError(f"{host}: {done.stderr.strip()}")
    return [line.split("\t") for line in done.stdout.splitlines()]


def playbook_command(playbook: str | Path, variables: dict | None = None, *options: str) -> list[str]:
    return [
        "ansible-playbook", *(f"--inventory={path}" for path in INVENTORIES), "--extra-vars", json.dumps(variables or {}), *options, str(playbook)
    ]


class Run:
    """What came of a run of a playbook."""

    def __init__(self, returncode: int | None, output: str, seconds: float) -> None:
        self.succeeded = returncode == 0
        self.returncode = returncode
        self.output = output
        self.seconds = round(seconds, 1)

    @property
    def changed(self) -> int:
        return sum(int(count) for count in re.findall(r"\bchanged=(\d+)", self.output.rpartition("PLAY RECAP")[2]))

    @property
    def message(self) -> str:
        """Of a failed one, what Ansible says of its first failure."""
        found = re.search(r"^(?:fatal|failed): (\[.*?\].*)$", self.output, re.MULTILINE)
        told = re.search(r'"msg": "(.*?)(?<!\\)"', found[1]) if found else None
        return told[1][:600] if told else found[1][:600] if found else ""


def play(playbook: str | Path, variables: dict | None = None, *options: str, timeout: float = 1200) -> Run:
    begin = time.monotonic()
    done = subprocess.run(
        playbook_command(playbook, variables, *options), cwd=toolbox.CHECKOUT, env=toolbox.environment(),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=timeout,
    )
    with LOG.open("a") as log:
        print("$", playbook, variables, *options, file=log)
        log.write(done.stdout)
    return Run(done.returncode, done.stdout, time.monotonic() - begin)


def create() -> None:
    remove()
    disk.create()
    if not toolbox.run(playbook_command(CONTAINERS / "create.yml"), LOG):
        raise RuntimeError("the hosts could not be made")
    disk.keep()
    run = play("timescaledb.multinode.deploy", timeout=3000)
    if not run.succeeded:
        raise RuntimeError(f"the cluster could not be made: {run.message}")


def there() -> bool:
    """Whether the hosts of an earlier call are all running."""
    return all(docker("ps", "--quiet", "--filter", f"name=^{container(host)}$", check=False).strip() for host in HOSTS)


def remove() -> None:
    toolbox.run(playbook_command(CONTAINERS / "destroy.yml"), LOG)
    disk.remove()


def kill(host: str) -> None:
    docker("kill", container(host))


def start(host: str) -> None:
    """Start a host, if it is not running, and its server, if that does not come up by itself; wait until it answers."""
    docker("start", container(host))
    end = time.monotonic() + _SECONDS_TO_START
    begun = 0
    while not answers(host):
        if time.monotonic() > end:
            raise RuntimeError(f"{host}: the server does not answer {_SECONDS_TO_START} s after its start")
        time.sleep(0.3)
        if begun % 10 == 9:
            # As an administrator would after a crash.
            docker("exec", container(host), "sh", "-c", "systemctl reset-failed; systemctl start postgresql@15-main", check=False)
        begun += 1


def wait_for_all(dead: str = "") -> None:
    """All servers answer, and still do so a moment later: the access node may crash once more with the last session that met a dead data node.

    dead: the host that nobody waits for.
    """
    hosts = [host for host in HOSTS if host != dead]
    end = time.monotonic() + _SECONDS_TO_START
    while not (all(map(answers, hosts)) and (time.sleep(2) or all(map(answers, hosts)))):
        if time.monotonic() > end:
            raise RuntimeError(f"not all servers answer {_SECONDS_TO_START} s after the fault was undone")
        time.sleep(0.5)


def answers(host: str) -> bool:
    try:
        return sql(host, "SELECT NOT pg_is_in_recovery()", timeout=30) == [["t"]]
    except (SqlError, subprocess.TimeoutExpired):
        return False


def address(host: str) -> str:
    return docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container(host)).strip()
