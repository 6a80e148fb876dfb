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


@dataclass(frozen=True)
class _Judgement:
    check: str
    severity: str
    finding: str
    why: str
    remedy: str


@dataclass(frozen=True)
class _Rule:
    line: int
    kind: str
    databases: tuple[str, ...]
    users: tuple[str, ...]
    address: str
    netmask: str | None
    method: str

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
    groups: dict[tuple[_Judgement, str], list[_Rule]] = {}
    for row in node.rules["rules"] or []:
        # Of some lines that it cannot read the server does not say why.
        if row["error"] or row["type"] is None:
            found.append(_error(file, row))
        elif row["auth_method"] != "reject":
            rule = _rule(row)
            for judgement in _judged(rule, node):
                groups.setdefault((judgement, rule.text), []).append(rule)
    for (judgement, text), rules in groups.items():
        lines = [str(rule.line) for rule in rules]
        places = listed([rule.place for rule in rules if rule.kind != "local"])
        shown = text.replace("... ", f"{places} " if places else "")
        name = f"line {lines[0]} of {file}" if len(lines) == 1 else f"lines {listed(lines)} of {file}"
        found.append(Finding(judgement.check, judgement.severity, name, f"{judgement.finding} ({shown})", judgement.why, judgement.remedy))
    return found


def _rule(row: dict[str, Any]) -> _Rule:
    return _Rule(row["line_number"], row["type"], tuple(row["database"]), tuple(row["user_name"]), row["address"] or "", row["netmask"], row["auth_method"])


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


def _judged(rule: _Rule, node: Node) -> Iterator[_Judgement]:
    span = rule.span
    if rule.method == "trust":
        yield _trust(span)
        return
    if rule.method == "ident" and span in _AFAR:
        why = "the client's own machine says who its user is"
        yield _Judgement("hba_ident", HIGH, "it believes other machines who somebody is", why, "replace ident by scram-sha-256 or cert")
    if rule.method in _SENT_AS_IT_IS and span in _AFAR and rule.kind not in _ENCRYPTED:
        why = "whoever listens on the network has the password"
        yield _Judgement("hba_clear_password", HIGH, "passwords cross the network as they are", why, "write hostssl, and scram-sha-256 if possible")
    elif rule.method == "password":
        why = "the server sees the password itself, and so does whoever takes the server's place"
        yield _Judgement(
            "hba_clear_password", MEDIUM if span in _AFAR else LOW, "the client sends the password itself", why, "replace password by scram-sha-256"
        )
    if rule.method == "md5":
        why = "an MD5 verifier is as good as the password to whoever reads it from a backup, and a login that is overheard is soon guessed"
        severity = MEDIUM if span in _AFAR else LOW
        yield _Judgement(
            "hba_md5", severity, "it lets in by MD5", why, "set all passwords again with password_encryption = scram-sha-256, then write scram-sha-256"
        )
    if span in _AFAR and rule.kind not in _ENCRYPTED:
        why = "whoever listens on the network reads statements and rows"
        yield _Judgement(
            "hba_without_tls", MEDIUM, "it lets in without TLS", why, "write hostssl; the nodes of a cluster do with timescaledb_host_auth_method=certificate"
        )
    if span == _ANY and "all" in rule.databases and "all" in rule.users:
        why = "anybody who reaches the port may try every role in every database"
        severity = LOW if rule.method == "cert" else MEDIUM
        yield _Judgement(
            "hba_everybody",
            severity,
            "all roles in all databases are let in from everywhere",
            why,
            "name the databases, the roles and the addresses that are needed",
        )
    if span in _AFAR:
        yield from _superusers(rule, span, node)


def _trust(span: str) -> _Judgement:
    remedy = "replace trust by scram-sha-256 or cert"
    if span in _AFAR:
        return _Judgement(
            "hba_trust", HIGH, "whoever comes from there is let in unproven, as whoever it says", "nothing is asked of anybody on that network", remedy
        )
    if span == _LOOPBACK:
        why = "every program on the host, and every tunnel that ends there, can be any of these roles"
        return _Judgement("hba_trust", MEDIUM, "whoever is on the host is let in unproven, as whoever it says", why, remedy)
    why = "every account of the host can be any of these roles"
    return _Judgement("hba_trust", MEDIUM, "whoever is on the host is let in unproven, as whoever it says", why, "replace trust by peer or scram-sha-256")


def _superusers(rule: _Rule, span: str, node: Node) -> Iterator[_Judgement]:
    let_in = {name for name in node.superusers if _lets_in(rule, name, node)}
    others = sorted(let_in - node.own_roles)
    if not let_in or (span == _HOST and not others):
        return  # that is how the nodes of a cluster reach each other
    named = listed(others or sorted(let_in))
    severity = LOW if span == _HOST or (span == _NETWORK and not others) else MEDIUM
    why = "a superuser reads and writes every file of the server and runs programs there; whoever guesses its password does as well"
    remedy = "name the roles that are needed, and let superusers in from the cluster's own addresses only"
    yield _Judgement("hba_superuser", severity, f"superusers are let in over the network: {named}", why, remedy)


def _lets_in(rule: _Rule, name: str, node: Node) -> bool:
    groups = {role["name"]: role["member_of"] for role in (node.server or {}).get("roles") or []}
    return any(user in ("all", name) or (user.startswith("+") and user[1:] in _memberships(name, groups)) for user in rule.users)


def _memberships(name: str, groups: dict[str, list[str]]) -> set[str]:
    seen, new = {name}, {name}
    while new:
        new = {group for role in new for group in groups.get(role, [])} - seen
        seen |= new
    return seen
