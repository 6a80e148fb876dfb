# GPL-3.0-or-later (see LICENSE)
"""Settings of both node types. Figures of memory, parallelism and WAL are those of timescaledb-tune's own tests."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.timescaledb.multinode.plugins.plugin_utils._settings import Host, server_settings, size

KIB, MIB, GIB = 1024, 1024**2, 1024**3


def settings(node_type: str = "data_node", memory: float = 16 * GIB, cpus: int = 4, postgresql_version: int = 15, **overrides: Any) -> dict[str, str]:
    ssl_dir = overrides.pop("ssl_dir", "")
    ssl_crl_file = overrides.pop("ssl_crl_file", "")
    host = Host(
        node_type=node_type,
        memory=int(memory),
        cpus=cpus,
        postgresql_version=postgresql_version,
        port=5432,
        listen_addresses="*",
        passfile="/etc/passfile",
        overrides=overrides,
        ssl_dir=ssl_dir,
        ssl_crl_file=ssl_crl_file,
    )
    return {setting["name"]: setting["value"] for setting in server_settings(host)}


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1000, "1kB"),
        (KIB, "1kB"),
        (1.5 * MIB, "1536kB"),
        (MIB - 4 * KIB, "1020kB"),
        (10 * MIB, "10MB"),
        (1.5 * GIB, "1536MB"),
        (2 * GIB, "2GB"),
        (GIB - MIB, "1023MB"),
        (1024 * GIB, "1TB"),
        (1024 * 1.5 * GIB, "1536GB"),
        (1024 * GIB - GIB, "1023GB"),
        (1024 * GIB - MIB, "1048575MB"),
        (2000 * 1024 * GIB, "2000TB"),
    ],
)
def test_sizes_are_printed_as_timescaledb_tune_does(number: float, text: str) -> None:
    assert size(number) == text


@pytest.mark.parametrize(
    ("gigabytes", "shared_buffers", "effective_cache_size", "maintenance_work_mem"),
    [(10, "2560MB", "7680MB", "1280MB"), (12, "3GB", "9GB", "1536MB"), (32, "8GB", "24GB", "2047MB")],
)
def test_memory(gigabytes: int, shared_buffers: str, effective_cache_size: str, maintenance_work_mem: str) -> None:
    found = settings(memory=gigabytes * GIB)
    assert found["shared_buffers"] == shared_buffers
    assert found["effective_cache_size"] == effective_cache_size
    assert found["maintenance_work_mem"] == maintenance_work_mem


@pytest.mark.parametrize(
    ("gigabytes", "cpus", "connections", "work_mem"),
    [
        (10, 1, 20, "200MB"),
        (10, 1, 50, "80MB"),
        (10, 4, 20, "100MB"),
        # Two and three processors count as one pair, five as three: Go rounds the half up.
        (12, 5, 20, "80MB"),
        (12, 4, 50, "48MB"),
        (32, 4, 100, "64MB"),
        (32, 1, 19, "689852kB"),
        # Never below 64 kB, however many processors.
        (10, 9000, 50, "64kB"),
    ],
)
def test_work_mem(gigabytes: int, cpus: int, connections: int, work_mem: str) -> None:
    assert settings(memory=gigabytes * GIB, cpus=cpus, max_connections=connections)["work_mem"] == work_mem


@pytest.mark.parametrize(("cpus", "processes", "per_gather"), [(2, 21, 1), (4, 23, 2), (5, 24, 3)])
def test_parallelism_of_the_access_node(cpus: int, processes: int, per_gather: int) -> None:
    found = settings("access_node", cpus=cpus)
    assert found["timescaledb.max_background_workers"] == "16"
    assert found["max_worker_processes"] == str(processes)
    assert found["max_parallel_workers"] == str(cpus)
    assert found["max_parallel_workers_per_gather"] == str(per_gather)


def test_logical_replication_of_a_data_node_has_processes_of_its_own() -> None:
    data_node, access_node = settings(cpus=4), settings("access_node", cpus=4)
    more = int(data_node["max_worker_processes"]) - int(access_node["max_worker_processes"])
    assert more == int(data_node["max_logical_replication_workers"]) > 0


@pytest.mark.parametrize(("gigabytes", "wal_buffers"), [(1, "7864kB"), (1.5, "11796kB"), (2, "16MB"), (10, "16MB")])
def test_wal(gigabytes: float, wal_buffers: str) -> None:
    found = settings(memory=gigabytes * GIB)
    assert found["wal_buffers"] == wal_buffers
    assert (found["min_wal_size"], found["max_wal_size"]) == ("512MB", "1GB")


@pytest.mark.parametrize(("gigabytes", "locks"), [(7, 128), (8, 256), (15, 256), (16, 512), (24, 512), (32, 1024), (80, 1024)])
def test_locks(gigabytes: int, locks: int) -> None:
    assert settings(memory=gigabytes * GIB)["max_locks_per_transaction"] == str(locks)


def test_compression_by_lz4_begins_with_postgresql_14() -> None:
    assert "default_toast_compression" not in settings(postgresql_version=13)
    assert settings(postgresql_version=14)["default_toast_compression"] == "lz4"


@pytest.mark.parametrize("node_type", ["access_node", "data_node"])
def test_what_every_node_needs(node_type: str) -> None:
    found = settings(node_type)
    assert found["shared_preload_libraries"] == "timescaledb"
    assert found["password_encryption"] == "scram-sha-256"
    assert found["timescaledb.passfile"] == "/etc/passfile"
    assert int(found["max_prepared_transactions"]) >= max(150, int(found["max_connections"]))
    assert found["jit"] == "off"


def test_what_only_the_access_node_needs() -> None:
    assert settings("access_node")["enable_partitionwise_aggregate"] == "on"
    assert "enable_partitionwise_aggregate" not in settings()
    assert "wal_level" not in settings("access_node")


def test_what_only_data_nodes_need() -> None:
    found = settings()
    assert (found["wal_level"], found["statement_timeout"], found["wal_retrieve_retry_interval"]) == ("logical", "0", "100ms")
    assert int(found["max_wal_senders"]) > 0
    assert int(found["max_replication_slots"]) > 0


def test_prepared_transactions_grow_with_the_users_connections() -> None:
    assert settings(max_connections=400)["max_prepared_transactions"] == "400"


def test_the_users_value_wins_and_appears_once() -> None:
    host = Host("data_node", 16 * GIB, 4, 15, 5432, "*", "/p", overrides={"shared_buffers": "1GB", "log_connections": True, "x.y": 7})
    found = server_settings(host)
    assert [setting["value"] for setting in found if setting["name"] == "shared_buffers"] == ["1GB"]
    assert {"name": "log_connections", "value": "on", "why": "set by the user"} in found
    assert {"name": "x.y", "value": "7", "why": "set by the user"} in found


def test_a_name_in_capitals_is_the_same_setting() -> None:
    found = settings(Shared_Preload_Libraries="auto_explain", Max_Connections=400)
    assert found["shared_preload_libraries"] == "timescaledb, auto_explain"
    assert (found["max_connections"], found["max_prepared_transactions"]) == ("400", "400")
    assert not {"Shared_Preload_Libraries", "Max_Connections"} & set(found)


@pytest.mark.parametrize(
    ("gigabytes", "of_access_node", "of_data_node"),
    # The access node's are timescaledb-tune's, 50 at the least; a data node serves all sessions of the access node.
    [(1, "50", "100"), (4, "50", "100"), (4.5, "75", "100"), (6, "75", "100"), (7, "100", "100")],
)
def test_connections_by_memory(gigabytes: float, of_access_node: str, of_data_node: str) -> None:
    assert settings("access_node", memory=gigabytes * GIB)["max_connections"] == of_access_node
    assert settings("data_node", memory=gigabytes * GIB)["max_connections"] == of_data_node


@pytest.mark.parametrize(
    ("wanted", "written"),
    [
        ("pg_stat_statements", "timescaledb, pg_stat_statements"),
        ("pg_stat_statements,timescaledb", "pg_stat_statements, timescaledb"),
        (["pg_stat_statements", "auto_explain"], "timescaledb, pg_stat_statements, auto_explain"),
        ("", "timescaledb"),
    ],
)
def test_timescaledb_joins_the_users_libraries(wanted: Any, written: str) -> None:
    assert settings(shared_preload_libraries=wanted)["shared_preload_libraries"] == written


@pytest.mark.parametrize("node_type", ["access_node", "data_node"])
def test_each_setting_says_why_in_one_line(node_type: str) -> None:
    host = Host(node_type, 16 * GIB, 4, 15, 5432, "*", "/p", overrides={"work_mem": "1MB"})
    for setting in server_settings(host):
        assert setting["why"] and "\n" not in setting["why"], setting


def test_nothing_of_tls_without_certificates() -> None:
    assert [name for name in settings() if "ssl" in name] == []


def test_certificates_are_those_of_the_folder() -> None:
    assert {name: value for name, value in settings(ssl_dir="/tls").items() if "ssl" in name} == {
        "ssl": "on",
        "ssl_cert_file": "/tls/server.crt",
        "ssl_key_file": "/tls/server.key",
        "ssl_ca_file": "/tls/ca.crt",
        "timescaledb.ssl_dir": "/tls",
    }
    assert settings(ssl_dir="/tls", ssl_crl_file="/tls/a.crl")["ssl_crl_file"] == "/tls/a.crl"
