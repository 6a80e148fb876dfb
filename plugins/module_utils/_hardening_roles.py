# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Superusers, password verifiers, and roles that are not alike on all nodes. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

from ansible_collections.timescaledb.multinode.plugins.module_utils._hardening import INFO, LOW, MEDIUM, Finding, Node, listed

# Each of them leads to a shell as the server's operating system user.
_AS_GOOD_AS_SUPERUSER = ("pg_execute_server_program", "pg_read_server_files", "pg_write_server_files")
# Of a session that TimescaleDB has on a data node (tsl/src/remote/connection.c).
_APPLICATION_NAME = "timescaledb"
_COMPARED = ("superuser", "login", "createrole", "createdb", "replication", "bypassrls", "inherit", "connection_limit", "valid_until", "member_of")
_ALIKE = "make it alike on all nodes with timescaledb.multinode.timescale_role"


def role_findings(node: Node) -> list[Finding]:
    """About one node's roles, by themselves."""
    return [*_superusers(node), *_sessions(node), *_verifiers(node), *_mappings(node)]


def _superusers(node: Node) -> Iterator[Finding]:
    for role in (node.server or {}).get("roles") or []:
        name, object_ = role["name"], f'role "{role["name"]}"'
        if role["superuser"] and name not in node.expected_superusers:
            why = "it reads and writes every file of the server and runs programs there, and no privilege holds it back"
            remedy = "ALTER ROLE ... NOSUPERUSER, and grant what it needs: pg_monitor for monitoring, timescale_role for applications"
            finding = "it is a superuser, and neither the one that the PostgreSQL cluster began with nor the owner of a data node"
            yield Finding("superuser", MEDIUM, object_, finding, why, remedy)
        powers = sorted(set(role["member_of"]) & set(_AS_GOOD_AS_SUPERUSER))
        if powers and not role["superuser"]:
            why = "with that it can make itself a superuser"
            yield Finding(
                "almost_superuser",
                MEDIUM,
                object_,
                f"it is a member of {', '.join(powers)}",
                why,
                "REVOKE the membership, unless it is trusted as a superuser is",
            )


def _sessions(node: Node) -> Iterator[Finding]:
    for session in (node.server or {}).get("sessions") or []:
        # The access node itself, on a data node.
        if node.name and session["application_name"] == _APPLICATION_NAME and session["role"] in node.own_roles:
            continue
        afar = session["address"] and not ip_address(session["address"]).is_loopback
        what = f"{session['sessions']} of {session['application_name'] or 'a program without a name'} from {session['address'] or 'the local socket'}"
        why = "a flaw in a program that runs as superuser is one of the whole server"
        remedy = "give applications a role of their own with timescale_role, and monitoring one in pg_monitor"
        yield Finding("superuser_session", MEDIUM if afar else LOW, f'role "{session["role"]}"', f"sessions that run as superuser now: {what}", why, remedy)


def _verifiers(node: Node) -> Iterator[Finding]:
    for name, verifier in sorted((node.verifiers or {}).items()):
        if verifier["kind"] == "md5":
            why = "an MD5 verifier is as good as the password to whoever reads it from a backup"
            severity = MEDIUM if verifier["login"] else LOW
            yield Finding(
                "md5_verifier",
                severity,
                f'role "{name}"',
                "its password is kept as MD5",
                why,
                "set its password again with password_encryption = scram-sha-256",
            )


def _mappings(node: Node) -> Iterator[Finding]:
    for role, server in (node.server or {}).get("mappings") or []:
        why = "it is in every backup of the database, and superusers read it"
        yield Finding(
            "mapping_password",
            LOW,
            f'user mapping of role "{role}" for data node "{server}"',
            "it has a password as it is",
            why,
            "put it into the file that timescaledb.passfile names, or log in by certificate, and drop the mapping",
        )


def differing_roles(access_node: Node, data_node: Node) -> list[Finding]:
    """What a data node has otherwise than the access node, of the roles that the access node has."""
    if access_node.server is None or data_node.server is None:
        return []
    there = {role["name"]: role for role in data_node.server["roles"] or []}
    found = []
    for role in access_node.server["roles"] or []:
        name, object_ = role["name"], f'role "{role["name"]}"'
        # A standby follows one server: others need no such role, and where they have it, its verifier is their own.
        of_standbys = role["replication"] and not role["superuser"]
        if name not in there:
            if of_standbys:
                continue
            why = "the access node goes to data nodes as the role that uses it: its statements fail there"
            found.append(Finding("role_missing", LOW, object_, "the access node has it, and this node has not", why, _ALIKE))
            continue
        different = [key for key in _COMPARED if role[key] != there[name][key]]
        if different:
            text = "; ".join(f"{key} is {_text(there[name][key])}, on the access node {_text(role[key])}" for key in different)
            severity = MEDIUM if set(different) - {"connection_limit", "inherit", "valid_until"} else LOW
            found.append(Finding("role_differs", severity, object_, text, "what is denied to it on one node it may do on the other", _ALIKE))
        if not of_standbys:
            found += _differing_verifier(object_, (access_node.verifiers or {}).get(name), (data_node.verifiers or {}).get(name))
    return found


def _differing_verifier(object_: str, here: dict[str, Any] | None, there: dict[str, Any] | None) -> list[Finding]:
    if here is None or there is None or here["fingerprint"] == there["fingerprint"]:
        return []
    why = "a password that was withdrawn is still good for this node, or the new one is not"
    remedy = "set it with timescaledb.multinode.timescale_role, or run rotate_passwords for that of the nodes"
    if here["kind"] != there["kind"]:
        text = f"its password is kept as {there['kind']}, on the access node as {here['kind']}"
        return [Finding("role_password", LOW, object_, text, why, remedy)]
    if here["salt"] != there["salt"]:
        text = "its password verifier has another salt than the access node's, so that nobody can tell whether the passwords are the same"
        return [Finding("role_password", INFO, object_, text, why, remedy)]
    return [Finding("role_password", MEDIUM, object_, "its password is another one than on the access node", why, remedy)]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return listed(value) or "none"
    return "none" if value is None else str(value)
