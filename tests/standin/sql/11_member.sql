-- What a data node does when the access node asks it to: its part of hypertables and their chunks.

CREATE FUNCTION _timescaledb_standin.become_member(the_schema name, the_table name, dimensions jsonb) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    new_id integer := nextval('_timescaledb_catalog.hypertable_id_seq');
BEGIN
    INSERT INTO _timescaledb_catalog.hypertable (id, schema_name, table_name, associated_table_prefix, num_dimensions, replication_factor)
    VALUES (new_id, the_schema, the_table, '_hyper_' || new_id, jsonb_array_length(dimensions), -1);
    INSERT INTO _timescaledb_catalog.dimension (hypertable_id, column_name, column_type, aligned, num_slices, interval_length)
    SELECT new_id, d.column_name, a.atttypid, d.interval_length IS NOT NULL, d.num_slices, d.interval_length
      FROM jsonb_to_recordset(dimensions) AS d (column_name name, num_slices smallint, interval_length bigint)
      JOIN pg_catalog.pg_attribute a ON a.attname = d.column_name AND a.attrelid = format('%I.%I', the_schema, the_table)::regclass
     ORDER BY d.interval_length IS NULL;
    PERFORM _timescaledb_standin.remake_partitions(new_id, '{}');
    RETURN new_id;
END
$$;

CREATE FUNCTION _timescaledb_standin.change_member(the_schema name, the_table name, the_column name, new_slices integer, new_interval bigint)
RETURNS void LANGUAGE sql AS $$
    UPDATE _timescaledb_catalog.dimension d SET num_slices = new_slices, interval_length = new_interval
      FROM _timescaledb_catalog.hypertable h
     WHERE h.id = d.hypertable_id AND (h.schema_name, h.table_name, d.column_name) = (the_schema, the_table, the_column);
$$;

-- A chunk's rows in the catalogue, on the access node and on data nodes alike.
CREATE FUNCTION _timescaledb_standin.record_chunk(the_hypertable integer, the_chunk integer, chunk_name name, time_range bigint[], space_range bigint[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    dimension _timescaledb_catalog.dimension;
    bounds bigint[];
    slice integer;
BEGIN
    INSERT INTO _timescaledb_catalog.chunk (id, hypertable_id, schema_name, table_name)
    VALUES (the_chunk, the_hypertable, '_timescaledb_internal', chunk_name);
    FOR dimension IN SELECT * FROM _timescaledb_catalog.dimension WHERE hypertable_id = the_hypertable ORDER BY id LOOP
        bounds := CASE WHEN dimension.interval_length IS NOT NULL THEN time_range ELSE space_range END;
        INSERT INTO _timescaledb_catalog.dimension_slice (dimension_id, range_start, range_end) VALUES (dimension.id, bounds[1], bounds[2])
        ON CONFLICT (dimension_id, range_start, range_end) DO UPDATE SET range_start = excluded.range_start RETURNING id INTO slice;
        INSERT INTO _timescaledb_catalog.chunk_constraint VALUES (the_chunk, slice, 'constraint_' || slice);
    END LOOP;
END
$$;

-- An inheriting table stands in the way of DROP TABLE without CASCADE; a chunk goes with its table, as a partition would.
CREATE FUNCTION _timescaledb_standin.let_go_with(child regclass, parent regclass) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE pg_depend SET deptype = 'a'
     WHERE classid = 'pg_class'::regclass AND objid = child AND refclassid = 'pg_class'::regclass AND refobjid = parent AND deptype = 'n'
       AND EXISTS (SELECT FROM pg_inherits WHERE inhrelid = child AND inhparent = parent)
       AND EXISTS (SELECT FROM _timescaledb_catalog.chunk k JOIN pg_class c ON c.relname = k.table_name JOIN pg_namespace n ON n.oid = c.relnamespace
                    AND n.nspname = k.schema_name WHERE c.oid = child);
$$;

CREATE FUNCTION _timescaledb_standin.make_member_chunk(the_schema name, the_table name, chunk_name name, time_range bigint[], space_range bigint[])
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    root regclass := format('%I.%I', the_schema, the_table)::regclass;
    new_id integer := nextval('_timescaledb_catalog.chunk_id_seq');
    the_hypertable integer := (SELECT id FROM _timescaledb_catalog.hypertable WHERE schema_name = the_schema AND table_name = the_table);
BEGIN
    PERFORM _timescaledb_standin.record_chunk(the_hypertable, new_id, chunk_name, time_range, space_range);
    EXECUTE format('CREATE TABLE _timescaledb_internal.%I (LIKE %s INCLUDING ALL)', chunk_name, root);
    EXECUTE format('ALTER TABLE _timescaledb_internal.%I INHERIT %s', chunk_name, root);
    EXECUTE format('ALTER TABLE _timescaledb_internal.%I OWNER TO %I', chunk_name, (SELECT relowner::regrole::name FROM pg_catalog.pg_class WHERE oid = root));
    PERFORM _timescaledb_standin.let_go_with(format('_timescaledb_internal.%I', chunk_name)::regclass, root);
    RETURN new_id;
END
$$;

-- Chunks that the access node no longer counts on, for they missed writes while this node was away.
CREATE FUNCTION _timescaledb_standin.drop_stale_chunks(the_schema name, the_table name, kept name[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    stale record;
BEGIN
    FOR stale IN SELECT c.schema_name, c.table_name FROM _timescaledb_catalog.chunk c JOIN _timescaledb_catalog.hypertable h ON h.id = c.hypertable_id
                  WHERE h.schema_name = the_schema AND h.table_name = the_table AND c.table_name <> ALL (kept) LOOP
        EXECUTE format('DROP TABLE %I.%I', stale.schema_name, stale.table_name);
    END LOOP;
END
$$;
