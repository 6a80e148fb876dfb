# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""A hardening report with what the hosts themselves say of their files, and as a table. No I/O."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.timescaledb.multinode.plugins.module_utils._hardening import in_order, shown
from ansible_collections.timescaledb.multinode.plugins.module_utils._hardening_files import Mode, mode_findings
from ansible_collections.timescaledb.multinode.plugins.module_utils._hardening_report import MODES

_COLUMNS = ("node", "severity", "object", "finding", "remedy")
# What a column may take before its text is broken into lines.
_WIDTHS = (16, 8, 36, 52, 48)


def with_modes(report: Mapping[str, Any], hosts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The report with findings about files that PostgreSQL does not tell of.

    Args:
        hosts: each with node_name, which is empty for the access node, and output, as modes.sh of the role timescaledb_host prints it.
    """
    seen = {host["node_name"] or None: _modes(host["output"] or "") for host in hosts}
    findings, missed = list(report["findings"]), []
    for entry in report["not_looked_at"]:
        modes = seen.get(entry["node_name"])
        if entry["what"] != MODES or modes is None:
            missed.append(entry)
            continue
        kinds = {file["path"]: file["kind"] for file in entry["files"]}
        findings += shown(entry["node_name"], mode_findings(kinds, modes))
        unseen = [file for file in entry["files"] if file["path"] not in modes]
        if unseen:
            missed.append(dict(entry, files=unseen))
    return dict(findings=in_order(findings), not_looked_at=missed)


def as_table(report: Mapping[str, Any]) -> list[str]:
    """Lines for people."""
    rows = [(_node(found), *(found[column] for column in _COLUMNS[1:])) for found in report["findings"]]
    lines = [line for row in (_COLUMNS, *rows) for line in _row(row)] if rows else ["Nothing was found."]
    for entry in report["not_looked_at"]:
        files = ", ".join(file["path"] for file in entry["files"])
        lines.append(f"Not looked at: {entry['what']} of {_node(entry)}: {entry['reason']}{f' ({files})' if files else ''}")
    return lines


def _node(entry: Mapping[str, Any]) -> str:
    return "access node" if entry["node_name"] is None else entry["node_name"]


def _row(cells: Sequence[str]) -> list[str]:
    broken = [textwrap.wrap(cell, width) or [""] for cell, width in zip(cells, _WIDTHS)]
    height = max(map(len, broken))
    filled = [lines + [""] * (height - len(lines)) for lines in broken]
    return ["  ".join(part.ljust(width) for part, width in zip(line, _WIDTHS)).rstrip() for line in zip(*filled)]


def _modes(output: str) -> dict[str, Mode]:
    seen = {}
    for line in output.splitlines():
        mode, owner, group, way, path = (line.split("\t", maxsplit=4) + [""] * 4)[:5]
        if path and mode.isdigit():
            seen[path] = Mode(int(mode, 8), owner, group, way == "open")
    return seen
