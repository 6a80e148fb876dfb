# GPL-3.0-or-later (see LICENSE)
"""The stand-in against the real TimescaleDB: the same statements get the same answers, errors, warnings and notices.

Runs where the real one is installed on this host. A line of same_answers/*.sql is one statement: on the access node's database db,
or after "@1 name" on data node 1's database of that name; :port1 is that node's port. Node 4 has max_prepared_transactions = 0.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

sys.path.extend(str(Path(__file__).resolve().parents[1] / folder) for folder in ("standin", "integration", "engine"))

import host_files
import install
from _servers import Engine, Server, directory_for_servers

HERE = Path(__file__).resolve().parent
WITHOUT_TWO_PHASES = 4
# The real one greets, and says which of its connections it could not roll back.
NOT_COMPARED = re.compile(r"WELCOME TO|transaction rollback on data node")


class Machine:
    """An access node and its data nodes, all of one engine."""

    def __init__(self, servers: list[Server]) -> None:
        self._servers = servers
        self._session = self._connect(0, "db")

    def _connect(self, number: int, database: str) -> Any:
        connection = psycopg2.connect(host="127.0.0.1", port=self._servers[number].port, dbname=database, user="postgres")
        connection.autocommit = True
        return connection

    def answer(self, line: str) -> list[str]:
        """Rows, status or error, then warnings and notices; ports are given as node numbers."""
        elsewhere = re.match(r"@(\d) (\w+) (.*)", line)
        if not elsewhere:
            return self._run(self._session, line)
        connection = self._connect(int(elsewhere[1]), elsewhere[2])
        try:
            return self._run(connection, elsewhere[3])
        finally:
            connection.close()

    def _run(self, connection: Any, statement: str) -> list[str]:
        del connection.notices[:]
        statement = re.sub(r":port(\d)", lambda found: str(self._servers[int(found[1])].port), statement)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                answer = [str(row) for row in cursor.fetchall()] if cursor.description else [cursor.statusmessage]
        except psycopg2.Error as error:
            diagnosis = error.diag
            answer = [f"{diagnosis.sqlstate} {diagnosis.message_primary}", f"DETAIL: {diagnosis.message_detail}", f"HINT: {diagnosis.message_hint}"]
        answer += [notice for notice in connection.notices if not NOT_COMPARED.search(notice)]
        for number, server in enumerate(self._servers):
            answer = [re.sub(rf"\b{server.port}\b", f"port{number}", text) for text in answer]
        return answer


@contextmanager
def running(name: str, bindir: Path, root: Path) -> Iterator[list[Server]]:
    """Five servers, the first for the access node."""
    with ExitStack() as stack:
        servers = []
        for number in range(5):
            settings = {"max_connections": 20, "max_prepared_transactions": 0 if number == WITHOUT_TWO_PHASES else 20}
            server = Server(f"{name}{number}", Engine(name, name, bindir), root, settings)
            server.initialize() if number == 0 else server.copy_of(servers[0])
            servers.append(server)
        for server in servers:
            stack.callback(server.stop)
            server.start()
        yield servers


@pytest.fixture(scope="module")
def engines() -> Iterator[dict[str, list[Server]]]:
    if host_files.find() is None:
        pytest.skip("the real TimescaleDB with multi-node is not installed on this host: nothing to compare with")
    with directory_for_servers(in_memory=True) as root, ExitStack() as stack:
        bindirs = {"real": Path(host_files.pg_config()).parent, "standin": install.install(root / "standin")}
        yield {name: stack.enter_context(running(name, bindir, root)) for name, bindir in bindirs.items()}


@pytest.fixture
def machines(engines: dict[str, list[Server]]) -> Iterator[dict[str, Machine]]:
    for servers in engines.values():
        servers[0].query("postgres", "CREATE DATABASE db")
        servers[0].query("db", "CREATE EXTENSION timescaledb")
    machines = {name: Machine(servers) for name, servers in engines.items()}
    yield machines
    for servers in engines.values():
        for server in servers:
            for database in server.databases() - {"postgres", "template0", "template1"}:
                server.drop_database(database)


@pytest.mark.parametrize("script", sorted((HERE / "same_answers").glob("*.sql")), ids=lambda script: script.stem)
def test_same_answers(machines: dict[str, Machine], script: Path) -> None:
    different = []
    for line in script.read_text().splitlines():
        if not line.startswith("--"):
            real, standin = (machines[name].answer(line) for name in ("real", "standin"))
            if real != standin:
                different.append("\n".join([line, "  real:", *real, "  stand-in:", *standin]))
    assert not different, "\n\n".join(different)
