# GPL-3.0-or-later (see LICENSE)
"""A cluster in containers whose hosts fail: runs playbooks on it, asks it by psql, and does to hosts what happens to hosts."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import toolbox

CONTAINERS = toolbox.CHECKOUT / "tests" / "containers"
DATABASE = "timescaledb"
ATTEMPT_SECONDS = 5


class PlaybookFailed(AssertionError):
    pass


class Hosts:
    """The hosts of one inventory. log: where the output of all playbooks goes."""

    def __init__(self, project: str, inventory: Path, log: Path) -> None:
        self._project = project
        self._inventory = inventory
        self._log = log

    @classmethod
    def of_scenario(cls, name: str) -> Hosts:
        """Those of a scenario of molecule, with a log of its name that begins anew."""
        log = toolbox.BUILD / f"{name}.log"
        log.unlink(missing_ok=True)
        return cls(f"timescaledb-multinode-{name}", toolbox.CHECKOUT / "molecule" / name / "inventory.yml", log)

    def command(self, playbook: str | Path, inventory: Path | None = None, **variables: object) -> list[str]:
        inventories = (CONTAINERS / "inventory.yml", toolbox.BUILD / "engine.inventory.yml", inventory or self._inventory)
        extra = [part for name, value in variables.items() for part in ("--extra-vars", json.dumps({name: value}))]
        return ["ansible-playbook", *(f"--inventory={path}" for path in inventories), str(playbook), *extra]

    def play(self, playbook: str | Path, inventory: Path | None = None, check: bool = False, fails: bool = False, **variables: object) -> tuple[int, str]:
        """Changed tasks of all hosts, and the output. Raises where it fails, or with C(fails) where it does not."""
        command = [*self.command(playbook, inventory, **variables), *(["--check", "--diff"] if check else [])]
        done = subprocess.run(
            command, cwd=toolbox.CHECKOUT, env=toolbox.environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        with self._log.open("a") as log:
            print("$", *command, done.stdout, sep="\n", file=log)
        if (done.returncode != 0) is not fails:
            raise PlaybookFailed(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-6000:]}")
        return sum(int(count) for count in re.findall(r"\bchanged=(\d+)", done.stdout.rpartition("PLAY RECAP")[2])), done.stdout

    def twice(self, playbook: str, **variables: object) -> None:
        """The first run changes something, the second one nothing; variables: as for C(play())."""
        changed, _output = self.play(playbook, **variables)
        wanted(changed > 0, f"{playbook} changes something")
        changed, output = self.play(playbook, **variables)
        wanted(changed == 0, f"a second run of {playbook} changes nothing:\n{output[-4000:]}")

    def start(self, playbook: str | Path, **variables: object) -> subprocess.Popen[str]:
        """A playbook that is waited for later, by C(communicate())."""
        return subprocess.Popen(
            self.command(playbook, **variables), cwd=toolbox.CHECKOUT, env=toolbox.environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def psql(self, host: str, statement: str, timeout: int = 60) -> str:
        """The bare answer. Raises CalledProcessError."""
        client = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", DATABASE]
        return self._docker("exec", "-i", "-u", "postgres", self._name(host), "timeout", str(timeout), *client, statement=statement).strip()

    def shell(self, host: str, command: str) -> str:
        """What the command prints, as root."""
        return self._docker("exec", self._name(host), "sh", "-c", command).strip()

    def accepts(self, statement: str) -> bool:
        """Whether the access node takes a write now, in a session of its own."""
        try:
            self.psql("access", statement, ATTEMPT_SECONDS)
        except subprocess.CalledProcessError:
            return False
        return True

    def kill(self, host: str) -> None:
        self._docker("kill", self._name(host))

    def boot(self, host: str) -> None:
        self._docker("start", self._name(host))
        self._docker("exec", self._name(host), "systemctl", "is-system-running", "--wait", check=False)
        self.wait_for(host)

    def cut(self, host: str) -> None:
        """The host runs on, and no packet reaches it any more."""
        self._docker("network", "disconnect", self._project, self._name(host))

    def connect(self, host: str, name: str = "") -> None:
        """The host is on the network again, under its own name or another one."""
        self._docker("network", "connect", "--alias", name or host, self._project, self._name(host))

    def wait_for(self, host: str, seconds: int = 60) -> None:
        end = time.monotonic() + seconds
        while True:
            try:
                self.psql(host, "SELECT 1")
                return
            except subprocess.CalledProcessError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)

    def _name(self, host: str) -> str:
        return f"{self._project}-{host}"

    @staticmethod
    def _docker(*arguments: str, statement: str = "", check: bool = True) -> str:
        done = subprocess.run(["docker", *arguments], input=statement, capture_output=True, text=True, check=False)
        if check and done.returncode != 0:
            raise subprocess.CalledProcessError(done.returncode, done.args, done.stdout, done.stderr)
        return done.stdout


def wanted(fulfilled: bool, what: str) -> None:
    """Raise AssertionError where it is not so."""
    if not fulfilled:
        raise AssertionError(f"not so: {what}")


def told(acts: Callable[[], list[Callable[[], None]]]) -> int:
    """Run the acts of a story, of which each is told with its seconds; the exit code of the program that tells it."""
    try:
        for act in acts():
            begin = time.monotonic()
            act()
            print(f"{time.monotonic() - begin:6.1f} s   {act.__name__.replace('_', ' ')}", flush=True)
    except (AssertionError, PlaybookFailed) as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"FAILED: {error}\n{error.stdout}{error.stderr}", file=sys.stderr)
        return 1
    return 0
