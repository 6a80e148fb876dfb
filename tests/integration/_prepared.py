# GPL-3.0-or-later (see LICENSE)
"""Prepared transactions as a crash leaves them on data nodes, and what has become of them, read without any code of the collection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from _cluster import Cluster

_XID = "SELECT txid_current() % 4294967296"


def leave(cluster: Cluster, name: str, end: str, recorded: bool, owner: str = "postgres", server: int | None = None) -> str:
    """One of a transaction of the access node that ended so, C(COMMIT) or C(ROLLBACK). It makes a table of the name that is returned."""
    with cluster.an.connection(cluster.database) as connection, connection.cursor() as cursor:
        connection.autocommit = False
        cursor.execute(_XID)
        xid = cursor.fetchone()[0]
        if recorded:
            cursor.execute("INSERT INTO _timescaledb_catalog.remote_txn VALUES (%s, %s)", (name, gid_of(cluster, name, xid, owner, server)))
        cursor.execute(end)
    return prepare(cluster, name, gid_of(cluster, name, xid, owner, server), owner)


def prepare(cluster: Cluster, name: str, gid: str, owner: str = "postgres") -> str:
    """A prepared transaction of that name; returns the table that it makes."""
    table = f"of {gid}"
    cluster.dn(name).query(cluster.database, f'BEGIN; CREATE TABLE public."{table}" (); PREPARE TRANSACTION \'{gid}\'', user=owner)
    return table


@contextmanager
def in_progress(cluster: Cluster, name: str) -> Iterator[str]:
    """One of a transaction that the access node is still working at."""
    with cluster.an.connection(cluster.database) as connection, connection.cursor() as cursor:
        connection.autocommit = False
        cursor.execute(_XID)
        yield prepare(cluster, name, gid_of(cluster, name, cursor.fetchone()[0]))


def gid_of(cluster: Cluster, name: str, xid: int, owner: str = "postgres", server: int | None = None) -> str:
    (oid,) = cluster.query("SELECT oid::bigint FROM pg_foreign_server WHERE srvname = %s", name)[0]
    (role,) = cluster.query("SELECT oid::bigint FROM pg_roles WHERE rolname = %s", owner)[0]
    return f"ts-1-{xid}-{server or oid}-{role}"


def left(cluster: Cluster, name: str) -> set[str]:
    """The tables that transactions which are still prepared make."""
    return {f"of {gid}" for (gid,) in cluster.dn(name).query(cluster.database, "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()")}


def made(cluster: Cluster, name: str) -> set[str]:
    """The tables of those that were committed."""
    return {table for (table,) in cluster.dn(name).query(cluster.database, "SELECT relname::text FROM pg_class WHERE relname LIKE 'of %'")}


def recorded(cluster: Cluster) -> int:
    return cluster.query("SELECT count(*) FROM _timescaledb_catalog.remote_txn")[0][0]


def forget(cluster: Cluster) -> None:
    """Databases with prepared transactions cannot be dropped."""
    for server in cluster.servers.running():
        if cluster.database in server.databases():
            for (gid,) in server.query(cluster.database, "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"):
                server.query(cluster.database, f"ROLLBACK PREPARED '{gid}'")
