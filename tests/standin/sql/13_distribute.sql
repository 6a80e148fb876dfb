-- What makes a table distributed: rows of a statement first land in the table itself, and this trigger moves them
-- to their chunks, all rows of a chunk at once.

CREATE TYPE _timescaledb_standin.extent AS (time_min bigint, time_max bigint, space_min bigint, space_max bigint);

-- A copy on a node that is marked unavailable is given up as soon as the chunk is written to without it. The only copy never is.
CREATE FUNCTION _timescaledb_standin.forget_stale_copies(the_chunk integer) RETURNS void LANGUAGE sql AS $$
    SELECT _timescaledb_standin.forget_copy(the_chunk, node_name) FROM _timescaledb_catalog.chunk_data_node
     WHERE chunk_id = the_chunk AND NOT _timescaledb_standin.is_available(node_name)
       AND EXISTS (SELECT FROM _timescaledb_catalog.chunk_data_node WHERE chunk_id = the_chunk AND _timescaledb_standin.is_available(node_name));
$$;

CREATE FUNCTION _timescaledb_standin.distribute() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    hypertable _timescaledb_catalog.hypertable;
    time_dimension _timescaledb_catalog.dimension;
    space_dimension _timescaledb_catalog.dimension;
    places text;
    columns text := _timescaledb_standin.column_names(TG_RELID);
    extents _timescaledb_standin.extent[];
    extent _timescaledb_standin.extent;
    point record;
    touched integer[];
    target record;
    node name;
    state text;
    message text;
    detail text;
    hint text;
BEGIN
    SELECT * INTO hypertable FROM _timescaledb_catalog.hypertable WHERE schema_name = TG_TABLE_SCHEMA AND table_name = TG_TABLE_NAME;
    SELECT * INTO time_dimension FROM _timescaledb_catalog.dimension WHERE hypertable_id = hypertable.id AND interval_length IS NOT NULL;
    SELECT * INTO space_dimension FROM _timescaledb_catalog.dimension WHERE hypertable_id = hypertable.id AND num_slices IS NOT NULL;
    places := format('SELECT %s AS at_time, %s AS at_space, %s::bigint AS length, %s::bigint AS width FROM new_rows',
                     _timescaledb_standin.place_expression(time_dimension),
                     CASE WHEN space_dimension.id IS NULL THEN '0::bigint' ELSE _timescaledb_standin.place_expression(space_dimension) END,
                     time_dimension.interval_length, 2147483647 / coalesce(space_dimension.num_slices, 1)::bigint);

    -- What the rows extend over, by time slot and partition; only these few are compared with chunks.
    EXECUTE format('SELECT array_agg(e ORDER BY (e).time_min, (e).space_min) FROM (
                        SELECT ROW(min(at_time), max(at_time), min(at_space), max(at_space))::_timescaledb_standin.extent AS e FROM (%s) AS p
                         GROUP BY CASE WHEN at_time < 0 THEN (at_time + 1) / length - 1 ELSE at_time / length END, at_space / width) AS x', places) INTO extents;
    IF extents IS NULL THEN
        RETURN NULL;
    END IF;
    FOREACH extent IN ARRAY extents LOOP
        PERFORM _timescaledb_standin.make_chunk(hypertable, extent.time_min, extent.space_min);
        CONTINUE WHEN EXISTS (SELECT FROM _timescaledb_standin.chunk_box b WHERE b.hypertable_id = hypertable.id
                                 AND b.time_start <= extent.time_min AND extent.time_max < b.time_end
                                 AND b.space_start <= extent.space_min AND extent.space_max < b.space_end);
        -- Chunks of an older interval or number of partitions are in the way: go on row by row until each has a chunk.
        LOOP
            EXECUTE format('SELECT at_time, at_space FROM (%s) AS p WHERE at_time BETWEEN $1 AND $2 AND at_space BETWEEN $3 AND $4 AND NOT EXISTS (
                                SELECT FROM _timescaledb_standin.chunk_box b WHERE b.hypertable_id = $5 AND b.time_start <= at_time AND at_time < b.time_end
                                   AND b.space_start <= at_space AND at_space < b.space_end) LIMIT 1', places)
                INTO point USING extent.time_min, extent.time_max, extent.space_min, extent.space_max, hypertable.id;
            EXIT WHEN point.at_time IS NULL;
            PERFORM _timescaledb_standin.make_chunk(hypertable, point.at_time, point.at_space);
        END LOOP;
    END LOOP;

    SELECT array_agg(DISTINCT b.chunk_id) INTO touched FROM unnest(extents) e JOIN _timescaledb_standin.chunk_box b
        ON b.hypertable_id = hypertable.id AND b.time_start <= e.time_max AND e.time_min < b.time_end
       AND b.space_start <= e.space_max AND e.space_min < b.space_end;
    PERFORM _timescaledb_standin.forget_stale_copies(chunk_id) FROM unnest(touched) chunk_id;
    -- Reaches each node once before the rows do: it refuses where it cannot be written to.
    PERFORM _timescaledb_standin.on_node(n.node_name, 'SELECT true')
       FROM (SELECT DISTINCT node_name FROM _timescaledb_standin.chunk_writer WHERE chunk_id = ANY (touched)) n;
    FOR target IN SELECT b.*, w.node_name, w.writer_name FROM _timescaledb_standin.chunk_box b JOIN _timescaledb_standin.chunk_writer w ON w.chunk_id = b.chunk_id
                   WHERE b.chunk_id = ANY (touched) ORDER BY b.chunk_id LOOP
        node := target.node_name;
        EXECUTE format('INSERT INTO _timescaledb_standin.%I (%s) SELECT %s FROM new_rows WHERE %s', target.writer_name, columns, columns,
                       concat_ws(' AND ', _timescaledb_standin.time_condition(time_dimension, target.time_start, target.time_end),
                                 CASE WHEN space_dimension.id IS NOT NULL THEN format('%s >= %L::bigint AND %s < %L::bigint',
                                     _timescaledb_standin.place_expression(space_dimension), target.space_start,
                                     _timescaledb_standin.place_expression(space_dimension), target.space_end) END));
    END LOOP;
    EXECUTE format('DELETE FROM ONLY %s', TG_RELID::regclass);
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    IF node IS NULL THEN
        RAISE;
    END IF;
    PERFORM _timescaledb_standin.raise_node_error(node, state, message, detail, hint);
END
$$;

-- TRUNCATE reaches by itself only the copies that are read; UPDATE and DELETE would change only these.
CREATE FUNCTION _timescaledb_standin.guard_copies() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    writer name;
    the_hypertable integer := (SELECT id FROM _timescaledb_catalog.hypertable WHERE schema_name = TG_TABLE_SCHEMA AND table_name = TG_TABLE_NAME);
    copied boolean := EXISTS (SELECT FROM _timescaledb_catalog.chunk c JOIN _timescaledb_catalog.chunk_data_node n ON n.chunk_id = c.id
                               WHERE c.hypertable_id = the_hypertable GROUP BY c.id HAVING count(*) > 1);
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        FOR writer IN SELECT w.writer_name FROM _timescaledb_standin.chunk_writer w JOIN _timescaledb_catalog.chunk c ON c.id = w.chunk_id
                       WHERE c.hypertable_id = the_hypertable LOOP
            EXECUTE format('TRUNCATE _timescaledb_standin.%I', writer);
        END LOOP;
    ELSIF copied AND pg_trigger_depth() = 1 THEN
        RAISE EXCEPTION 'the stand-in does not offer % on replicated chunks', TG_OP USING ERRCODE = 'feature_not_supported';
    END IF;
    RETURN NULL;
END
$$;
