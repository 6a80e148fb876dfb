-- Sessions that were making a chunk on a data node that does not answer any more: they keep all others from making one, by their lock on the hypertable.
-- Cancelled, they end at once. Making a chunk takes some hundredths of a second; after three seconds nobody believes in it any more.
SELECT pid, CASE WHEN clock_timestamp() - query_start > interval '3 seconds' THEN pg_cancel_backend(pid) ELSE false END AS canceled
  FROM pg_stat_activity a
 WHERE datname = current_database() AND backend_type = 'client backend' AND state = 'active' AND wait_event = 'Extension'
   AND clock_timestamp() - query_start > interval '1 second'
   AND EXISTS (SELECT FROM pg_locks l
                 JOIN pg_class c ON c.oid = l.relation
                 JOIN pg_namespace n ON n.oid = c.relnamespace
                 JOIN _timescaledb_catalog.hypertable h ON h.schema_name = n.nspname AND h.table_name = c.relname AND h.replication_factor > 0
                WHERE l.pid = a.pid AND l.granted AND l.mode = 'ShareUpdateExclusiveLock' AND l.database = a.datid)
