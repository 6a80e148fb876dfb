# GPL-3.0-or-later (see LICENSE)
"""Installs the Debian packages that the tests need on the machine they run on, where they are missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

# apt-get does not wait for another one to end with its lists.
_ONE_AT_A_TIME = threading.Lock()
ROOT = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]


def install(*names: str) -> bool:
    """False where that cannot be done: not Debian's apt, no right to, or no mirror answers."""
    if shutil.which("apt-get") is None:
        return False
    wanted = [name for name in names if not _installed(name)]
    if not wanted:
        return True
    print(f"installing on this machine: {', '.join(wanted)}", flush=True)
    install_them = ["--yes", "--no-install-recommends", "install", *wanted]
    # A second try after an update: lists may be missing or older than the mirror.
    return _apt_get(*install_them) or (_apt_get("update") and _apt_get(*install_them))


def install_files(*debs: Path) -> bool:
    return _apt_get("--yes", "--allow-downgrades", "--no-install-recommends", "install", *(str(deb) for deb in debs))


def _apt_get(*arguments: str) -> bool:
    quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1", "apt-get", "--quiet", "--quiet"]
    with _ONE_AT_A_TIME:
        done = subprocess.run([*ROOT, *quiet, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(done.stderr, file=sys.stderr, flush=True)
    return done.returncode == 0


def _installed(name: str) -> bool:
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", name]
    return subprocess.run(query, capture_output=True, text=True, check=False).stdout == "installed"
