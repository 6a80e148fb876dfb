# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""The hosts of a cluster as the others see them, from the inventory. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any

# What the inventory may say of a host that the others have to know.
_VARIABLES = (
    "timescaledb_cluster_node_name",
    "timescaledb_host_address",
    "ansible_host",
    "timescaledb_host_port",
    "timescaledb_database_name",
    "timescaledb_host_source_addresses",
    "timescaledb_standby_of",
)


def member_variables(names: list[str], hostvars: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The variables of each host that the filters below read, to be handed to them instead of hostvars.

    Ansible puts the variables of a host together each time that somebody asks for them. With n hosts that do so for n hosts, and several times,
    that is what a run spends its time with.
    """
    return {name: {key: host[key] for key in _VARIABLES if key in host} for name in names for host in [hostvars[name]]}


def cluster_members(names: list[str], hostvars: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How each host is reached by the others.

    Defaults of roles are not in the hostvars of other hosts, so the same defaults stand here.

    Returns:
        For each name: node_name, host, port and database (None where the inventory does not name one).
    """
    return [_member(name, hostvars[name]) for name in names]


def _member(name: str, host: Mapping[str, Any]) -> dict[str, Any]:
    return dict(
        node_name=host.get("timescaledb_cluster_node_name", name),
        host=host.get("timescaledb_host_address", host.get("ansible_host", name)),
        port=int(host.get("timescaledb_host_port", 5432)),
        database=host.get("timescaledb_database_name"),
    )


def source_addresses(names: list[str], hostvars: Mapping[str, Mapping[str, Any]], resolved: Mapping[str, list[str]]) -> list[str]:
    """The IP addresses that connections of these hosts come from: what the inventory says, else those that their addresses stand for.

    Facts would not do: a host with two networks has its default route in the wrong one, and a run with a limit has no facts of the rest.

    Args:
        resolved: the IP addresses of each address, as seen by the host that lets them in.
    """
    return list(dict.fromkeys(address for name in names for address in _sources(name, hostvars[name], resolved)))


def unknown_members(names: list[str], hostvars: Mapping[str, Mapping[str, Any]], resolved: Mapping[str, list[str]]) -> list[str]:
    """Those of the hosts whose IP addresses are not known."""
    return [name for name in names if not _sources(name, hostvars[name], resolved)]


def _sources(name: str, host: Mapping[str, Any], resolved: Mapping[str, list[str]]) -> list[str]:
    if "timescaledb_host_source_addresses" in host:
        return list(host["timescaledb_host_source_addresses"])
    return resolved.get(_member(name, host)["host"], [])


def standbys_of(names: list[str], hostvars: Mapping[str, Mapping[str, Any]], primary: str) -> list[str]:
    """Those of the hosts that are standbys of this one."""
    return [name for name in names if hostvars[name].get("timescaledb_standby_of") == primary]


def standby_slots(names: list[str]) -> list[str]:
    """The replication slots of these standbys, each on its primary: of a slot's name PostgreSQL takes small letters, digits and underscores, 63 in all."""
    return [f"timescaledb_standby_{re.sub('[^a-z0-9_]', '_', name.lower())}"[:63] for name in names]


def hba_rules(addresses: list[str], database: str, role: str, others: Sequence[str] = (), method: str = "password") -> list[str]:
    """Lines of pg_hba.conf that let in these addresses as these roles, by SCRAM only, or by certificate only.

    By certificate: without TLS the roles are turned away here, whatever the rules of others say further down.
    """
    return _rules(addresses, _quoted(database), (role, *others), method)


def replication_rules(addresses: list[str], role: str, method: str = "password") -> list[str]:
    """The same for standbys, which stream from the server as a whole: without quotes the word is no database."""
    return _rules(addresses, "replication", (role,), method)


def conninfo(options: Mapping[str, Any]) -> str:
    """A connection string as libpq reads it."""
    return " ".join(f"{name}='{_escaped(str(value))}'" for name, value in options.items())


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _rules(addresses: list[str], database: str, names: Sequence[str], method: str) -> list[str]:
    networks = [f"{address}/{address.max_prefixlen}" for address in map(ip_address, addresses)]
    what = f"{database} {','.join(_quoted(name) for name in dict.fromkeys(names))}"
    if method == "certificate":
        return [
            rule
            for network in networks
            for rule in (f"hostssl {what} {network} cert clientcert=verify-full", f"hostnossl {what} {network} reject")
        ]
    return [f"host {what} {network} scram-sha-256" for network in networks]


def _quoted(name: str) -> str:
    """As pg_hba.conf wants a name: in quotes no character and no keyword is special."""
    return '"' + name.replace('"', '""') + '"'


def fits_into_hba(name: str) -> bool:
    """Whether pg_hba.conf can hold the name: it is read line by line, and a backslash at the end joins two of them."""
    return name.isprintable() and not name.endswith("\\")
