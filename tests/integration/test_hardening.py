# GPL-3.0-or-later (see LICENSE)
"""What a hardening report finds: each state is made without any code of the collection."""

from __future__ import annotations

import hashlib
import json
import os
from itertools import count

import pytest
from _issued import Authority, end_by_openssl, key_pem, pem
from _safe import INFO, PASSWORD, start
from _servers import give_to_server_user

AN, DN1, DN2 = None, "safe-dn1", "safe-dn2"
ODD = 'We"ird Ünï '.ljust(63, "x")[:55]
_numbers = count(1)


@pytest.fixture
def safe(servers):
    safe = start(servers, f"safe{next(_numbers)}")
    yield safe
    safe.mend()
    safe.cluster.drop()


def test_nothing_to_be_reported(safe):
    assert safe.report() == {"findings": [], "not_looked_at": []}


# pg_hba.conf


@pytest.mark.parametrize(
    "line, expected",
    [
        ("host all app 10.0.0.0/8 trust", {("high", "hba_trust")}),
        # Its server speaks no TLS.
        ("hostssl db app all trust", {("low", "hba_never_matches")}),
        ("host db app all trust", {("high", "hba_trust")}),
        ("host db app ::1/128 trust", {("medium", "hba_trust")}),
        ("host db app samehost trust", {("medium", "hba_trust")}),
        ("local db app trust", {("medium", "hba_trust")}),
        ("host db app 10.1.2.3/32 ident", {("high", "hba_ident"), ("medium", "hba_without_tls")}),
        ("host db app 10.1.2.3/32 password", {("high", "hba_clear_password"), ("medium", "hba_without_tls")}),
        ("host db app 127.0.0.0/8 password", {("low", "hba_clear_password")}),
        ("host db app fd00::/8 md5", {("medium", "hba_md5"), ("medium", "hba_without_tls")}),
        ("local db app md5", {("low", "hba_md5")}),
        ("host db app .example.org scram-sha-256", {("medium", "hba_without_tls")}),
        ("hostnossl db app samenet scram-sha-256", {("medium", "hba_without_tls")}),
        ("host all all 0.0.0.0/0 scram-sha-256", {("medium", "hba_everybody"), ("medium", "hba_superuser"), ("medium", "hba_without_tls")}),
        ("host db +app ::/0 scram-sha-256", {("medium", "hba_without_tls")}),
        ("host db postgres 10.0.0.0/8 scram-sha-256", {("low", "hba_superuser"), ("medium", "hba_without_tls")}),
        ("host db postgres 10.1.2.3/32 scram-sha-256", {("medium", "hba_without_tls")}),
        ("host all all 0.0.0.0/0 reject", set()),
        ("local all all peer", set()),
        ("host db app 10.0.0.0/8 bad-method", {("high", "hba_error")}),
    ],
)
def test_line_of_pg_hba(safe, line, expected):
    file = safe.rules(safe.dn1, line)
    assert set(safe.findings()) == {(DN1, severity, check, f"line 3 of {file}") for severity, check in expected}


def test_lines_that_differ_in_their_address_only_are_one_finding(safe):
    file = safe.rules(safe.an, *(f"host db app 10.0.0.{number}/32 scram-sha-256" for number in range(1, 8)))
    (found,) = safe.report()["findings"]
    assert found["object"] == f"lines 3, 4, 5, 6, 7 and 2 more of {file}"
    assert "(host db app 10.0.0.1/32, 10.0.0.2/32, 10.0.0.3/32, 10.0.0.4/32, 10.0.0.5/32 and 2 more scram-sha-256)" in found["finding"]


@pytest.mark.parametrize("how", ["named", "member"])
def test_superuser_that_is_let_in_from_one_address(safe, how):
    safe.sql(safe.dn2, "CREATE ROLE boss SUPERUSER; CREATE ROLE bosses; GRANT bosses TO boss")
    file = safe.rules(safe.dn2, f"host db {'boss' if how == 'named' else '+bosses'} 10.1.2.3/32 scram-sha-256")
    assert (DN2, "low", "hba_superuser", f"line 3 of {file}") in safe.findings()


def test_file_that_was_not_loaded(safe):
    file = safe.rules(safe.dn1, "host db app 127.0.0.1/32 scram-sha-256", reload=False)
    os.utime(file, (2**31, 2**31))
    try:
        assert safe.findings() == [(DN1, "low", "hba_not_loaded", file)]
    finally:
        os.utime(file)


# Roles


@pytest.mark.parametrize("server", ["an", "dn1"])
def test_superuser_besides(safe, server):
    safe.sql(getattr(safe, server), f'CREATE ROLE "{ODD.replace(chr(34), chr(34) * 2)}" SUPERUSER')
    found = [entry for entry in safe.findings() if entry[2] != "role_missing"]
    assert found == [(AN if server == "an" else DN1, "medium", "superuser", f'role "{ODD}"')]


def test_owner_of_a_data_node_may_be_superuser(safe):
    name = 'Own"er'
    for server in safe.servers:
        safe.sql(server, 'CREATE ROLE "Own""er" SUPERUSER')
    safe.sql(safe.an, 'ALTER SERVER "safe-dn1" OWNER TO "Own""er"')
    try:
        assert safe.findings() == []
    finally:
        safe.sql(safe.an, 'ALTER SERVER "safe-dn1" OWNER TO postgres')
    assert [entry for entry in safe.findings() if entry[2] == "superuser"] == [(node, "medium", "superuser", f'role "{name}"') for node in (AN, DN1, DN2)]


def test_member_of_a_role_that_is_as_good_as_superuser(safe):
    for server in safe.servers:
        safe.sql(server, "CREATE ROLE loader; GRANT pg_execute_server_program TO loader")
    assert safe.findings() == [(node, "medium", "almost_superuser", 'role "loader"') for node in (AN, DN1, DN2)]


def test_sessions_of_superusers(safe):
    with safe.session(safe.an, host="127.0.0.1", password=PASSWORD, application_name="shop"), safe.session(safe.an, application_name="psql"):
        found = safe.report()["findings"]
    assert [(entry["severity"], entry["check"], entry["object"]) for entry in found] == [("low", "superuser_session", 'role "postgres"')] * 2
    assert any("1 of shop from 127.0.0.1" in entry["finding"] for entry in found)
    assert any("1 of psql from the local socket" in entry["finding"] for entry in found)
    assert safe.findings() == []


@pytest.mark.real_engine("sessions of the access node on data nodes are postgres_fdw's there")
def test_sessions_of_the_access_node_itself_are_none(safe):
    with safe.session(safe.an, application_name="psql") as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("CALL distributed_exec('SELECT 1')")
        there = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'timescaledb' AND backend_type = 'client backend'"
        assert safe.dn1.value(safe.cluster.database, there) == 1
        assert safe.findings() == [(AN, "low", "superuser_session", 'role "postgres"')]


@pytest.mark.parametrize("login, severity", [("LOGIN", "medium"), ("NOLOGIN", "low")])
def test_password_that_is_kept_as_md5(safe, login, severity):
    for server in safe.servers:
        safe.sql(server, f"SET password_encryption = 'md5'; CREATE ROLE old {login} PASSWORD 'p'")
    assert safe.findings() == [(node, severity, "md5_verifier", 'role "old"') for node in (AN, DN1, DN2)]


def test_passwords_of_user_mappings(safe):
    safe.sql(safe.an, """CREATE USER MAPPING FOR app SERVER "safe-dn1" OPTIONS (password 'from a mapping')""")
    assert safe.findings() == [(AN, "low", "mapping_password", 'user mapping of role "app" for data node "safe-dn1"')]
    assert "from a mapping" not in json.dumps(safe.report())


@pytest.mark.parametrize(
    "on_access_node, on_data_node, severity, text",
    [
        ("CREATEDB", "NOCREATEDB", "medium", "createdb is off, on the access node on"),
        ("NOLOGIN", "LOGIN", "medium", "login is on, on the access node off"),
        ("CONNECTION LIMIT 3", "CONNECTION LIMIT -1", "low", "connection_limit is -1, on the access node 3"),
        ("VALID UNTIL '2030-01-01'", "", "low", "valid_until is none, on the access node 2030-01-01"),
        ("", "IN ROLE app", "medium", "member_of is app, on the access node none"),
    ],
)
def test_role_that_differs(safe, on_access_node, on_data_node, severity, text):
    for server, options in ((safe.an, on_access_node), (safe.dn1, on_data_node), (safe.dn2, on_access_node)):
        safe.sql(server, f"CREATE ROLE r {options}")
    (found,) = safe.report()["findings"]
    assert (found["node_name"], found["severity"], found["check"], found["object"]) == (DN1, severity, "role_differs", 'role "r"')
    assert found["finding"].startswith(text)


def test_role_that_is_missing(safe):
    for server in (safe.an, safe.dn2):
        safe.sql(server, "CREATE ROLE r")
    safe.sql(safe.dn2, "CREATE ROLE unknown_to_the_access_node")
    assert safe.findings() == [(DN1, "low", "role_missing", 'role "r"')]


@pytest.mark.parametrize(
    "on_access_node, on_data_node, severity",
    [
        ("PASSWORD 'a'", "PASSWORD 'a'", "info"),
        ("PASSWORD 'a'", "", "low"),
        # One password, one salt; another password, the same salt.
        (None, None, None),
        (None, "other", "medium"),
    ],
)
def test_passwords_of_a_role(safe, on_access_node, on_data_node, severity):
    verifier = safe.sql(safe.an, "SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'")[0][0]
    other = verifier[:-10] + ("A" if verifier[-10] != "A" else "B") + verifier[-9:]
    texts = {None: f"PASSWORD '{verifier}'", "other": f"PASSWORD '{other}'"}
    given = ((safe.an, on_access_node), (safe.dn1, on_data_node), (safe.dn2, on_access_node))
    for server, options in given:
        safe.sql(server, f"CREATE ROLE r {texts.get(options, options)}")
    found = [entry[:3] for entry in safe.findings() if entry[0] == DN1]
    assert found == ([(DN1, severity, "role_password")] if severity else [])


# Settings and places


def test_password_encryption(safe):
    safe.set(safe.dn1, password_encryption="md5")
    assert safe.findings() == [(DN1, "medium", "password_encryption", "setting password_encryption")]


@pytest.mark.real_engine("timescaledb.ssl_dir, which nobody but its library defines")
def test_old_tls(safe):
    _serve_tls(safe, Authority(), 365)
    safe.set(safe.dn1, ssl_min_protocol_version="TLSv1")
    assert safe.findings() == [(DN1, "medium", "old_tls", "setting ssl_min_protocol_version")]


@pytest.mark.parametrize("server, node", [("an", AN), ("dn2", DN2)])
def test_public_schema(safe, server, node):
    safe.sql(getattr(safe, server), "GRANT CREATE ON SCHEMA public TO PUBLIC")
    assert safe.findings() == [(node, "medium", "public_schema", "schema public")]


def test_server_that_listens_everywhere_without_tls(cluster, servers):
    wide = servers.extra("wide", listen_addresses="*")
    wide.create_database(cluster.database)
    cluster.query("SELECT add_data_node('wide', host => '127.0.0.1', port => %s, bootstrap => false)", wide.port)
    found = cluster.succeed(INFO, gather_subset=["hardening"])["hardening"]["findings"]
    found = {entry["check"]: entry for entry in found if entry["node_name"] == "wide"}
    assert (found["listen_addresses"]["severity"], found["ssl_off"]["severity"]) == ("low", "medium")
    assert "the access node needs it at 127.0.0.1" in found["listen_addresses"]["finding"]


def test_passfile_inside_the_data_directory(safe):
    path = safe.an.data / "passfile"
    safe.set(safe.an, **{"timescaledb.passfile": "passfile"})
    path.write_text(f"*:*:*:postgres:{PASSWORD}\n")
    path.chmod(0o600)
    give_to_server_user(path)
    try:
        assert safe.findings() == [(AN, "low", "inside_data_directory", str(path))]
    finally:
        path.unlink()


# Certificates, and files of which PostgreSQL tells no modes


@pytest.fixture
def folder(safe, tmp_path_factory):
    """Where the servers of the test may have certificates."""
    path = safe.an.root / "certificates"
    path.mkdir(exist_ok=True)
    path.chmod(0o755)
    give_to_server_user(path)
    yield path
    for file in path.iterdir():
        file.unlink()


def _put(path, content: bytes, mode: int = 0o600) -> str:
    path.write_bytes(content)
    path.chmod(mode)
    give_to_server_user(path)
    return str(path)


def _serve_tls(safe, authority: Authority, days: float, **more: str):
    folder = safe.an.root / "certificates"
    folder.mkdir(exist_ok=True)
    give_to_server_user(folder)
    certificate, key = authority.issue("server", days)
    files = dict(ssl_cert_file=_put(folder / "server.crt", pem(certificate)), ssl_key_file=_put(folder / "server.key", key_pem(key)))
    authority_file = _put(folder / "ca.crt", pem(authority.certificate))
    safe.set(safe.dn1, ssl="on", ssl_ca_file=authority_file, **files, **more, **{"timescaledb.ssl_dir": str(folder)})
    assert safe.dn1.value("postgres", "SHOW ssl") == "on"
    return certificate


@pytest.mark.real_engine("timescaledb.ssl_dir, which nobody but its library defines")
@pytest.mark.parametrize(
    "days, more, severity, check",
    [
        (365, {}, None, None),
        (29.5, {}, "medium", "certificate_ends"),
        (29.5, {"certificate_days": 29}, None, None),
        (60, {"certificate_days": 61}, "medium", "certificate_ends"),
        (-1, {}, "high", "certificate_ended"),
    ],
)
def test_end_of_a_server_certificate(safe, folder, days, more, severity, check):
    _serve_tls(safe, Authority(), days)
    found = safe.report(**more)["findings"]
    path = folder / "server.crt"
    assert [(entry["node_name"], entry["severity"], entry["check"], entry["object"]) for entry in found] == (
        [(DN1, severity, check, str(path))] if severity else []
    )
    assert all(end_by_openssl(path) in entry["finding"] for entry in found)


@pytest.mark.real_engine("timescaledb.ssl_dir, which nobody but its library defines")
def test_end_of_the_authority_and_of_a_role(safe, folder):
    authority = Authority(days=10)
    _serve_tls(safe, authority, 365)
    certificate, key = authority.issue("app", 5)
    name = hashlib.md5(b"app").hexdigest()
    client = _put(folder / f"{name}.crt", pem(certificate))
    _put(folder / f"{name}.key", key_pem(key))
    found = safe.report()["findings"]
    assert {(entry["check"], entry["object"]) for entry in found} == {("certificate_ends", client), ("certificate_ends", str(folder / "ca.crt"))}
    assert any('of role "app" ends' in entry["finding"] for entry in found) and any("of the authority ends" in entry["finding"] for entry in found)


@pytest.mark.real_engine("timescaledb.ssl_dir, which nobody but its library defines")
def test_revoked(safe, folder):
    authority = Authority()
    certificate = _serve_tls(safe, authority, 365)
    crl = _put(folder / "revoked.crl", authority.revocation_list(100, authority.issue("another", 1)[0]))
    safe.set(safe.dn1, ssl_crl_file=crl)
    assert safe.findings() == []
    _put(folder / "revoked.crl", authority.revocation_list(100, certificate))
    assert safe.findings() == [(DN1, "high", "certificate_revoked", str(folder / "server.crt"))]
    _put(folder / "revoked.crl", Authority().revocation_list(-3))
    assert safe.findings() == [(DN1, "high", "crl_ended", crl)]
    _put(folder / "revoked.crl", authority.revocation_list(3))
    assert safe.findings() == [(DN1, "medium", "crl_ends", crl)]


@pytest.mark.real_engine("timescaledb.ssl_dir, which nobody but its library defines")
def test_certificate_that_is_none(safe, folder):
    _serve_tls(safe, Authority(), 365)
    path = _put(folder / "x.crt", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert safe.findings() == [(DN1, "low", "certificate_unreadable", path)]


@pytest.mark.real_engine("timescaledb.ssl_dir, which nobody but its library defines")
@pytest.mark.parametrize(
    "name, mode, folder_mode, severity",
    [
        ("server.key", 0o604, 0o755, "high"),
        ("server.key", 0o604, 0o750, "low"),
        ("server.key", 0o640, 0o755, "medium"),
    ],
)
def test_secrets_that_others_may_read(safe, folder, name, mode, folder_mode, severity):
    _serve_tls(safe, Authority(), 365)
    path = folder / name
    folder.chmod(folder_mode)
    path.chmod(mode)
    assert safe.findings() == [(DN1, severity, "file_readable", str(path))]


def test_passfile_that_others_may_read(safe):
    """Without data nodes: libpq disregards such a file, and nobody would be let in."""
    for name in ("safe-dn1", "safe-dn2"):
        safe.sql(safe.an, "SELECT delete_data_node(%s)", name)
    path = safe.an.root / "safe.passfile"
    path.chmod(0o644)
    try:
        assert safe.findings() == [(AN, "high", "file_readable", str(path))]
    finally:
        path.chmod(0o600)


def test_pg_hba_that_others_may_write(safe):
    path = safe.an.data / "pg_hba.conf"
    safe.an.data.chmod(0o711)
    path.chmod(0o646)
    try:
        assert safe.findings() == [(AN, "high", "file_writable", str(path))]
    finally:
        path.chmod(0o600)
        safe.an.data.chmod(0o700)


# What cannot be looked at


def test_dead_node_does_not_keep_the_others_from_being_looked_at(cluster, mortal):
    cluster.register("dn1")
    mortal.stop()
    report = cluster.succeed(INFO, gather_subset=["hardening"])["hardening"]
    (missed,) = report["not_looked_at"]
    assert (missed["node_name"], missed["what"]) == ("mortal", "everything") and "Connection refused" in missed["reason"]
    assert {entry["node_name"] for entry in report["findings"]} == {None, "dn1"}


def test_without_rights(nodes):
    result = nodes.succeed(INFO, gather_subset=["hardening"], login_user="app")
    report = result["hardening"]
    assert result["warnings"] == []
    missed = {(entry["node_name"], entry["what"]) for entry in report["not_looked_at"]}
    what = (
        "pg_hba.conf",
        "password verifiers, and passwords of user mappings",
        "certificates, and which files there are",
        "sessions",
        "setting ssl_min_protocol_version",
    )
    assert missed == {(node, part) for node in (None, "dn1", "dn2", "dn3") for part in what}
    assert all(
        "permission" in entry["reason"] or "must be superuser" in entry["reason"] or "pg_read_all_" in entry["reason"] for entry in report["not_looked_at"]
    )
    assert {entry["check"] for entry in report["findings"]} == {"superuser"}


def test_secrets_are_in_no_report(safe):
    verifiers = []
    for server in safe.servers:
        safe.sql(server, "SET password_encryption = 'md5'; CREATE ROLE old LOGIN PASSWORD 'p'")
        verifiers += [verifier for (verifier,) in safe.sql(server, "SELECT rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL")]
    assert len(verifiers) == 6
    lines = (
        'host db app 10.0.0.0/8 ldap ldapserver=x ldapprefix="cn=" ldapbindpasswd="hush one"',
        'host db app 10.0.0.0/8 ldap ldapserver=x ldapbasedn="o=x" ldapbindpasswd="hush five"',
        'host db app 10.0.0.0/8 radius radiusservers=10.0.0.1 radiussecrets="hush two"',
        "host db app 10.0.0.0/8 ldap ldapserver=x ldapbindpasswd = hush-three",
        "host db app 10.0.0.0/8 ldap ldapserver=x hush-four",
    )
    safe.rules(safe.dn1, *lines)
    found = safe.report()["findings"]
    text = json.dumps(found)
    assert sum(entry["check"] == "hba_error" for entry in found) == 4 and "hba_clear_password" in text
    assert "hush" not in text and PASSWORD not in text
    hidden = [part for verifier in verifiers for part in (verifier, verifier[3:], hashlib.sha256(verifier.encode()).hexdigest())]
    assert not [part for part in hidden if part in text]
