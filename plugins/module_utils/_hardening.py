# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""What a hardening report consists of. No I/O."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

HIGH, MEDIUM, LOW, INFO = "high", "medium", "low", "info"
SEVERITIES = (HIGH, MEDIUM, LOW, INFO)


@dataclass(frozen=True)
class Finding:
    """One thing that is less safe than it could be.

    Args:
        check: a short name of the kind of finding, for those who select.
        severity: one of SEVERITIES.
        object: a line of a file, a role, a file, a setting.
        finding: what is so.
        why: why that matters.
        remedy: what to do about it.
    """

    check: str
    severity: str
    object: str
    finding: str
    why: str
    remedy: str


@dataclass
class Node:
    """What one server said, as far as it did.

    Args:
        name: of the data node; None for the access node.
        host: where the access node reaches it; None for the access node.
        own_roles: those that own the cluster.
        rules: pg_hba.conf as the server reads it.
        server: settings, roles, sessions and the like.
        verifiers: kinds of password verifiers, by role.
        files: certificates with their content, and names of what has to be kept from others.
        refused: why a part is None.
    """

    name: str | None
    host: str | None = None
    own_roles: frozenset[str] = frozenset()
    rules: dict[str, Any] | None = None
    server: dict[str, Any] | None = None
    verifiers: dict[str, dict[str, Any]] | None = None
    files: list[dict[str, Any]] | None = None
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def superusers(self) -> set[str]:
        """Roles that may do everything."""
        return {role["name"] for role in (self.server or {}).get("roles") or [] if role["superuser"]}

    @property
    def expected_superusers(self) -> set[str]:
        """The one that a PostgreSQL cluster begins with, and the owners of this one."""
        return {role["name"] for role in (self.server or {}).get("roles") or [] if role["bootstrap"]} | self.own_roles


def shown(node_name: str | None, findings: list[Finding]) -> list[dict[str, Any]]:
    """The form of results."""
    return [dict(node_name=node_name, **asdict(finding)) for finding in findings]


def in_order(findings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The worst first, then by node, the access node before the others."""
    return sorted(findings, key=lambda found: (SEVERITIES.index(found["severity"]), found["node_name"] or "", found["check"], found["object"]))


def listed(names: list[str], most: int = 5) -> str:
    """Names in a sentence, the first few of many."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
