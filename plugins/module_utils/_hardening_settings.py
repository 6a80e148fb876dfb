# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Settings and places that let in more than is needed. No I/O."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from ipaddress import ip_address

from ansible_collections.timescaledb.multinode.plugins.module_utils._hardening import LOW, MEDIUM, Finding, Node

_EVERYWHERE = ("*", "0.0.0.0", "::")
_OLD_PROTOCOLS = ("", "TLSv1", "TLSv1.1")


def setting_findings(node: Node) -> list[Finding]:
    """About one node's settings."""
    if node.server is None:
        return []
    settings = node.server["settings"]
    return [*_listening(node, settings), *_tls(node, settings), *_passwords(settings), *_schema(node)]


def place_findings(node: Node) -> list[Finding]:
    """About what is kept inside the data directory, and so in every base backup."""
    found = []
    for file in node.files or []:
        if file["kind"] in ("passfile", "client key") and posixpath.normpath(file["path"]).startswith(posixpath.normpath(file["data"]) + "/"):
            setting = "timescaledb.passfile" if file["kind"] == "passfile" else "timescaledb.ssl_dir"
            why = "every base backup and every standby has a copy"
            found.append(Finding("inside_data_directory", LOW, file["path"], "it is inside the data directory", why, f"move it, and set {setting}"))
    return found


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _addresses(settings: dict[str, str]) -> list[str]:
    return [address for address in (part.strip() for part in (settings["listen_addresses"] or "").split(",")) if address]


def _listening(node: Node, settings: dict[str, str]) -> Iterator[Finding]:
    addresses = _addresses(settings)
    wide = [address for address in addresses if address in _EVERYWHERE]
    if node.host and _is_loopback(node.host):
        wide = wide or [address for address in addresses if not _is_loopback(address)]
    if not wide:
        return
    needed = f"the access node needs it at {node.host}" if node.host else "clients need it at few of them"
    remedy = f"set timescaledb_host_listen_addresses to localhost and {node.host or 'the addresses at which clients reach it'}"
    why = "a network that a host joins later, or a firewall that fails, leaves pg_hba.conf as the only guard"
    where = "all addresses" if set(wide) & set(_EVERYWHERE) else ", ".join(wide)
    yield Finding("listen_addresses", LOW, "setting listen_addresses", f"the server listens at {where} ({', '.join(addresses)}), and {needed}", why, remedy)


def _tls(node: Node, settings: dict[str, str]) -> Iterator[Finding]:
    afar = any(not _is_loopback(address) for address in _addresses(settings))
    if settings["ssl"] != "on":
        if afar:
            why = "whoever listens on the network reads statements, rows and, of some methods, passwords"
            remedy = "run deploy with timescaledb_host_auth_method=certificate, or set ssl with a certificate of your own"
            yield Finding("ssl_off", MEDIUM, "setting ssl", "the server speaks no TLS", why, remedy)
        return
    # PostgreSQL 11 has no such setting.
    if settings.get("ssl_min_protocol_version") in _OLD_PROTOCOLS:
        finding = f"it is {settings['ssl_min_protocol_version'] or 'empty'}"
        yield Finding("old_tls", MEDIUM, "setting ssl_min_protocol_version", finding, "TLS before 1.2 is broken", "set it to TLSv1.2")
    if node.name is None and afar and not settings["ssl_ca_file"]:
        why = "it asks them for TLS, and takes whoever answers in their place for them"
        remedy = "run deploy with timescaledb_host_auth_method=certificate, or set ssl_ca_file to the authority of the data nodes' certificates"
        yield Finding("unverified_data_nodes", LOW, "setting ssl_ca_file", "it is empty, so that the access node does not verify data nodes", why, remedy)


def _passwords(settings: dict[str, str]) -> Iterator[Finding]:
    if settings["password_encryption"] != "scram-sha-256":
        why = "each password that is set from now on is kept in a form that is as good as the password to whoever reads it"
        yield Finding("password_encryption", MEDIUM, "setting password_encryption", f"it is {settings['password_encryption']}", why, "set it to scram-sha-256")


def _schema(node: Node) -> Iterator[Finding]:
    if node.server and node.server["public_create"]:
        why = "every role can put a function or table there that others then take for the one they mean"
        remedy = "REVOKE CREATE ON SCHEMA public FROM PUBLIC, and grant it to the roles that need it"
        yield Finding("public_schema", MEDIUM, "schema public", "every role may create objects in it", why, remedy)
