# GPL-3.0-or-later (see LICENSE)
"""Each reason not to begin is found, and nothing is found where nothing is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from _hosts import access_node, authentication, host
from ansible_collections.timescaledb.multinode.plugins.plugin_utils._preflight import as_message, cluster_findings, host_findings


def causes(described: dict[str, Any]) -> list[str]:
    return [found["cause"] for found in host_findings(described)]


def test_a_virgin_host_has_no_findings() -> None:
    assert host_findings(host()) == []


def test_a_deployed_host_has_no_findings() -> None:
    running = dict(
        config=True, filled=True, initialized="15", port=5432, listening=[5432], encoding="UTF8", collation="C.UTF-8", ctype="C.UTF-8", extension="2.13.1"
    )
    assert host_findings(host(probe=running)) == []


def test_hosts_whose_nodes_log_in_by_certificate_have_no_findings() -> None:
    by_certificate = authentication(method="certificate", roles=["postgres", "app"])
    hosts = [access_node(authentication=by_certificate), host(authentication=by_certificate | {"authority_there": False})]
    assert [host_findings(one) for one in hosts] == [[], []]
    assert cluster_findings(hosts) == []


def test_an_unreachable_host_has_one_finding() -> None:
    (found,) = host_findings(host(unreachable="timed out", postgresql_version=17))
    assert "unreachable" in found["cause"] and "timed out" in found["cause"]


def test_a_mistyped_variable_is_found_with_what_was_meant() -> None:
    (found,) = host_findings(host(variables=["timescaledb_host_port", "timescaledb_host_setings"]))
    assert "timescaledb_host_setings" in found["object"] and "timescaledb_host_settings" in found["remedy"]


@pytest.mark.parametrize(
    ("postgresql", "timescaledb", "reason"),
    [
        (16, "2.13.1", "PostgreSQL 16"),
        (17, "2.13.1", "PostgreSQL 17"),
        (15, "2.14.0", "no multi-node"),
        (15, "2.28.0", "no multi-node"),
        (15, "1.7.5", "no multi-node"),
        (12, "2.11.0", "not made for this PostgreSQL"),
        (15, "2.8.1", "not made for this PostgreSQL"),
        (14, "2.4.2", "not made for this PostgreSQL"),
        (13, "2.0.2", "not made for this PostgreSQL"),
        (15, "latest", "not an exact release"),
        (15, "2.13", "not an exact release"),
    ],
)
def test_pairs_without_multinode_are_refused(postgresql: int, timescaledb: str, reason: str) -> None:
    (cause,) = causes(host(postgresql_version=postgresql, timescaledb_version=timescaledb))
    assert reason in cause


@pytest.mark.parametrize("addresses", [["*"], ["10.0.0.2"], ["10.0.0.9", "fd00::2"], ["localhost"], ["0.0.0.0"], ["127.0.0.1"]])
def test_addresses_to_listen_at_that_will_do(addresses: list[str]) -> None:
    assert causes(host(listen_addresses=addresses, probe=dict(own=["10.0.0.2", "fd00::2"]))) == []


def test_no_address_to_listen_at_is_the_hosts_own() -> None:
    (cause,) = causes(host(listen_addresses=["10.0.0.9", "fd00::9"], probe=dict(own=["10.0.0.2", "fd00::2"])))
    assert "none of 10.0.0.9, fd00::9 is an address of this host (10.0.0.2, fd00::2)" in cause


@pytest.mark.parametrize(
    ("postgresql", "timescaledb"),
    [(13, "2.1.0"), (13, "2.4.2"), (14, "2.5.0"), (14, "2.8.1"), (15, "2.9.0"), (15, "2.13.1"), (13, "2.13.1")],
)
def test_pairs_with_multinode_are_let_in(postgresql: int, timescaledb: str) -> None:
    assert causes(host(postgresql_version=postgresql, timescaledb_version=timescaledb)) == []


@pytest.mark.parametrize(
    ("timescaledb", "remedy"),
    [("2.0.2", "use TimescaleDB 2.13.1"), ("2.4.2", "use PostgreSQL 13, or TimescaleDB 2.13.1"), ("2.8.1", "use PostgreSQL 13 to 14, or TimescaleDB 2.13.1")],
)
def test_the_remedy_names_the_releases_of_postgresql_that_would_do(timescaledb: str, remedy: str) -> None:
    (found,) = host_findings(host(postgresql_version=15, timescaledb_version=timescaledb))
    assert found["remedy"] == remedy


def test_other_operating_systems_are_refused() -> None:
    (cause,) = causes(host(os_family="Suse", distribution="SLES"))
    assert "SLES" in cause


@pytest.mark.parametrize(
    ("probe", "reason"),
    [
        (dict(), "PostgreSQL 15 is not installed"),
        (dict(postgres="postgres (PostgreSQL) 15.20"), "2.13.1 is not installed (there: none)"),
        (dict(postgres="postgres (PostgreSQL) 15.20", available=["2.12.0"]), "(there: 2.12.0)"),
    ],
)
def test_preinstalled_has_to_be_installed(probe: dict[str, Any], reason: str) -> None:
    (cause,) = causes(host(install_method="preinstalled", probe=probe))
    assert reason in cause


def test_preinstalled_at_the_wanted_release() -> None:
    probe = dict(postgres="postgres (PostgreSQL) 15.20", available=["2.12.0", "2.13.1"], driver=True)
    assert causes(host(install_method="preinstalled", probe=probe)) == []


def test_a_host_without_python() -> None:
    (cause,) = causes(host(probe=dict(python=False)))
    assert "Ansible's modules need it" in cause


def test_a_python_that_is_too_old() -> None:
    (found,) = host_findings(host(probe=dict(outdated="3.6")))
    assert "it is 3.6" in found["cause"] and "ansible_python_interpreter" in found["remedy"]


@pytest.mark.parametrize(
    ("probe", "reason"),
    [
        (dict(filled=True, data="/d"), "not empty"),
        (dict(filled=True, initialized="15", data="/d"), "not its configuration"),
        (dict(filled=True, initialized="14", config=True), "PostgreSQL 14"),
        (dict(recovery=True, config=True, initialized="15"), "standby"),
        (dict(others={5432: "/etc/postgresql/15/other/postgresql.conf"}), "another PostgreSQL cluster"),
        (dict(listening=[5432]), "another program"),
    ],
)
def test_what_is_in_the_servers_way(probe: dict[str, Any], reason: str) -> None:
    (cause,) = causes(host(probe=probe))
    assert reason in cause


def test_the_servers_own_port_is_not_in_its_way() -> None:
    assert causes(host(probe=dict(listening=[5432], port=5432))) == []


@pytest.mark.parametrize(("what", "value"), [("encoding", "SQL_ASCII"), ("collation", "de_DE.UTF-8"), ("ctype", "de_DE.UTF-8")])
def test_a_database_that_data_nodes_would_not_match(what: str, value: str) -> None:
    there = dict(encoding="UTF8", collation="C.UTF-8", ctype="C.UTF-8")
    (found,) = host_findings(host(probe=there | {what: value}))
    assert found["object"] == "database timescaledb" and value in found["cause"]


def test_another_spelling_of_the_same_locale() -> None:
    there = dict(encoding="UTF8", collation="C.utf8", ctype="C.utf8")
    assert causes(host(probe=there)) == []


@pytest.mark.parametrize("release", ["2.12.2", "2.13.0"])
def test_an_extension_is_neither_upgraded_nor_downgraded(release: str) -> None:
    (found,) = host_findings(host(probe=dict(extension=release)))
    assert release in found["remedy"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_prepared_transactions", 0),
        ("Max_Prepared_Transactions", "0"),
        ("password_encryption", "md5"),
        ("wal_level", "replica"),
        ("wal_level", "minimal"),
        ("port", 5433),
        ("data_directory", "/srv"),
        ("timescaledb.passfile", "/root/passfile"),
        ("listen_addresses", "*"),
        ("work mem", "1MB"),
        ("include_dir = '/etc'\nx", "1"),
    ],
)
def test_settings_that_would_break_the_cluster(name: str, value: Any) -> None:
    (found,) = host_findings(host(overrides={name: value}))
    assert name in found["object"] and found["remedy"]


@pytest.mark.parametrize("overrides", [{"work_mem": "1MB"}, {"max_prepared_transactions": 50}, {"password_encryption": "scram-sha-256"}, {"a.b": True}])
def test_settings_that_are_the_users_business(overrides: dict[str, Any]) -> None:
    assert host_findings(host(overrides=overrides)) == []


@pytest.mark.parametrize("value", [False, "off", "OFF", 0, "no"])
def test_commits_of_an_access_node_outlast_its_crash(value: Any) -> None:
    (found,) = host_findings(access_node(overrides={"synchronous_commit": value}))
    assert "synchronous_commit" in found["object"] and "a crash would undo commits" in found["cause"]
    assert host_findings(access_node(overrides={"synchronous_commit": "remote_write"})) == []
    assert host_findings(host(overrides={"synchronous_commit": value})) == []


def test_wal_level_of_an_access_node_is_the_users_business() -> None:
    assert host_findings(access_node(overrides={"wal_level": "replica"})) == []


@pytest.mark.parametrize("preloads", ["timescaledb", "", None])
def test_libraries_that_stay(preloads: str | None) -> None:
    assert host_findings(host(probe=dict(preloads=preloads))) == []


def test_libraries_that_would_be_lost() -> None:
    (found,) = host_findings(host(probe=dict(preloads="pg_stat_statements, timescaledb")))
    assert "preloads pg_stat_statements," in found["cause"]
    assert found["remedy"].endswith("timescaledb, pg_stat_statements")


def test_libraries_that_the_user_decided_on() -> None:
    assert host_findings(host(probe=dict(preloads="pg_stat_statements"), overrides={"Shared_Preload_Libraries": "auto_explain"})) == []


def test_members_of_unknown_address() -> None:
    (found,) = host_findings(host(unknown_members=["dn2"]))
    assert found["object"] == "address of dn2" and "timescaledb_host_source_addresses" in found["remedy"]


def test_a_good_cluster() -> None:
    assert cluster_findings([access_node(), host("dn1"), host("dn2")]) == []


def test_two_clusters_on_one_machine() -> None:
    assert cluster_findings([access_node(address="m"), host("dn1", address="m", port=5433), host("dn2", address="m", port=5434)]) == []


def together(*hosts: dict[str, Any]) -> str:
    (found,) = cluster_findings(list(hosts))
    return f"{found['host']}: {found['object']}: {found['cause']}"


def test_groups() -> None:
    assert "it has 0 hosts (none)" in together(host())
    assert "it has 2 hosts (a, b)" in together(access_node("a"), access_node("b"), host())
    assert "it is empty" in together(access_node())


def test_a_host_in_both_groups() -> None:
    assert "both groups" in together(access_node(is_data_node=True), host())


def test_two_hosts_at_one_place() -> None:
    assert "same address and port as an" in together(access_node(), host("dn1", address="an"))


def test_two_nodes_of_one_name() -> None:
    assert "same node name as dn1" in together(access_node(), host("dn1"), host("dn2", node_name="dn1"))


@pytest.mark.parametrize("what", ["encoding", "locale"])
def test_what_has_to_be_alike(what: str) -> None:
    assert f"timescaledb_host_{what}: it differs" in together(access_node(), host(**{what: "other"}))


@pytest.mark.parametrize(
    ("access", "data", "accepted"),
    [("2.13.1", "2.12.2", False), ("2.12.2", "2.13.1", True), ("2.7.0", "2.8.0", False), ("2.7.1", "2.7.0", True), ("2.7.0", "2.6.0", True)],
)
def test_version_skew(access: str, data: str, accepted: bool) -> None:
    found = cluster_findings([access_node(timescaledb_version=access), host(timescaledb_version=data)])
    assert (found == []) is accepted


def test_the_message_names_host_object_cause_and_remedy_of_each() -> None:
    found = host_findings(host("dn1", unreachable="timed out")) + host_findings(host("dn2", postgresql_version=16))
    message = as_message(found)
    assert "2 findings" in message.splitlines()[0]
    assert len(message.splitlines()) == 3
    for one, line in zip(found, message.splitlines()[1:], strict=True):
        assert line.startswith(f"{one['host']}: {one['object']}: {one['cause']}. Remedy: {one['remedy']}")


def test_what_is_wrong_with_declared_roles_is_found_before_anything_is_changed():
    found = host_findings(access_node(declaration=[['role "pg_a"', "the name is PostgreSQL's own", "choose another one"]]))
    assert [(one["host"], one["object"], one["remedy"]) for one in found] == [("an", 'role "pg_a"', "choose another one")]
