-- Dimensions: intervals, and which partition is on which nodes.

-- A wanted chunk interval in the units of the dimension; NULL is the default of its type.
CREATE FUNCTION _timescaledb_standin.interval_units(type regtype, value anyelement) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    is_timestamp boolean := _timescaledb_standin.is_timestamp(type);
    longest bigint := CASE type WHEN 'smallint'::regtype THEN 32767 WHEN 'integer'::regtype THEN 2147483647 ELSE 9223372036854775807 END;
    given interval;
    units bigint;
BEGIN
    IF value IS NULL THEN
        RETURN CASE WHEN is_timestamp THEN 604800000000 WHEN type = 'smallint'::regtype THEN 10000 WHEN type = 'integer'::regtype THEN 100000
               ELSE 1000000 END;
    ELSIF pg_typeof(value) IN ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype) THEN
        units := value::text::bigint;
        IF units NOT BETWEEN 1 AND longest THEN
            RAISE EXCEPTION 'invalid interval: must be between 1 and %', longest USING ERRCODE = 'invalid_parameter_value';
        ELSIF is_timestamp AND units < 1000000 THEN
            RAISE WARNING 'unexpected interval: smaller than one second' USING HINT = 'The interval is specified in microseconds.';
        END IF;
    ELSIF pg_typeof(value) = 'interval'::regtype AND is_timestamp THEN
        given := value::text::interval;
        -- A month is 30 days.
        units := (extract(year FROM given) * 12 + extract(month FROM given)) * 30 * 86400000000 + extract(day FROM given) * 86400000000
                 + extract(hour FROM given) * 3600000000 + extract(minute FROM given) * 60000000 + extract(microseconds FROM given);
    ELSE
        RAISE EXCEPTION 'invalid interval type for % dimension', type USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Use an interval of type integer' || CASE WHEN is_timestamp AND pg_typeof(value) <> 'interval'::regtype THEN ' or interval.' ELSE '.' END;
    END IF;
    IF type = 'date'::regtype AND (units <= 0 OR units % 86400000000 <> 0) THEN
        RAISE EXCEPTION 'invalid interval for date dimension' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Use an interval that is a multiple of one day.';
    END IF;
    RETURN units;
END
$$;

CREATE FUNCTION _timescaledb_standin.check_partitions(partitions integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF partitions IS NULL OR partitions NOT BETWEEN 1 AND 32767 THEN
        RAISE EXCEPTION 'invalid number of partitions: must be between 1 and 32767' USING ERRCODE = 'invalid_parameter_value';
    END IF;
END
$$;

-- Attached nodes that take new chunks.
CREATE FUNCTION _timescaledb_standin.accepting_nodes(the_hypertable integer) RETURNS name[] LANGUAGE sql STABLE AS $$
    SELECT coalesce(array_agg(node_name ORDER BY node_name), '{}') FROM _timescaledb_catalog.hypertable_data_node
     WHERE hypertable_id = the_hypertable AND NOT block_chunks AND _timescaledb_standin.is_available(node_name);
$$;

-- copies nodes from the first place on (counted from 0), going round.
CREATE FUNCTION _timescaledb_standin.nodes_from(nodes name[], first_place bigint, copies integer) RETURNS name[] LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg(nodes[(first_place + n) % cardinality(nodes) + 1] ORDER BY n) FROM generate_series(0, least(copies, cardinality(nodes)) - 1) n;
$$;

-- Divide the space dimension anew among the nodes; chunks that are there stay as they are.
CREATE FUNCTION _timescaledb_standin.remake_partitions(the_hypertable integer, nodes name[]) RETURNS void LANGUAGE sql AS $$
    DELETE FROM _timescaledb_catalog.dimension_partition p USING _timescaledb_catalog.dimension d
     WHERE d.id = p.dimension_id AND d.hypertable_id = the_hypertable;
    INSERT INTO _timescaledb_catalog.dimension_partition
    SELECT d.id, CASE n WHEN 0 THEN -9223372036854775808 ELSE n * (2147483647 / d.num_slices::bigint) END,
           CASE WHEN h.replication_factor > 0 THEN _timescaledb_standin.nodes_from(nodes, n, h.replication_factor) END
      FROM _timescaledb_catalog.dimension d JOIN _timescaledb_catalog.hypertable h ON h.id = d.hypertable_id
     CROSS JOIN generate_series(0, d.num_slices - 1) n
     WHERE h.id = the_hypertable AND d.num_slices IS NOT NULL;
$$;

CREATE FUNCTION _timescaledb_standin.warn_of_few_partitions(the_hypertable integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    space _timescaledb_catalog.dimension;
BEGIN
    SELECT * INTO space FROM _timescaledb_catalog.dimension WHERE hypertable_id = the_hypertable AND num_slices IS NOT NULL;
    IF space.num_slices < (SELECT count(*) FROM _timescaledb_catalog.hypertable_data_node WHERE hypertable_id = the_hypertable) THEN
        RAISE WARNING 'insufficient number of partitions for dimension "%"', space.column_name
            USING DETAIL = 'There are not enough partitions to make use of all data nodes.',
            HINT = format('Increase the number of partitions in dimension "%s" to match or exceed the number of attached data nodes.', space.column_name);
    END IF;
END
$$;

-- SQL that gives a row's place along a dimension, in its units.
CREATE FUNCTION _timescaledb_standin.place_expression(dimension _timescaledb_catalog.dimension) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    hash_function text;
BEGIN
    IF dimension.interval_length IS NOT NULL THEN
        RETURN format(CASE WHEN dimension.column_type = 'date'::regtype THEN '((%I - date ''1970-01-01'')::bigint * 86400000000)'
                           WHEN _timescaledb_standin.is_timestamp(dimension.column_type) THEN '(extract(epoch FROM %I) * 1000000)::bigint'
                           ELSE '%I::bigint' END, dimension.column_name);
    END IF;
    -- The type's own hash function, as TimescaleDB takes it: rows go to the same partitions.
    SELECT format('%s(%I%s)', p.amproc::regproc, dimension.column_name,
                  CASE WHEN c.opcintype <> dimension.column_type AND c.opcintype < 2000 THEN '::' || c.opcintype::regtype ELSE '' END)
      INTO hash_function
      FROM pg_catalog.pg_opclass c
      JOIN pg_catalog.pg_am a ON a.oid = c.opcmethod
      JOIN pg_catalog.pg_amproc p ON p.amprocfamily = c.opcfamily AND p.amproclefttype = c.opcintype AND p.amprocnum = 1
      LEFT JOIN pg_catalog.pg_type t ON t.oid = dimension.column_type
     WHERE a.amname = 'hash' AND c.opcdefault
       AND c.opcintype IN (dimension.column_type, CASE WHEN t.typelem <> 0 THEN 'anyarray'::regtype END, CASE t.typtype WHEN 'e' THEN 'anyenum'::regtype
                           WHEN 'd' THEN t.typbasetype::regtype END, CASE dimension.column_type WHEN 'varchar'::regtype THEN 'text'::regtype END)
     ORDER BY c.opcintype = dimension.column_type DESC LIMIT 1;
    IF hash_function IS NULL THEN
        RAISE EXCEPTION 'could not find hash function for type %', dimension.column_type::oid;
    END IF;
    RETURN format('coalesce(%s & 2147483647, 0)::bigint', hash_function);
END
$$;

-- The same place as a literal of the column's type.
CREATE FUNCTION _timescaledb_standin.time_literal(type regtype, units bigint) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN type = 'date'::regtype THEN format('date %L', date '1970-01-01' + (units / 86400000000)::integer)
                WHEN type = 'timestamp'::regtype THEN format('timestamp %L', timestamp 'epoch' + units * interval '1 microsecond')
                WHEN type = 'timestamptz'::regtype THEN format('timestamptz %L', timestamptz 'epoch' + units * interval '1 microsecond')
                ELSE format('%L::bigint', units) END;
$$;

CREATE FUNCTION _timescaledb_standin.time_condition(dimension _timescaledb_catalog.dimension, range_start bigint, range_end bigint) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT '(' || concat_ws(' AND ', 'true',
        CASE WHEN range_start > -9223372036854775808 THEN
            format('%I >= %s', dimension.column_name, _timescaledb_standin.time_literal(dimension.column_type, range_start)) END,
        CASE WHEN range_end < 9223372036854775807 THEN
            format('%I < %s', dimension.column_name, _timescaledb_standin.time_literal(dimension.column_type, range_end)) END) || ')';
$$;
