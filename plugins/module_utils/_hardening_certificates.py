# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Certificates that have ended or soon will, or were revoked. No I/O."""

from __future__ import annotations

import base64
import hashlib
import posixpath
from collections.abc import Iterator
from datetime import datetime, timedelta

from ansible_collections.timescaledb.multinode.plugins.module_utils._hardening import HIGH, LOW, MEDIUM, Finding, Node
from ansible_collections.timescaledb.multinode.plugins.module_utils._x509 import Certificate, RevocationList, certificates, revocation_lists

_RENEW = "run deploy or rotate_certificates where these are the collection's, else have a new one issued"
_KINDS = {"server certificate": "the server", "authority": "the authority", "client certificate": "a role"}


def certificate_findings(node: Node, now: datetime, days: int) -> list[Finding]:
    """About all certificates and revocation lists of one node.

    Args:
        days: from how long before its end on a certificate is told.
    """
    roles = {hashlib.md5(role["name"].encode(), usedforsecurity=False).hexdigest(): role["name"] for role in (node.server or {}).get("roles") or []}
    found: list[Finding] = []
    lists: list[RevocationList] = []
    read: dict[str, tuple[str, list[Certificate]]] = {}
    for file in node.files or []:
        content = base64.b64decode(file["content"] or "")
        try:
            if file["kind"] == "revocation list":
                lists += revocation_lists(content)
                found += _lists(file["path"], revocation_lists(content), now, days)
            elif file["kind"] in _KINDS and read.get(file["path"], ("client certificate",))[0] == "client certificate":
                # The folder of client certificates may hold the server's as well.
                read[file["path"]] = (file["kind"], certificates(content))
        except ValueError as error:
            why = "nobody can log in with it, nor be verified by it"
            found.append(Finding("certificate_unreadable", LOW, file["path"], f"it cannot be read as {file['kind']}: {error}", why, _RENEW))
    for path, (kind, several) in sorted(read.items()):
        whose = _KINDS[kind]
        if kind == "client certificate":
            role = roles.get(posixpath.basename(path)[:-4])
            whose = f'role "{role}"' if role else whose
        for certificate in several:
            found += _certificate(path, whose, certificate, lists, now, days)
    return found


def _certificate(path: str, whose: str, certificate: Certificate, lists: list[RevocationList], now: datetime, days: int) -> Iterator[Finding]:
    if any(certificate.issuer == revoked.issuer and certificate.serial in revoked.serials for revoked in lists):
        why = "servers turn away whoever shows it, and its key may be in other hands"
        yield Finding("certificate_revoked", HIGH, path, f"the certificate of {whose} is revoked", why, _RENEW)
    day = certificate.end.date().isoformat()
    if certificate.end <= now:
        yield Finding("certificate_ended", HIGH, path, f"the certificate of {whose} ended on {day}", "nobody accepts it any more", _RENEW)
    elif certificate.end <= now + timedelta(days=days):
        left = (certificate.end - now).days
        yield Finding("certificate_ends", MEDIUM, path, f"the certificate of {whose} ends on {day}, in {left} days", "from then on nobody accepts it", _RENEW)


def _lists(path: str, lists: list[RevocationList], now: datetime, days: int) -> Iterator[Finding]:
    for revoked in lists:
        if revoked.end is not None and revoked.end <= now + timedelta(days=days):
            ended = revoked.end <= now
            finding = f"the revocation list {'ended' if ended else 'ends'} on {revoked.end.date().isoformat()}"
            why = "with a list that has ended the server turns away every client certificate"
            check, severity = ("crl_ended", HIGH) if ended else ("crl_ends", MEDIUM)
            yield Finding(check, severity, path, finding, why, "publish a new list: run deploy where it is the collection's")
