# GPL-3.0-or-later (see LICENSE)
"""ansible-test sanity, with nothing ignored, on a copy of the files that git knows or would add."""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import machine
from toolbox import CHECKOUT, Outcome, environment, run, virtual_environment

# ansible-test fetches this file from a host of its own before it makes its environments. Python brings the same pip.
# The name holds the version of pip that the pinned ansible-core asks for.
PIP_BOOTSTRAP = Path("~/.ansible/test/cache/get_pip_24_2.py").expanduser()
# ansible-test makes its environments beside that folder, and two of them at once each make half of one.
LOCK = PIP_BOOTSTRAP.with_name("timescaledb-multinode.lock")


def sanity(log: Path) -> Outcome:
    PIP_BOOTSTRAP.parent.mkdir(parents=True, exist_ok=True)
    if not PIP_BOOTSTRAP.exists():
        PIP_BOOTSTRAP.write_text("import ensurepip\n\nensurepip.bootstrap(default_pip=True)\n")
    machine.install("shellcheck")
    with tempfile.TemporaryDirectory() as scratch:
        collections = Path(scratch) / "ansible_collections"
        collection = collections / "timescaledb" / "multinode"
        _copy(collection)
        # The modules import community.postgresql; ansible-test looks for it beside the collection only.
        (collections / "community").symlink_to(_python("import ansible_collections.community as c; print(c.__path__[0])"))
        python = _python("import sys; print('%d.%d' % sys.version_info[:2])")
        with LOCK.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            succeeded = run(["ansible-test", "sanity", "--local", "--python", python, "--color", "no"], log, collection)
    return _counted(log.read_text(), succeeded)


def _copy(target: Path) -> None:
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        source = CHECKOUT / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)


def _python(code: str) -> str:
    ask = [str(virtual_environment() / "bin" / "python"), "-c", code]
    return subprocess.run(ask, env=environment(), capture_output=True, text=True, check=True).stdout.strip()


def _counted(output: str, succeeded: bool) -> Outcome:
    names = set(re.findall(r'Running sanity test "([^"]+)"', output))
    below = re.search(r"sanity test\(s\) listed below .*? failed\..*\n((?:\S.*\n?)+)", output)
    failed = {line.split()[0] for line in below.group(1).splitlines()} & names if below else set()
    missing = set(re.findall(r'Running sanity test "([^"]+)".*\nWARNING: Required program', output))
    outcome = Outcome()
    for name in sorted(names):
        if name in missing:
            outcome.skip(f"sanity {name}", "its program is not installed")
        else:
            outcome.count(f"sanity {name}", name not in failed)
    if not names or (not succeeded and not failed):
        outcome.count("ansible-test sanity", False)
    return outcome
