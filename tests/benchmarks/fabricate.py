# GPL-3.0-or-later (see LICENSE)
"""Chunks that exist in the catalogues only: too many to be made by inserting rows, and read by the same queries as real ones.

On the access node a chunk and its copies, round about on the attached data nodes; on each data node the chunks that it is said to have.
There are no tables behind them.
"""

from __future__ import annotations

from _servers import Server

_ON_ACCESS_NODE = """
WITH hypertable AS (
  SELECT id, row_number() OVER (ORDER BY id) - 1 AS number, count(*) OVER () AS hypertables FROM _timescaledb_catalog.hypertable WHERE replication_factor > 0),
node AS (
  SELECT node_name, row_number() OVER (ORDER BY node_name) - 1 AS number, count(*) OVER () AS nodes FROM timescaledb_information.data_nodes),
made AS (
  INSERT INTO _timescaledb_catalog.chunk (id, hypertable_id, schema_name, table_name, creation_time)
  SELECT 1000000 + n, h.id, '_timescaledb_internal', format('_fabricated_%%s_chunk', n), now()
    FROM generate_series(1, %s) AS n JOIN hypertable h ON h.number = n %% h.hypertables
  RETURNING id)
INSERT INTO _timescaledb_catalog.chunk_data_node (chunk_id, node_chunk_id, node_name)
SELECT m.id, m.id, d.node_name FROM made m JOIN node d ON d.number = m.id %% d.nodes
"""
_HELD = "SELECT array_agg(node_chunk_id)::text FROM _timescaledb_catalog.chunk_data_node WHERE node_name = %s"
_ON_DATA_NODE = """
INSERT INTO _timescaledb_catalog.chunk (id, hypertable_id, schema_name, table_name, creation_time)
SELECT id, (SELECT min(h.id) FROM _timescaledb_catalog.hypertable h), '_timescaledb_internal', format('_fabricated_%%s_chunk', id), now()
  FROM unnest(%s::int[]) AS c (id)
"""


def fabricate_chunks(access_node: Server, data_nodes: list[Server], database: str, number: int) -> None:
    """Add so many chunks to the distributed hypertables that are there; each data node has to have the name of its server."""
    access_node.query(database, _ON_ACCESS_NODE, number)
    for server in data_nodes:
        server.query(database, _ON_DATA_NODE, access_node.value(database, _HELD, server.name))
    for server in (access_node, *data_nodes):
        server.query(database, "ANALYZE")
