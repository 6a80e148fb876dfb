-- Chunks on the access node: their bounds, their nodes, their foreign tables.

-- The table through which a chunk is read; it inherits from the hypertable, and is made again to read from another node.
CREATE FUNCTION _timescaledb_standin.read_chunk_from(the_chunk integer, node name) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    chunk _timescaledb_catalog.chunk;
    hypertable _timescaledb_catalog.hypertable;
    root regclass;
    time_dimension _timescaledb_catalog.dimension;
    box _timescaledb_standin.chunk_box;
BEGIN
    SELECT * INTO chunk FROM _timescaledb_catalog.chunk WHERE id = the_chunk;
    SELECT * INTO hypertable FROM _timescaledb_catalog.hypertable WHERE id = chunk.hypertable_id;
    SELECT * INTO time_dimension FROM _timescaledb_catalog.dimension WHERE hypertable_id = hypertable.id AND interval_length IS NOT NULL;
    SELECT * INTO box FROM _timescaledb_standin.chunk_box WHERE chunk_id = the_chunk;
    root := _timescaledb_standin.relation_of(hypertable);
    IF to_regclass(format('%I.%I', chunk.schema_name, chunk.table_name)) IS NOT NULL THEN
        PERFORM set_config('timescaledb_standin.switching', 'on', true);
        EXECUTE format('DROP FOREIGN TABLE %I.%I', chunk.schema_name, chunk.table_name);
        PERFORM set_config('timescaledb_standin.switching', '', true);
    END IF;
    EXECUTE format('CREATE FOREIGN TABLE %I.%I (CONSTRAINT %I CHECK %s) INHERITS (%s) SERVER %I OPTIONS (schema_name %L, table_name %L, fetch_size ''10000'')',
                   chunk.schema_name, chunk.table_name, 'constraint_' || the_chunk,
                   _timescaledb_standin.time_condition(time_dimension, box.time_start, box.time_end), root, node, chunk.schema_name, chunk.table_name);
    EXECUTE format('ALTER FOREIGN TABLE %I.%I OWNER TO %I', chunk.schema_name, chunk.table_name,
                   (SELECT relowner::regrole::name FROM pg_catalog.pg_class WHERE oid = root));
    PERFORM _timescaledb_standin.let_go_with(format('%I.%I', chunk.schema_name, chunk.table_name)::regclass, root);
END
$$;

CREATE FUNCTION _timescaledb_standin.read_from(the_chunk integer) RETURNS name LANGUAGE sql STABLE AS $$
    SELECT s.srvname FROM _timescaledb_catalog.chunk k JOIN pg_catalog.pg_namespace n ON n.nspname = k.schema_name
      JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = k.table_name
      JOIN pg_catalog.pg_foreign_table f ON f.ftrelid = c.oid JOIN pg_catalog.pg_foreign_server s ON s.oid = f.ftserver
     WHERE k.id = the_chunk;
$$;

-- Forget a copy. The caller has made sure that there is another one.
CREATE FUNCTION _timescaledb_standin.forget_copy(the_chunk integer, node name) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    writer name;
    other name;
BEGIN
    DELETE FROM _timescaledb_catalog.chunk_data_node WHERE chunk_id = the_chunk AND node_name = node;
    DELETE FROM _timescaledb_standin.chunk_writer WHERE chunk_id = the_chunk AND node_name = node RETURNING writer_name INTO writer;
    EXECUTE format('DROP FOREIGN TABLE _timescaledb_standin.%I', writer);
    IF _timescaledb_standin.read_from(the_chunk) = node THEN
        SELECT node_name INTO other FROM _timescaledb_catalog.chunk_data_node WHERE chunk_id = the_chunk
         ORDER BY _timescaledb_standin.is_available(node_name) DESC, node_name LIMIT 1;
        PERFORM _timescaledb_standin.read_chunk_from(the_chunk, other);
    END IF;
END
$$;

CREATE FUNCTION _timescaledb_standin.add_copy(hypertable _timescaledb_catalog.hypertable, the_chunk integer, chunk_name name, node name,
                                              time_range bigint[], space_range bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    writer name := format('chunk_%s_%s', the_chunk, _timescaledb_standin.node_oid(node));
BEGIN
    INSERT INTO _timescaledb_catalog.chunk_data_node VALUES (the_chunk, _timescaledb_standin.on_node(node, format(
        'SELECT _timescaledb_standin.make_member_chunk(%L, %L, %L, %L, %L)', hypertable.schema_name, hypertable.table_name, chunk_name,
        time_range, space_range))::integer, node);
    INSERT INTO _timescaledb_standin.chunk_writer VALUES (the_chunk, node, writer);
    EXECUTE format('CREATE FOREIGN TABLE _timescaledb_standin.%I (%s) SERVER %I OPTIONS (schema_name ''_timescaledb_internal'', table_name %L, batch_size ''1000'')',
                   writer, _timescaledb_standin.column_definitions(_timescaledb_standin.relation_of(hypertable), true), node, chunk_name);
    EXECUTE format('GRANT ALL ON _timescaledb_standin.%I TO PUBLIC', writer);
END
$$;

-- The nodes for a new chunk: those of its partition, or one after the other along the time.
CREATE FUNCTION _timescaledb_standin.nodes_for_chunk(hypertable _timescaledb_catalog.hypertable, space_start bigint, time_start bigint) RETURNS name[]
LANGUAGE plpgsql AS $$
DECLARE
    space_dimension integer := (SELECT id FROM _timescaledb_catalog.dimension WHERE hypertable_id = hypertable.id AND num_slices IS NOT NULL);
    accepting name[] := _timescaledb_standin.accepting_nodes(hypertable.id);
    nodes name[];
BEGIN
    IF space_dimension IS NOT NULL THEN
        SELECT ARRAY(SELECT node FROM unnest(data_nodes) WITH ORDINALITY u (node, n) WHERE _timescaledb_standin.is_available(node) ORDER BY n) INTO nodes
          FROM _timescaledb_catalog.dimension_partition WHERE dimension_id = space_dimension AND range_start <= space_start
         ORDER BY range_start DESC LIMIT 1;
    ELSIF accepting <> '{}' THEN
        SELECT _timescaledb_standin.nodes_from(accepting, count(*) + hypertable.id, hypertable.replication_factor) INTO nodes
          FROM _timescaledb_catalog.dimension_slice s JOIN _timescaledb_catalog.dimension d ON d.id = s.dimension_id
         WHERE d.hypertable_id = hypertable.id AND s.range_start < time_start;
    END IF;
    IF coalesce(nodes, '{}') = '{}' THEN
        RAISE EXCEPTION 'insufficient number of data nodes' USING ERRCODE = 'TS170',
            HINT = format('Increase the number of available data nodes on hypertable "%s".', hypertable.table_name);
    ELSIF cardinality(nodes) < hypertable.replication_factor THEN
        RAISE WARNING 'insufficient number of data nodes' USING ERRCODE = 'TS170',
            DETAIL = 'There are not enough data nodes to replicate chunks according to the configured replication factor.',
            HINT = format('Attach %s or more data nodes to hypertable "%s".', hypertable.replication_factor - cardinality(nodes), hypertable.table_name);
    END IF;
    RETURN nodes;
END
$$;

-- Where a new chunk for a point begins and ends: as the dimensions divide, cut so that no chunk is overlapped.
CREATE FUNCTION _timescaledb_standin.new_box(the_hypertable integer, at_time bigint, at_space bigint) RETURNS _timescaledb_standin.chunk_box
LANGUAGE plpgsql AS $$
DECLARE
    length numeric := (SELECT interval_length FROM _timescaledb_catalog.dimension WHERE hypertable_id = the_hypertable AND interval_length IS NOT NULL);
    slices bigint := (SELECT num_slices FROM _timescaledb_catalog.dimension WHERE hypertable_id = the_hypertable AND num_slices IS NOT NULL);
    width bigint := 2147483647 / slices;
    slot bigint := least(at_space / width, slices - 1);
    box _timescaledb_standin.chunk_box;
    other _timescaledb_standin.chunk_box;
BEGIN
    box.time_start := greatest(floor(at_time / length) * length, -9223372036854775808);
    box.time_end := least((floor(at_time / length) + 1) * length, 9223372036854775807);
    box.space_start := CASE WHEN slot > 0 THEN slot * width ELSE -9223372036854775808 END;
    box.space_end := CASE WHEN slot < slices - 1 THEN (slot + 1) * width ELSE 9223372036854775807 END;
    FOR other IN SELECT b.* FROM _timescaledb_standin.chunk_box b WHERE b.hypertable_id = the_hypertable
                  ORDER BY b.time_start <= at_time AND at_time < b.time_end LOOP
        CONTINUE WHEN other.time_end <= box.time_start OR other.time_start >= box.time_end
                   OR other.space_end <= box.space_start OR other.space_start >= box.space_end;
        IF other.time_end <= at_time THEN
            box.time_start := other.time_end;
        ELSIF other.time_start > at_time THEN
            box.time_end := other.time_start;
        ELSIF other.space_end <= at_space THEN
            box.space_start := other.space_end;
        ELSE
            box.space_end := other.space_start;
        END IF;
    END LOOP;
    RETURN box;
END
$$;

CREATE FUNCTION _timescaledb_standin.make_chunk(hypertable _timescaledb_catalog.hypertable, at_time bigint, at_space bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    box _timescaledb_standin.chunk_box;
    nodes name[];
    node name;
    new_id integer;
    chunk_name name;
BEGIN
    -- Somebody else may be making the same one.
    LOCK TABLE _timescaledb_catalog.chunk IN SHARE ROW EXCLUSIVE MODE;
    IF EXISTS (SELECT FROM _timescaledb_standin.chunk_box b WHERE b.hypertable_id = hypertable.id AND b.time_start <= at_time AND at_time < b.time_end
                  AND b.space_start <= at_space AND at_space < b.space_end) THEN
        RETURN;
    END IF;
    box := _timescaledb_standin.new_box(hypertable.id, at_time, at_space);
    nodes := _timescaledb_standin.nodes_for_chunk(hypertable, box.space_start, box.time_start);
    new_id := nextval('_timescaledb_catalog.chunk_id_seq');
    chunk_name := format('%s_%s_chunk', hypertable.associated_table_prefix, new_id);
    PERFORM _timescaledb_standin.record_chunk(hypertable.id, new_id, chunk_name, ARRAY[box.time_start, box.time_end], ARRAY[box.space_start, box.space_end]);
    FOREACH node IN ARRAY nodes LOOP
        PERFORM _timescaledb_standin.add_copy(hypertable, new_id, chunk_name, node, ARRAY[box.time_start, box.time_end], ARRAY[box.space_start, box.space_end]);
    END LOOP;
    PERFORM _timescaledb_standin.read_chunk_from(new_id, nodes[1]);
END
$$;
