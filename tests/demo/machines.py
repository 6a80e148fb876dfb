# GPL-3.0-or-later (see LICENSE)
"""The two kinds of hosts that the demo's cluster can be on: containers, and PostgreSQL clusters on this machine.

DEMO_NAME and DEMO_PORT keep demos apart that stand side by side; TEST_WITHOUT_CONTAINERS has this machine taken.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import daemon
import image
import machine
import toolbox

HERE = Path(__file__).resolve().parent
CONTAINERS = toolbox.CHECKOUT / "tests" / "containers"
ENGINE = toolbox.BUILD / "engine.inventory.yml"
DATABASE = "timescaledb"
NAME = os.environ.get("DEMO_NAME") or "demo"
# As the inventories have them.
HOSTS = ("access", "data1", "data2")
FIRST_PORT = int(os.environ.get("DEMO_PORT") or 54320)


def playbook(name: str, inventories: list[Path], log: Path) -> bool:
    arguments = [f"--inventory={path}" for path in inventories]
    return toolbox.run(["ansible-playbook", *arguments, name], log)


class Containers:
    title = "containers"
    inventories = (CONTAINERS / "inventory.yml", ENGINE, HERE / "inventory.yml")

    def create(self, log: Path) -> bool:
        image.ensure()
        return playbook(str(CONTAINERS / "create.yml"), list(self.inventories), log)

    def remove(self, log: Path) -> bool:
        return playbook(str(CONTAINERS / "destroy.yml"), [CONTAINERS / "inventory.yml", HERE / "inventory.yml"], log)

    def psql(self, host: str) -> list[str]:
        container = f"timescaledb-multinode-{NAME}-{host}"
        return ["docker", "exec", "--interactive", "--user", "postgres", container, "psql", DATABASE]


class Local:
    title = "PostgreSQL clusters on this machine"
    inventories = (ENGINE, HERE / "inventory.yml", HERE / "local" / "inventory.yml")

    def create(self, log: Path) -> bool:
        import prepare

        return machine.install("postgresql-15", "python3-psycopg2") and prepare.install_on_this_host()

    def remove(self, log: Path) -> bool:
        known = subprocess.run(["pg_lsclusters", "--no-header"], capture_output=True, text=True, check=False).stdout
        removed = True
        for line in known.splitlines():
            version, name = line.split()[:2]
            if name in {f"ts{NAME}_{host}" for host in HOSTS}:
                removed &= toolbox.run([*machine.ROOT, "pg_dropcluster", "--stop", version, name], log)
        return removed & toolbox.run([*machine.ROOT, "rm", "--force", f"/etc/timescaledb-multinode-{NAME}.passfile"], log)

    def psql(self, host: str) -> list[str]:
        become = ["runuser", "--user", "postgres", "--"] if not machine.ROOT else ["sudo", "--user", "postgres"]
        return [*become, "psql", f"--port={FIRST_PORT + HOSTS.index(host)}", DATABASE]


def choose() -> Containers | Local:
    return Containers() if daemon.ensure() else Local()


def query(machines: Containers | Local, host: str, sql: str) -> list[list[str]]:
    options = ["--no-psqlrc", "--no-align", "--tuples-only", "--quiet", "--set=ON_ERROR_STOP=1"]
    command = [*machines.psql(host), *options]
    done = subprocess.run(command, input=sql, capture_output=True, text=True, cwd="/", check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{shlex.join(command)} failed on {sql!r}: {done.stderr.strip()}")
    return [line.split("|") for line in done.stdout.splitlines()]
