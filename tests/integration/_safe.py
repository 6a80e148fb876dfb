# GPL-3.0-or-later (see LICENSE)
"""A cluster without anything to be reported, of which a test makes one thing less safe; it is mended afterwards."""

from __future__ import annotations

import os
import pwd
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import psycopg2
from _cluster import Cluster, quoted
from _servers import SECURED, Server, give_to_server_user

INFO = "timescale_cluster_info"
PASSWORD = "n0des/Only"
# Whoever runs the tests is let in over the socket, and nobody else.
_RULES = "local all postgres peer map=tests\nhost all postgres 127.0.0.1/32 scram-sha-256\n"
_KEPT = {"postgres", "app"}


class Safe:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.an, (self.dn1, self.dn2) = cluster.an, cluster.dns
        self._settings = {server.name: self._file(server, "postgresql.auto.conf").read_text() for server in self.servers}

    @property
    def servers(self) -> list[Server]:
        return [self.an, self.dn1, self.dn2]

    @staticmethod
    def _file(server: Server, name: str) -> Any:
        return server.data / name

    # Looking

    def report(self, **more: Any) -> dict[str, Any]:
        result = self.cluster.succeed(INFO, gather_subset=["hardening"], **more)
        assert result["changed"] is False
        return result["hardening"]

    def findings(self, **more: Any) -> list[tuple]:
        """(node, severity, check, object) of each; of a cluster with nothing else in it."""
        report = self.report(**more)
        for found in report["findings"]:
            assert all(found[key] for key in ("finding", "why", "remedy")), found
        return [(found["node_name"], found["severity"], found["check"], found["object"]) for found in report["findings"]]

    # Making less safe

    def sql(self, server: Server, statement: str, *values: Any) -> list[tuple]:
        return server.query(self.cluster.database, statement, *values)

    def set(self, server: Server, **settings: str) -> None:
        for name, value in settings.items():
            self.sql(server, f"ALTER SYSTEM SET {name} = %s", value)
        self.reload(server)

    def rules(self, server: Server, *lines: str, reload: bool = True) -> str:
        """Put lines behind those that are there, and return the name of the file."""
        path = self._file(server, "pg_hba.conf")
        path.write_text(_RULES + "".join(f"{line}\n" for line in lines))
        if reload:
            self.reload(server)
        return str(path)

    @staticmethod
    def reload(server: Server) -> None:
        """And wait until sessions that begin now have it."""
        with server.connection("postgres") as connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_conf_load_time()")
            (before,) = cursor.fetchone()
            cursor.execute("SELECT pg_reload_conf()")
            while server.value("postgres", "SELECT pg_conf_load_time()") == before:
                pass

    @contextmanager
    def session(self, server: Server, **more: Any):
        with psycopg2.connect(**dict(host=str(server.root), port=server.port, dbname=self.cluster.database, user="postgres") | more) as connection:
            yield connection
        connection.close()

    def mend(self) -> None:
        for server in self.servers:
            self._file(server, "postgresql.auto.conf").write_text(self._settings[server.name])
            self.rules(server)
            self.sql(server, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
            for (name,) in self.sql(server, "SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_'"):
                if name not in _KEPT:
                    self.sql(server, f"DROP OWNED BY {quoted(name)} CASCADE; DROP ROLE {quoted(name)}")


def start(servers: Any, database: str) -> Safe:
    """Servers of their own, kept for the tests that follow."""
    passfile = servers.base.root / "safe.passfile"
    settings = {"timescaledb.passfile": str(passfile)}
    nodes = [servers.extra(name, **settings) for name in ("safe-an", "safe-dn1", "safe-dn2")]
    if not passfile.exists():
        passfile.write_text(f"*:*:*:postgres:{PASSWORD}\n")
        passfile.chmod(0o600)
        give_to_server_user(passfile)
        for server in nodes:
            server.query("postgres", f"ALTER ROLE postgres PASSWORD '{PASSWORD}'")
            server.query("postgres", f"DROP ROLE {SECURED}")
        verifier = nodes[0].value("postgres", "SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'")
        for server in nodes:
            server.query("postgres", f"ALTER ROLE postgres PASSWORD '{verifier}'")
            (server.data / "pg_ident.conf").write_text(f"tests {pwd.getpwuid(os.geteuid()).pw_name} postgres\n")
            (server.data / "pg_hba.conf").write_text(_RULES)
            Safe.reload(server)
    access_node, *data_nodes = nodes
    cluster = Cluster(SimpleNamespace(access_node=access_node, data_nodes=data_nodes, running=lambda: nodes), database)
    cluster.register("safe-dn1", "safe-dn2")
    for server in nodes:
        server.end_sessions()
    return Safe(cluster)
