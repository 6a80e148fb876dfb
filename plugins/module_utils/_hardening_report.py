# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""The hardening report, made of what the servers said. No I/O."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._hardening import Node, in_order, shown
from ansible_collections.timescaledb.multinode.plugins.module_utils._hardening_certificates import certificate_findings
from ansible_collections.timescaledb.multinode.plugins.module_utils._hardening_files import Mode, kept_files, mode_findings
from ansible_collections.timescaledb.multinode.plugins.module_utils._hardening_hba import hba_findings
from ansible_collections.timescaledb.multinode.plugins.module_utils._hardening_queries import PARTS
from ansible_collections.timescaledb.multinode.plugins.module_utils._hardening_roles import differing_roles, role_findings
from ansible_collections.timescaledb.multinode.plugins.module_utils._hardening_settings import place_findings, setting_findings
from ansible_collections.timescaledb.multinode.plugins.module_utils._info import Answers

Modes = dict[str, Mode]
MODES = "modes of files"
_NAMES = {
    "rules": "pg_hba.conf",
    "server": "settings, roles and sessions",
    "verifiers": "password verifiers, and passwords of user mappings",
    "files": "certificates, and which files there are",
}


def hardening_nodes(access_node: AccessNode, here: Answers, there: dict[str, Answers]) -> list[Node]:
    """The access node, which comes first, and the data nodes, also those that did not answer."""
    own = frozenset(_unquoted(node.owner) for node in access_node.data_nodes.values())
    nodes = [_node(None, None, own, here)]
    for name, node in sorted(access_node.data_nodes.items()):
        nodes.append(_node(name, node.endpoint.host, own, there[name]))
    return nodes


def hardening_report(nodes: list[Node], modes: dict[str | None, Modes | None], now: datetime, days: int) -> dict[str, Any]:
    """Findings, and what could not be looked at.

    Args:
        modes: by node, owners and modes of its files; None where they could not be seen.
        days: from how long before its end on a certificate is told.
    """
    findings: list[dict[str, Any]] = []
    missed: list[dict[str, Any]] = []
    for node in nodes:
        seen = modes.get(node.name)
        found = [*hba_findings(node), *setting_findings(node), *role_findings(node), *place_findings(node), *certificate_findings(node, now, days)]
        found += mode_findings(kept_files(node.files or []), seen or {})
        if node.name is not None:
            found += differing_roles(nodes[0], node)
        findings += shown(node.name, found)
        missed += _missed(node, seen)
    return dict(findings=in_order(findings), not_looked_at=missed)


def _missed(node: Node, seen: Modes | None) -> list[dict[str, Any]]:
    def entry(what: str, reason: str, files: dict[str, str] | None = None) -> dict[str, Any]:
        listed = [dict(path=path, kind=kind) for path, kind in sorted((files or {}).items())]
        return dict(node_name=node.name, what=what, reason=reason, files=listed)

    if "all" in node.refused:
        return [entry("everything", node.refused["all"])]
    missed = [entry(_NAMES[part], reason) for part, reason in sorted(node.refused.items())]
    if node.server is not None and node.server["sessions"] is None:
        missed.append(entry("sessions", "the role is not a member of pg_read_all_stats"))
    if node.server is not None and "ssl_min_protocol_version" not in node.server["settings"]:
        missed.append(entry("setting ssl_min_protocol_version", "the role is not a member of pg_read_all_settings"))
    kept = kept_files(node.files or [])
    unseen = {path: kind for path, kind in kept.items() if path not in (seen or {})}
    if unseen:
        reason = "the module does not run on that server's host" if seen is None else "the module may not see them"
        missed.append(entry(MODES, reason, unseen))
    return missed


def _node(name: str | None, host: str | None, own: frozenset[str], answers: Answers) -> Node:
    if answers.reason:
        return Node(name, host, own, refused={"all": answers.reason})
    rows = {part: answers.rows.get(f"hardening.{part}") for part in PARTS}
    refused = {part: answers.refused.get(f"hardening.{part}", "it was not asked for") for part in PARTS if rows[part] is None}
    return Node(
        name,
        host,
        own,
        rules=(rows["rules"] or [None])[0],
        server=(rows["server"] or [None])[0],
        verifiers=None if rows["verifiers"] is None else {row["role"]: row for row in rows["verifiers"]},
        files=rows["files"],
        refused=refused,
    )


def _unquoted(name: str) -> str:
    """A role as regrole has it."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
