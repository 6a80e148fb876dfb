# GPL-3.0-or-later (see LICENSE)
"""Standbys: settings, access rules and what keeps one from being set up or promoted."""

from __future__ import annotations

from typing import Any

import pytest
from _hosts import access_node, host, standby
from ansible_collections.timescaledb.multinode.plugins.plugin_utils._members import conninfo, replication_rules, standby_slots, standbys_of
from ansible_collections.timescaledb.multinode.plugins.plugin_utils._preflight import cluster_findings, host_findings
from ansible_collections.timescaledb.multinode.plugins.plugin_utils._probe import parse_probe
from ansible_collections.timescaledb.multinode.plugins.plugin_utils._promotion import promotion_findings
from ansible_collections.timescaledb.multinode.plugins.plugin_utils._settings import server_settings_of

GIB = 1024**3
BIG, SMALL = dict(memory=32 * GIB, cpus=16, overrides={}), dict(memory=2 * GIB, cpus=2, overrides={})
NEVER_LOWER = ("max_connections", "max_worker_processes", "max_prepared_transactions", "max_locks_per_transaction")


def settings(own: dict[str, Any], primary: dict[str, Any] | None, node_type: str = "data_node") -> dict[str, str]:
    described = dict(own, node_type=node_type, postgresql_version=15, port=5432, listen_addresses="*", passfile="/p")
    if primary:
        described["standby"] = dict(conninfo="host='dn1'", slot="timescaledb_standby_dn1s", primary=primary)
    return {setting["name"]: setting["value"] for setting in server_settings_of(described)}


@pytest.mark.parametrize("node_type", ["access_node", "data_node"])
def test_a_small_standby_has_its_own_memory_and_its_primarys_limits(node_type: str) -> None:
    found, primary, own = settings(SMALL, BIG, node_type), settings(BIG, None, node_type), settings(SMALL, None, node_type)
    assert {name: found[name] for name in NEVER_LOWER} == {name: primary[name] for name in NEVER_LOWER}
    assert found["shared_buffers"] == own["shared_buffers"] != primary["shared_buffers"]


def test_a_large_standby_keeps_its_limits() -> None:
    found, own = settings(BIG, SMALL), settings(BIG, None)
    assert {name: found[name] for name in NEVER_LOWER} == {name: own[name] for name in NEVER_LOWER}


def test_a_standby_has_its_primarys_overrides_and_its_own_ones_win() -> None:
    primary = SMALL | {"overrides": {"work_mem": "7MB", "max_wal_senders": 40, "jit": True}}
    found = settings(SMALL | {"overrides": {"work_mem": "5MB", "MAX_wal_senders": 30}}, primary)
    assert (found["work_mem"], found["jit"], found["max_wal_senders"]) == ("5MB", "on", "40")


def test_a_standby_waits_for_no_standby_when_it_is_promoted() -> None:
    assert "synchronous_standby_names" not in settings(SMALL, SMALL | {"overrides": {"synchronous_standby_names": "dn1s"}})


def test_a_standby_knows_its_primary() -> None:
    found = settings(SMALL, SMALL)
    assert (found["primary_conninfo"], found["primary_slot_name"]) == ("host='dn1'", "timescaledb_standby_dn1s")


def test_a_connection_string_means_what_was_given() -> None:
    assert conninfo({"host": "dn1", "port": 5432, "user": "it's", "passfile": "a\\b c"}) == "host='dn1' port='5432' user='it\\'s' passfile='a\\\\b c'"


def test_rules_for_replication_are_for_no_database() -> None:
    assert replication_rules(["10.0.0.1"], "r") == ['host replication "r" 10.0.0.1/32 scram-sha-256']
    assert replication_rules(["10.0.0.1"], "r", "certificate") == [
        'hostssl replication "r" 10.0.0.1/32 cert clientcert=verify-full',
        'hostnossl replication "r" 10.0.0.1/32 reject',
    ]


def test_a_slot_has_a_name_that_postgresql_takes() -> None:
    first, second, third = standby_slots(["dn1", "DN-2.example.org", "n" * 63])
    assert (first, second) == ("timescaledb_standby_dn1", "timescaledb_standby_dn_2_example_org")
    assert third.startswith("timescaledb_standby_nnn") and len(third) == 63


def test_standbys_of_a_host() -> None:
    hostvars = {"a": {"timescaledb_standby_of": "dn1"}, "b": {"timescaledb_standby_of": "dn2"}, "c": {}}
    assert standbys_of(["a", "b", "c"], hostvars, "dn1") == ["a"]


RUNNING = dict(config=True, filled=True, initialized="15", port=5432, listening=[5432], system_identifier="1")


@pytest.mark.parametrize(
    "probe",
    [
        {},
        dict(RUNNING, standby=True, recovery=True),
        dict(RUNNING, port=None, listening=[], standby=True),
        # Half made by a run that was interrupted.
        dict(filled=True, initialized="15", config=True, cloning=True),
    ],
)
def test_a_standby_has_no_findings(probe: dict[str, Any]) -> None:
    assert host_findings(standby(probe=probe)) == []


def test_a_former_primary_is_overwritten_only_where_that_was_asked_for() -> None:
    fenced = dict(RUNNING, port=None, listening=[], fenced=True)
    assert len(host_findings(standby(probe=fenced))) == 1
    assert host_findings(standby(probe=fenced, overwrite=True)) == []
    assert len(host_findings(standby(probe=RUNNING, overwrite=True))) == 1


def test_standbys_of_all_nodes_have_no_findings() -> None:
    assert cluster_findings([access_node(), host(), standby("ans", of="an"), standby(), standby("dn1t")]) == []


def probe(**changes: Any) -> dict[str, Any]:
    return parse_probe("family=Debian") | changes


STREAMING = probe(port=5432, recovery=True, standby=True, system_identifier="1", streaming="streaming timescaledb_standby_dn1s")
PROMOTED = probe(port=5432, system_identifier="1")
PRIMARY = probe(port=5432, system_identifier="1")
FENCED = probe(system_identifier="1", fenced=True, state="shut down")
SILENT = parse_probe("")


@pytest.mark.parametrize(
    ("mine", "theirs", "dead", "reason"),
    [
        (STREAMING, PRIMARY, False, ""),
        (STREAMING | {"streaming": None}, FENCED, False, ""),
        (STREAMING, SILENT, True, ""),
        (PROMOTED, FENCED, False, ""),
        (PROMOTED, SILENT, False, ""),
        # It has come back.
        (PROMOTED, PRIMARY, True, ""),
        (STREAMING | {"streaming": None}, PRIMARY, True, ""),
        (SILENT, PRIMARY, False, "cannot be reached"),
        (STREAMING | {"port": None}, PRIMARY, True, "does not run"),
        (STREAMING, SILENT, False, "cannot be reached, so that it can neither"),
        (STREAMING, PRIMARY | {"system_identifier": "2"}, True, "not those of dn1"),
        (STREAMING | {"streaming": None}, PRIMARY, False, "does not stream"),
        (STREAMING | {"streaming": None}, FENCED | {"state": "in production"}, False, "not shut down cleanly"),
        (PROMOTED, PRIMARY, False, "takes writes as well"),
    ],
)
def test_promotion(mine: dict[str, Any], theirs: dict[str, Any], dead: bool, reason: str) -> None:
    found = promotion_findings(dict(name="dn1s", primary="dn1", dead=dead, probe=mine, primary_probe=theirs))
    assert [reason in one["cause"] for one in found] == [True] * bool(reason)
