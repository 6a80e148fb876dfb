# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Which certificates a host must have, and which of them have to be issued. No I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any

_DAY = 86400
# X.509 gives a common name no more.
_LONGEST_COMMON_NAME = 64


def wanted_certificates(name: str, names: Sequence[str], roles: Sequence[str]) -> list[dict[str, Any]]:
    """One for the server, and one for each role, under the file name for which TimescaleDB looks (tsl/src/remote/connection.c).

    Args:
        name: the host's, by which people know the server's certificate.
        names: names and IP addresses by which clients reach the server.

    Returns:
        Each with file (without extension), common_name, names (as subjectAltName has them) and usage.
    """
    server = dict(file="server", common_name=name[:_LONGEST_COMMON_NAME], names=sorted({_alternative(one) for one in names}), usage="serverAuth")
    clients = [dict(file=_file(role), common_name=role, names=[], usage="clientAuth") for role in dict.fromkeys(roles)]
    return [server, *clients]


def certificates_due(wanted: Sequence[Mapping[str, Any]], found: Mapping[str, Mapping[str, Any]], now: float, renew_days: int) -> list[dict[str, Any]]:
    """Those of the wanted certificates that have to be issued, each with why.

    Args:
        found: by file, as the probe of the role timescaledb_host has them.
        now: seconds since 1970.
        renew_days: a certificate is issued anew this many days before its end.
    """
    due = []
    for one in wanted:
        why = _why(one, found.get(one["file"]), now, renew_days)
        if why:
            due.append(dict(one, why=why))
    return due


def _why(wanted: Mapping[str, Any], found: Mapping[str, Any] | None, now: float, renew_days: int) -> str:
    if found is None:
        return "it is missing"
    if not found["fits"]:
        return "it is not the certificate of the private key beside it"
    if not found["trusted"]:
        return "it is not of the cluster's certificate authority"
    if found["end"] - now < renew_days * _DAY:
        return "it has expired" if found["end"] < now else f"it expires in {int((found['end'] - now) // _DAY)} days"
    if wanted["names"] and set(wanted["names"]) != set(found["names"]):
        return "it has other names"
    return "" if found["attributes"] == "postgres:postgres 0600 postgres:postgres 0644" else "owner or mode of its files are wrong"


def _file(role: str) -> str:
    return hashlib.md5(role.encode(), usedforsecurity=False).hexdigest()


def _alternative(name: str) -> str:
    try:
        return f"IP:{ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"
