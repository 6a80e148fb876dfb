# GPL-3.0-or-later (see LICENSE)
"""Logins between nodes on real servers: what is let in, what is turned away, and what is said where it is not so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from _certificates import authority, issue, md5
from _modules import run_module
from _servers import PASSWORD, READY, SECURED, Server, give_to_server_user

ODD = 'odd "Role" name'


@pytest.fixture(scope="module")
def tls(servers) -> Server:
    """A server that lets in by certificate only."""
    folder = servers.base.root / "tls-files"
    folder.mkdir()
    authority(folder, "ours")
    issue(folder, "server", "dn1")
    for role in ("postgres", ODD):
        issue(folder, md5(role), role)
    give_to_server_user(folder / "server.key")
    folder.chmod(0o755)
    files = {"ssl_cert_file": "server.crt", "ssl_key_file": "server.key", "ssl_ca_file": "ca.crt"}
    server = servers.extra("tls", ssl="on", **{name: folder / file for name, file in files.items()})
    hba(server, "hostssl all all 127.0.0.1/32 cert clientcert=verify-full", "hostnossl all all 127.0.0.1/32 reject")
    server.query("postgres", f"""CREATE ROLE "{ODD.replace('"', '""')}" LOGIN""")
    return server


def hba(server: Server, *rules: str) -> None:
    (server.data / "pg_hba.conf").write_text("\n".join(["local all all trust", *rules, ""]))
    server.program("pg_ctl", "reload", "-s", "-D", server.data)


def check(server: Server, folder: Path, **options) -> dict:
    node = {"node_name": "dn1", "host": "127.0.0.1", "port": server.port}
    given = {"name": "an", "nodes": [node], "database": READY, "roles": ["postgres"], "passfile": str(folder / "passfile")}
    return run_module("timescale_login_check", given | options)


def by_certificate(server: Server, folder: Path | None = None, **options) -> dict:
    return check(server, server.root, auth_method="certificate", ssl_dir=str(folder or server.root / "tls-files"), **options)


def test_certificates_are_accepted_and_everything_else_is_turned_away(tls):
    result = by_certificate(tls, roles=["postgres", ODD])
    assert (result.get("msg"), result["changed"], result["accepted"], result["refused"]) == (None, False, 2, 8)
    # The server's rule is for all databases.
    (warning,) = result["warnings"]
    assert f'lets "postgres", "{ODD}" into other databases as well' in warning


@pytest.mark.parametrize(
    "rules, what",
    [
        (["hostssl all all 127.0.0.1/32 trust", "hostnossl all all all reject"], ["without a certificate"]),
        (["hostssl all postgres 127.0.0.1/32 cert", "host all postgres all trust"], ["without TLS"]),
    ],
)
def test_what_is_let_in_and_must_not_be_is_found(tls, rules, what):
    right = (tls.data / "pg_hba.conf").read_text().splitlines()[1:]
    hba(tls, *rules)
    try:
        message = by_certificate(tls)["msg"]
    finally:
        hba(tls, *right)
    assert "it is accepted, and has to be turned away" in message and "Remedy: take the line" in message
    assert all(f'login from an to data node "dn1" as "postgres" {text}' in message for text in what)


def test_a_certificate_of_another_authority_is_named_with_its_remedy(tls, tmp_path):
    authority(tmp_path, "theirs")
    issue(tmp_path, md5("postgres"), "postgres")
    message = by_certificate(tls, tmp_path)["msg"]
    assert "certificate verify failed" in message and f"127.0.0.1:{tls.port}/{READY}" in message
    assert f"{tmp_path}/{md5('postgres')}.crt" in message and "same authority" in message


def test_a_missing_certificate_is_named_with_its_remedy(tls):
    message = by_certificate(tls, roles=["nobody"])["msg"]
    assert 'as "nobody" by certificate' in message and "valid client certificate" in message and f"{md5('nobody')}.crt" in message


def test_a_certificate_for_another_role_is_refused(tls, tmp_path):
    source = tls.root / "tls-files"
    for ending in ("crt", "key"):
        (tmp_path / f"{md5('postgres')}.{ending}").write_bytes((source / f"{md5(ODD)}.{ending}").read_bytes())
        os.chmod(tmp_path / f"{md5('postgres')}.{ending}", 0o600)
    (tmp_path / "ca.crt").write_bytes((source / "ca.crt").read_bytes())
    assert "common name is the role's" in by_certificate(tls, tmp_path)["msg"]


@pytest.fixture
def secured(servers, tmp_path):
    """A server that lets in by SCRAM only, and the passfile for it."""
    server = servers.extra("scram")
    hba(server, "host all all 127.0.0.1/32 scram-sha-256")
    (tmp_path / "passfile").write_text(f"127.0.0.1:{server.port}:{READY}:{SECURED}:{PASSWORD}\n")
    (tmp_path / "passfile").chmod(0o600)
    return server


def test_passwords_are_accepted_and_everything_else_is_turned_away(secured, tmp_path):
    result = check(secured, tmp_path, roles=[SECURED])
    assert (result.get("msg"), result["accepted"], result["refused"]) == (None, 1, 3)
    assert f'lets "{SECURED}" into other databases as well' in result["warnings"][0]


def test_rules_for_one_database_give_no_warning(secured, tmp_path):
    hba(secured, f"host {READY} {SECURED} 127.0.0.1/32 scram-sha-256")
    result = check(secured, tmp_path, roles=[SECURED])
    assert (result.get("msg"), result["accepted"], result["refused"], result["warnings"]) == (None, 1, 3, [])


def test_each_role_is_tried_with_what_must_not_do(tls):
    """The second one is let in without anything."""
    right = (tls.data / "pg_hba.conf").read_text().splitlines()[1:]
    odd = '"' + ODD.replace('"', '""') + '"'
    hba(tls, f"host all {odd} 127.0.0.1/32 trust", *right)
    try:
        message = by_certificate(tls, roles=["postgres", ODD])["msg"]
    finally:
        hba(tls, *right)
    for what in ("without a certificate", "without TLS", 'with the certificate of "postgres"'):
        assert f'as "{ODD}" {what} at' in message
    assert 'as "postgres"' not in message


def test_a_wrong_password_is_named_with_its_file(secured, tmp_path):
    (tmp_path / "passfile").write_text(f"127.0.0.1:{secured.port}:{READY}:{SECURED}:another one\n")
    message = check(secured, tmp_path, roles=[SECURED])["msg"]
    assert f"file {tmp_path}/passfile" in message and "password authentication failed" in message and "another one" not in message


def test_trust_is_found(secured, tmp_path):
    hba(secured, "host all all 127.0.0.1/32 trust")
    message = check(secured, tmp_path, roles=[SECURED])["msg"]
    assert "with a wrong password at" in message and "it is accepted" in message
    assert "timescaledb_multinode_nobody" not in message


def test_a_server_that_does_not_answer_is_named(secured, tmp_path):
    message = check(secured, tmp_path, nodes=[{"node_name": "dn1", "host": "127.0.0.1", "port": 1}], roles=[SECURED])["msg"]
    assert "127.0.0.1:1/" in message and "start the node" in message


def test_a_role_whose_sessions_are_limited_is_let_in_all_the_same(secured, tmp_path):
    hba(secured, f"host {READY} {SECURED} 127.0.0.1/32 scram-sha-256")
    secured.query("postgres", f"ALTER ROLE {SECURED} NOSUPERUSER CONNECTION LIMIT 0")
    try:
        result = check(secured, tmp_path, roles=[SECURED])
    finally:
        secured.query("postgres", f"ALTER ROLE {SECURED} SUPERUSER CONNECTION LIMIT -1")
    assert (result.get("msg"), result["accepted"]) == (None, 1)
