# GPL-3.0-or-later (see LICENSE)
"""PostgreSQL servers for the tests: made from one prepared data directory, on free ports of this machine."""

from __future__ import annotations

import json
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql

TESTS = Path(__file__).resolve().parent.parent
# The role that logs in to data nodes with a password only; anybody else is trusted.
SECURED, PASSWORD = "secured", "s3cret/Pass word"
# A database with the extension, to be copied by CREATE DATABASE, and one to log in to.
TEMPLATE, READY = "prepared", "ready"

PORTS = (10000, 32000)
# Of the tests' own sessions: a limit of pytest's does not reach into the driver.
LONGEST_STATEMENT = "-c statement_timeout=300s"
# A worker's servers take about one gibibyte.
MEMORY, ROOM = "/dev/shm", 4 * 2**30

SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": 60,
    "max_worker_processes": 40,
    "max_prepared_transactions": 20,
    "listen_addresses": "127.0.0.1",
    "shared_preload_libraries": "timescaledb",
    "timescaledb.telemetry_level": "off",
    "log_statement": "all",
    "log_connections": "on",
    "log_line_prefix": "%d|%u|",
    "lc_messages": "C",
    "wal_level": "replica",
    "autovacuum": "off",
}


@dataclass(frozen=True)
class Engine:
    name: str
    description: str
    bindir: Path

    @property
    def is_standin(self) -> bool:
        return self.name == "stand-in"


def choose_engine(root: Path) -> Engine:
    """The engine that tests/engine chooses; root: where the stand-in's servers are installed if it is the stand-in.

    The vendor's packages are for test hosts and not installed on this machine, so that its own servers have the stand-in then.
    """
    found = json.loads(subprocess.run([sys.executable, TESTS / "engine" / "engine.py"], check=True, capture_output=True, text=True).stdout)
    if found["engine"] == "real-host":
        return Engine("real-host", found["description"], Path("/usr/lib/postgresql/15/bin"))
    install = [sys.executable, TESTS / "standin" / "install.py", "--root", root]
    bindir = subprocess.run(install, check=True, capture_output=True, text=True).stdout.strip()
    return Engine("stand-in", "STAND-IN for TimescaleDB: a test double over postgres_fdw, not the real TimescaleDB", Path(bindir))


def free_port() -> int:
    """By chance, for others look for theirs as well; below the ports that the system gives to clients, who could take it before the server does."""
    while True:
        port = random.SystemRandom().randrange(*PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def _in_memory() -> str | None:
    """Where files lie in memory, if there is room."""
    if not os.access(MEMORY, os.W_OK):
        return None
    available = re.search(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text())
    room = min(shutil.disk_usage(MEMORY).free, int(available[1]) * 1024 if available else 0)
    return MEMORY if room >= ROOM else None


@contextmanager
def directory_for_servers(in_memory: bool = False) -> Iterator[Path]:
    """A short path (it holds Unix domain sockets) that the servers' user may enter.

    Args:
        in_memory: if there is room. A database is a thousand files, which tests make and remove on each server, one test after the other.
    """
    path = Path(tempfile.mkdtemp(prefix="tsmn-", dir=_in_memory() if in_memory else None))
    path.chmod(0o755)
    give_to_server_user(path)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _server_user() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    return dict(user="postgres", group="postgres", extra_groups=[]) if os.geteuid() == 0 else {}


def give_to_server_user(path: Path) -> None:
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(path, user.pw_uid, user.pw_gid)


@dataclass
class Server:
    name: str
    engine: Engine
    root: Path
    settings: dict[str, Any] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    is_running: bool = False

    def __post_init__(self) -> None:
        self.keep = {"postgres", "template0", "template1", TEMPLATE, READY}
        # A session costs a server more than most statements do. These are those that more than one statement shares, by their database.
        self._shared: dict[str, Any] = {}
        self._administrator: Any = None

    @property
    def data(self) -> Path:
        return self.root / self.name

    @property
    def log(self) -> Path:
        return self.root / f"{self.name}.log"

    def program(self, name: str, *arguments: Any) -> None:
        command = [self.engine.bindir / name, *map(str, arguments)]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=self.root, check=False, **_server_user())
        if done.returncode:
            log = self.log.read_text()[-2000:] if self.log.exists() else ""
            raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr}{log}")

    def initialize(self) -> None:
        self.program("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-N", "--locale=C.UTF-8", "--encoding=UTF8")
        hba = self.data / "pg_hba.conf"
        hba.write_text(f"host all {SECURED} all scram-sha-256\n{hba.read_text()}")

    def copy_of(self, other: Server, *signals: str) -> Server:
        subprocess.run(["cp", "-a", other.data, self.data], check=True)
        for name in signals:
            (self.data / name).touch()
            give_to_server_user(self.data / name)
        return self

    def start(self) -> Server:
        settings = dict(SETTINGS, **self.settings, port=self.port, unix_socket_directories=str(self.root))
        (self.data / "postgresql.auto.conf").write_text("".join(f"{name} = '{value}'\n" for name, value in settings.items()))
        self.program("pg_ctl", "start", "-w", "-s", "-D", self.data, "-l", self.log)
        self.is_running = True
        return self

    def stop(self, mode: str = "fast") -> None:
        self.end_sessions()
        self.program("pg_ctl", "stop", "-w", "-s", "-m", mode, "-D", self.data)
        self.is_running = False

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """The server takes connections and answers nothing meanwhile, as a host that was cut off the network."""
        postmaster = int((self.data / "postmaster.pid").read_text().split()[0])
        processes = [postmaster]
        try:
            os.kill(postmaster, signal.SIGSTOP)
            # From now on it neither has new processes nor forgets those that end.
            while _state(postmaster) != "T":
                time.sleep(0.01)
            processes += map(int, Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split())
            for process in processes[1:]:
                os.kill(process, signal.SIGSTOP)
            yield
        finally:
            for process in processes:
                # A session's own process may have ended meanwhile, and the first one sees to that.
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGCONT)

    def _connect(self, database: str, user: str = "postgres", options: str = "") -> Any:
        connection = psycopg2.connect(host=str(self.root), port=self.port, dbname=database, user=user, options=f"{LONGEST_STATEMENT} {options}")
        connection.autocommit = True
        return connection

    @contextmanager
    def connection(self, database: str, user: str = "postgres", options: str = "") -> Iterator[Any]:
        connection = self._connect(database, user, options)
        try:
            yield connection
        finally:
            connection.close()

    @contextmanager
    def one_session(self, database: str) -> Iterator[None]:
        """All queries of this database go through one session meanwhile."""
        with self.connection(database) as connection:
            self._shared[database] = connection
            try:
                yield
            finally:
                del self._shared[database]

    def query(self, database: str, statement: Any, *values: Any, user: str = "postgres") -> list[tuple]:
        """Run one statement outside a transaction and return its rows."""
        if user == "postgres" and database in self._shared:
            return _rows(self._shared[database], statement, values)
        with self.connection(database, user) as connection:
            return _rows(connection, statement, values)

    def _administer(self, statement: Any) -> list[tuple]:
        """As query() in the database postgres, through a session that lasts as long as the server runs."""
        if self._administrator is not None:
            try:
                return _rows(self._administrator, statement, ())
            except psycopg2.Error as error:
                # Otherwise the server has been stopped since, or has crashed, which has no code.
                if error.pgcode and not self._administrator.closed:
                    raise
        self._administrator = self._connect("postgres")
        return _rows(self._administrator, statement, ())

    def value(self, database: str, statement: Any, *values: Any) -> Any:
        return self.query(database, statement, *values)[0][0]

    def end_sessions(self) -> None:
        """Those of these tests: a server is as if nobody had been there."""
        if self._administrator is not None:
            self._administrator.close()
            self._administrator = None

    def databases(self) -> set[str]:
        return {name for (name,) in self._administer("SELECT datname FROM pg_database")}

    def create_database(self, name: str, template: str = TEMPLATE, more: str = "") -> None:
        """An empty database; from TEMPLATE it has the extension and an identity of its own."""
        self._administer(sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY " + more).format(sql.Identifier(name), sql.Identifier(template)))
        if template == TEMPLATE:
            self.query(name, "UPDATE _timescaledb_catalog.metadata SET value = gen_random_uuid()::text WHERE key = 'uuid'")

    def drop_database(self, name: str, seconds: float = 30) -> None:
        """Tried again while the server comes back: where its jobs were at work, TimescaleDB 2.13.1 has been seen to crash when their sessions are ended."""
        end = time.monotonic() + seconds
        while True:
            try:
                self._administer(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
                return
            except psycopg2.DatabaseError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)

    @contextmanager
    def rejecting(self, *databases: str) -> Iterator[None]:
        """Nobody can log in to these databases over TCP meanwhile."""
        with self._first_in_hba(f"host {','.join(databases)} all all reject"):
            yield

    @contextmanager
    def demanding_password(self, role: str) -> Iterator[None]:
        """The role cannot log in over TCP without its password meanwhile."""
        quoted = role.replace('"', '""')
        with self._first_in_hba(f'host all "{quoted}" all scram-sha-256'):
            yield

    @contextmanager
    def _first_in_hba(self, line: str) -> Iterator[None]:
        hba = self.data / "pg_hba.conf"
        text = hba.read_text()
        hba.write_text(f"{line}\n{text}")
        self.program("pg_ctl", "reload", "-s", "-D", self.data)
        try:
            yield
        finally:
            hba.write_text(text)
            self.program("pg_ctl", "reload", "-s", "-D", self.data)

    def log_size(self) -> int:
        return self.log.stat().st_size

    def log_since(self, offset: int) -> str:
        with self.log.open("rb") as log:
            log.seek(offset)
            return log.read().decode()

    def statements_since(self, offset: int, database: str) -> list[str]:
        """The statements that clients sent to a database, one line each."""
        lines = (line.split("|", 2) for line in self.log_since(offset).splitlines() if line.count("|") >= 2)
        return [text for name, dummy, text in lines if name == database and text.startswith(("LOG:  statement:", "LOG:  execute"))]


def _state(process: int) -> str:
    """As the system says it in one letter: "T" for one that is stopped."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0]


def _rows(connection: Any, statement: Any, values: tuple[Any, ...]) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


def make_base(engine: Engine, root: Path) -> Server:
    """The stopped server of which all others are copies."""
    base = Server("base", engine, root)
    base.initialize()
    base.start()
    base.query("postgres", f"CREATE ROLE {SECURED} SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
    base.query("postgres", "CREATE ROLE app LOGIN")
    for name in (READY, TEMPLATE):
        base.query("postgres", f"CREATE DATABASE {name}")
        base.query(name, "CREATE EXTENSION timescaledb")
        base.query(name, "GRANT CREATE ON SCHEMA public TO app")
    # No background worker of the extension may hold the template.
    base.query("postgres", f"ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false IS_TEMPLATE true")
    base.stop()
    return base


# Releases that this machine does not have: an extension of that version with the few relations that are looked at.
RELEASES = ("1.7.5", "2.12.3", "2.13.0", "2.14.2")
_FABRICATED = """
CREATE SCHEMA _timescaledb_catalog;
CREATE TABLE _timescaledb_catalog.metadata (key name PRIMARY KEY, value text NOT NULL);
INSERT INTO _timescaledb_catalog.metadata VALUES ('uuid', gen_random_uuid());
CREATE TABLE _timescaledb_catalog.hypertable (id int, replication_factor smallint);
"""


def fabricate_releases(base: Server) -> Server:
    """A server from a copied PostgreSQL tree: PostgreSQL finds its extensions relative to its own program."""
    old, prefix = base.engine.bindir.parents[3], base.root / "fabricated-tree"
    bindir, share = (prefix / path.relative_to(old) for path in (base.engine.bindir, old / "share/postgresql/15"))
    bindir.mkdir(parents=True)
    (share / "extension").mkdir(parents=True)
    for program in ("postgres", "pg_ctl"):
        shutil.copy(base.engine.bindir / program, bindir)
    (bindir.parent / "lib").symlink_to(base.engine.bindir.parent / "lib")
    for path in (old / "share/postgresql/15").iterdir():
        if path.name != "extension":
            (share / path.name).symlink_to(path)
    (share / "extension" / "timescaledb.control").write_text(f"default_version = '{RELEASES[0]}'\n")
    for release in RELEASES:
        (share / "extension" / f"timescaledb--{release}.sql").write_text(_FABRICATED)
    server = Server("fabricated", replace(base.engine, bindir=bindir), base.root, {"shared_preload_libraries": ""}).copy_of(base).start()
    for release in RELEASES:
        server.create_database(release, template="template0")
        server.query(release, f"CREATE EXTENSION timescaledb VERSION '{release}'")
    server.keep.update(RELEASES)
    return server
