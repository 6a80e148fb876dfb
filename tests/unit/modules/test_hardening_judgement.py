# GPL-3.0-or-later (see LICENSE)
"""The judgement alone. That the states are found on servers: tests/integration/test_hardening.py."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime
from typing import Any

import pytest
from _build import access_node, data_node
from ansible_collections.timescaledb.multinode.plugins.module_utils._hardening import INFO, Node, in_order
from ansible_collections.timescaledb.multinode.plugins.module_utils._hardening_files import Mode, mode_findings
from ansible_collections.timescaledb.multinode.plugins.module_utils._hardening_hba import hba_findings
from ansible_collections.timescaledb.multinode.plugins.module_utils._hardening_local import modes_here
from ansible_collections.timescaledb.multinode.plugins.module_utils._hardening_queries import PARTS
from ansible_collections.timescaledb.multinode.plugins.module_utils._hardening_report import hardening_nodes, hardening_report
from ansible_collections.timescaledb.multinode.plugins.module_utils._hardening_roles import differing_roles, role_findings
from ansible_collections.timescaledb.multinode.plugins.module_utils._hardening_settings import setting_findings
from ansible_collections.timescaledb.multinode.plugins.module_utils._info import Answers

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def role(name: str, **more: Any) -> dict[str, Any]:
    plain = dict.fromkeys(("bootstrap", "superuser", "login", "createdb", "createrole", "replication", "bypassrls"), False)
    return dict(plain, name=name, inherit=True, connection_limit=-1, valid_until=None, member_of=[]) | more


POSTGRES = role("postgres", bootstrap=True, superuser=True, login=True)


def server(*roles: dict[str, Any], **settings: str | None) -> dict[str, Any]:
    safe = dict(
        listen_addresses="10.0.0.1",
        ssl="on",
        ssl_ca_file="/ca.crt",
        ssl_min_protocol_version="TLSv1.2",
        password_encryption="scram-sha-256",
        data_directory="/d",
    )
    return dict(settings=safe | settings, public_create=False, roles=[POSTGRES, *roles], sessions=[], mappings=None)


def node(name: str | None = None, host: str | None = None, *roles: dict[str, Any], **settings: str | None) -> Node:
    return Node(name, host, frozenset({"postgres"}), server=server(*roles, **settings), files=[])


def rule(line: int = 1, **more: Any) -> dict[str, Any]:
    plain = dict(line_number=line, type="hostssl", database=["db"], user_name=["app"], address="10.0.0.1", netmask="255.255.255.255", options=None, error=None)
    return plain | dict(auth_method="scram-sha-256") | more


def with_rules(*rules: dict[str, Any], roles: tuple[dict[str, Any], ...] = (), changed: bool = False) -> Node:
    found = node(None, None, *roles)
    found.rules = dict(file="/hba", changed=changed, rules=list(rules))
    return found


def checks(findings: list) -> set[tuple[str, str]]:
    return {(found.severity, found.check) for found in findings}


@pytest.mark.parametrize(
    "address, netmask, severity",
    [
        ("127.0.0.0", "255.0.0.0", "medium"),
        ("::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "medium"),
        ("samehost", None, "medium"),
        ("localhost", None, "medium"),
        ("0.0.0.0", "0.0.0.0", "high"),
        # With 127.0.0.1 in it, and everything else.
        ("126.0.0.0", "254.0.0.0", "high"),
        ("::", "::", "high"),
        ("fd00::", "ff00::", "high"),
        ("host.example.org", None, "high"),
        (".example.org", None, "high"),
        ("all", None, "high"),
        ("samenet", None, "high"),
    ],
)
def test_how_far_trust_goes(address, netmask, severity):
    assert checks(hba_findings(with_rules(rule(address=address, netmask=netmask, auth_method="trust")))) == {(severity, "hba_trust")}


@pytest.mark.parametrize("option, expected", [("clientcert=verify-full", set()), ("clientcert=verify-ca", {("high", "hba_trust")})])
def test_trust_in_a_certificate_of_the_role_is_what_cert_is(option, expected):
    assert checks(hba_findings(with_rules(rule(auth_method="trust", options=[option])))) == expected


@pytest.mark.parametrize("user", ["all", "boss", "+bosses", "+staff"])
def test_superusers_are_let_in_by_name_and_by_group(user):
    roles = (role("boss", superuser=True, member_of=["bosses"]), role("bosses", member_of=["staff"]), role("staff"))
    wide = rule(user_name=[user], address="10.0.0.0", netmask="255.0.0.0")
    assert checks(hba_findings(with_rules(wide, roles=roles))) == {("medium", "hba_superuser")}
    assert checks(hba_findings(with_rules(dict(wide, user_name=["app"]), roles=roles))) == set()


def test_the_cluster_itself_is_no_finding():
    lines = [rule(number, user_name=["postgres"], address=f"10.0.0.{number}") for number in (1, 2)]
    assert hba_findings(with_rules(*lines)) == []


@pytest.mark.parametrize("kind, expected", [("hostssl", set()), ("hostgssenc", set()), ("host", {("medium", "hba_without_tls")})])
def test_tls(kind, expected):
    assert checks(hba_findings(with_rules(rule(type=kind)))) == expected


@pytest.mark.parametrize(
    "error, shown",
    [
        ('invalid authentication method "x"', 'invalid authentication method "x"'),
        ("authentication option not in name=value format: hush", "an option is malformed"),
        ('could not parse RADIUS secret list "hush"', "an option is malformed"),
    ],
)
def test_errors_do_not_repeat_what_may_be_secret(error, shown):
    (found,) = hba_findings(with_rules(dict(line_number=3, type=None, error=error)))
    assert (found.finding, found.object) == (shown, "line 3 of /hba")


@pytest.mark.parametrize(
    "name, host, changes, expected",
    [
        (None, None, {}, set()),
        (None, None, {"listen_addresses": "*"}, {("low", "listen_addresses")}),
        (None, None, {"listen_addresses": "localhost, 0.0.0.0"}, {("low", "listen_addresses")}),
        (None, None, {"listen_addresses": ""}, set()),
        ("dn1", "10.0.0.1", {}, set()),
        ("dn1", "127.0.0.1", {}, {("low", "listen_addresses")}),
        ("dn1", "127.0.0.1", {"listen_addresses": "localhost,127.0.0.1", "ssl": "off"}, set()),
        ("dn1", "10.0.0.1", {"ssl": "off"}, {("medium", "ssl_off")}),
        (None, None, {"ssl_ca_file": ""}, {("low", "unverified_data_nodes")}),
        ("dn1", "10.0.0.1", {"ssl_ca_file": ""}, set()),
        (None, None, {"ssl_min_protocol_version": "TLSv1.1"}, {("medium", "old_tls")}),
        (None, None, {"ssl_min_protocol_version": "TLSv1.3"}, set()),
        # PostgreSQL 11 has no such setting.
        (None, None, {"ssl_min_protocol_version": None}, set()),
        (None, None, {"password_encryption": "md5"}, {("medium", "password_encryption")}),
    ],
)
def test_settings(name, host, changes, expected):
    assert checks(setting_findings(node(name, host, **changes))) == expected


@pytest.mark.parametrize(
    "name, session, expected",
    [
        ("dn1", dict(role="postgres", application_name="timescaledb", address="10.0.0.9"), set()),
        (None, dict(role="postgres", application_name="timescaledb", address="10.0.0.9"), {("medium", "superuser_session")}),
        ("dn1", dict(role="boss", application_name="timescaledb", address="10.0.0.9"), {("medium", "superuser_session")}),
        ("dn1", dict(role="postgres", application_name="shop", address="fd00::9"), {("medium", "superuser_session")}),
        ("dn1", dict(role="postgres", application_name="shop", address="::1"), {("low", "superuser_session")}),
        ("dn1", dict(role="postgres", application_name="", address=None), {("low", "superuser_session")}),
    ],
)
def test_sessions(name, session, expected):
    found = node(name, "10.0.0.1")
    found.server["sessions"] = [dict(session, sessions=1)]
    assert checks(role_findings(found)) == expected


def test_roles_that_are_alike_are_no_finding():
    assert differing_roles(node(None, None, role("r")), node("dn1", "h", role("r"), role("more"))) == []


def test_a_role_by_which_standbys_replicate_is_its_servers_own():
    standbys = role("r", replication=True)
    assert differing_roles(node(None, None, standbys), node("dn1", "h")) == []
    assert differing_roles(node(None, None, standbys), node("dn1", "h", standbys)) == []
    assert checks(differing_roles(node(None, None, standbys), node("dn1", "h", standbys | {"createrole": True}))) == {("medium", "role_differs")}
    assert checks(differing_roles(node(None, None, role("r", superuser=True)), node("dn1", "h"))) == {("low", "role_missing")}


def test_nothing_is_said_of_roles_where_one_side_is_unknown():
    unknown = node("dn1", "h")
    unknown.server = None
    assert differing_roles(node(None, None, role("r")), unknown) == [] == differing_roles(unknown, node("dn1", "h"))


@pytest.mark.parametrize(
    "kind, mode, owner, open_way, expected",
    [
        ("server key", 0o600, "postgres", True, None),
        ("server key", 0o640, "root", True, None),
        ("server key", 0o640, "postgres", True, "medium"),
        ("server key", 0o660, "root", True, "medium"),
        ("passfile", 0o640, "root", True, "medium"),
        ("client key", 0o604, "postgres", True, "high"),
        ("client key", 0o602, "postgres", True, "high"),
        ("client key", 0o604, "postgres", False, "low"),
        ("pg_hba.conf", 0o644, "postgres", True, None),
        ("pg_hba.conf", 0o642, "postgres", True, "high"),
        ("pg_hba.conf", 0o642, "postgres", False, None),
    ],
)
def test_modes(kind, mode, owner, open_way, expected):
    found = mode_findings({"/f": kind}, {"/f": Mode(mode, owner, "g", open_way), "/other": Mode(0o777, "x", "x", True)})
    assert [finding.severity for finding in found] == ([expected] if expected else [])


@pytest.fixture
def files(tmp_path):
    key, pid = tmp_path / "a.key", tmp_path / "postmaster.pid"
    key.touch(mode=0o640)
    key.chmod(0o640)
    pid.write_text("1\n/data\n1700000000\n")
    content = base64.b64encode(pid.read_bytes()).decode()
    return [
        dict(kind="client key", path=str(key), content=None),
        dict(kind="passfile", path=str(tmp_path / "gone"), content=None),
        dict(kind="postmaster.pid", path=str(pid), content=content),
    ]


def test_modes_on_the_servers_own_host(files, tmp_path):
    tmp_path.chmod(0o700)
    assert modes_here(files)[files[0]["path"]].mode == 0o640
    assert modes_here(files)[files[0]["path"]].open_way is False
    assert set(modes_here(files)) == {files[0]["path"]}


def test_a_link_has_the_mode_of_what_it_leads_to(files, tmp_path):
    link = tmp_path / "link.key"
    link.symlink_to(files[0]["path"])
    seen = modes_here([dict(files[0], path=str(link)), files[2]])
    assert seen[str(link)].mode == 0o640


@pytest.mark.parametrize("change", ["another", "gone", "unknown"])
def test_on_another_host_files_of_the_same_names_are_not_the_servers(files, change):
    if change == "another":
        files[2]["content"] = base64.b64encode(b"2\n/data\n1700000000\n").decode()
    elif change == "gone":
        os.unlink(files[2]["path"])
    else:
        files.pop()
    assert modes_here(files) is None
    assert modes_here(None) is None


def answers(**more: Any) -> Answers:
    parts = dict(rules=[dict(file="/hba", changed=False, rules=[])], server=[server()], verifiers=[], files=[]) | more
    return Answers({f"hardening.{part}": rows for part, rows in parts.items()})


def test_what_was_not_looked_at_is_listed():
    here = answers()
    unseen = dict(kind="passfile", path="/p", data="/d", content=None)
    partly = answers(rules=None, server=[dict(server(), sessions=None)], files=[unseen])
    partly.refused["hardening.rules"] = "permission denied"
    nodes = hardening_nodes(access_node("a", "b"), here, {"a": Answers(reason="no route"), "b": partly})
    report = hardening_report(nodes, {None: {}, "a": None, "b": None}, NOW, 30)
    assert report["findings"] == []
    assert [(entry["node_name"], entry["what"]) for entry in report["not_looked_at"]] == [
        ("a", "everything"),
        ("b", "pg_hba.conf"),
        ("b", "sessions"),
        ("b", "modes of files"),
    ]
    assert [entry["reason"] for entry in report["not_looked_at"][:2]] == ["no route", "permission denied"]
    assert report["not_looked_at"][3]["files"] == [{"path": "/p", "kind": "passfile"}]


def test_owners_are_read_as_the_server_quotes_them():
    nodes = hardening_nodes(access_node(data_node("a", owner='"Own""er"')), answers(), {"a": answers()})
    assert nodes[0].own_roles == {'Own"er'} and nodes[1].host == "a.example"


def test_every_part_has_a_name_and_an_order():
    nodes = hardening_nodes(access_node("a"), answers(), {"a": answers(**dict.fromkeys(PARTS))})
    assert len(hardening_report(nodes, {}, NOW, 30)["not_looked_at"]) == len(PARTS)
    found = [dict(severity=severity, node_name=name, check="c", object="o") for name in ("b", None) for severity in (INFO, "high", "low", "medium")]
    assert [(entry["severity"], entry["node_name"]) for entry in in_order(found)][:3] == [("high", None), ("high", "b"), ("medium", None)]
