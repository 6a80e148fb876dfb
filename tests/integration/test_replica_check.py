# GPL-3.0-or-later (see LICENSE)
from __future__ import annotations

import threading

import pytest
from _cluster import Cluster

MODULE = "timescale_replica_check"


@pytest.fixture
def replicated(nodes: Cluster) -> Cluster:
    nodes.distribute("t", options=", 'device', replication_factor => 2")
    nodes.fill("t")
    return nodes


def copies(cluster: Cluster) -> dict[str, list[str]]:
    """The data nodes of each chunk."""
    found: dict[str, list[str]] = {}
    query = "SELECT c.table_name::text, d.node_name::text FROM _timescaledb_catalog.chunk_data_node d JOIN _timescaledb_catalog.chunk c ON c.id = d.chunk_id"
    for chunk, node in sorted(cluster.query(query)):
        found.setdefault(chunk, []).append(node)
    return found


def tamper(cluster: Cluster, chunk: str, node: str, statement: str) -> None:
    with cluster.dn(node).connection(cluster.database, options="-c timescaledb.enable_client_ddl_on_data_nodes=on") as connection:
        connection.cursor().execute(statement.format(chunk=f'_timescaledb_internal."{chunk}"'))


def test_equal_copies(replicated):
    result = replicated.succeed(MODULE)
    assert result["changed"] is False and result["chunks"] == len(copies(replicated)) == 3
    assert result["rows"] == 100 and result["differing"] == []


def test_nothing_to_compare(nodes):
    nodes.distribute("single")
    nodes.fill("single")
    assert nodes.succeed(MODULE)["chunks"] == 0


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM {chunk} WHERE ctid = (SELECT min(ctid) FROM {chunk})",
        "UPDATE {chunk} SET time = time + interval '1 microsecond' WHERE ctid = (SELECT min(ctid) FROM {chunk})",
        "UPDATE {chunk} SET value = NULL WHERE ctid = (SELECT min(ctid) FROM {chunk})",
    ],
)
def test_copies_that_differ(nodes, statement):
    columns = "time timestamptz NOT NULL, device int NOT NULL, value int DEFAULT 1, timescaledb text, t text, row text"
    nodes.distribute("t", columns, ", 'device', replication_factor => 2")
    nodes.query("INSERT INTO t (time, device) SELECT '2026-01-01'::timestamptz + n * interval '1 minute', n FROM generate_series(1, 100) n")
    chunk, (first, second) = next(iter(copies(nodes).items()))
    tamper(nodes, chunk, second, statement)
    result = nodes.run(MODULE)
    assert result["failed"] and "its copies differ" in result["msg"] and first in result["msg"] and second in result["msg"] and "Remedy" in result["msg"]
    assert result["chunks"] == 3 and [found["chunk"] for found in result["differing"]] == [f"_timescaledb_internal.{chunk}"]
    others = [name for name in ("dn1", "dn2", "dn3") if name not in (first, second)]
    # A chunk of the third node's is one of the other two nodes' as well, but not this one.
    assert nodes.run(MODULE, nodes=[first])["failed"] and nodes.succeed(MODULE, nodes=others)["chunks"] == 2


def test_a_copy_that_is_not_there(replicated):
    chunk, (_first, second) = next(iter(copies(replicated).items()))
    tamper(replicated, chunk, second, "ALTER TABLE {chunk} RENAME TO elsewhere")
    result = replicated.run(MODULE)
    assert result["failed"] and f'"{second}" cannot be read' in result["msg"] and "does not exist" in result["msg"]


def test_settings_of_a_server_do_not_matter(replicated):
    replicated.dn("dn1").query("postgres", f"ALTER DATABASE {replicated.database} SET timezone = 'Asia/Kolkata'")
    replicated.dn("dn2").query("postgres", f"ALTER DATABASE {replicated.database} SET datestyle = 'German'")
    assert replicated.succeed(MODULE)["rows"] == 100


def test_writers_do_not_make_a_difference(replicated):
    stop = threading.Event()

    def write() -> None:
        with replicated.an.connection(replicated.database) as connection, connection.cursor() as cursor:
            while not stop.is_set():
                cursor.execute("INSERT INTO t SELECT '2026-01-01'::timestamptz, n FROM generate_series(1, 30) n")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _run in range(5):
            assert replicated.succeed(MODULE)["differing"] == []
    finally:
        stop.set()
        writer.join()
    assert replicated.succeed(MODULE)["rows"] == replicated.query("SELECT count(*) FROM t")[0][0]


def test_an_open_transaction_is_in_the_way_of_a_second_look(replicated):
    chunk, (_first, second) = next(iter(copies(replicated).items()))
    tamper(replicated, chunk, second, "DELETE FROM {chunk}")
    with replicated.an.connection(replicated.database) as connection, connection.cursor() as cursor:
        connection.autocommit = False
        cursor.execute("INSERT INTO t VALUES ('2026-01-01', 1)")
        result = replicated.run(MODULE, lock_timeout=1)
    assert result["failed"] and "lock timeout" in result["msg"] and 'distributed hypertable "public"."t"' in result["msg"]


def test_unavailable_nodes_are_left_out(replicated):
    replicated.query("SELECT alter_data_node('dn1', available => false)")
    assert replicated.succeed(MODULE)["chunks"] == 1
    replicated.refuse(MODULE, 'data node "dn1" is marked unavailable', nodes=["dn1"])


def test_refusals(replicated):
    replicated.refuse(MODULE, 'data node "nobody" is not registered', nodes=["nobody"])
    replicated.refuse(MODULE, "option lock_timeout: it is 0", lock_timeout=0)


def test_a_dead_node(nodes, mortal):
    nodes.distribute("t", options=", 'device', replication_factor => 2")
    nodes.fill("t")
    mortal.stop()
    result = nodes.run(MODULE)
    assert result["failed"] and 'data node "mortal"' in result["msg"] and "no connection" in result["msg"]


@pytest.mark.real_engine("compression")
def test_compressed_chunks_and_names_that_need_quotes(nodes):
    nodes.distribute('"My Table"', options=", 'device', replication_factor => 2")
    nodes.fill('"My Table"')
    nodes.query("""ALTER TABLE "My Table" SET (timescaledb.compress, timescaledb.compress_segmentby = 'device')""")
    nodes.query("""SELECT compress_chunk(c) FROM show_chunks('"My Table"') c LIMIT 2""")
    assert nodes.succeed(MODULE)["rows"] == 100
