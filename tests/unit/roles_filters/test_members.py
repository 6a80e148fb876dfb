# GPL-3.0-or-later (see LICENSE)
"""How the hosts of a cluster reach each other, from the inventory and from facts."""

from __future__ import annotations

import pytest
from ansible_collections.timescaledb.multinode.plugins.plugin_utils._members import (
    cluster_members,
    fits_into_hba,
    hba_rules,
    member_variables,
    source_addresses,
    standbys_of,
    unknown_members,
)


def test_defaults_are_those_of_the_roles() -> None:
    assert cluster_members(["dn1"], {"dn1": {}}) == [dict(node_name="dn1", host="dn1", port=5432, database=None)]


def test_the_inventory_wins() -> None:
    hostvars = {
        "dn1": dict(
            timescaledb_cluster_node_name='Dn "1"',
            timescaledb_host_address="10.0.0.1",
            ansible_host="192.0.2.1",
            timescaledb_host_port="6001",
            timescaledb_database_name="Metrics DB",
        )
    }
    assert cluster_members(["dn1"], hostvars) == [dict(node_name='Dn "1"', host="10.0.0.1", port=6001, database="Metrics DB")]


def test_ansible_host_stands_in_for_the_address() -> None:
    assert cluster_members(["dn1"], {"dn1": {"ansible_host": "192.0.2.1"}})[0]["host"] == "192.0.2.1"


def test_members_keep_the_order_of_the_inventory() -> None:
    assert [one["node_name"] for one in cluster_members(["b", "a"], {"a": {}, "b": {}})] == ["b", "a"]


def test_source_addresses_are_those_that_the_name_stands_for() -> None:
    resolved = {"dn1.example": ["10.0.0.1", "fd00::1"]}
    assert source_addresses(["dn1"], {"dn1": {"ansible_host": "dn1.example"}}, resolved) == ["10.0.0.1", "fd00::1"]


def test_source_addresses_of_the_inventory_win_and_appear_once() -> None:
    hostvars = {"a": {"timescaledb_host_source_addresses": ["10.9.9.9"]}, "b": {}}
    assert source_addresses(["a", "b"], hostvars, {"a": ["10.0.0.1"], "b": ["10.9.9.9"]}) == ["10.9.9.9"]


def test_members_without_an_address_are_named() -> None:
    hostvars = {"a": {"timescaledb_host_source_addresses": ["10.9.9.9"]}, "b": {}, "c": {}}
    assert unknown_members(["a", "b", "c"], hostvars, {"b": ["10.0.0.2"]}) == ["c"]


def test_what_is_collected_of_each_host_is_all_that_the_filters_read() -> None:
    class Read(dict):
        def __init__(self, **variables: object) -> None:
            super().__init__(variables)
            self.keys_read: set[str] = set()

        def get(self, key: str, default: object = None) -> object:
            self.keys_read.add(key)
            return super().get(key, default)

        def __contains__(self, key: object) -> bool:
            self.keys_read.add(str(key))
            return super().__contains__(key)

    host = Read(ansible_host="192.0.2.1")
    cluster_members(["a"], {"a": host})
    source_addresses(["a"], {"a": host}, {})
    unknown_members(["a"], {"a": host}, {})
    standbys_of(["a"], {"a": host}, "b")
    asked = host.keys_read
    assert "ansible_host" in asked
    variables = {"a": dict.fromkeys(asked, "10.0.0.1") | {"timescaledb_host_port": "5433", "ansible_user": "root"}, "b": {}}
    collected = member_variables(["a", "b"], variables)
    assert set(collected["a"]) == asked and collected["b"] == {}
    assert cluster_members(["a", "b"], collected) == cluster_members(["a", "b"], variables)


@pytest.mark.parametrize(("address", "network"), [("10.0.0.1", "10.0.0.1/32"), ("fd00::1", "fd00::1/128")])
def test_rules_let_in_one_address_by_scram(address: str, network: str) -> None:
    assert hba_rules([address], "metrics", "postgres") == [f'host "metrics" "postgres" {network} scram-sha-256']


def test_further_roles_are_let_in_by_the_same_rule() -> None:
    assert hba_rules(["10.0.0.1"], "metrics", "postgres", ["app", "postgres"]) == ['host "metrics" "postgres","app" 10.0.0.1/32 scram-sha-256']


def test_rules_let_in_one_address_by_certificate_and_turn_it_away_without_tls() -> None:
    assert hba_rules(["10.0.0.1"], "metrics", "postgres", method="certificate") == [
        'hostssl "metrics" "postgres" 10.0.0.1/32 cert clientcert=verify-full',
        'hostnossl "metrics" "postgres" 10.0.0.1/32 reject',
    ]


@pytest.mark.parametrize("name", ["all", "replication", "+staff", "@file", "/^x", "a, b", "Metrics DB", 'odd "name"', "#1"])
def test_names_mean_only_themselves_in_a_rule(name: str) -> None:
    (rule,) = hba_rules(["10.0.0.1"], name, "postgres")
    assert rule.startswith('host "' + name.replace('"', '""') + '" "postgres" ')


def test_a_name_over_two_lines_does_not_fit() -> None:
    assert fits_into_hba("a b") and not fits_into_hba("a\nb")
