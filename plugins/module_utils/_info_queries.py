# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""What each subset of facts is read by: one query on the access node, one on each data node, whatever the number of objects. No I/O.

A subset with parts has one for each of them.

Everything that grows with the number of chunks is aggregated by the server.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.timescaledb.multinode.plugins.module_utils._hardening_queries import PARTS
from ansible_collections.timescaledb.multinode.plugins.module_utils._prepared_look import PREPARED
from ansible_collections.timescaledb.multinode.plugins.module_utils._versions import CHUNK_COPY_OPERATIONS, FIRST_WITH_MULTINODE, Release

_SAMPLE = 5


@dataclass(frozen=True)
class Subset:
    """A group of facts that can be asked for.

    Args:
        access_node: query on the access node; None where there is none.
        data_node: query on each data node; None where there is none.
        since: the first release that has what it reads.
        parts: what is asked in its place; empty where it has queries of its own.
    """

    access_node: str | None = None
    data_node: str | None = None
    since: Release = FIRST_WITH_MULTINODE
    parts: tuple[str, ...] = ()


_NODE = """
SELECT current_setting('server_version') AS postgresql_version, pg_is_in_recovery() AS in_recovery,
       (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS timescaledb_version,
       pg_database_size(current_database()) AS database_bytes,
       (SELECT value FROM _timescaledb_catalog.metadata WHERE key = 'dist_uuid') AS dist_uuid
"""

_HYPERTABLES = """
SELECT h.schema_name AS schema, h.table_name AS relation, pg_get_userbyid(c.relowner)::text AS owner, h.replication_factor,
       (SELECT jsonb_agg(jsonb_build_object('column', column_name, 'type', column_type::text, 'interval', interval_length, 'partitions', num_slices)
                         ORDER BY id) FROM _timescaledb_catalog.dimension d WHERE d.hypertable_id = h.id) AS dimensions,
       (SELECT jsonb_agg(jsonb_build_object('node_name', node_name, 'takes_chunks', NOT block_chunks) ORDER BY node_name)
          FROM _timescaledb_catalog.hypertable_data_node d WHERE d.hypertable_id = h.id) AS data_nodes
  FROM _timescaledb_catalog.hypertable h
  LEFT JOIN pg_namespace n ON n.nspname = h.schema_name
  LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = h.table_name
 WHERE h.replication_factor > 0
 ORDER BY 1, 2
"""

# Of chunks that are put by PostgreSQL knows so little that it compiles the query first, which takes longer than reading them three times.
_PLACEMENT = f"""
WITH chunk AS NOT MATERIALIZED (
  SELECT c.id, c.hypertable_id, h.replication_factor AS wanted
    FROM _timescaledb_catalog.chunk c JOIN _timescaledb_catalog.hypertable h ON h.id = c.hypertable_id
   WHERE h.replication_factor > 0 AND NOT c.dropped),
total AS (SELECT hypertable_id, count(*) AS chunks FROM chunk GROUP BY 1),
placed AS (
  SELECT hypertable_id, jsonb_object_agg(node_name, chunks) AS nodes
    FROM (SELECT c.hypertable_id, d.node_name, count(*) AS chunks
            FROM _timescaledb_catalog.chunk_data_node d JOIN chunk c ON c.id = d.chunk_id GROUP BY 1, 2) AS counted
   GROUP BY 1),
lacking AS (
  SELECT c.hypertable_id, count(*) AS chunks, (array_agg(c.id ORDER BY c.id))[1:{_SAMPLE}] AS sample
    FROM chunk c LEFT JOIN (SELECT chunk_id, count(*) AS copies FROM _timescaledb_catalog.chunk_data_node GROUP BY 1) AS d ON d.chunk_id = c.id
   WHERE coalesce(d.copies, 0) < c.wanted
   GROUP BY 1)
SELECT h.schema_name AS schema, h.table_name AS relation, coalesce(t.chunks, 0) AS chunks, p.nodes AS chunks_by_node,
       coalesce(l.chunks, 0) AS under_replicated,
       (SELECT array_agg(format('%I.%I', c.schema_name, c.table_name) ORDER BY c.id) FROM _timescaledb_catalog.chunk c WHERE c.id = ANY (l.sample)) AS sample,
       (SELECT jsonb_agg(node_name) FROM _timescaledb_catalog.hypertable_data_node d WHERE d.hypertable_id = h.id) AS attached
  FROM _timescaledb_catalog.hypertable h
  LEFT JOIN total t ON t.hypertable_id = h.id
  LEFT JOIN placed p ON p.hypertable_id = h.id
  LEFT JOIN lacking l ON l.hypertable_id = h.id
 WHERE h.replication_factor > 0
"""

# The rows of a compressed chunk are in a chunk of another hypertable, which belongs to it.
_SIZES = """
SELECT schema, relation, sum(pg_total_relation_size(t.oid))::bigint AS bytes
  FROM (SELECT h.schema_name AS schema, h.table_name AS relation, p.schema_name, p.table_name
          FROM _timescaledb_catalog.hypertable h
          JOIN _timescaledb_catalog.chunk c ON c.hypertable_id = h.id AND NOT c.dropped
          JOIN _timescaledb_catalog.chunk p ON p.id IN (c.id, c.compressed_chunk_id)
         WHERE h.replication_factor = -1) AS part
  JOIN pg_namespace n ON n.nspname = part.schema_name
  JOIN pg_class t ON t.relnamespace = n.oid AND t.relname = part.table_name
 GROUP BY 1, 2
"""

# Which chunks the access node knows of on each data node; handed to that node as it is.
_KNOWN_CHUNKS = """
SELECT node_name::text AS node_name, array_agg(node_chunk_id)::text AS chunk_ids FROM _timescaledb_catalog.chunk_data_node GROUP BY 1
"""
# The others are what drop_stale_chunks() would drop (ts_chunk_drop_stale_chunks() in tsl/src/chunk.c).
_STALE = f"""
SELECT count(*) AS chunks, (array_agg(format('%%I.%%I', c.schema_name, c.table_name) ORDER BY c.id))[1:{_SAMPLE}] AS sample
  FROM _timescaledb_catalog.chunk c JOIN _timescaledb_catalog.hypertable h ON h.id = c.hypertable_id
 WHERE h.replication_factor = -1 AND NOT c.dropped AND c.id NOT IN (SELECT unnest(%s::int[]))
"""

# A finished operation stays in the catalogue as well, until it is cleaned up. One that is not finished runs as long as the session that began it is
# busy; what began before that session did is another one's. When a session began and whether it is busy is null to roles that may not see it.
_COPY_OPERATIONS = """
SELECT o.operation_id::text AS operation_id, o.completed_stage::text AS completed_stage, o.time_start AS started, o.delete_on_source_node AS moves,
       o.source_node_name::text AS source_node, o.dest_node_name::text AS destination_node, format('%I.%I', c.schema_name, c.table_name) AS chunk,
       CASE WHEN o.completed_stage = 'complete' THEN 'complete'
            WHEN a.pid IS NULL OR a.backend_start > o.time_start OR a.state = 'idle' THEN 'failed'
            WHEN a.backend_start IS NOT NULL THEN 'running' END AS status
  FROM _timescaledb_catalog.chunk_copy_operation o
  LEFT JOIN _timescaledb_catalog.chunk c ON c.id = o.chunk_id
  LEFT JOIN pg_stat_activity a ON a.pid = o.backend_pid AND a.datname = current_database()
 ORDER BY o.time_start, 1
"""

_REPLICATION_SLOTS = """
SELECT slot_name::text AS slot_name, slot_type, database::text AS database, active,
       pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END, restart_lsn)::bigint AS retained_bytes
  FROM pg_replication_slots ORDER BY 1
"""

_REMOTE_TXN = """
SELECT count(*) AS entries, pg_total_relation_size('_timescaledb_catalog.remote_txn') AS bytes FROM _timescaledb_catalog.remote_txn
"""

# ANALYZE of a distributed hypertable is sent to its data nodes, and the access node fetches what they found (process_vacuum() in
# src/process_utility.c, dist_ddl_get_analyze_stats() in tsl/src/remote/dist_ddl.c). There it leaves figures of each chunk, and no time in
# pg_stat_user_tables. A chunk of which nothing was fetched has -1 rows, before PostgreSQL 14 no pages and no rows.
_STATISTICS_ON_ACCESS_NODE = """
SELECT h.schema_name AS schema, h.table_name AS relation,
       count(t.oid) FILTER (WHERE t.reltuples < 0 OR (t.reltuples = 0 AND t.relpages = 0 AND v.old)) AS chunks_without_statistics,
       (SELECT jsonb_agg(node_name) FROM _timescaledb_catalog.hypertable_data_node d WHERE d.hypertable_id = h.id) AS attached
  FROM _timescaledb_catalog.hypertable h
  CROSS JOIN (SELECT current_setting('server_version_num')::int < 140000) AS v (old)
  LEFT JOIN _timescaledb_catalog.chunk c ON c.hypertable_id = h.id AND NOT c.dropped
  LEFT JOIN pg_namespace n ON n.nspname = c.schema_name
  LEFT JOIN pg_class t ON t.relnamespace = n.oid AND t.relname = c.table_name
 WHERE h.replication_factor > 0
 GROUP BY h.id
"""
# Of chunks the oldest counts: of what was analysed long ago or never, the planner can only guess. The hypertable itself is empty, so that autovacuum
# leaves it alone: it was analysed when ANALYZE was sent for all of it.
_STATISTICS_ON_DATA_NODE = """
SELECT h.schema_name AS schema, h.table_name AS relation, count(s.relid) AS chunks,
       (SELECT pg_stat_get_last_analyze_time(t.oid) FROM pg_namespace n JOIN pg_class t ON t.relnamespace = n.oid
         WHERE n.nspname = h.schema_name AND t.relname = h.table_name) AS last_analyze,
       min(greatest(s.last_analyze, s.last_autoanalyze)) AS oldest_analyze,
       count(s.relid) FILTER (WHERE s.last_analyze IS NULL AND s.last_autoanalyze IS NULL) AS never_analyzed
  FROM _timescaledb_catalog.hypertable h
  LEFT JOIN _timescaledb_catalog.chunk c ON c.hypertable_id = h.id AND NOT c.dropped
  LEFT JOIN pg_stat_user_tables s ON s.schemaname = c.schema_name AND s.relname = c.table_name
 WHERE h.replication_factor = -1
 GROUP BY h.id
"""

_JOBS = """
SELECT j.job_id, j.application_name::text AS application_name, format('%I.%I', j.proc_schema, j.proc_name) AS procedure,
       j.schedule_interval::text AS schedule_interval, j.scheduled, j.config,
       CASE WHEN j.hypertable_name IS NOT NULL THEN format('%I.%I', j.hypertable_schema, j.hypertable_name) END AS hypertable,
       s.last_run_status, nullif(s.last_run_started_at, '-infinity') AS last_start, nullif(s.last_successful_finish, '-infinity') AS last_successful_finish,
       nullif(nullif(s.next_start, '-infinity'), 'infinity') AS next_start, s.total_runs, s.total_failures
  FROM timescaledb_information.jobs j LEFT JOIN timescaledb_information.job_stats s USING (job_id)
 ORDER BY 1
"""

_SETTINGS = "SELECT name, setting FROM pg_settings WHERE name = ANY (%s)"

SUBSETS = {
    "nodes": Subset(data_node=_NODE),
    "hypertables": Subset(access_node=_HYPERTABLES),
    "placement": Subset(access_node=_PLACEMENT),
    "sizes": Subset(data_node=_SIZES),
    "stale_chunks": Subset(access_node=_KNOWN_CHUNKS, data_node=_STALE),
    "copy_operations": Subset(access_node=_COPY_OPERATIONS, since=CHUNK_COPY_OPERATIONS),
    "replication_slots": Subset(access_node=_REPLICATION_SLOTS, data_node=_REPLICATION_SLOTS),
    "transactions": Subset(access_node=_REMOTE_TXN, data_node=PREPARED),
    "statistics": Subset(access_node=_STATISTICS_ON_ACCESS_NODE, data_node=_STATISTICS_ON_DATA_NODE),
    "jobs": Subset(access_node=_JOBS),
    "settings": Subset(access_node=_SETTINGS, data_node=_SETTINGS),
    "hardening": Subset(parts=tuple(f"hardening.{part}" for part in PARTS)),
}

QUERIES = SUBSETS | {f"hardening.{part}": Subset(access_node=query, data_node=query) for part, query in PARTS.items()}
