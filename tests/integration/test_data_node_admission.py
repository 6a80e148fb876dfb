# GPL-3.0-or-later (see LICENSE)
"""What forbids to register a data node, seen before the first change."""

from __future__ import annotations

import time

import pytest
from _cluster import DATA_NODE


def test_host_is_needed(cluster):
    cluster.refuse(DATA_NODE, "no host is given", node_name="dn1")


def test_own_database(cluster):
    cluster.refuse(DATA_NODE, "the access node's own database", node_name="me", host="127.0.0.1", port=cluster.an.port)


def test_own_database_with_data_nodes(nodes):
    nodes.refuse(DATA_NODE, "the access node's own database", node_name="me", host="localhost", port=nodes.an.port)


def test_one_endpoint_with_two_names(cluster):
    wanted = [cluster.place("dn1"), cluster.place("dn1", node_name="twin")]
    cluster.refuse(DATA_NODE, 'data node "twin"', 'is already that of data node "dn1"', data_nodes=wanted)


def test_one_database_behind_two_hosts(nodes):
    nodes.refuse(DATA_NODE, 'data node "twin"', **nodes.place("dn1", node_name="twin", host="localhost"))


def test_one_name_twice(cluster):
    cluster.refuse(DATA_NODE, "it is listed 2 times", data_nodes=[cluster.place("dn1"), cluster.place("dn1")])


def test_connection_refused(cluster, closed_port):
    message = cluster.refuse(DATA_NODE, 'data node "dn1"', f"127.0.0.1:{closed_port}", **cluster.place("dn1", port=closed_port))
    assert "Remedy: start the node" in message


def test_silent_node_costs_its_timeout(cluster, silent_port):
    started = time.monotonic()
    result = cluster.run(DATA_NODE, **cluster.place("dn1", port=silent_port, connect_timeout=3))
    assert "no connection" in result["msg"]
    assert 2 < time.monotonic() - started < 5.5  # a second attempt would make it 6


def test_several_silent_nodes_cost_one_timeout(cluster, silent_port):
    wanted = [dict(node_name=f"n{number}", host="127.0.0.1", port=silent_port, database=f"d{number}", connect_timeout=3) for number in range(8)]
    started = time.monotonic()
    result = cluster.run(DATA_NODE, data_nodes=wanted)
    assert time.monotonic() - started < 7  # a second and third attempt would make it 9, one after another 24
    assert all(f'data node "n{number}"' in result["msg"] for number in range(8))


def test_all_findings_in_one_message(cluster, closed_port):
    cluster.dn("dn2").query(cluster.database, "INSERT INTO _timescaledb_catalog.metadata VALUES ('dist_uuid', gen_random_uuid(), true)")
    wanted = [cluster.place("dn1", port=closed_port), cluster.place("dn2"), cluster.place("dn3")]
    message = cluster.refuse(DATA_NODE, 'data node "dn1"', 'data node "dn2"', data_nodes=wanted)
    assert '"dn3"' not in message


def test_prepared_transactions_are_needed(cluster, servers):
    server = servers.extra("unprepared", max_prepared_transactions=0)
    server.create_database(cluster.database)
    cluster.refuse(DATA_NODE, "max_prepared_transactions is 0", node_name="dn1", host="127.0.0.1", port=server.port)


def test_standby_as_data_node(cluster, servers):
    server = servers.extra("standby", "standby.signal", hot_standby="on")
    message = cluster.refuse(DATA_NODE, "it is a standby", node_name="dn1", host="127.0.0.1", port=server.port, database="ready")
    assert "promote" in message


def test_server_without_preloaded_library(cluster, servers):
    server = servers.extra("unloaded", shared_preload_libraries="")
    cluster.refuse(DATA_NODE, "shared_preload_libraries lacks timescaledb", node_name="dn1", host="127.0.0.1", port=server.port)


@pytest.mark.parametrize(
    "options, findings",
    [
        ("ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'", ["encoding SQL_ASCII", "collation C,", "LC_CTYPE C,"]),
        ("LC_COLLATE 'C'", ["collation C,"]),
        ("LC_CTYPE 'C'", ["LC_CTYPE C,"]),
    ],
)
def test_locale(cluster, options, findings):
    cluster.dn("dn1").create_database("other", template="template0", more=options)
    message = cluster.refuse(DATA_NODE, *findings, **cluster.place("dn1", database="other"))
    assert message.count("the access node's has") == len(findings)


def test_apache_edition_as_data_node(cluster, servers):
    server = servers.extra("apache", **{"timescaledb.license": "apache"})
    cluster.refuse(DATA_NODE, "Apache edition", node_name="dn1", host="127.0.0.1", port=server.port, database="ready")


def test_debians_own_timescaledb_as_data_node(cluster, trixie_address):
    # Its build has no library under the Timescale License, and nobody has set timescaledb.license.
    findings = ["it runs TimescaleDB's Apache edition", "PostgreSQL 17, and TimescaleDB has no multi-node", "it exists in 2.0 to 2.13 only"]
    cluster.refuse(DATA_NODE, *findings, node_name="dn1", host=trixie_address, port=5432, database="ready")


@pytest.mark.parametrize("release", ["2.12.3", "2.14.2"])
def test_release_that_is_not_accepted(cluster, fabricated, release):
    cluster.refuse(DATA_NODE, f"TimescaleDB {release}", node_name="dn1", host="127.0.0.1", port=fabricated.port, database=release)


def test_bootstrap_of_a_release_that_is_not_installed(cluster, fabricated):
    message = cluster.refuse(DATA_NODE, "is not installed there (available: ", node_name="dn1", host="127.0.0.1", port=fabricated.port)
    assert "2.12.3, 2.13.0" in message


@pytest.mark.parametrize("seconds", [0, -1])
def test_endless_timeout(cluster, seconds):
    cluster.refuse(DATA_NODE, f"connect_timeout is {seconds}", **cluster.place("dn1", connect_timeout=seconds))


def test_shortest_timeout_still_finds_the_server_of_a_missing_database(cluster):
    cluster.dn("dn1").drop_database(cluster.database)
    cluster.succeed(DATA_NODE, check=True, **cluster.place("dn1", connect_timeout=1))
