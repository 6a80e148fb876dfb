# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Who pg_hba.conf lets in, and how. Each line is judged by itself, as if none came before it. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from ansible_collections.timescaledb.multinode.plugins.module_utils._hardening import HIGH, LOW, MEDIUM, Finding, Node, listed

_LOCAL, _LOOPBACK, _HOST, _NETWORK, _ANY = "local", "loopback", "host", "network", "any"
_AFAR = (_HOST, _NETWORK, _ANY)
_SENT_AS_IT_IS = ("password", "ldap", "pam", "radius", "bsd")
# These encrypt, or cannot let anybody in.
_ENCRYPTED = ("hostssl", "hostgssenc")


# By check: what is so, why that matters, what to do about it.
_TEXTS = {
    "hba_trust": (
        "whoever comes from there is let in unproven, as whoever it says",
        "every account and program there, and every tunnel that ends there, can be any of these roles",
        "replace trust by scram-sha-256 or cert, on the local socket by peer",
    ),
    "hba_ident": ("it believes other machines who somebody is", "the client's own machine says who its user is", "replace ident by scram-sha-256 or cert"),
    "hba_clear_password": (
        "the client sends the password as it is",
        "without TLS whoever listens on the network has it, and with TLS whoever takes the server's place",
        "replace it by scram-sha-256, or write hostssl",
    ),
    "hba_md5": (
        "it lets in by MD5",
        "an MD5 verifier is as good as the password to whoever reads it from a backup, and a login that is overheard is soon guessed",
        "set all passwords again with password_encryption = scram-sha-256, then write scram-sha-256",
    ),
    "hba_without_tls": (
        "it lets in without TLS",
        "whoever listens on the network reads statements and rows",
        "write hostssl; deploy does for the nodes of a cluster with timescaledb_host_auth_method=certificate",
    ),
    "hba_everybody": (
        "all roles in all databases are let in from everywhere",
        "anybody who reaches the port may try every role in every database",
        "name the databases, the roles and the addresses that are needed",
    ),
    "hba_superuser": (
        "superusers are let in over the network",
        "a superuser reads and writes every file of the server and runs programs there, and so does whoever guesses its password",
        "name the roles that are needed, and let superusers in from the cluster's own addresses only",
    ),
}


@dataclass(frozen=True)
class _Judgement:
    check: str
    severity: str
    # Whom it is about, where not everybody.
    whom: str = ""


@dataclass(frozen=True)
class _Rule:
    line: int
    kind: str
    databases: tuple[str, ...]
    users: tuple[str, ...]
    address: str
    netmask: str | None
    method: str
    by_certificate: bool = False

    @property
    def span(self) -> str:
        """How far away those may be whom it lets in."""
        if self.kind == "local":
            return _LOCAL
        special = {"all": _ANY, "samehost": _LOOPBACK, "samenet": _NETWORK, "localhost": _LOOPBACK}
        if self.address in special:
            return special[self.address]
        try:
            # Of IPv6 Python wants the length.
            length = bin(int(ip_address(self.netmask or "255.255.255.255"))).count("1")
            network = ip_network(f"{self.address}/{length}", strict=False)
        except ValueError:
            return _NETWORK if self.address.startswith(".") else _HOST  # a name
        if network.is_loopback:
            return _LOOPBACK
        if network.prefixlen == 0:
            return _ANY
        return _HOST if network.num_addresses == 1 else _NETWORK

    @property
    def place(self) -> str:
        """The address as people write it."""
        return f"{self.address}/{bin(int(ip_address(self.netmask))).count('1')}" if self.netmask else self.address

    @property
    def text(self) -> str:
        """Without the address, and without options, which may be secret."""
        return f"{self.kind} {','.join(self.databases)} {','.join(self.users)} ... {self.method}"


def hba_findings(node: Node) -> list[Finding]:
    """Everything about the file; lines that differ in nothing but their address are one finding."""
    if node.rules is None:
        return []
    file = node.rules["file"]
    found = []
    if node.rules["changed"]:
        why = "what this report says of its lines is not in force yet"
        found.append(Finding("hba_not_loaded", LOW, file, "it was changed after the server read it last", why, "reload the server's configuration"))
    superusers = _superusers(node)
    groups: dict[tuple[_Judgement, str], list[_Rule]] = {}
    for row in node.rules["rules"] or []:
        # Of some lines that it cannot read the server does not say why.
        if row["error"] or row["type"] is None:
            found.append(_error(file, row))
        elif row["auth_method"] != "reject":
            rule = _rule(row)
            for judgement in _judged(rule, superusers, node.own_roles):
                groups.setdefault((judgement, rule.text), []).append(rule)
    return found + [_finding(file, judgement, text, rules) for (judgement, text), rules in groups.items()]


def _finding(file: str, judgement: _Judgement, text: str, rules: list[_Rule]) -> Finding:
    lines = [str(rule.line) for rule in rules]
    places = listed([rule.place for rule in rules if rule.kind != "local"])
    shown = text.replace("... ", f"{places} " if places else "")
    what, why, remedy = _TEXTS[judgement.check]
    whom = f": {judgement.whom}" if judgement.whom else ""
    return Finding(judgement.check, judgement.severity, f"line{'s' * (len(lines) > 1)} {listed(lines)} of {file}", f"{what}{whom} ({shown})", why, remedy)


def _rule(row: dict[str, Any]) -> _Rule:
    return _Rule(
        row["line_number"],
        row["type"],
        tuple(row["database"]),
        tuple(row["user_name"]),
        row["address"] or "",
        row["netmask"],
        row["auth_method"],
        row["auth_method"] == "cert" or "clientcert=verify-full" in (row["options"] or ()),
    )


def _error(file: str, row: dict[str, Any]) -> Finding:
    error, line = row["error"] or "the server cannot read it", f"line {row['line_number']} of {file}"
    if "cannot match" in error:
        why = "whom it is meant for is not let in, or by another line"
        return Finding("hba_never_matches", LOW, line, error, why, "set ssl = on, or take the line out")
    # These two repeat what the line says, which may be a password.
    for telltale in ("not in name=value format", "secret"):
        if telltale in error:
            error = "an option is malformed"
    why = "the server goes on with what it has read before, and does not start with such a file"
    return Finding("hba_error", HIGH, line, error, why, "correct the line and reload the server's configuration")


def _judged(rule: _Rule, superusers: dict[str, set[str]], own_roles: frozenset[str]) -> Iterator[_Judgement]:
    span = rule.span
    afar, encrypted = span in _AFAR, rule.kind in _ENCRYPTED
    if rule.method == "trust" and not rule.by_certificate:
        yield _Judgement("hba_trust", HIGH if afar else MEDIUM)
        return
    if rule.method == "ident" and afar:
        yield _Judgement("hba_ident", HIGH)
    if rule.method in _SENT_AS_IT_IS and afar and not encrypted:
        yield _Judgement("hba_clear_password", HIGH)
    elif rule.method == "password":
        yield _Judgement("hba_clear_password", MEDIUM if afar else LOW)
    if rule.method == "md5":
        yield _Judgement("hba_md5", MEDIUM if afar else LOW)
    if afar and not encrypted:
        yield _Judgement("hba_without_tls", MEDIUM)
    if span == _ANY and "all" in rule.databases and "all" in rule.users:
        yield _Judgement("hba_everybody", LOW if rule.by_certificate else MEDIUM)
    let_in = sorted(name for name, names in superusers.items() if not names.isdisjoint(rule.users) or "all" in rule.users)
    others = [name for name in let_in if name not in own_roles]
    # From one address, the owners of the cluster only: that is how its nodes reach each other.
    if afar and let_in and (others or span != _HOST):
        severity = LOW if span == _HOST or (span == _NETWORK and not others) else MEDIUM
        yield _Judgement("hba_superuser", severity, listed(others or let_in))


def _superusers(node: Node) -> dict[str, set[str]]:
    """Superusers with the words that stand for them in a line: their own names, and groups that they are in."""
    groups = {role["name"]: role["member_of"] for role in (node.server or {}).get("roles") or []}
    return {name: {name} | {f"+{group}" for group in _memberships(name, groups)} for name in node.superusers}


def _memberships(name: str, groups: dict[str, list[str]]) -> set[str]:
    """With the role itself: PostgreSQL takes it for a member of itself."""
    seen, new = {name}, {name}
    while new:
        new = {group for role in new for group in groups.get(role, [])} - seen
        seen |= new
    return seen
