# GPL-3.0-or-later (see LICENSE)
"""Drift of registered data nodes."""

from __future__ import annotations

import pytest
from _cluster import DATA_NODE


def test_equal_node_is_left_alone(nodes):
    nodes.unchanged(DATA_NODE, **nodes.place("dn1"))
    nodes.unchanged(DATA_NODE, node_name="dn1")


def test_nothing_to_do_does_not_look_at_the_nodes(nodes):
    offset = nodes.dn("dn1").log_size()
    nodes.unchanged(DATA_NODE, **nodes.place("dn1"))
    reads_of_this_test = ("metadata WHERE key = 'dist_uuid'", "SELECT nspname FROM pg_namespace")
    for statement in nodes.dn("dn1").statements_since(offset, nodes.database):
        assert any(read in statement for read in reads_of_this_test), statement


def test_statements_do_not_grow_with_nodes(nodes):
    """Counted in the access node's log, in a run with nothing to do."""
    nodes.register("dn4", "dn5")

    def statements(*names: str) -> int:
        offset = nodes.an.log_size()
        assert nodes.succeed(DATA_NODE, data_nodes=[nodes.place(name) for name in names])["changed"] is False
        return len(nodes.an.statements_since(offset, nodes.database))

    assert 0 < statements("dn1", "dn2", "dn3", "dn4", "dn5") == statements("dn1") <= 4


def test_host(nodes):
    result = nodes.converge(DATA_NODE, **nodes.place("dn1", host="localhost"))
    assert result["steps"][0]["reason"] == "host is 127.0.0.1, wanted localhost"
    assert nodes.nodes()["dn1"][0] == "localhost"


def test_place_of_a_copy(nodes):
    """The data node moves to another port and database: a copy that keeps its membership."""
    old, new = nodes.dn("dn1"), nodes.dn("dn4")
    uuid, dist_uuid = (old.value(nodes.database, "SELECT value FROM _timescaledb_catalog.metadata WHERE key = %s", key) for key in ("uuid", "dist_uuid"))
    new.create_database("moved")
    new.query("moved", "UPDATE _timescaledb_catalog.metadata SET value = %s WHERE key = 'uuid'", uuid)
    new.query("moved", "INSERT INTO _timescaledb_catalog.metadata VALUES ('dist_uuid', %s, true)", dist_uuid)
    result = nodes.converge(DATA_NODE, node_name="dn1", port=new.port, database="moved")
    assert [step["action"] for step in result["steps"]] == ["alter"]
    assert nodes.nodes()["dn1"] == ("127.0.0.1", new.port, "moved", True)


def test_place_of_no_data_node(nodes):
    nodes.refuse(DATA_NODE, "is no data node of this cluster", node_name="dn1", port=nodes.dn("dn4").port)


def test_place_of_no_database(nodes):
    nodes.refuse(DATA_NODE, "no database with TimescaleDB at the new place", node_name="dn1", database="nowhere")


def test_place_where_nobody_answers(nodes, closed_port):
    nodes.refuse(DATA_NODE, "no connection as role postgres", f"127.0.0.1:{closed_port}", node_name="dn1", port=closed_port)


def test_place_of_another_data_node(nodes):
    nodes.refuse(DATA_NODE, 'already that of data node "dn1"', node_name="dn2", port=nodes.dn("dn1").port)


def test_availability_both_ways(nodes):
    assert nodes.converge(DATA_NODE, node_name="dn1", available=False)["steps"][0]["reason"] == "available is True, wanted False"
    assert nodes.nodes()["dn1"][3] is False
    nodes.unchanged(DATA_NODE, node_name="dn1")
    nodes.converge(DATA_NODE, node_name="dn1", available=True)
    assert nodes.nodes()["dn1"][3] is True


def test_dead_node_becomes_unavailable_but_not_available(cluster, mortal):
    mortal.stop()
    cluster.converge(DATA_NODE, node_name="mortal", available=False)
    cluster.refuse(DATA_NODE, "no connection", node_name="mortal", available=True)
    mortal.start()
    cluster.converge(DATA_NODE, node_name="mortal", available=True)


@pytest.mark.parametrize("port", [0, 65536])
def test_impossible_port(nodes, port):
    nodes.refuse(DATA_NODE, "is not a port number", node_name="dn1", port=port)


def test_several_differences_in_one_list(nodes):
    nodes.query("SELECT alter_data_node('dn2', available => false)")
    wanted = [nodes.place("dn1", host="localhost"), nodes.place("dn2", available=True), nodes.place("dn3"), nodes.place("dn4")]
    result = nodes.converge(DATA_NODE, data_nodes=wanted)
    assert [step["object"] for step in result["steps"]] == [f'data node "dn{number}"' for number in (1, 2, 4)]


TAKING = """
SELECT DISTINCT unnest(p.data_nodes)::text FROM _timescaledb_catalog.dimension_partition p JOIN _timescaledb_catalog.dimension d ON d.id = p.dimension_id
  JOIN _timescaledb_catalog.hypertable h ON h.id = d.hypertable_id WHERE h.table_name = 'conditions' ORDER BY 1
"""


@pytest.mark.real_engine("partitions reckoned anew by set_replication_factor()")
@pytest.mark.parametrize("interrupted", [False, True])
def test_a_node_that_is_available_again_takes_new_chunks(nodes, interrupted):
    nodes.distribute("conditions", options=", 'device', 6, replication_factor => 2")
    nodes.query("SELECT alter_data_node('dn3', available => false)")
    nodes.query("SELECT set_replication_factor('conditions', 2)")
    assert nodes.query(TAKING) == [("dn1",), ("dn2",)]
    if interrupted:
        nodes.query("SELECT alter_data_node('dn3', available => true)")
    result = nodes.converge(DATA_NODE, node_name="dn3", available=True)
    assert [step["action"] for step in result["steps"]] == (["set"] if interrupted else ["alter", "set"])
    assert nodes.query(TAKING) == [("dn1",), ("dn2",), ("dn3",)]
    nodes.unchanged("timescale_cluster", data_nodes=[dict(node_name="dn3", available=True)])


def test_a_node_that_no_partition_needs_is_not_missed(nodes):
    nodes.distribute("conditions", options=", 'device', 2")
    nodes.unchanged(DATA_NODE, node_name="dn3", available=True)
