-- Views of timescaledb_information, with the columns of TimescaleDB 2.13.

CREATE FUNCTION _timescaledb_functions.to_timestamp(unixtime_us bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT CASE WHEN unixtime_us > -9223372036854775808 AND unixtime_us < 9223372036854775807
                THEN timestamptz 'epoch' + unixtime_us * interval '1 microsecond' END;
$$;

CREATE FUNCTION _timescaledb_functions.to_interval(unixtime_us bigint) RETURNS interval LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT unixtime_us / 86400000000 * interval '1 day' + unixtime_us % 86400000000 * interval '1 microsecond';
$$;

CREATE FUNCTION _timescaledb_standin.is_timestamp(type regtype) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT type IN ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype);
$$;

CREATE VIEW timescaledb_information.data_nodes AS
SELECT s.srvname AS node_name, s.srvowner::regrole::name AS owner, s.srvoptions AS options
  FROM pg_catalog.pg_foreign_server s JOIN pg_catalog.pg_foreign_data_wrapper f ON f.oid = s.srvfdw
 WHERE f.fdwname = 'timescaledb_fdw';

CREATE VIEW timescaledb_information.hypertables AS
SELECT h.schema_name AS hypertable_schema, h.table_name AS hypertable_name, t.tableowner AS owner, h.num_dimensions,
       (SELECT count(*) FROM _timescaledb_catalog.chunk c WHERE c.hypertable_id = h.id) AS num_chunks,
       false AS compression_enabled, coalesce(h.replication_factor > 0, false) AS is_distributed, h.replication_factor,
       (SELECT array_agg(n.node_name ORDER BY n.node_name) FROM _timescaledb_catalog.hypertable_data_node n
         WHERE n.hypertable_id = h.id) AS data_nodes,
       NULL::name[] AS tablespaces
  FROM _timescaledb_catalog.hypertable h
  JOIN pg_catalog.pg_tables t ON t.schemaname = h.schema_name AND t.tablename = h.table_name;

CREATE VIEW timescaledb_information.dimensions AS
SELECT h.schema_name AS hypertable_schema, h.table_name AS hypertable_name,
       rank() OVER (PARTITION BY d.hypertable_id ORDER BY d.id) AS dimension_number, d.column_name, d.column_type,
       CASE WHEN d.interval_length IS NULL THEN 'Space' ELSE 'Time' END AS dimension_type,
       CASE WHEN _timescaledb_standin.is_timestamp(d.column_type) THEN _timescaledb_functions.to_interval(d.interval_length) END AS time_interval,
       CASE WHEN NOT _timescaledb_standin.is_timestamp(d.column_type) THEN d.interval_length END AS integer_interval,
       d.integer_now_func, d.num_slices AS num_partitions
  FROM _timescaledb_catalog.hypertable h JOIN _timescaledb_catalog.dimension d ON d.hypertable_id = h.id;

CREATE VIEW timescaledb_information.chunks AS
SELECT h.schema_name AS hypertable_schema, h.table_name AS hypertable_name, c.schema_name AS chunk_schema, c.table_name AS chunk_name,
       d.column_name AS primary_dimension, d.column_type AS primary_dimension_type,
       CASE WHEN _timescaledb_standin.is_timestamp(d.column_type) THEN _timescaledb_functions.to_timestamp(b.time_start) END AS range_start,
       CASE WHEN _timescaledb_standin.is_timestamp(d.column_type) THEN _timescaledb_functions.to_timestamp(b.time_end) END AS range_end,
       CASE WHEN NOT _timescaledb_standin.is_timestamp(d.column_type) THEN b.time_start END AS range_start_integer,
       CASE WHEN NOT _timescaledb_standin.is_timestamp(d.column_type) THEN b.time_end END AS range_end_integer,
       false AS is_compressed, NULL::name AS chunk_tablespace,
       (SELECT array_agg(n.node_name ORDER BY n.node_name) FROM _timescaledb_catalog.chunk_data_node n WHERE n.chunk_id = c.id) AS data_nodes,
       c.creation_time AS chunk_creation_time
  FROM _timescaledb_catalog.chunk c
  JOIN _timescaledb_catalog.hypertable h ON h.id = c.hypertable_id
  JOIN _timescaledb_standin.chunk_box b ON b.chunk_id = c.id
  JOIN _timescaledb_catalog.dimension d ON d.hypertable_id = h.id AND d.interval_length IS NOT NULL;

GRANT SELECT ON ALL TABLES IN SCHEMA timescaledb_information TO PUBLIC;
