-- Sessions that write and have waited for a data node for so long that it must be the dead one. What they have written to other data nodes, and not
-- committed, keeps chunks there from being copied.
SELECT pid, pg_terminate_backend(pid) AS terminated
  FROM pg_stat_activity a
 WHERE datname = current_database() AND backend_type = 'client backend' AND state = 'active' AND wait_event = 'Extension'
   AND clock_timestamp() - query_start > interval '10 seconds'
   AND EXISTS (SELECT FROM pg_locks l
                 JOIN pg_class c ON c.oid = l.relation
                 JOIN pg_namespace n ON n.oid = c.relnamespace
                 JOIN _timescaledb_catalog.hypertable h ON h.schema_name = n.nspname AND h.table_name = c.relname AND h.replication_factor > 0
                WHERE l.pid = a.pid AND l.granted AND l.mode = 'RowExclusiveLock' AND l.database = a.datid)
