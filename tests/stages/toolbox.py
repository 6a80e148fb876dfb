# GPL-3.0-or-later (see LICENSE)
"""What all stages share: where things are, the tools' environment, and running a command into a log."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
BUILD = CHECKOUT / "build"
LOGS = BUILD / "test"
COLLECTIONS = BUILD / "collections"
# Which copy of the collection is tested: the checkout, unless the artefact's stage names the installed one.
TESTED = Path(os.environ.get("TEST_COLLECTIONS", COLLECTIONS))
REQUIREMENTS = CHECKOUT / "tests" / "requirements.txt"
DISTRIBUTION_PYTHON = "/usr/bin/python3"
# Of the release of ansible-core in tests/requirements.txt.
OLDEST_PYTHON = (3, 11)
# The longest takes a third of it. Without a limit nobody is told what hangs.
SECONDS_OF_A_COMMAND = 60 * 60
sys.path[:0] = [str(CHECKOUT / "tests" / folder) for folder in ("containers", "engine")]


@dataclass
class Outcome:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    remarks: list[str] = field(default_factory=list)

    def count(self, name: str, succeeded: bool) -> None:
        if succeeded:
            self.passed += 1
        else:
            self.failed += 1
            self.remarks.append(f"failed: {name}")

    def skip(self, name: str, reason: str) -> None:
        self.skipped += 1
        self.remarks.append(f"skipped: {name}: {reason}")


def virtual_environment() -> Path:
    """TEST_VENV names an environment that is ready; without it .venv is made from tests/requirements.txt."""
    if os.environ.get("TEST_VENV"):
        return Path(os.environ["TEST_VENV"])
    place = CHECKOUT / ".venv"
    mark = place / "made-from"
    wanted = f"{_interpreter()} {hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()}"
    if not (mark.is_file() and mark.read_text() == wanted):
        _make_environment(place)
        mark.write_text(wanted)
    return place


@cache
def _interpreter() -> str:
    """The distribution's, where it is new enough: it is built with optimisation, and Ansible spends its time in it. One that was built without, as
    pyenv does unless told, took half as long again.
    """
    try:
        found = subprocess.run([DISTRIBUTION_PYTHON, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return sys.executable
    return DISTRIBUTION_PYTHON if tuple(map(int, found.stdout.split())) >= OLDEST_PYTHON else sys.executable


def _make_environment(place: Path) -> None:
    print("installing the tools of tests/requirements.txt into .venv", flush=True)
    shutil.rmtree(place, ignore_errors=True)
    make = [_interpreter(), "-m", "venv", str(place)]
    if subprocess.run(make, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode != 0:
        import machine

        if not machine.install("python3-venv"):
            make[0] = sys.executable
        subprocess.run([*make, "--clear"], stdin=subprocess.DEVNULL, check=True)
    pip = [str(place / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", "--requirement", str(REQUIREMENTS)]
    subprocess.run(pip, stdin=subprocess.DEVNULL, check=True)


def link_checkout() -> None:
    """Ansible finds a collection by its place: put the checkout there."""
    link = COLLECTIONS / "ansible_collections" / "timescaledb" / "multinode"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(CHECKOUT)


def environment(collections: Path = TESTED) -> dict[str, str]:
    tools = virtual_environment() / "bin"
    # Modules read themselves from an unbuffered stdin byte by byte, and plugins are compiled anew in each run: no user has it so.
    inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")}
    return inherited | {
        "PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_CONFIG": str(CHECKOUT / "tests" / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "NO_COLOR": "1",
        "LC_ALL": "C.UTF-8",
        # Ansible's parsers of wrapped output, and people who read logs, need the lines whole.
        "COLUMNS": "200",
    }


def run(command: list[str], log: Path, cwd: Path = CHECKOUT, env: dict[str, str] | None = None) -> bool:
    """Appends the command and its output to the log; says whether it succeeded, which one that hangs has not."""
    with log.open("a") as out:
        print("$", *command, file=out, flush=True)
        try:
            done = subprocess.run(
                command, cwd=cwd, env=env or environment(), stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False, timeout=SECONDS_OF_A_COMMAND
            )
        except subprocess.TimeoutExpired:
            print(f"broken off after {SECONDS_OF_A_COMMAND} s", file=out)
            return False
    return done.returncode == 0
