# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Reasons not to begin, found on the hosts and in the inventory before anything is changed. No I/O."""

from __future__ import annotations

import difflib
import re
from ipaddress import ip_address
from typing import Any

from ansible_collections.timescaledb.multinode.plugins.module_utils._versions import (
    Release,
    accepted_data_nodes,
    accepts_data_node,
    multinode_refusal,
)
from ansible_collections.timescaledb.multinode.plugins.plugin_utils._members import fits_into_hba
from ansible_collections.timescaledb.multinode.plugins.plugin_utils._settings import as_text

_FAMILIES = ("Debian", "RedHat")
# PostgreSQL majors of each TimescaleDB minor release that this collection installs (its CMakeLists.txt); 11 and 12 are left out.
_FIRST_POSTGRESQL = 13
_OF_CERTIFICATES = ("ssl", "ssl_cert_file", "ssl_key_file", "ssl_ca_file", "ssl_crl_file", "timescaledb.ssl_dir")
_LAST_POSTGRESQL = {1: 13, 2: 13, 3: 13, 4: 13, 5: 14, 6: 14, 7: 14, 8: 14, 9: 15, 10: 15, 11: 15, 12: 15, 13: 15}


def finding(host: str, subject: str, cause: str, remedy: str) -> dict[str, str]:
    """One reason not to begin."""
    return dict(host=host, object=subject, cause=cause, remedy=remedy)


def as_message(findings: list[dict[str, str]]) -> str:
    """All findings of all hosts as one text."""
    lines = [f"{one['host']}: {one['object']}: {one['cause']}. Remedy: {one['remedy']}." for one in findings]
    count = f"{len(findings)} finding{'s' if len(findings) != 1 else ''}"
    return "\n".join([f"Nothing was changed, for there {'are' if len(findings) != 1 else 'is'} {count}:", *lines])


def host_findings(host: dict[str, Any]) -> list[dict[str, str]]:
    """Findings about one host.

    Args:
        host: name, unreachable (reason or empty), os_family, distribution, postgresql_version, timescaledb_version, install_method,
            node_type, is_standby, standby (of, with_primary (the run has its primary), slot, overwrite),
            leaves, cluster_name, port, database, encoding, locale, overrides, variables (those of the inventory with the prefix of a role),
            known_variables, unknown_members, listen_addresses, probe (of _probe.parse_probe), authentication (method, ssl_dir, passfile, roles,
            authority, authority_dir, authority_there, passwords (names of roles), whole (the run has all hosts of the cluster), switching),
            declaration (of the filter declaration_findings).
    """
    name = host["name"]
    if host["unreachable"]:
        return [finding(name, "host", f"it is unreachable: {host['unreachable']}", "start it, or correct ansible_host, the login or become")]
    checks = (
        *(_leaves, _variables, _release, _operating_system, _python, _installation, _members, _listening),
        *(_server, _standby, _database, _preloads, _overrides, _authentication, _declaration),
    )
    return [finding(name, *found) for check in checks for found in check(host)]


Found = list[tuple[str, str, str]]


def _leaves(host: dict[str, Any]) -> Found:
    remedy = "run remove_data_node, and take the host out of the group timescale_data_nodes; or take timescaledb_cluster_leaves out"
    return [("timescaledb_cluster_leaves", "this data node is about to leave the cluster", remedy)] if host["leaves"] else []


def _variables(host: dict[str, Any]) -> Found:
    found: Found = []
    for variable in sorted(set(host["variables"]) - set(host["known_variables"])):
        alike = difflib.get_close_matches(variable, host["known_variables"], n=1)
        found.append((f"variable {variable}", "no role knows it", f"correct it to {alike[0]}" if alike else "take it out of the inventory"))
    return found


def _release(host: dict[str, Any]) -> Found:
    subject = f"TimescaleDB {host['timescaledb_version']} on PostgreSQL {host['postgresql_version']}"
    try:
        release = Release.parse(str(host["timescaledb_version"]))
    except ValueError:
        return [(subject, "timescaledb_host_timescaledb_version is not an exact release", "give all three numbers, for instance 2.13.1")]
    refusal = multinode_refusal(release, int(host["postgresql_version"]))
    if refusal:
        return [(subject, refusal, "use TimescaleDB 2.13.1 on PostgreSQL 15")]
    last = _LAST_POSTGRESQL.get(release.minor, 12)
    if not _FIRST_POSTGRESQL <= int(host["postgresql_version"]) <= last:
        # TimescaleDB 2.0 is made for none of those that this collection installs.
        others = f"PostgreSQL {' to '.join(map(str, sorted({_FIRST_POSTGRESQL, last})))}, or " if last >= _FIRST_POSTGRESQL else ""
        return [(subject, f"TimescaleDB {release} is not made for this PostgreSQL", f"use {others}TimescaleDB 2.13.1")]
    return []


def _operating_system(host: dict[str, Any]) -> Found:
    if host["os_family"] in _FAMILIES:
        return []
    return [("operating system", f"{host['distribution']} is not supported", f"use one of the families {' and '.join(_FAMILIES)}")]


def _python(host: dict[str, Any]) -> Found:
    if host["os_family"] not in _FAMILIES:
        return []
    if host["probe"]["outdated"]:
        cause = f"it is {host['probe']['outdated']}, and this collection's modules need 3.9"
        return [("Python", cause, "install a newer one with psycopg2, and name it by ansible_python_interpreter")]
    if host["probe"]["python"]:
        return []
    return [("Python", "there is none, and Ansible's modules need it", "install python3, or correct ansible_python_interpreter")]


def _installation(host: dict[str, Any]) -> Found:
    if host["install_method"] != "preinstalled":
        return []
    probe, version = host["probe"], host["timescaledb_version"]
    if not probe["postgres"]:
        return [("PostgreSQL", f"PostgreSQL {host['postgresql_version']} is not installed", "install it, or set timescaledb_host_install_method=repository")]
    if version not in probe["available"]:
        there = ", ".join(sorted(probe["available"])) or "none"
        remedy = "install it, or set timescaledb_host_timescaledb_version to what is there"
        return [("TimescaleDB", f"release {version} is not installed (there: {there})", remedy)]
    if not probe["driver"]:
        return [("Python", "it has no psycopg2, by which Ansible's modules talk to PostgreSQL", "install python3-psycopg2")]
    return []


def _members(host: dict[str, Any]) -> Found:
    remedy = "correct its timescaledb_host_address or the resolution of names here, or set its timescaledb_host_source_addresses"
    return [(f"address of {name}", "it does not resolve on this host", remedy) for name in host["unknown_members"]]


def _listening(host: dict[str, Any]) -> Found:
    """PostgreSQL starts where it can listen at one of its addresses at least."""
    own = {ip_address(address) for address in host["probe"]["own"]}
    if not own or any(_may_be_own(address, own) for address in host["listen_addresses"]):
        return []
    cause = f"none of {', '.join(host['listen_addresses'])} is an address of this host ({', '.join(host['probe']['own'])})"
    return [("timescaledb_host_listen_addresses", cause, "correct timescaledb_host_listen_addresses")]


def _may_be_own(text: str, own: set[Any]) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return True  # a name, or the star
    return address.is_unspecified or address.is_loopback or address in own


def _server(host: dict[str, Any]) -> Found:
    probe, subject = host["probe"], f"PostgreSQL cluster {host['cluster_name']}"
    found: Found = []
    if probe["filled"] and not probe["initialized"]:
        found.append((subject, f"its data directory {probe['data']} is not empty and holds no database", "look at it, move it away, and run again"))
    elif probe["initialized"] and not probe["config"]:
        found.append((subject, f"its data directory {probe['data']} is there, but not its configuration", "restore the configuration, or move the data away"))
    elif probe["initialized"] and probe["initialized"] != str(host["postgresql_version"]):
        remedy = "set timescaledb_host_postgresql_version to that, or upgrade the data first"
        found.append((subject, f"its data is of PostgreSQL {probe['initialized']}", remedy))
    if probe["recovery"] and not host["is_standby"]:
        found.append((subject, "it is a standby", "put its primary into the inventory"))
    if probe["fenced"] and not host["is_standby"]:
        remedy = "put that one into its place in the inventory, and take this host out or make it a standby of that one"
        found.append((subject, "its standby was promoted, and it is kept from being started", remedy))
    port = int(host["port"])
    if port in probe["others"]:
        found.append((subject, f"port {port} belongs to another PostgreSQL cluster ({probe['others'][port]})", "set timescaledb_host_port to a free one"))
    elif port in probe["listening"] and port != probe["port"]:
        found.append((subject, f"port {port} is in use by another program", "set timescaledb_host_port to a free one, or stop that program"))
    return found


def _standby(host: dict[str, Any]) -> Found:
    """Data are given up only where it is certain that they may be."""
    if not host["is_standby"]:
        return []
    probe, given, subject = host["probe"], host["standby"], f"PostgreSQL cluster {host['cluster_name']}"
    found: Found = []
    if not given["of"]:
        found.append(("timescaledb_standby_of", "it is not set", "name the host whose standby this is"))
    elif not given["with_primary"]:
        cause = f"{given['of']}, whose standby it is, is not an access node or a data node of this run"
        found.append(("timescaledb_standby_of", cause, "correct timescaledb_standby_of, or run it without a limit that leaves that host out"))
    if not probe["initialized"] or probe["cloning"]:
        return found
    if probe["port"] is not None and not probe["recovery"]:
        remedy = "if it was promoted, put it into the group of its primary; else stop it, or take it out of timescale_standbys"
        found.append((subject, "its server takes writes, and is no standby", remedy))
    elif not probe["standby"] and not given["overwrite"]:
        remedy = "if nobody needs them any more, as those of a former primary, run once with timescaledb_standby_overwrite=true"
        found.append((subject, f"{probe['data']} has data that are no standby's", remedy))
    return found


def _database(host: dict[str, Any]) -> Found:
    probe, subject = host["probe"], f"database {host['database']}"
    found: Found = []
    if not fits_into_hba(host["database"]):
        found.append((subject, "pg_hba.conf cannot hold its name", "choose one without line breaks and other characters that are not printable"))
    wanted = {"encoding": host["encoding"], "collation": host["locale"], "ctype": host["locale"]}
    for what, value in wanted.items():
        if probe[what] and _plain(probe[what]) != _plain(value):
            remedy = "set timescaledb_host_locale and timescaledb_host_encoding to what is there, alike on all hosts, or name another database"
            found.append((subject, f"its {what} is {probe[what]}, wanted {value}", remedy))
    if probe["extension"] and probe["extension"] != str(host["timescaledb_version"]):
        remedy = f"set timescaledb_host_timescaledb_version to {probe['extension']}: deploy neither upgrades nor downgrades a database"
        found.append((subject, f"it has TimescaleDB {probe['extension']}, wanted {host['timescaledb_version']}", remedy))
    return found


def _preloads(host: dict[str, Any]) -> Found:
    if "shared_preload_libraries" in (name.lower() for name in host["overrides"]):
        return []
    there = [library.strip() for library in (host["probe"]["preloads"] or "").split(",")]
    others = ", ".join(library for library in there if library not in ("", "timescaledb"))
    if not others:
        return []
    remedy = f"set timescaledb_host_settings.shared_preload_libraries to what of it is still wanted: timescaledb, {others}"
    return [(f"PostgreSQL cluster {host['cluster_name']}", f"it preloads {others}, which this run would take away", remedy)]


def _overrides(host: dict[str, Any]) -> Found:
    found: Found = []
    for given, value in host["overrides"].items():
        name, text = given.lower(), as_text(value).strip().lower()
        subject = f"timescaledb_host_settings.{given}"
        if name == "max_prepared_transactions" and text == "0":
            found.append((subject, "it is 0, so that every distributed write would fail", "set it to at least max_connections, or leave it out"))
        elif name == "password_encryption" and text != "scram-sha-256":
            found.append((subject, f"it is {text}, and the nodes log in to each other by SCRAM", "leave it out"))
        elif name == "wal_level" and host["node_type"] == "data_node" and text != "logical":
            found.append((subject, f"it is {text}, and chunks are moved between data nodes by logical replication", "set it to logical, or leave it out"))
        elif name == "synchronous_commit" and host["node_type"] == "access_node" and text in ("off", "false", "no", "0"):
            cause = "it is off, and a crash would undo commits which the data nodes have carried out: with chunks there that nobody knows of any more"
            found.append((subject, cause, "leave it out, or set it for data nodes only, whose part of a commit does not heed it"))
        elif name in ("port", "listen_addresses", "timescaledb.passfile", "data_directory"):
            found.append((subject, "it has a variable of its own", f"set timescaledb_host_{name.rsplit('.', maxsplit=1)[-1]} instead, and leave it out here"))
        elif name in ("hba_file", "config_file"):
            found.append((subject, "the role writes these files where the PostgreSQL cluster has them", "leave it out"))
        elif not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)*", name):
            found.append((subject, "this is no name of a PostgreSQL setting", "correct it"))
    return found


def _authentication(host: dict[str, Any]) -> Found:
    given = host["authentication"]
    found: Found = []
    if given["switching"] and not given["whole"]:
        found.append(
            ("timescaledb_host_auth_method", f"it has become {given['method']}, and the run leaves hosts of the cluster out", "run it without a limit")
        )
    for role in given["roles"]:
        if not fits_into_hba(role):
            found.append((f"role {role}", "pg_hba.conf cannot hold its name", "choose one without line breaks and other characters that are not printable"))
    return found + (_certificates(host, given) if given["method"] == "certificate" else _passwords(given))


def _declaration(host: dict[str, Any]) -> Found:
    return [tuple(found) for found in host["declaration"]]


def _passwords(given: dict[str, Any]) -> Found:
    lacking = [role for role in given["roles"][1:] if role not in given["passwords"]]
    return [
        (
            f"role {role}",
            "the access node is to reach data nodes as this role and has no password for it",
            "give its password, no verifier, in timescaledb_cluster_roles, or add it to timescaledb_database_passwords",
        )
        for role in lacking
    ]


def _certificates(host: dict[str, Any], given: dict[str, Any]) -> Found:
    found: Found = []
    for variable in ("timescaledb_database_password", "timescaledb_database_passwords"):
        if variable in host["variables"]:
            cause = "it is set beside timescaledb_host_auth_method=certificate, by which no password is used"
            found.append((f"variable {variable}", cause, "take one of the two out of the inventory"))
    for name in sorted(host["overrides"]):
        if name.lower() in _OF_CERTIFICATES:
            found.append((f"timescaledb_host_settings.{name}", "timescaledb_host_auth_method=certificate sets it", "leave it out"))
    if given["authority_there"]:
        pass
    elif given["authority"] == "external":
        cause = f"there is no {given['authority_dir']}/ca.crt on the controller"
        found.append(("certificate authority", cause, "put its certificate there, or set timescaledb_tls_authority_dir to where it is"))
    elif host["probe"]["authority"]:
        cause = f"this host has certificates, and {given['authority_dir']}/ca.crt is not on the controller"
        found.append(("certificate authority", cause, "restore that folder, or set timescaledb_tls_authority_dir to where it is"))
    if host["install_method"] == "preinstalled" and not host["probe"]["cryptography"]:
        found.append(("certificates", "there is no openssl, or Python has no cryptography", "install openssl and python3-cryptography"))
    return found


def cluster_findings(hosts: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Findings about the hosts together; hosts as for host_findings, with address added."""
    access = [host for host in hosts if host["is_access_node"]]
    data = [host for host in hosts if host["is_data_node"]]
    found = []
    if len(access) != 1:
        names = ", ".join(host["name"] for host in access) or "none"
        found.append(finding("inventory", "group timescale_access_node", f"it has {len(access)} hosts ({names})", "put exactly one host into it"))
    if not data:
        found.append(finding("inventory", "group timescale_data_nodes", "it is empty", "put at least one host into it"))
    for host in hosts:
        if host["is_standby"] and (host["is_access_node"] or host["is_data_node"]):
            found.append(finding(host["name"], "inventory", "it is a standby and a node of the cluster", "take it out of one of the groups"))
        elif host["is_access_node"] and host["is_data_node"]:
            found.append(finding(host["name"], "inventory", "it is in both groups", "give the data node another PostgreSQL cluster under another host name"))
    found += _same(hosts, "place", lambda host: f"{host['address']}:{host['port']}", "address and port")
    found += _same(data, "node name", lambda host: host["node_name"], "node name")
    for what in ("method", "ssl_dir", "passfile", "roles"):
        variable = {"method": "timescaledb_host_auth_method", "roles": "timescaledb_host_node_roles"}.get(what, f"timescaledb_host_{what}")
        if len({str(host["authentication"][what]) for host in hosts}) > 1:
            values = ", ".join(sorted({str(host["authentication"][what]) for host in hosts}))
            found.append(finding("inventory", variable, f"it differs between hosts ({values})", "make it alike on all hosts"))
    by_certificate = [host for host in hosts if host["authentication"]["method"] == "certificate"]
    found += _same(by_certificate, "timescaledb_host_auth_method=certificate", lambda host: host["address"], "address, and needs a machine of its own:")
    for what in ("encoding", "locale"):
        values = {str(host[what]) for host in hosts}
        if len(values) > 1:
            cause = f"it differs between hosts ({', '.join(sorted(values))})"
            found.append(finding("inventory", f"timescaledb_host_{what}", cause, "make it alike on all hosts"))
    for host in hosts:
        found += _unlike_its_primary(host, hosts)
    standbys = [host for host in hosts if host["is_standby"]]
    found += _same(standbys, "replication slot", lambda host: f"{host['standby']['of']}:{host['standby']['slot']}", "name but for special characters")
    for host in data if len(access) == 1 else []:
        found += _skew(access[0], host)
    return found


def _unlike_its_primary(host: dict[str, Any], hosts: list[dict[str, Any]]) -> list[dict[str, str]]:
    primary = next((one for one in hosts if host["is_standby"] and one["name"] == host["standby"]["of"]), None)
    if not primary:
        return []
    if primary["is_standby"]:
        return [finding(host["name"], "timescaledb_standby_of", f"{primary['name']} is a standby itself", f"name {primary['standby']['of'] or 'its primary'}")]
    found = []
    for what in ("postgresql_version", "timescaledb_version", "database"):
        if str(host[what]) != str(primary[what]):
            variable = "timescaledb_database_name" if what == "database" else f"timescaledb_host_{what}"
            cause = f"it is {host[what]}, and {primary[what]} on {primary['name']}, whose standby it is"
            found.append(finding(host["name"], variable, cause, "make them alike"))
    mine, theirs = (one["probe"]["system_identifier"] for one in (host, primary))
    # What is copied anew is not looked at.
    if mine and theirs and mine != theirs and not host["probe"]["cloning"] and not host["unreachable"]:
        cause = f"its data are not those of {primary['name']} (system identifiers {mine} and {theirs})"
        remedy = "correct timescaledb_standby_of, or move these data away: they belong to another PostgreSQL cluster"
        found.append(finding(host["name"], f"PostgreSQL cluster {host['cluster_name']}", cause, remedy))
    return found


def _same(hosts: list[dict[str, Any]], subject: str, key: Any, what: str) -> list[dict[str, str]]:
    seen: dict[str, str] = {}
    found = []
    for host in hosts:
        value = key(host)
        if value in seen:
            found.append(finding(host["name"], subject, f"it has the same {what} as {seen[value]} ({value})", "make them differ"))
        seen.setdefault(value, host["name"])
    return found


def _skew(access: dict[str, Any], data: dict[str, Any]) -> list[dict[str, str]]:
    try:
        mine, theirs = (Release.parse(str(host["timescaledb_version"])) for host in (access, data))
    except ValueError:
        return []
    if accepts_data_node(mine, theirs):
        return []
    cause = f"its TimescaleDB is {theirs}, and the access node's {mine} accepts {accepted_data_nodes(mine)}"
    return [finding(data["name"], "timescaledb_host_timescaledb_version", cause, "make it alike on all hosts")]


def _plain(name: str) -> str:
    return name.lower().replace("-", "")
