# GPL-3.0-or-later (see LICENSE)
"""Many small PostgreSQL servers on this machine, for measuring."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

_SETTINGS = """
shared_preload_libraries = 'timescaledb'
max_prepared_transactions = 20
max_connections = 40
shared_buffers = 16MB
fsync = off
timescaledb.telemetry_level = off
"""


class Servers:
    """Context manager: number 0 is the access node, the others are data nodes; login without password on the loopback."""

    def __init__(self, bindir: Path, folder: Path, count: int) -> None:
        self.bindir = bindir
        self._folder = folder
        self._ports = _free_ports(count)

    def __enter__(self) -> Servers:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        if os.geteuid() == 0:
            shutil.chown(self._folder, "postgres")
        template = self._folder / "template"
        self._as_postgres("initdb", "--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "-D", str(template))
        for number, port in enumerate(self._ports):
            data = self._data(number)
            subprocess.run(["cp", "-a", template, data], check=True)
            with (data / "postgresql.conf").open("a") as conf:
                conf.write(f"{_SETTINGS}port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{self._folder}'\n")
            self._as_postgres("pg_ctl", "start", "--wait", "--silent", "-D", str(data), "-l", f"{data}.log")
        return self

    def __exit__(self, *_exception: object) -> None:
        for number in range(len(self._ports)):
            self._as_postgres("pg_ctl", "stop", "--mode=immediate", "--silent", "-D", str(self._data(number)), check=False)
        shutil.rmtree(self._folder, ignore_errors=True)

    def port(self, number: int) -> int:
        return self._ports[number]

    def url(self, number: int, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self._ports[number]}/{database}"

    def query(self, number: int, statement: str, database: str = "postgres") -> str:
        command = [str(self.bindir / "psql"), "-qtAX", "-v", "ON_ERROR_STOP=1", "-c", statement, self.url(number, database)]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip()

    def create_database(self, name: str) -> None:
        """On every server, with the extension."""
        for number in range(len(self._ports)):
            self.query(number, f'CREATE DATABASE "{name}" TEMPLATE template0')
            self.query(number, "CREATE EXTENSION timescaledb", name)

    def _data(self, number: int) -> Path:
        return self._folder / f"node{number}"

    def _as_postgres(self, program: str, *arguments: str, check: bool = True) -> None:
        command = [str(self.bindir / program), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, check=check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _number in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
