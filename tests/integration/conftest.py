# GPL-3.0-or-later (see LICENSE)
from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count

import pytest
from _cluster import Cluster
from _roles import Roles
from _servers import PASSWORD, SECURED, Engine, Server, choose_engine, directory_for_servers, fabricate_releases, free_port, give_to_server_user, make_base
from _trixie import trixie

DATA_NODES = 5
# They lie in memory.
LITTLE_WAL = {"min_wal_size": "32MB", "max_wal_size": "64MB"}
ENGINE = pytest.StashKey[Engine]()
DIRECTORY = pytest.StashKey[ExitStack]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "real_engine(reason): the stand-in does not offer what the test needs")
    stack = config.stash[DIRECTORY] = ExitStack()
    root = stack.enter_context(directory_for_servers())
    config.stash[ENGINE] = choose_engine(root / "standin")


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[DIRECTORY].close()


def pytest_report_header(config: pytest.Config) -> str:
    return f"engine: {config.stash[ENGINE].name} - {config.stash[ENGINE].description}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    terminalreporter.write_line(pytest_report_header(config))


def pytest_runtest_setup(item: pytest.Item) -> None:
    marker = item.get_closest_marker("real_engine")
    if marker and item.config.stash[ENGINE].is_standin:
        pytest.skip(f"not offered by the stand-in: {marker.args[0]}")


class Servers:
    """The session's servers; those that only a few tests need are started when they are asked for."""

    def __init__(self, engine: Engine, root) -> None:
        self.base = make_base(engine, root)
        self._extra: dict[str, Server] = {}
        with ThreadPoolExecutor() as pool:
            self.access_node, *self.data_nodes = pool.map(self.start, ["an", *(f"dn{number}" for number in range(1, DATA_NODES + 1))])

    def start(self, name: str, *signals: str, **settings: object) -> Server:
        base = self.base
        return Server(name, base.engine, base.root, {**LITTLE_WAL, **settings}).copy_of(base, *signals).start()

    def extra(self, name: str, *signals: str, **settings: object) -> Server:
        if name not in self._extra:
            self._extra[name] = self.start(name, *signals, **settings)
        return self._extra[name]

    def add(self, server: Server) -> Server:
        self._extra[server.name] = server
        return server

    def running(self) -> list[Server]:
        return [server for server in (self.access_node, *self.data_nodes, *self._extra.values()) if server.is_running]


@pytest.fixture(scope="session")
def engine(pytestconfig: pytest.Config) -> Engine:
    return pytestconfig.stash[ENGINE]


@pytest.fixture(scope="session")
def servers(engine: Engine):
    with directory_for_servers(in_memory=True) as root:
        servers = Servers(engine, root)
        yield servers
        with ThreadPoolExecutor() as pool:
            list(pool.map(Server.stop, servers.running()))


_numbers = count(1)


@pytest.fixture
def cluster(servers: Servers):
    """An access node's database without data nodes."""
    cluster = Cluster(servers, f"t{next(_numbers)}")
    yield cluster
    cluster.drop()


@pytest.fixture
def nodes(cluster: Cluster) -> Cluster:
    """A cluster with three data nodes, dn1 to dn3."""
    cluster.register("dn1", "dn2", "dn3")
    return cluster


@pytest.fixture
def roles(nodes: Cluster):
    """The same cluster, for the module that deals with roles."""
    roles = Roles(nodes)
    yield roles
    roles.clean()


@pytest.fixture
def closed_port() -> int:
    """A port of this machine at which nobody listens."""
    return free_port()


@pytest.fixture
def silent_port():
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def passfile(cluster: Cluster):
    """The access node's file with passwords for data nodes."""
    path = cluster.an.data / "passfile"
    path.write_text(f"*:*:*:{SECURED}:{PASSWORD}\n")
    path.chmod(0o600)
    give_to_server_user(path)
    yield path
    path.unlink()


@pytest.fixture
def mortal(cluster: Cluster, servers: Servers):
    """The server of a registered data node, "mortal", which may be stopped."""
    server = servers.extra("mortal")
    server.create_database(cluster.database)
    cluster.query("SELECT add_data_node('mortal', host => '127.0.0.1', port => %s, bootstrap => false)", server.port)
    yield server
    if not server.is_running:
        server.start()


@pytest.fixture(scope="session")
def trixie_address():
    """A server with Debian trixie's TimescaleDB."""
    with trixie() as address:
        yield address


@pytest.fixture(scope="session")
def fabricated(servers: Servers) -> Server:
    """A server with one database for each release of RELEASES, with an extension that only says so."""
    return servers.add(fabricate_releases(servers.base))
