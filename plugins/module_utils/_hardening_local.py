# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Owners and modes of a server's files, where the module runs on the server's own host: PostgreSQL does not tell them."""

from __future__ import annotations

import base64
import grp
import os
import pwd
import stat
from typing import Any

from ansible_collections.timescaledb.multinode.plugins.module_utils._hardening_files import Mode, kept_files


def modes_here(files: list[dict[str, Any]] | None) -> dict[str, Mode] | None:
    """By path, as far as this account may see them; None where this is not the server's host."""
    if not files or not _is_here(files):
        return None
    seen = {}
    for path in kept_files(files):
        try:
            seen[path] = _mode(path)
        except OSError:
            continue
    return seen


def _is_here(files: list[dict[str, Any]]) -> bool:
    """Whether the server's postmaster.pid is this host's: a forwarded socket looks like a local one, and many hosts have the same paths."""
    for file in files:
        if file["kind"] == "postmaster.pid":
            try:
                with open(file["path"], "rb") as local:
                    return local.read() == base64.b64decode(file["content"])
            except OSError:
                return False
    return False


def _mode(path: str) -> Mode:
    real = os.path.realpath(path)
    found = os.stat(real)
    folder, open_way = os.path.dirname(real), True
    while True:
        open_way = open_way and bool(os.stat(folder).st_mode & stat.S_IXOTH)
        if folder == os.path.dirname(folder):
            return Mode(stat.S_IMODE(found.st_mode), _name(pwd.getpwuid, found.st_uid), _name(grp.getgrgid, found.st_gid), open_way)
        folder = os.path.dirname(folder)


def _name(lookup: Any, number: int) -> str:
    try:
        return lookup(number)[0]
    except KeyError:
        return str(number)
