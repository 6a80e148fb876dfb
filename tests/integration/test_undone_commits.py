# GPL-3.0-or-later (see LICENSE)
"""What is left when a crash of the access node undoes a commit that data nodes have carried out, and how it is found and mended."""

from __future__ import annotations

from types import SimpleNamespace

import psycopg2
import pytest
from _cluster import Cluster

INFO = "timescale_cluster_info"
ROWS = 50
INSERT = f"INSERT INTO t SELECT '2026-03-01'::timestamptz, n FROM generate_series(1, {ROWS}) n"

pytestmark = pytest.mark.real_engine("two-phase commit of the access node with its data nodes")


@pytest.fixture
def crashed(servers, request):
    """A cluster whose access node has crashed right after a commit for which chunks were made."""
    synchronous_commit = request.param
    # Nothing but a commit writes the log.
    access_node = servers.start(f"commits-{synchronous_commit}", synchronous_commit=synchronous_commit, wal_writer_delay="10s")
    everybody = [access_node, *servers.data_nodes[:2]]
    cluster = Cluster(SimpleNamespace(access_node=access_node, data_nodes=everybody[1:], running=lambda: everybody), f"undone_{synchronous_commit}")
    cluster.register("dn1", "dn2")
    cluster.distribute("t", options=", 'device', chunk_time_interval => interval '1 day', replication_factor => 2")
    cluster.query("CHECKPOINT")
    cluster.query(INSERT)
    access_node.stop("immediate")
    access_node.start()
    yield cluster
    cluster.drop()
    access_node.stop()


def stale(cluster):
    nodes = cluster.succeed(INFO, gather_subset=["stale_chunks"])["data_nodes"]
    return {node["node_name"]: node["stale_chunks"]["chunks"] for node in nodes}


@pytest.mark.parametrize("crashed", ["off"], indirect=True)
def test_chunks_of_a_forgotten_commit_are_found_and_dropped(crashed):
    assert crashed.chunks() == [] and crashed.rows_on("dn1", "t") == crashed.rows_on("dn2", "t") == ROWS
    with pytest.raises(psycopg2.Error, match='chunk creation failed on data node "dn'):
        crashed.query(INSERT)
    assert all(stale(crashed).values())
    settings = crashed.succeed(INFO, gather_subset=["settings"])["settings"]
    assert (None, "off") in {(found["node_name"], found["value"]) for found in settings if found["name"] == "synchronous_commit"}
    for name in ("dn1", "dn2"):
        crashed.query("SELECT _timescaledb_functions.drop_stale_chunks(%s)", name)
    crashed.query(INSERT)
    assert not any(stale(crashed).values())
    assert crashed.query("SELECT count(*) FROM t") == [(ROWS,)]


@pytest.mark.parametrize("crashed", ["on"], indirect=True)
def test_with_the_setting_of_the_role_nothing_is_forgotten(crashed):
    assert crashed.query("SELECT count(*) FROM t") == [(ROWS,)]
    crashed.query(INSERT)
    assert not any(stale(crashed).values())
