# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""The logins between nodes that must succeed, and those that must not, as libpq parameters. No I/O."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError, remedy_for

# A role that nobody declares, to be turned away.
STRANGER = "timescaledb_multinode_nobody"
# A database that nobody declares, and that is nowhere: the access rules turn a login away before the server looks for it.
ELSEWHERE = "timescaledb_multinode_nowhere"
# What a server says behind its access rules, and libpq where it is asked for a password that it has for other databases only.
_BEHIND_THE_RULES = (f'database "{ELSEWHERE}" does not exist', "no password supplied", "authentication failed")
# The server counts the sessions of a role once it has let it in, and all nodes log in at the same time.
_FULL = "too many connections for role"
_NOWHERE = "/nonexistent/certificate"
_REMEDIES = (
    ("certificate verify failed", "give both hosts certificates of the same authority by running deploy on all hosts"),
    ("certificate revoked", "take its serial number out of timescaledb_tls_revoked, or have a new certificate issued"),
    ("certificate authentication failed", "have a certificate issued whose common name is the role's"),
    ("valid client certificate", "have the certificate of the role issued by running deploy"),
    ("private key", "give certificate and key to the user postgres, the key with mode 0600"),
    ("SSL", "run deploy on all hosts, so that all have ssl = on and certificates of the same authority"),
    ("pg_hba.conf rejects", "run deploy on all hosts, so that all log in by the same method"),
    ("no password supplied", "give the role a line in this file by running deploy"),
    ("password authentication failed", "make the password in this file the role's on the data node by running deploy on all hosts"),
    ("does not exist", "create it on the data node"),
    ("not permitted to log in", "give the role LOGIN on the data node"),
    ("onnection refused", "start the node, or correct its address, its port or the firewall"),
    ("timeout expired", "start the node, or correct its address, its port or the firewall"),
    ("could not translate", "correct the address, or the resolution of names on this host"),
)


@dataclass(frozen=True)
class Login:
    """One attempt.

    Args:
        what: in words, behind "login".
        file: what the role shows to be let in.
        accepted: whether it must succeed.
    """

    what: str
    node_name: str
    role: str
    file: str
    parameters: dict[str, Any]
    accepted: bool

    @property
    def endpoint(self) -> str:
        """Where to."""
        return f"{self.parameters['host']}:{self.parameters['port']}/{self.parameters['dbname']}"

    def let_through(self, refusal: str) -> bool:
        """Whether the data node's access rules are wider than those of the cluster, and something else turned the login away."""
        return self.parameters["dbname"] == ELSEWHERE and any(text in refusal for text in _BEHIND_THE_RULES)

    def judged(self, source: str, refusal: str) -> ClusterError | None:
        """What is wrong with the attempt's end, if anything.

        Args:
            source: name of the host it began on.
            refusal: why it failed; empty where it did not.
        """
        subject = f'login from {source} to data node "{self.node_name}" as "{self.role}" {self.what}'
        if self.accepted and refusal and _FULL not in refusal:
            return ClusterError(subject, f"{refusal} (file {self.file})", _remedy(refusal), self.endpoint)
        if not self.accepted and not refusal:
            remedy = "take the line that lets it in out of pg_hba.conf of the data node, or put it behind those of the cluster"
            return ClusterError(subject, "it is accepted, and has to be turned away", remedy, self.endpoint)
        return None


@dataclass(frozen=True)
class Method:
    """How the nodes log in, and with which files."""

    auth_method: str
    passfile: str
    ssl_dir: str
    connect_timeout: int

    def logins(self, nodes: Sequence[dict[str, Any]], database: str, roles: Sequence[str]) -> list[Login]:
        """Each role at each node, and for each node what must be turned away."""
        by = self._by_certificate if self.auth_method == "certificate" else self._by_password
        return [login for node in nodes for login in by(node, database, roles)]

    def _common(self, node: dict[str, Any], database: str, role: str) -> dict[str, Any]:
        return dict(
            host=node["host"], port=node["port"], dbname=node["database"] or database, user=role, connect_timeout=self.connect_timeout, passfile=self.passfile
        )

    def _by_certificate(self, node: dict[str, Any], database: str, roles: Sequence[str]) -> list[Login]:
        """As TimescaleDB does with ssl = on (tsl/src/remote/connection.c)."""

        def login(what: str, role: str, accepted: bool, **changes: str) -> Login:
            own = posixpath.join(self.ssl_dir, hashlib.md5(role.encode(), usedforsecurity=False).hexdigest())
            tls = dict(sslmode="require", sslrootcert=posixpath.join(self.ssl_dir, "ca.crt"), sslcert=f"{own}.crt", sslkey=f"{own}.key") | changes
            return Login(what, node["node_name"] or node["host"], role, tls["sslcert"], self._common(node, database, role) | tls, accepted)

        wanted = [login("by certificate", role, True) for role in roles]
        other = {name: wanted[0].parameters[name] for name in ("sslcert", "sslkey")} if wanted else {}
        return [
            *wanted,
            *(login("without a certificate", role, False, sslcert=_NOWHERE, sslkey=_NOWHERE) for role in roles),
            *(login("without TLS", role, False, sslmode="disable") for role in roles),
            *(login(f'with the certificate of "{roles[0]}"', role, False, **other) for role in (*roles[1:], STRANGER) if roles),
            *(login(f'to database "{ELSEWHERE}"', role, False, dbname=ELSEWHERE) for role in roles),
        ]

    def _by_password(self, node: dict[str, Any], database: str, roles: Sequence[str]) -> list[Login]:
        def login(what: str, role: str, accepted: bool, **changes: str) -> Login:
            return Login(what, node["node_name"] or node["host"], role, self.passfile, self._common(node, database, role) | changes, accepted)

        return [
            *(login("by password", role, True) for role in roles),
            *(login("with a wrong password", role, False, password="wrong") for role in roles),
            login("with a password", STRANGER, False, password="wrong"),
            *(login(f'to database "{ELSEWHERE}"', role, False, dbname=ELSEWHERE) for role in roles),
        ]


def wider_rules(attempts: Iterable[tuple[Login, str]]) -> list[str]:
    """A warning for each data node whose access rules let roles of the cluster into other databases as well, which may be wanted.

    Args:
        attempts: each with why it failed.
    """
    roles: dict[str, list[str]] = {}
    for login, refusal in attempts:
        if login.let_through(refusal):
            roles.setdefault(login.node_name, []).append(f'"{login.role}"')
    return [f'data node "{name}": pg_hba.conf has a line that lets {", ".join(names)} into other databases as well' for name, names in roles.items()]


def _remedy(refusal: str) -> str:
    return next((remedy for fragment, remedy in _REMEDIES if fragment in refusal), remedy_for(refusal))
