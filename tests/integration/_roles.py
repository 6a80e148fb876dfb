# GPL-3.0-or-later (see LICENSE)
"""Runs timescale_role against a cluster and reads roles, schemas, extensions and privileges back without any code of the module's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from _cluster import Cluster, quoted
from _servers import SECURED, Server

ROLE = "timescale_role"
# The loader of TimescaleDB knows this setting; a look at catalogues needs no more of it.
WITHOUT_LIBRARIES = "-c timescaledb.disable_load=on"
_KEPT = {"postgres", SECURED, "app"}

_ATTRIBUTES = """
SELECT rolcanlogin, rolinherit, rolcreatedb, rolcreaterole, rolsuper, rolconnlimit,
       (SELECT coalesce(array_agg(g.rolname::text ORDER BY g.rolname::text COLLATE "C"), '{}') FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
         WHERE m.member = r.oid)
  FROM pg_roles r WHERE rolname = %s
"""
_NAMES = ("login", "inherit", "createdb", "createrole", "superuser", "connection_limit", "member_of")
_TEST = {"table": "has_table_privilege", "sequence": "has_sequence_privilege", "schema": "has_schema_privilege"}

# Everything that the module could change in a database, and in its server.
_EVERYTHING = (
    "SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolconnlimit, rolpassword FROM pg_authid",
    "SELECT roleid::regrole::text, member::regrole::text, admin_option FROM pg_auth_members",
    "SELECT datname, datdba::regrole::text, datacl::text FROM pg_database",
    "SELECT nspname, nspowner::regrole::text, nspacl::text FROM pg_namespace WHERE nspname !~ '^pg_t'",
    "SELECT relnamespace::regnamespace::text, relname, relowner::regrole::text, relacl::text FROM pg_class",
    "SELECT defaclrole::regrole::text, defaclnamespace::regnamespace::text, defaclobjtype::text, defaclacl::text FROM pg_default_acl",
    "SELECT srvname, srvowner::regrole::text, srvacl::text FROM pg_foreign_server",
    "SELECT usename, srvname, umoptions::text FROM pg_user_mappings",
    "SELECT extname, extversion, extnamespace::regnamespace::text FROM pg_extension",
)


class Roles:
    """The three nodes dn1 to dn3 and the access node, as the module deals with them."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.database = cluster.database
        self.an = cluster.an
        self.dns = [cluster.dn(name) for name in ("dn1", "dn2", "dn3")]
        self.servers: dict[str, Server] = {"access node": self.an, **{server.name: server for server in self.dns}}

    # Running

    def run(self, check: bool = False, **arguments: Any) -> dict[str, Any]:
        return self.cluster.run(ROLE, check, **arguments)

    def converge(self, **arguments: Any) -> dict[str, Any]:
        """Check mode changes nothing and predicts the real run, which does it; the second run finds nothing to do."""
        before = self.everything()
        predicted = self.cluster.succeed(ROLE, check=True, **arguments)
        assert self.everything() == before
        result = self.cluster.succeed(ROLE, **arguments)
        for key in ("changed", "before", "after", "steps", "diff"):
            assert result[key] == predicted[key], key
        assert result["changed"] is bool(result["steps"]) is (self.everything() != before)
        self.check(result["after"])
        assert all(step["object"] in result["diff"]["prepared"] for step in result["steps"])
        self.unchanged(**arguments)
        return result

    def unchanged(self, **arguments: Any) -> None:
        before = self.everything()
        for check in (True, False):
            result = self.cluster.succeed(ROLE, check, **arguments)
            assert result["changed"] is False and result["steps"] == []
            assert result["before"] == result["after"] == {"roles": [], "schemas": [], "extensions": []}
        assert self.everything() == before

    def refuse(self, *expected: str, **arguments: Any) -> str:
        """The message of a refusal; check mode and real run refuse with the same one and change nothing."""
        before = self.everything()
        predicted, result = self.run(check=True, **arguments), self.run(**arguments)
        assert predicted.get("failed") and result.get("failed"), result
        assert result["msg"] == predicted["msg"]
        assert not result.get("changed") and "steps" not in result
        assert self.everything() == before
        for text in expected:
            assert text in result["msg"], result["msg"]
        return result["msg"]

    def on(self, node: str, statement: str, *values: Any, user: str = "postgres") -> list[tuple]:
        return self.servers[node].query(self.database, statement, *values, user=user)

    def everywhere(self, statement: str) -> None:
        for node in self.servers:
            self.on(node, statement)

    # Reading back

    def everything(self) -> dict[str, Any]:
        with ThreadPoolExecutor() as pool:
            return dict(zip(self.servers, pool.map(self._everything_on, self.servers.values())))

    def _everything_on(self, server: Server) -> list[list[str]] | None:
        if not server.is_running:
            return None
        with server.connection(self.database, options=WITHOUT_LIBRARIES) as connection, connection.cursor() as cursor:
            found = []
            for query in _EVERYTHING:
                cursor.execute(query)
                found.append(sorted(map(repr, cursor.fetchall())))
            return found

    def attributes(self, node: str, role: str) -> dict[str, Any] | None:
        rows = self.on(node, _ATTRIBUTES, role)
        return dict(zip(_NAMES, rows[0])) if rows else None

    def verifier(self, node: str, role: str) -> str | None:
        return self.on(node, "SELECT rolpassword FROM pg_authid WHERE rolname = %s", role)[0][0]

    def nodes_with(self, role: str) -> set[str]:
        return {node for node in self.servers if self.attributes(node, role)}

    def may(self, node: str, role: str, kind: str, name: str, privilege: str) -> bool:
        return self.on(node, f"SELECT {_TEST[kind]}(%s, %s, %s)", role, name, privilege)[0][0]

    def acl(self, node: str, relation: str) -> dict[str, str]:
        """Role -> privileges granted on a relation, as letters."""
        rows = self.on(node, "SELECT unnest(relacl)::text FROM pg_class WHERE oid = %s::regclass", relation)
        return dict(text.split("/")[0].rsplit("=", 1) for (text,) in rows)

    def check(self, shown: dict[str, Any]) -> None:
        """What the module shows is what the nodes have."""
        for entry in shown["roles"]:
            found = self.attributes(entry["node"], entry["name"])
            assert found == {name: entry[name] for name in _NAMES}, entry
            for subject, privileges in entry["privileges"].items():
                kind, _space, name = subject.partition(" ")
                name = name[1:-1] if kind == "schema" else name
                for privilege in privileges if kind in _TEST else ():
                    assert self.may(entry["node"], entry["name"], kind, name, privilege), (entry["node"], subject, privilege)
            if entry["node"] == "access node" and "data_nodes" in entry:
                rows = self.on("access node", "SELECT srvname FROM pg_foreign_server WHERE has_server_privilege(%s, oid, 'USAGE')", entry["name"])
                assert sorted(name for (name,) in rows) == entry["data_nodes"]
        for entry in shown["schemas"]:
            rows = self.on(entry["node"], "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = %s", entry["name"])
            assert rows in ([(entry["owner"],)], [(quoted(entry["owner"]),)])
        for entry in shown["extensions"]:
            rows = self.on(entry["node"], "SELECT extversion FROM pg_extension WHERE extname = %s", entry["name"])
            assert rows == [(entry["version"],)]

    def clean(self) -> None:
        """Drop the databases of the test, then its roles, which servers would keep."""
        self.cluster.drop()
        for server in {server.name: server for server in [*self.servers.values(), *self.cluster.servers.running()]}.values():
            with server.connection("postgres") as connection, connection.cursor() as cursor:
                cursor.execute(r"SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_'")
                for (name,) in cursor.fetchall():
                    if name not in _KEPT:
                        cursor.execute(f"DROP OWNED BY {quoted(name)}; DROP ROLE {quoted(name)}")


def steps(result: dict[str, Any]) -> list[tuple[str, str]]:
    """What was done to which object, without the order of data nodes."""
    return sorted((step["action"], step["object"]) for step in result["steps"])
