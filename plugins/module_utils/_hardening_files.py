# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Files that others can read or write. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ansible_collections.timescaledb.multinode.plugins.module_utils._hardening import HIGH, LOW, MEDIUM, Finding

_SECRET = {"server key": "the key of the server", "client key": "the key of a role", "passfile": "the passwords of the data nodes"}
# Kinds of files whose owner and mode matter.
KEPT = (*_SECRET, "pg_hba.conf")


@dataclass(frozen=True)
class Mode:
    """Owner and mode of a file.

    Args:
        open_way: whether everybody on the host may enter the folders that lead to it.
    """

    mode: int
    owner: str
    group: str
    open_way: bool

    @property
    def text(self) -> str:
        """As people read it."""
        return f"{self.owner}:{self.group} {self.mode & 0o7777:04o}"


def mode_findings(kinds: Mapping[str, str], seen: Mapping[str, Mode]) -> list[Finding]:
    """About the files of one host; kinds and modes by path."""
    judged = (_judged(path, kinds[path], mode) for path, mode in sorted(seen.items()) if path in kinds)
    return [finding for finding in judged if finding]


def kept_files(files: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Path -> kind, of those that matter here."""
    return {file["path"]: file["kind"] for file in files if file["kind"] in KEPT}


def _judged(path: str, kind: str, mode: Mode) -> Finding | None:
    if kind == "pg_hba.conf":
        if not (mode.mode & 0o002 and mode.open_way):
            return None
        why = "every account of the host decides who may log in"
        return Finding("file_writable", HIGH, path, f"everybody on the host can write it ({mode.text})", why, "chmod 0640, owner postgres")
    what = _SECRET[kind]
    remedy = "chmod 0600, owner postgres; then replace what it holds"
    if mode.mode & 0o006 and mode.open_way:
        why = "every account of the host can be that server or role"
        return Finding("file_readable", HIGH, path, f"everybody on the host can read {what} ({mode.text})", why, remedy)
    if mode.mode & 0o006:
        why = "only the mode of a folder above it protects it, and libpq and PostgreSQL do not use such a file"
        return Finding("file_readable", LOW, path, f"its mode lets everybody read {what} ({mode.text})", why, remedy)
    # PostgreSQL itself takes a key of root's that its group reads.
    if mode.mode & (0o020 if mode.owner == "root" and kind != "passfile" else 0o060):
        why = "whoever is in that group can be that server or role"
        return Finding("file_readable", MEDIUM, path, f"group {mode.group} can read {what} ({mode.text})", why, remedy)
    return None
