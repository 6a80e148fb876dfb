# GPL-3.0-or-later (see LICENSE)
"""Passwords: one verifier for all nodes, which is in no result, diff or log."""

from __future__ import annotations

import json

import psycopg2
import pytest

PASSWORD = "s3cret/Pass word"
NODES = {"access node", "dn1", "dn2", "dn3"}


def may_log_in(server, role: str, password: str) -> bool:
    with server.demanding_password(role):
        try:
            psycopg2.connect(host="127.0.0.1", port=server.port, dbname="postgres", user=role, password=password).close()
        except psycopg2.OperationalError as error:
            assert "password authentication failed" in str(error)
            return False
    return True


@pytest.mark.parametrize("password", [PASSWORD, "pässwörd ½ ﬁ", "a\u00a0b\u00adc", "\u0001ctl", "% {x} $1 'q' \\", "أحمد x", "\u0627\u0031"])
def test_password_opens_every_node_and_no_other_does(roles, password):
    roles.converge(roles=[dict(name="r", login=True, password=password)])
    verifiers = {roles.verifier(node, "r") for node in NODES}
    assert len(verifiers) == 1 and verifiers.pop().startswith("SCRAM-SHA-256$4096:")
    assert may_log_in(roles.an, "r", password) and may_log_in(roles.dns[0], "r", password)
    assert not may_log_in(roles.dns[0], "r", password + "x")


def test_verifier_that_fits_is_taken_over(roles):
    """Also one that a server made itself, and from whichever node has it."""
    roles.on("dn2", "SET password_encryption = 'scram-sha-256'; CREATE ROLE r LOGIN PASSWORD 'p'")
    made = roles.verifier("dn2", "r")
    roles.converge(roles=[dict(name="r", login=True, password="p")])
    assert {roles.verifier(node, "r") for node in NODES} == {made}


def test_verifiers_with_other_salts_are_no_drift(roles):
    for node in NODES:
        roles.on(node, "SET password_encryption = 'scram-sha-256'; CREATE ROLE r LOGIN PASSWORD 'p'")
    assert len({roles.verifier(node, "r") for node in NODES}) == 4
    roles.unchanged(roles=[dict(name="r", password="p")])


@pytest.mark.parametrize("drift", ["PASSWORD NULL", "PASSWORD 'another one'"])
def test_drift_on_one_node(roles, drift):
    wanted = dict(roles=[dict(name="r", login=True, password=PASSWORD)])
    roles.converge(**wanted)
    roles.on("dn3", f"ALTER ROLE r {drift}")
    result = roles.converge(**wanted)
    assert [step["object"] for step in result["steps"]] == ['role "r" on data node "dn3"']
    assert [entry["password"] for entry in result["before"]["roles"]] == [None if "NULL" in drift else "another"]
    assert [entry["password"] for entry in result["after"]["roles"]] == ["as declared"]
    assert len({roles.verifier(node, "r") for node in NODES}) == 1


def test_md5_is_replaced(roles):
    roles.on("access node", "SET password_encryption = 'md5'; CREATE ROLE r LOGIN PASSWORD 'p'")
    roles.converge(roles=[dict(name="r", password="p")])
    assert roles.verifier("access node", "r").startswith("SCRAM")


def test_verifier_as_password(roles):
    roles.on("access node", "SET password_encryption = 'scram-sha-256'; CREATE ROLE other LOGIN PASSWORD 'p'")
    verifier = roles.verifier("access node", "other")
    roles.converge(roles=[dict(name="r", login=True, password=verifier)])
    assert {roles.verifier(node, "r") for node in NODES} == {verifier}
    assert may_log_in(roles.dns[1], "r", "p")


def test_password_and_verifier_are_shown_and_logged_nowhere(roles):
    servers = list(roles.servers.values())
    offsets = [server.log_size() for server in servers]
    roles.everywhere("CREATE ROLE old LOGIN PASSWORD 'old one'")
    wanted = dict(roles=[dict(name="r", login=True, password=PASSWORD), dict(name="old", password=PASSWORD)])
    results = [roles.run(check=True, **wanted), roles.run(**wanted), roles.run(**wanted)]
    verifiers = {roles.verifier(node, name) for node in NODES for name in ("r", "old")}
    text = json.dumps(results) + "".join(server.log_since(offset) for server, offset in zip(servers, offsets))
    assert "PASSWORD '********'" in json.dumps(results)
    assert PASSWORD not in text
    for verifier in verifiers:
        assert not any(part in text for part in verifier.split("$")[2].split(":")), "a key of a verifier is in a result or a log"


def test_failing_statement_with_a_verifier_is_in_no_log(roles):
    """Roles cannot be created there for a moment."""
    servers = list(roles.servers.values())
    offsets = [server.log_size() for server in servers]
    for server in servers:
        server.query("postgres", f"ALTER DATABASE {roles.database} SET lock_timeout = '100ms'")
    with roles.servers["dn1"].connection(roles.database) as holder:
        holder.autocommit = False
        holder.cursor().execute("LOCK TABLE pg_authid IN SHARE MODE")
        result = roles.run(roles=[dict(name="r", login=True, password=PASSWORD)])
    assert result["failed"] and "lock timeout" in result["msg"]
    text = json.dumps(result) + "".join(server.log_since(offset) for server, offset in zip(servers, offsets))
    assert "lock timeout" in text and PASSWORD not in text and "SCRAM-SHA-256$" not in text


@pytest.mark.parametrize(
    "password, cause",
    [
        ("", "the password is empty"),
        ("md5" + "0123456789abcdef" * 2, "the password is an md5 hash"),
        ("SCRAM-SHA-256$4096:abc", "the password looks like a verifier and is none"),
    ],
)
def test_bad_passwords_are_refused(roles, password, cause):
    message = roles.refuse('role "r"', cause, "Remedy:", roles=[dict(name="r", password=password)])
    assert len(password) < 3 or password not in message


@pytest.fixture
def mapped(roles):
    roles.everywhere("CREATE ROLE r LOGIN PASSWORD 'old one'")
    roles.on("access node", "CREATE USER MAPPING FOR r SERVER dn2 OPTIONS (user 'r', password 'old one')")
    return roles


def test_user_mapping_is_left_with_a_warning(mapped):
    result = mapped.run(roles=[dict(name="r", password="old one")])
    assert result["changed"] is False
    assert any('role "r" has a user mapping for data node "dn2"' in warning for warning in result["warnings"])


def test_user_mapping_that_would_keep_an_old_password(mapped):
    mapped.refuse('data node "dn2"', "its user mapping there keeps an old one", "drop_user_mappings", roles=[dict(name="r", password=PASSWORD)])


def test_user_mapping_is_dropped_where_asked_for(mapped):
    result = mapped.converge(roles=[dict(name="r", password=PASSWORD, drop_user_mappings=True)])
    assert mapped.on("access node", "SELECT count(*) FROM pg_user_mappings WHERE usename = 'r'") == [(0,)]
    assert [entry["user_mappings"] for entry in result["before"]["roles"] if entry["node"] == "access node"] == [["dn2"]]


def test_odd_name_with_password(roles):
    name = 'o\'dd "na$me"'
    roles.converge(roles=[dict(name=name, login=True, password=PASSWORD)])
    assert roles.nodes_with(name) == NODES
    assert may_log_in(roles.dns[2], name, PASSWORD)
