# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""The settings of an access node's and of a data node's server, computed from what the host has. No I/O.

Memory, parallelism, WAL and the rest follow the formulas that timescaledb-tune publishes (its packages pgtune/memory, parallel, wal and
misc); what multi-node needs follows TimescaleDB's guides for access node and data nodes. The user's own settings come last and win.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

KIB, MIB, GIB, TIB = 1024, 1024**2, 1024**3, 1024**4

_MAINTENANCE_WORK_MEM_LIMIT = 2047 * MIB
_BACKGROUND_WORKERS = 16
_BUILT_IN_PROCESSES = 3


@dataclass(frozen=True)
class Host:
    """What the settings depend on.

    Args:
        node_type: access_node or data_node.
        memory: bytes.
        cpus: number of processors.
        postgresql_version: major version.
        overrides: the user's settings.
        ssl_dir: folder of keys and certificates where the nodes log in to each other by certificate, else empty.
        ssl_crl_file: revocation list, where there is one.
        standby: of a standby, how it reaches its primary (conninfo, slot), and what of the primary its settings follow (memory, cpus, overrides).
    """

    node_type: str
    memory: int
    cpus: int
    postgresql_version: int
    port: int
    listen_addresses: str | list[str]
    passfile: str
    overrides: dict[str, Any] = field(default_factory=dict)
    ssl_dir: str = ""
    ssl_crl_file: str = ""
    standby: dict[str, Any] = field(default_factory=dict)

    @property
    def is_access_node(self) -> bool:
        """Whether this is the access node."""
        return self.node_type == "access_node"


def server_settings_of(host: Mapping[str, Any]) -> list[dict[str, str]]:
    """The settings of a host that is given as a dictionary; see server_settings()."""
    return server_settings(Host(**host))


def server_settings(host: Host) -> list[dict[str, str]]:
    """The settings in the order of the file, each with name, value (as text, not quoted) and why."""
    if host.standby:
        return _of_a_standby(host)
    settings: dict[str, tuple[str, str]] = {}
    for group in (_connection(host), _tls(host), _multinode(host), _memory(host), _parallelism(host), _wal(host), _miscellaneous(host)):
        settings.update(group)
    for given, value in host.overrides.items():
        # To PostgreSQL capitals make no difference.
        name = given.lower()
        if name == "shared_preload_libraries":
            settings[name] = (_with_timescaledb(value), "timescaledb has to be among them; the others are set by the user")
        else:
            settings[name] = (as_text(value), "set by the user")
    return [{"name": name, "value": value, "why": why} for name, (value, why) in settings.items()]


# Hot standby waits, or ends, where one of them is lower than on the primary: CheckRequiredParameterValues() in PostgreSQL's xlogrecovery.c.
_NOT_BELOW_THE_PRIMARY = ("max_connections", "max_worker_processes", "max_wal_senders", "max_prepared_transactions", "max_locks_per_transaction")
# Whose word a primary waits for: promoted, the standby would wait for itself.
_OF_THE_PRIMARY_ONLY = ("synchronous_standby_names",)


def _of_a_standby(host: Host) -> list[dict[str, str]]:
    """Those that it will need in its primary's place, by its own memory and processors, and what it needs until then."""
    primary = host.standby["primary"]
    given = {name: value for name, value in primary["overrides"].items() if name.lower() not in _OF_THE_PRIMARY_ONLY}
    own = replace(host, standby={}, overrides=given | host.overrides)
    of_the_primary = {one["name"]: one["value"] for one in server_settings(replace(own, **primary))}
    settings = {one["name"]: one for one in server_settings(own)}
    for name in _NOT_BELOW_THE_PRIMARY:
        if name in of_the_primary and _number(of_the_primary[name]) > _number(settings[name]["value"]):
            settings[name] = {"name": name, "value": of_the_primary[name], "why": "not lower than on its primary"}
    for name, value, why in (
        ("primary_conninfo", host.standby["conninfo"], "where the WAL comes from"),
        ("primary_slot_name", host.standby["slot"], "its primary keeps the WAL that it has not got yet"),
    ):
        settings[name] = {"name": name, "value": value, "why": why}
    return list(settings.values())


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def as_text(value: Any) -> str:
    """A YAML value as PostgreSQL writes it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (list, tuple)):
        return ", ".join(as_text(item) for item in value)
    return str(value)


def size(number: float) -> str:
    """Bytes as timescaledb-tune prints them: in the largest unit, or the next smaller one where that would cut a fraction off."""
    units = (("TB", TIB), ("GB", GIB), ("MB", MIB), ("kB", KIB))
    for (unit, factor), (smaller, smaller_factor) in zip(units, units[1:]):
        if number >= factor:
            whole = number / factor - int(number / factor) <= 0.001
            return f"{int(number / factor)}{unit}" if whole else f"{int(number / smaller_factor)}{smaller}"
    return f"{max(round(number / KIB), 1)}kB"


def max_connections(host: Host) -> int:
    """The user's number, else one by memory."""
    wanted = next((str(value) for name, value in host.overrides.items() if name.lower() == "max_connections"), "")
    if wanted.isdigit():
        return int(wanted)
    for limit, number in ((2, 25), (4, 50), (6, 75)):
        if host.memory <= limit * GIB:
            # A data node serves a connection of every session of the access node; 25 are soon used up.
            return max(number, 100) if not host.is_access_node else max(number, 50)
    return 100


def _connection(host: Host) -> dict[str, tuple[str, str]]:
    return {
        "listen_addresses": (as_text(host.listen_addresses), "reachable for the cluster's nodes; pg_hba.conf says for whom"),
        "port": (str(host.port), "given by the inventory"),
        "max_connections": (str(max_connections(host)), "by memory"),
        "password_encryption": ("scram-sha-256", "the nodes log in to each other by SCRAM only"),
    }


def _tls(host: Host) -> dict[str, tuple[str, str]]:
    if not host.ssl_dir:
        return {}
    settings = {
        "ssl": ("on", "the nodes log in to each other by certificate; an access node with it demands it of its data nodes"),
        "ssl_cert_file": (f"{host.ssl_dir}/server.crt", "issued to this host"),
        "ssl_key_file": (f"{host.ssl_dir}/server.key", "made on this host, which it never leaves"),
        "ssl_ca_file": (f"{host.ssl_dir}/ca.crt", "clients are let in with certificates of this authority; TimescaleDB verifies data nodes by it too"),
        "timescaledb.ssl_dir": (host.ssl_dir, "the client certificate of each role, the same path on every node because chunk moves hand it on"),
    }
    if host.ssl_crl_file:
        settings["ssl_crl_file"] = (host.ssl_crl_file, "certificates that are no longer accepted")
    return settings


def _multinode(host: Host) -> dict[str, tuple[str, str]]:
    settings = {
        "shared_preload_libraries": ("timescaledb", "TimescaleDB only works preloaded"),
        "timescaledb.passfile": (host.passfile, "the passwords of the data nodes, the same path on every node because chunk moves hand it on"),
        "max_prepared_transactions": (
            str(max(max_connections(host), 150)),
            "distributed writes use two-phase commit: one prepared transaction for each connection",
        ),
    }
    if host.is_access_node:
        settings["enable_partitionwise_aggregate"] = ("on", "aggregates are computed on the data nodes instead of sending all rows here")
        settings["synchronous_commit"] = ("on", "a commit that a crash undoes here has been carried out on the data nodes")
        return settings
    workers = max(4, min(host.cpus, 16))
    settings |= {
        "wal_level": ("logical", "chunks are moved and copied between data nodes by logical replication"),
        "max_wal_senders": ("20", "one for each chunk that is being moved away, and for standbys"),
        "max_replication_slots": ("20", "one for each chunk that is being moved away, and for standbys"),
        "max_logical_replication_workers": (str(workers), "one for each chunk that is being moved here"),
        "wal_retrieve_retry_interval": ("100ms", "moving a chunk waits for this; the default of 5 s made each move take 5 s"),
        "statement_timeout": ("0", "the access node decides how long a statement may take"),
    }
    return settings


def _memory(host: Host) -> dict[str, tuple[str, str]]:
    memory, gigabytes = host.memory, host.memory / GIB
    cpu_factor = max(int(host.cpus / 2 + 0.5), 1)
    work_mem = max(gigabytes * (20.0 * 20 * MIB / max_connections(host)) / cpu_factor, 64 * KIB)
    return {
        "shared_buffers": (size(memory // 4), "a quarter of the memory"),
        "effective_cache_size": (size(memory * 3 // 4), "three quarters of the memory"),
        "maintenance_work_mem": (size(min(gigabytes * 128 * MIB, _MAINTENANCE_WORK_MEM_LIMIT)), "an eighth of the memory, 2047 MB at the most"),
        "work_mem": (size(work_mem), "by memory, connections and processors"),
    }


def _parallelism(host: Host) -> dict[str, tuple[str, str]]:
    logical = 0 if host.is_access_node else max(4, min(host.cpus, 16))
    return {
        "timescaledb.max_background_workers": (str(_BACKGROUND_WORKERS), "one for each database and each job that runs"),
        "max_worker_processes": (
            str(_BUILT_IN_PROCESSES + _BACKGROUND_WORKERS + host.cpus + logical),
            "built-in processes, TimescaleDB's workers, parallel workers and those of logical replication",
        ),
        "max_parallel_workers": (str(host.cpus), "one for each processor"),
        "max_parallel_workers_per_gather": (str(int(host.cpus / 2 + 0.5)), "half of the processors for one query"),
    }


def _wal(host: Host) -> dict[str, tuple[str, str]]:
    buffers = 16 * MIB if host.memory >= 2 * GIB else host.memory / GIB * 7864 * KIB
    return {
        "wal_buffers": (size(buffers), "one WAL segment, less on small hosts"),
        "min_wal_size": ("512MB", "half of max_wal_size"),
        "max_wal_size": ("1GB", "timescaledb-tune's value where the size of the WAL's disk is not known"),
    }


def _miscellaneous(host: Host) -> dict[str, tuple[str, str]]:
    locks = next((number for limit, number in ((32, 1024), (16, 512), (8, 256)) if host.memory >= limit * GIB), 128)
    settings = {
        "default_statistics_target": ("100", "timescaledb-tune's value"),
        "jit": ("off", "compiling the plans of queries over many chunks takes longer than it saves"),
        "random_page_cost": ("1.1", "for solid-state disks"),
        "checkpoint_completion_target": ("0.9", "spreads the writes of a checkpoint"),
        "max_locks_per_transaction": (str(locks), "a query locks every chunk it touches"),
        "autovacuum_max_workers": ("10", "there are many chunks to look after"),
        "autovacuum_naptime": ("10", "seconds; chunks change quickly"),
        "effective_io_concurrency": ("256", "for solid-state disks"),
    }
    if host.postgresql_version >= 14:
        settings["default_toast_compression"] = ("lz4", "faster than pglz")
    return settings


def _with_timescaledb(value: Any) -> str:
    libraries = [library.strip() for library in as_text(value).split(",") if library.strip()]
    return ", ".join(libraries if "timescaledb" in libraries else ["timescaledb", *libraries])
