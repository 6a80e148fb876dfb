# GPL-3.0-or-later (see LICENSE)
"""The modules' own login to the access node: each module by peer, by password and by certificate, and what is said where a login fails."""

from __future__ import annotations

import getpass
import json
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from _certificates import authority, issue, md5
from _cluster import CLUSTER, DATA_NODE, HYPERTABLE, Cluster, quoted
from _modules import run_module
from _roles import ROLE, Roles
from _servers import PASSWORD, Server, give_to_server_user

# One role for each way to log in, which the access node lets in by no other one.
PEER, BY_PASSWORD, BY_CERTIFICATE = 'by "Peer"', "by Password", 'by "Certificate"'
METHODS = {"peer": PEER, "password": BY_PASSWORD, "certificate": BY_CERTIFICATE}
COLUMNS = "time timestamptz NOT NULL, device int NOT NULL"
CONDITIONS = dict(relation="conditions", definition=COLUMNS, time_column_name="time", partitioning_column="device")
# Chunks are copied by logical replication.
SENDING = {"wal_level": "logical", "wal_retrieve_retry_interval": "100ms"}

# The reader of the tests is let in at the Unix domain socket as it is everywhere.
HBA = f"""
local all postgres trust
local all {quoted(PEER)} peer map=here
local all all reject
host all {quoted(BY_PASSWORD)} 127.0.0.1/32 scram-sha-256
hostssl all {quoted(BY_CERTIFICATE)} 127.0.0.1/32 cert clientcert=verify-full
"""


@pytest.fixture(scope="module")
def files(servers) -> Path:
    """Keys and certificates of one authority, for the servers and for two roles; in "theirs", the same of another one."""
    folder = servers.base.root / "login-files"
    for place, name in ((folder, "ours"), (folder / "theirs", "theirs")):
        place.mkdir()
        authority(place, name)
        for role in (BY_CERTIFICATE, BY_PASSWORD):
            issue(place, md5(role), role)
    issue(folder, "server", "any of the servers")
    give_to_server_user(folder / "server.key")
    return folder


@pytest.fixture(scope="module")
def doors(servers, files):
    """An access node that lets in by peer, password and certificate, and three data nodes; all with TLS, as the access node's demands it of theirs."""
    tls = {"ssl": "on", "ssl_cert_file": files / "server.crt", "ssl_key_file": files / "server.key", "ssl_ca_file": files / "ca.crt"}
    root = servers.base.root / "doors"
    root.mkdir()
    give_to_server_user(root)

    def start(name: str) -> Server:
        return Server(name, servers.base.engine, root, SENDING | tls).copy_of(servers.base).start()

    with ThreadPoolExecutor() as pool:
        an, *dns = pool.map(start, ["an", "dn1", "dn2", "dn3"])
    for server in (an, *dns):
        for role in METHODS.values():
            server.query("postgres", f"SET password_encryption = 'scram-sha-256'; CREATE ROLE {quoted(role)} SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
    _let_in(an, HBA)
    yield SimpleNamespace(access_node=an, data_nodes=dns, running=lambda: [an, *dns])
    for server in (an, *dns):
        server.stop()


def _let_in(server: Server, rules: str) -> None:
    (server.data / "pg_hba.conf").write_text(rules)
    (server.data / "pg_ident.conf").write_text(f"here {getpass.getuser()} {quoted(PEER)}\n")
    server.program("pg_ctl", "reload", "-s", "-D", server.data)


class Doors(Cluster):
    """A cluster whose modules log in by one of the methods; it is read as postgres at the socket."""

    method = "peer"
    files = Path()

    def login(self, **more: Any) -> dict[str, Any]:
        by = {"login_port": self.an.port, "login_user": METHODS[self.method], "login_db": self.database}
        if self.method == "peer":
            by["login_unix_socket"] = str(self.an.root)
        elif self.method == "password":
            by |= {"login_host": "127.0.0.1", "login_password": PASSWORD}
        else:
            own = self.files / md5(BY_CERTIFICATE)
            tls = {"ca_cert": self.files / "ca.crt", "ssl_cert": f"{own}.crt", "ssl_key": f"{own}.key"}
            by |= {"login_host": "127.0.0.1", "ssl_mode": "verify-full", **{name: str(file) for name, file in tls.items()}}
        return by | more

    def logged_in(self, since: int) -> set[str]:
        """Who has been let in at the access node's database, by which method, as its log says it."""
        lines = self.an.log_since(since).splitlines()
        return {line.split("method=")[1].split(" ")[0] for line in lines if "connection authenticated:" in line and f"{self.database}|{self._role}|" in line}

    @property
    def _role(self) -> str:
        return METHODS[self.method]


_numbers = count(1)


@pytest.fixture(params=METHODS)
def cluster(request, doors, files):
    """One access node's database, and a way to log in to it."""
    cluster = Doors(doors, f"login{next(_numbers)}")
    cluster.method, cluster.files = request.param, files
    begin = cluster.an.log_size()
    yield cluster
    # Every test has gone in by the method it says, and by no other one.
    assert cluster.logged_in(begin) <= {{"certificate": "cert", "password": "scram-sha-256"}.get(cluster.method, cluster.method)}
    cluster.drop()


@pytest.fixture
def nodes(cluster) -> Doors:
    """The same with data nodes, which belong to the role that logs in."""
    for name in ("dn1", "dn2", "dn3"):
        _own(cluster, f"SELECT add_data_node('{name}', host => '127.0.0.1', port => {cluster.dn(name).port}, bootstrap => false)")
    return cluster


def _own(cluster: Doors, *statements: str) -> None:
    with cluster.an.connection(cluster.database) as connection, connection.cursor() as cursor:
        cursor.execute(f"SET ROLE {quoted(METHODS[cluster.method])}")
        for statement in statements:
            cursor.execute(statement)


# Its postgres_fdw looks for a certificate in the home of whoever runs the tests, where the server may not even look.
between_nodes = pytest.mark.real_engine("its access node has no certificates of its own for data nodes with TLS")


@between_nodes
def test_data_node(cluster):
    wanted = [cluster.place(name) for name in ("dn1", "dn2")]
    cluster.converge(DATA_NODE, data_nodes=wanted)
    assert set(cluster.nodes()) == {"dn1", "dn2"}
    assert cluster.query("SELECT DISTINCT srvowner::regrole::text FROM pg_foreign_server") == [(quoted(METHODS[cluster.method]),)]


@between_nodes
def test_distributed_hypertable(nodes):
    nodes.converge(HYPERTABLE, **CONDITIONS)
    assert nodes.table("conditions")["data_nodes"] == ["dn1", "dn2", "dn3"]


@between_nodes
def test_cluster(cluster):
    cluster.converge(CLUSTER, data_nodes=[cluster.place("dn1"), cluster.place("dn2")], hypertables=[CONDITIONS], sessions=2)
    assert set(cluster.nodes()) == {"dn1", "dn2"} and cluster.table("conditions")["data_nodes"] == ["dn1", "dn2"]


@between_nodes
def test_cluster_info(nodes):
    before = nodes.state()
    for check in (True, False):
        result = nodes.succeed("timescale_cluster_info", check, gather_subset=["all"])
        assert result["changed"] is False and nodes.state() == before
        assert {node["node_name"]: (node["host"], node["port"], node["database"], node["reachable"]) for node in result["data_nodes"]} == nodes.nodes()


@between_nodes
def test_role(nodes):
    roles = Roles(nodes)
    try:
        roles.converge(roles=[dict(name="r", login=True, password="its own")], schemas=[dict(name="s", owner="r")])
        assert roles.nodes_with("r") == set(roles.servers)
    finally:
        roles.cluster.drop()
        for server in roles.servers.values():
            server.query("postgres", "DROP ROLE IF EXISTS r")


@pytest.mark.real_engine("it does not copy chunks between data nodes")
def test_rebalance(nodes):
    _own(
        nodes,
        f"CREATE TABLE t ({COLUMNS})",
        "SELECT create_distributed_hypertable('t', 'time', 'device', 2, data_nodes => '{dn1}')",
        "SELECT attach_data_node('dn2', 't'), attach_data_node('dn3', 't')",
        "INSERT INTO t SELECT '2026-01-01'::timestamptz + n * interval '1 minute', n % 16 FROM generate_series(1, 100) n",
    )
    held = nodes.chunks()
    leaving = held[0][1]
    predicted = nodes.succeed("timescale_rebalance", check=True, state="drained", nodes=[leaving])
    assert nodes.chunks() == held and predicted["moves"]
    result = nodes.succeed("timescale_rebalance", state="drained", nodes=[leaving])
    assert result["moves"] == predicted["moves"] and result["changed"] is True
    assert leaving not in {name for _chunk, name in nodes.chunks()}
    assert nodes.rows_on(leaving, "t") == 0 and nodes.query("SELECT count(*) FROM t") == [(100,)]
    again = nodes.succeed("timescale_rebalance", state="drained", nodes=[leaving])
    assert again["changed"] is False and again["moves"] == []


# It has no login of its own: what it proves is the nodes' login.


def test_login_check_by_password(doors, tmp_path):
    (tmp_path / "passfile").write_text(f"*:*:*:*:{PASSWORD}\n")
    (tmp_path / "passfile").chmod(0o600)
    _check_logins(doors, BY_PASSWORD, 3, auth_method="password", passfile=str(tmp_path / "passfile"))


def test_login_check_by_certificate(doors, files):
    _check_logins(doors, BY_CERTIFICATE, 4, auth_method="certificate", passfile="/nonexistent", ssl_dir=str(files))


def _check_logins(doors, role: str, refused: int, **options) -> None:
    an = doors.access_node
    node = {"node_name": "door", "host": "127.0.0.1", "port": an.port}
    for check in (True, False):
        result = run_module("timescale_login_check", dict(options, name="here", nodes=[node], database="postgres", roles=[role]), check)
        assert (result.get("msg"), result["changed"], result["accepted"], result["refused"]) == (None, False, 1, refused)


# What is said where it fails

MODULES = {
    DATA_NODE: dict(node_name="dn1"),
    HYPERTABLE: CONDITIONS,
    CLUSTER: dict(hypertables=[CONDITIONS]),
    "timescale_cluster_info": {},
    ROLE: dict(roles=[dict(name="r")]),
    "timescale_rebalance": {},
}
WRONG = "not that Pass word"


@pytest.fixture
def by_password(doors, files) -> Doors:
    return _way(doors, files, "password")


@pytest.fixture
def by_certificate(doors, files) -> Doors:
    return _way(doors, files, "certificate")


def _way(doors, files, method: str) -> Doors:
    cluster = Doors.__new__(Doors)
    cluster.servers, cluster.an, cluster.database, cluster.method, cluster.files = doors, doors.access_node, "ready", method, files
    return cluster


def refused(cluster: Doors, module: str, *expected: str, **login) -> str:
    """The message; the same in check mode, complete, and without a secret or a traceback."""
    results = [cluster.run(module, check, **MODULES[module], **login) for check in (True, False)]
    assert all(result.get("failed") and not result.get("changed") for result in results), results
    message = results[0]["msg"]
    assert results[1]["msg"] == message
    text = json.dumps(results)
    assert "Traceback" not in text and "exception" not in results[0] and PASSWORD not in text and WRONG not in text
    assert message.startswith(f"access node at 127.0.0.1:{cluster.an.port}/ready: no connection as role {login.get('login_user', METHODS[cluster.method])}: ")
    for part in expected:
        assert part in message, message
    return message


@pytest.mark.parametrize("module", MODULES)
def test_wrong_password(by_password, module):
    refused(by_password, module, "password authentication failed", "Remedy: correct login_user or login_password.", login_password=WRONG)


@pytest.mark.parametrize("module", MODULES)
def test_missing_key(by_certificate, module):
    refused(by_certificate, module, 'not private key file "/nowhere.key"', "Remedy: have ssl_key name the key", ssl_key="/nowhere.key")


@pytest.mark.parametrize("module", MODULES)
def test_key_that_others_may_read(by_certificate, module, tmp_path):
    key = tmp_path / "open.key"
    key.write_bytes((by_certificate.files / f"{md5(BY_CERTIFICATE)}.key").read_bytes())
    key.chmod(0o644)
    refused(by_certificate, module, str(key), "group or world access", "chmod 0600", ssl_key=str(key))


@pytest.mark.parametrize("module", MODULES)
def test_unknown_authority(by_certificate, module):
    refused(by_certificate, module, "certificate verify failed", "Remedy: have ca_cert name", ca_cert=str(by_certificate.files / "theirs" / "ca.crt"))


@pytest.mark.parametrize(
    "login, cause, remedy",
    [
        (dict(login_password=""), "no password supplied", "give login_password"),
        (dict(login_user="nobody_such"), "no pg_hba.conf entry", "allow this host, role and database"),
        (dict(ssl_mode="verify-full", ca_cert="/nowhere.crt"), 'root certificate file "/nowhere.crt" does not exist', "have ca_cert name"),
    ],
)
def test_other_refusals_by_password(by_password, login, cause, remedy):
    refused(by_password, DATA_NODE, cause, f"Remedy: {remedy}", **login)


def test_other_refusals_by_certificate(by_certificate, tmp_path):
    files, theirs = by_certificate.files, by_certificate.files / "theirs" / md5(BY_CERTIFICATE)
    for login, cause, remedy in (
        (dict(ssl_cert=f"{theirs}.crt", ssl_key=f"{theirs}.key"), "unknown ca", "give a client certificate of the authority that the server trusts"),
        (dict(ssl_cert=f"{theirs}.crt"), "private key file", "the key that belongs to ssl_cert"),
        (dict(ssl_cert="/nowhere.crt", ssl_key=None), "valid client certificate", "give ssl_cert and ssl_key"),
        (dict(ssl_cert=f"{files / md5(BY_PASSWORD)}.crt", ssl_key=f"{files / md5(BY_PASSWORD)}.key"), "ertificate authentication failed", "common name"),
        (dict(ssl_mode="disable"), "no pg_hba.conf entry", "ssl_mode as it wants it"),
    ):
        refused(by_certificate, DATA_NODE, cause, remedy, **login)


def test_another_name_than_that_of_the_certificate(by_certificate):
    result = by_certificate.run(DATA_NODE, node_name="dn1", login_host="localhost")
    assert "does not match host name" in result["msg"] and "Remedy: log in to one of the names" in result["msg"]


def test_peer_as_another_user(doors):
    cluster = _way(doors, Path(), "peer")
    (cluster.an.data / "pg_ident.conf").write_text("")
    cluster.an.program("pg_ctl", "reload", "-s", "-D", cluster.an.data)
    try:
        result = cluster.run(DATA_NODE, node_name="dn1")
    finally:
        _let_in(cluster.an, HBA)
    assert "eer authentication failed" in result["msg"] and "Remedy: have the task run as the operating system's user" in result["msg"]


@pytest.mark.parametrize("name, remedy", [("password", "give login_password"), ("sslpassword", "let ssl_key have no passphrase")])
def test_secrets_where_ansible_would_show_them(by_password, name, remedy):
    result = by_password.run(DATA_NODE, node_name="dn1", connect_params={name: WRONG})
    assert result["msg"].startswith(f"option connect_params, {name}: it would be shown") and f"Remedy: {remedy}" in result["msg"]


@between_nodes
def test_session_role_with_quotes(nodes):
    other = next(role for role in METHODS.values() if role != METHODS[nodes.method])
    nodes.succeed(HYPERTABLE, session_role=other, **CONDITIONS)
    assert nodes.query("SELECT relowner::regrole::text FROM pg_class WHERE relname = 'conditions'") == [(quoted(other),)]
