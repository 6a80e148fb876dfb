-- Catalogue tables: those and only those columns of TimescaleDB 2.13 that queries of the collection and the views need.

CREATE TABLE _timescaledb_catalog.metadata (
    key name PRIMARY KEY,
    value text NOT NULL,
    include_in_telemetry boolean NOT NULL
);

-- replication_factor: greater than 0 on the access node, -1 for a data node's part.
CREATE TABLE _timescaledb_catalog.hypertable (
    id serial PRIMARY KEY,
    schema_name name NOT NULL,
    table_name name NOT NULL,
    associated_schema_name name NOT NULL DEFAULT '_timescaledb_internal',
    associated_table_prefix name NOT NULL,
    num_dimensions smallint NOT NULL,
    compression_state smallint NOT NULL DEFAULT 0,
    replication_factor smallint CHECK (replication_factor > 0 OR replication_factor = -1),
    UNIQUE (table_name, schema_name)
);

-- Nothing is ever compressed here; the modules ask.
CREATE TABLE _timescaledb_catalog.hypertable_compression (
    hypertable_id integer NOT NULL REFERENCES _timescaledb_catalog.hypertable ON DELETE CASCADE,
    attname name NOT NULL,
    compression_algorithm_id smallint,
    segmentby_column_index smallint,
    orderby_column_index smallint,
    orderby_asc boolean,
    orderby_nullsfirst boolean,
    PRIMARY KEY (hypertable_id, attname)
);

CREATE TABLE _timescaledb_catalog.hypertable_data_node (
    hypertable_id integer NOT NULL REFERENCES _timescaledb_catalog.hypertable,
    node_hypertable_id integer,
    node_name name NOT NULL,
    block_chunks boolean NOT NULL DEFAULT false,
    UNIQUE (hypertable_id, node_name)
);

-- num_slices: of a closed (space) dimension; interval_length: of an open (time) one.
CREATE TABLE _timescaledb_catalog.dimension (
    id serial PRIMARY KEY,
    hypertable_id integer NOT NULL REFERENCES _timescaledb_catalog.hypertable ON DELETE CASCADE,
    column_name name NOT NULL,
    column_type regtype NOT NULL,
    aligned boolean NOT NULL,
    num_slices smallint,
    interval_length bigint CHECK (interval_length > 0),
    integer_now_func name,
    UNIQUE (hypertable_id, column_name),
    CHECK ((num_slices IS NULL) <> (interval_length IS NULL))
);

CREATE TABLE _timescaledb_catalog.dimension_partition (
    dimension_id integer NOT NULL REFERENCES _timescaledb_catalog.dimension ON DELETE CASCADE,
    range_start bigint NOT NULL,
    data_nodes name[],
    UNIQUE (dimension_id, range_start)
);

CREATE TABLE _timescaledb_catalog.dimension_slice (
    id serial PRIMARY KEY,
    dimension_id integer NOT NULL REFERENCES _timescaledb_catalog.dimension ON DELETE CASCADE,
    range_start bigint NOT NULL,
    range_end bigint NOT NULL,
    UNIQUE (dimension_id, range_start, range_end)
);

CREATE TABLE _timescaledb_catalog.chunk (
    id serial PRIMARY KEY,
    hypertable_id integer NOT NULL REFERENCES _timescaledb_catalog.hypertable,
    schema_name name NOT NULL,
    table_name name NOT NULL,
    dropped boolean NOT NULL DEFAULT false,
    status integer NOT NULL DEFAULT 0,
    creation_time timestamptz NOT NULL DEFAULT now(),
    UNIQUE (schema_name, table_name)
);

CREATE TABLE _timescaledb_catalog.chunk_constraint (
    chunk_id integer NOT NULL REFERENCES _timescaledb_catalog.chunk ON DELETE CASCADE,
    dimension_slice_id integer REFERENCES _timescaledb_catalog.dimension_slice ON DELETE CASCADE,
    constraint_name name NOT NULL,
    UNIQUE (chunk_id, constraint_name)
);

CREATE TABLE _timescaledb_catalog.chunk_data_node (
    chunk_id integer NOT NULL REFERENCES _timescaledb_catalog.chunk,
    node_chunk_id integer NOT NULL,
    node_name name NOT NULL,
    UNIQUE (chunk_id, node_name)
);

-- No chunk is ever copied here; the modules ask.
CREATE TABLE _timescaledb_catalog.chunk_copy_operation (
    operation_id name PRIMARY KEY,
    backend_pid integer NOT NULL,
    completed_stage name NOT NULL,
    time_start timestamptz NOT NULL DEFAULT now(),
    chunk_id integer NOT NULL REFERENCES _timescaledb_catalog.chunk ON DELETE CASCADE,
    compress_chunk_name name NOT NULL,
    source_node_name name NOT NULL,
    dest_node_name name NOT NULL,
    delete_on_source_node boolean NOT NULL
);

-- Chunks as boxes in the units of their dimensions; without a space dimension the box is endless along it.
CREATE VIEW _timescaledb_standin.chunk_box AS
SELECT c.id AS chunk_id, c.hypertable_id,
       max(s.range_start) FILTER (WHERE d.interval_length IS NOT NULL) AS time_start,
       max(s.range_end) FILTER (WHERE d.interval_length IS NOT NULL) AS time_end,
       coalesce(max(s.range_start) FILTER (WHERE d.num_slices IS NOT NULL), -9223372036854775808) AS space_start,
       coalesce(max(s.range_end) FILTER (WHERE d.num_slices IS NOT NULL), 9223372036854775807) AS space_end
  FROM _timescaledb_catalog.chunk c
  JOIN _timescaledb_catalog.chunk_constraint k ON k.chunk_id = c.id
  JOIN _timescaledb_catalog.dimension_slice s ON s.id = k.dimension_slice_id
  JOIN _timescaledb_catalog.dimension d ON d.id = s.dimension_id
 GROUP BY c.id;

-- Where the access node writes a copy of a chunk to: a foreign table of its own for each.
CREATE TABLE _timescaledb_standin.chunk_writer (
    chunk_id integer NOT NULL REFERENCES _timescaledb_catalog.chunk ON DELETE CASCADE,
    node_name name NOT NULL,
    writer_name name NOT NULL,
    UNIQUE (chunk_id, node_name)
);

GRANT ALL ON ALL TABLES IN SCHEMA _timescaledb_catalog, _timescaledb_standin TO PUBLIC;
GRANT ALL ON ALL SEQUENCES IN SCHEMA _timescaledb_catalog TO PUBLIC;
REVOKE ALL ON _timescaledb_catalog.metadata FROM PUBLIC;
GRANT SELECT ON _timescaledb_catalog.metadata TO PUBLIC;
