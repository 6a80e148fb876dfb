# GPL-3.0-or-later (see LICENSE)
"""Every finding is complete, and its remedy can be followed: the variables that it names exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from _hosts import access_node, authentication, host, standby
from ansible_collections.timescaledb.multinode.plugins.plugin_utils._preflight import cluster_findings, host_findings

ROLES = Path(__file__).resolve().parents[3] / "roles"
VARIABLES = {name for path in ROLES.glob("*/meta/argument_specs.yml") for name in yaml.safe_load(path.read_text())["argument_specs"]["main"]["options"]}

SERVER = dict(postgres="postgres (PostgreSQL) 15.20", available=["2.12.0"])
OVERRIDES = ["port", "listen_addresses", "timescaledb.passfile", "data_directory", "hba_file", "config_file", "work mem"]
STOPPED = dict(config=True, filled=True, initialized="15", data="/d")
BY_CERTIFICATE = authentication(method="certificate")
OF_ONE_HOST = [
    host(unreachable="timed out"),
    host(variables=["timescaledb_host_setings"]),
    host(variables=["timescaledb_database_xyzzy"]),
    host(timescaledb_version="2.13"),
    host(postgresql_version=16),
    host(postgresql_version=15, timescaledb_version="2.8.1"),
    host(os_family="Suse", distribution="SLES"),
    host(install_method="preinstalled"),
    host(install_method="preinstalled", probe=SERVER),
    host(install_method="preinstalled", probe=dict(SERVER, available=["2.13.1"])),
    host(probe=dict(filled=True, data="/d")),
    host(probe=dict(filled=True, initialized="15", data="/d")),
    host(probe=dict(filled=True, initialized="14", config=True)),
    host(probe=dict(recovery=True)),
    host(probe=dict(fenced=True)),
    standby(of=""),
    standby(with_primary=False),
    standby(probe=dict(STOPPED, port=5432)),
    standby(probe=STOPPED),
    host(listen_addresses=["10.0.0.9"], probe=dict(own=["10.0.0.2"])),
    host(probe=dict(others={5432: "/etc/postgresql/15/other/postgresql.conf"})),
    host(probe=dict(listening=[5432])),
    host(database="two\nlines"),
    host(probe=dict(encoding="SQL_ASCII", collation="C.UTF-8", ctype="C.UTF-8")),
    host(probe=dict(extension="2.12.2")),
    host(overrides={"max_prepared_transactions": 0}),
    host(overrides={"password_encryption": "md5"}),
    host(overrides={"wal_level": "replica"}),
    host(authentication=authentication(switching=True, whole=False)),
    host(authentication=authentication(roles=["postgres", "app"])),
    host(authentication=authentication(roles=["postgres", "two\nlines"], passwords=["two\nlines"])),
    host(authentication=BY_CERTIFICATE, variables=["timescaledb_database_password"], known_variables=["timescaledb_database_password"]),
    host(authentication=BY_CERTIFICATE, variables=["timescaledb_database_passwords"], known_variables=["timescaledb_database_passwords"]),
    host(authentication=BY_CERTIFICATE | {"authority": "external", "authority_there": False}),
    host(authentication=BY_CERTIFICATE | {"authority_there": False}, probe=dict(authority="postgres:postgres 0644 77aa")),
    host(authentication=BY_CERTIFICATE, install_method="preinstalled", probe=dict(SERVER, available=["2.13.1"], driver=True)),
    *(host(authentication=BY_CERTIFICATE, overrides={name: "off"}) for name in ("ssl", "SSL_ca_file", "timescaledb.ssl_dir")),
    *(host(overrides={name: "1"}) for name in OVERRIDES),
]
OF_THE_CLUSTER = [
    [host()],
    [access_node()],
    [access_node(is_data_node=True), host()],
    [access_node(), host(address="an")],
    [access_node(), host("dn1"), host("dn2", node_name="dn1")],
    [access_node(), host(encoding="LATIN1")],
    [access_node(), host(locale="de_DE.UTF-8")],
    [access_node(), host(timescaledb_version="2.12.2")],
    [access_node(), host(authentication=authentication(method="certificate"))],
    [access_node(), host(authentication=authentication(passfile="/elsewhere"))],
    [access_node(), host(authentication=authentication(ssl_dir="/elsewhere"))],
    [access_node(), host(authentication=authentication(roles=["postgres", "app"]))],
    [access_node(), host(), standby(is_data_node=True)],
    [access_node(), host(), standby(), standby("dn1t", of="dn1s")],
    [access_node(), host(), standby(address="dn1")],
    [access_node(), host(), standby("a.b", slot="a_b"), standby("a-b", slot="a_b")],
    [access_node(), host(), standby(timescaledb_version="2.12.2")],
    [access_node(), host(), standby(database="metrics")],
    [access_node(), host(probe=dict(system_identifier="1")), standby(probe=dict(system_identifier="2"))],
    [access_node(address="a", port=1, authentication=BY_CERTIFICATE), host(address="a", authentication=BY_CERTIFICATE)],
]
FINDINGS = [host_findings(one) for one in OF_ONE_HOST] + [cluster_findings(hosts) for hosts in OF_THE_CLUSTER]


@pytest.mark.parametrize("findings", FINDINGS)
def test_each_defect_is_one_complete_finding(findings):
    (finding,) = findings
    assert set(finding) == {"host", "object", "cause", "remedy"}
    assert all(isinstance(text, str) and text.strip() for text in finding.values())


@pytest.mark.parametrize("findings", FINDINGS)
def test_variables_of_a_remedy_exist(findings):
    for finding in findings:
        assert set(re.findall(r"timescaledb_(?:cluster|database|host|repair|standby|tls)_\w+", finding["remedy"])) <= VARIABLES


def test_all_defects_of_a_host_are_found_at_once():
    many = host(timescaledb_version="2.14.0", overrides={"wal_level": "minimal", "port": 1}, probe=dict(recovery=True, listening=[5432]))
    assert len(host_findings(many)) == 5
