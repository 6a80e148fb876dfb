-- create_distributed_hypertable()

CREATE FUNCTION _timescaledb_functions.calculate_chunk_interval(dimension_id integer, dimension_coord bigint, chunk_target_size bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the stand-in does not offer adaptive chunking' USING ERRCODE = 'feature_not_supported';
END
$$;

-- The nodes of a new hypertable: the given ones, or all that the role may use.
CREATE FUNCTION _timescaledb_standin.choose_nodes(given name[]) RETURNS name[] LANGUAGE plpgsql AS $$
DECLARE
    all_nodes integer := 0;
    chosen name[];
    node name;
BEGIN
    IF given IS NOT NULL THEN
        IF array_ndims(given) > 1 THEN
            RAISE EXCEPTION 'invalid data nodes format' USING ERRCODE = 'invalid_parameter_value', HINT = 'Specify a one-dimensional array of data nodes.';
        END IF;
        FOREACH node IN ARRAY given LOOP
            PERFORM _timescaledb_standin.check_node(node);
        END LOOP;
        chosen := given;
    ELSE
        SELECT count(*), array_agg(srvname ORDER BY s.oid) FILTER (WHERE has_server_privilege(s.oid, 'USAGE')) INTO all_nodes, chosen
          FROM pg_catalog.pg_foreign_server s JOIN pg_catalog.pg_foreign_data_wrapper f ON f.oid = s.srvfdw WHERE f.fdwname = 'timescaledb_fdw';
        IF all_nodes > coalesce(cardinality(chosen), 0) THEN
            RAISE NOTICE '% of % data nodes not used by this hypertable due to lack of permissions', all_nodes - coalesce(cardinality(chosen), 0), all_nodes
                USING HINT = 'Grant USAGE on data nodes to attach them to a hypertable.';
        END IF;
    END IF;
    IF coalesce(cardinality(chosen), 0) = 0 THEN
        RAISE EXCEPTION 'no data nodes can be assigned to the hypertable' USING ERRCODE = 'TS170',
            DETAIL = CASE all_nodes WHEN 0 THEN 'No data nodes where available to assign to the hypertable.' ELSE 'Data nodes exist, but none have USAGE privilege.' END,
            HINT = CASE all_nodes WHEN 0 THEN 'Add data nodes to the database.' ELSE 'Grant USAGE on data nodes to attach them to the hypertable.' END;
    ELSIF cardinality(chosen) = 1 THEN
        RAISE WARNING 'only one data node was assigned to the hypertable'
            USING DETAIL = 'A distributed hypertable should have at least two data nodes for best performance.',
            HINT = CASE all_nodes WHEN 1 THEN 'Add more data nodes to the database and attach them to the hypertable.'
                   ELSE 'Grant USAGE on data nodes and attach them to the hypertable.' END;
    END IF;
    RETURN chosen;
END
$$;

CREATE FUNCTION _timescaledb_standin.check_replication_factor(table_name name, factor integer, nodes integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF nodes < factor THEN
        RAISE EXCEPTION 'replication factor too large for hypertable "%"', table_name USING ERRCODE = 'TS170',
            DETAIL = format('The hypertable has %s data nodes attached, while the replication factor is %s.', nodes, factor),
            HINT = 'Decrease the replication factor or attach more data nodes to the hypertable.';
    ELSIF factor NOT BETWEEN 1 AND 32767 THEN
        RAISE EXCEPTION 'invalid replication factor' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'A hypertable''s replication factor must be between 1 and 32767.';
    END IF;
END
$$;

CREATE FUNCTION _timescaledb_standin.check_table(relation regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    class pg_catalog.pg_class;
    filled boolean;
    "column" record;
    constraint_name name;
BEGIN
    SELECT * INTO class FROM pg_catalog.pg_class WHERE oid = relation;
    FOR "column" IN SELECT attname, atttypid::regtype AS type FROM pg_catalog.pg_attribute WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped
                       AND atttypid IN ('"char"'::regtype, 'varchar'::regtype, 'timestamp'::regtype) ORDER BY attnum LOOP
        RAISE WARNING 'column type "%" used for "%" does not follow best practices', "column".type, "column".attname
            USING HINT = CASE "column".type WHEN 'timestamp'::regtype THEN 'Use datatype TIMESTAMPTZ instead.' ELSE 'Use datatype TEXT instead.' END;
    END LOOP;
    IF NOT _timescaledb_standin.may_change(relation) THEN
        RAISE EXCEPTION 'must be owner of hypertable "%"', class.relname USING ERRCODE = 'insufficient_privilege';
    ELSIF class.relkind = 'p' THEN
        RAISE EXCEPTION 'table "%" is already partitioned', class.relname USING ERRCODE = 'wrong_object_type',
            DETAIL = 'It is not possible to turn partitioned tables into hypertables.';
    ELSIF class.relkind <> 'r' THEN
        RAISE EXCEPTION 'invalid relation type' USING ERRCODE = 'wrong_object_type';
    END IF;
    SELECT conname INTO constraint_name FROM pg_catalog.pg_constraint WHERE conrelid = relation AND contype = 'c' AND connoinherit;
    IF FOUND THEN
        RAISE EXCEPTION 'cannot have NO INHERIT constraints on hypertable "%"', class.relname USING ERRCODE = 'invalid_table_definition',
            HINT = format('Remove all NO INHERIT constraints from table "%s" before making it a hypertable.', class.relname);
    END IF;
    FOR constraint_name IN SELECT conname FROM pg_catalog.pg_constraint WHERE conrelid = relation AND contype = 'f' LOOP
        RAISE WARNING 'distributed hypertable "%" has a foreign key to a non-distributed table', class.relname
            USING DETAIL = 'Non-distributed tables that are referenced by a distributed hypertable must exist and be identical on all data nodes.';
    END LOOP;
    EXECUTE format('SELECT EXISTS (SELECT FROM ONLY %s)', relation) INTO filled;
    IF filled THEN
        RAISE EXCEPTION 'table "%" is not empty', class.relname USING ERRCODE = 'feature_not_supported',
            HINT = 'You can migrate data by specifying ''migrate_data => true'' when calling this function.';
    ELSIF EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE relation IN (inhrelid, inhparent)) THEN
        RAISE EXCEPTION 'table "%" is already partitioned', class.relname USING ERRCODE = 'feature_not_supported',
            DETAIL = 'It is not possible to turn tables that use inheritance into hypertables.';
    ELSIF class.relpersistence <> 'p' THEN
        RAISE EXCEPTION 'table "%" has to be logged', class.relname USING ERRCODE = 'feature_not_supported',
            DETAIL = 'It is not possible to turn temporary or unlogged tables into hypertables.';
    ELSIF class.relhasrules THEN
        RAISE EXCEPTION 'hypertables do not support rules' USING ERRCODE = 'feature_not_supported',
            DETAIL = format('Table "%s" has attached rules, which do not work on hypertables.', class.relname),
            HINT = 'Remove the rules before creating a hypertable.';
    END IF;
END
$$;

CREATE FUNCTION _timescaledb_standin.column_type(relation regclass, the_column name) RETURNS regtype LANGUAGE plpgsql AS $$
DECLARE
    attribute pg_catalog.pg_attribute;
BEGIN
    SELECT * INTO attribute FROM pg_catalog.pg_attribute WHERE attrelid = relation AND attname = the_column AND attnum > 0 AND NOT attisdropped;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'column "%" does not exist', the_column USING ERRCODE = 'undefined_column';
    ELSIF attribute.attgenerated <> '' THEN
        RAISE EXCEPTION 'invalid partitioning column' USING ERRCODE = 'feature_not_supported',
            HINT = 'Generated columns cannot be used as partitioning dimensions.';
    END IF;
    RETURN attribute.atttypid;
END
$$;

CREATE FUNCTION _timescaledb_standin.check_unique_indexes(relation regclass, columns name[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    missing name;
BEGIN
    SELECT the_column INTO missing FROM pg_catalog.pg_index i CROSS JOIN unnest(columns) the_column
     WHERE i.indrelid = relation AND (i.indisunique OR i.indisexclusion)
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = i.indexrelid AND attname = the_column) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'cannot create a unique index without the column "%" (used in partitioning)', missing USING ERRCODE = 'TS103';
    END IF;
END
$$;

CREATE FUNCTION _timescaledb_standin.make_default_index(relation regclass, columns name[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = relation
                      AND ARRAY(SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = i.indexrelid ORDER BY attnum) = columns) THEN
        EXECUTE format('CREATE INDEX ON %s (%s DESC)', relation, (SELECT string_agg(quote_ident(c), ', ' ORDER BY n) FROM unnest(columns) WITH ORDINALITY u (c, n)));
    END IF;
END
$$;

CREATE FUNCTION _timescaledb_standin.attach(hypertable _timescaledb_catalog.hypertable, node name) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    command text;
    dimensions jsonb := (SELECT jsonb_agg(jsonb_build_object('column_name', column_name, 'num_slices', num_slices, 'interval_length', interval_length) ORDER BY id)
                           FROM _timescaledb_catalog.dimension WHERE hypertable_id = hypertable.id);
    member_id integer;
BEGIN
    FOR command IN SELECT * FROM _timescaledb_standin.table_commands(_timescaledb_standin.relation_of(hypertable)) LOOP
        PERFORM _timescaledb_standin.on_node(node, command);
    END LOOP;
    member_id := _timescaledb_standin.on_node(node, format('SELECT _timescaledb_standin.become_member(%L, %L, %L)',
                                                           hypertable.schema_name, hypertable.table_name, dimensions));
    INSERT INTO _timescaledb_catalog.hypertable_data_node VALUES (hypertable.id, member_id, node, false);
    RETURN member_id;
END
$$;

CREATE FUNCTION _timescaledb_standin.create_distributed_hypertable(
    relation regclass, time_column name, space_column name, partitions integer, prefix name, chunk_interval anyelement,
    default_indexes boolean, skip_existing boolean, migrate boolean, replication integer, given_nodes name[]
) RETURNS TABLE (o_id integer, o_schema name, o_table name, o_created boolean) LANGUAGE plpgsql AS $$
DECLARE
    hypertable _timescaledb_catalog.hypertable;
    nodes name[];
    node name;
    time_type regtype;
    units bigint;
BEGIN
    PERFORM _timescaledb_standin.warn_deprecated('distributed hypertable');
    IF relation IS NULL THEN
        RAISE EXCEPTION 'relation cannot be NULL' USING ERRCODE = 'invalid_parameter_value';
    ELSIF time_column IS NULL THEN
        RAISE EXCEPTION 'partition column cannot be NULL' USING ERRCODE = 'invalid_parameter_value';
    ELSIF migrate THEN
        RAISE EXCEPTION 'cannot migrate data for distributed hypertable' USING ERRCODE = 'feature_not_supported';
    END IF;
    SELECT n.nspname, c.relname INTO o_schema, o_table FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation;
    SELECT * INTO hypertable FROM _timescaledb_catalog.hypertable WHERE (schema_name, table_name) = (o_schema, o_table);
    IF FOUND THEN
        IF NOT skip_existing THEN
            RAISE EXCEPTION 'table "%" is already a hypertable', o_table USING ERRCODE = 'TS110';
        END IF;
        RAISE NOTICE 'table "%" is already a hypertable, skipping', o_table USING ERRCODE = 'TS110';
        o_id := hypertable.id;
        o_created := false;
        RETURN NEXT;
        RETURN;
    END IF;

    nodes := _timescaledb_standin.choose_nodes(given_nodes);
    replication := coalesce(replication, nullif(current_setting('timescaledb.hypertable_replication_factor_default', true), '')::integer, 1);
    PERFORM _timescaledb_standin.check_replication_factor(o_table, replication, cardinality(nodes));
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', relation);
    PERFORM _timescaledb_standin.check_table(relation);
    time_type := _timescaledb_standin.column_type(relation, time_column);
    IF NOT _timescaledb_standin.is_timestamp(time_type) AND time_type NOT IN ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype) THEN
        RAISE EXCEPTION 'invalid type for dimension "%"', time_column USING ERRCODE = 'wrong_object_type', HINT = 'Use an integer, timestamp, or date type.';
    END IF;
    units := _timescaledb_standin.interval_units(time_type, chunk_interval);
    IF space_column IS NOT NULL THEN
        PERFORM _timescaledb_standin.column_type(relation, space_column);
        partitions := CASE WHEN partitions >= 1 THEN partitions ELSE cardinality(nodes) END;
        IF partitions > 32767 THEN
            RAISE EXCEPTION 'invalid number of partitions for dimension "%"', space_column USING ERRCODE = 'invalid_parameter_value',
                HINT = 'A closed (space) dimension must specify between 1 and 32767 partitions.';
        END IF;
    END IF;

    o_id := nextval('_timescaledb_catalog.hypertable_id_seq');
    INSERT INTO _timescaledb_catalog.hypertable (id, schema_name, table_name, associated_table_prefix, num_dimensions, replication_factor)
    VALUES (o_id, o_schema, o_table, coalesce(prefix, '_dist_hyper_' || o_id), CASE WHEN space_column IS NULL THEN 1 ELSE 2 END, replication)
    RETURNING * INTO hypertable;
    IF NOT (SELECT attnotnull FROM pg_catalog.pg_attribute WHERE attrelid = relation AND attname = time_column) THEN
        RAISE NOTICE 'adding not-null constraint to column "%"', time_column USING DETAIL = 'Dimensions cannot have NULL values.';
        EXECUTE format('ALTER TABLE %s ALTER %I SET NOT NULL', relation, time_column);
    END IF;
    INSERT INTO _timescaledb_catalog.dimension (hypertable_id, column_name, column_type, aligned, interval_length) VALUES (o_id, time_column, time_type, true, units);
    IF space_column IS NOT NULL THEN
        INSERT INTO _timescaledb_catalog.dimension (hypertable_id, column_name, column_type, aligned, num_slices)
        VALUES (o_id, space_column, _timescaledb_standin.column_type(relation, space_column), false, partitions);
    END IF;
    PERFORM _timescaledb_standin.remake_partitions(o_id, nodes);
    PERFORM _timescaledb_standin.check_unique_indexes(relation, array_remove(ARRAY[time_column, space_column], NULL));
    IF default_indexes THEN
        PERFORM _timescaledb_standin.make_default_index(relation, ARRAY[time_column]);
        IF space_column IS NOT NULL THEN
            PERFORM _timescaledb_standin.make_default_index(relation, ARRAY[space_column, time_column]);
        END IF;
    END IF;
    FOREACH node IN ARRAY nodes LOOP
        PERFORM _timescaledb_standin.attach(hypertable, node);
    END LOOP;
    EXECUTE format('CREATE TRIGGER ts_standin_distribute AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows
                    FOR EACH STATEMENT EXECUTE FUNCTION _timescaledb_standin.distribute()', relation);
    EXECUTE format('CREATE TRIGGER ts_standin_guard_copies BEFORE UPDATE OR DELETE OR TRUNCATE ON %s
                    FOR EACH STATEMENT EXECUTE FUNCTION _timescaledb_standin.guard_copies()', relation);
    PERFORM _timescaledb_standin.warn_of_few_partitions(o_id);
    o_created := true;
    RETURN NEXT;
END
$$;

CREATE FUNCTION @extschema@.create_distributed_hypertable(
    relation regclass, time_column_name name, partitioning_column name = NULL, number_partitions integer = NULL,
    associated_schema_name name = NULL, associated_table_prefix name = NULL, chunk_time_interval anyelement = NULL::bigint,
    create_default_indexes boolean = true, if_not_exists boolean = false, partitioning_func regproc = NULL, migrate_data boolean = false,
    chunk_target_size text = NULL, chunk_sizing_func regproc = '_timescaledb_functions.calculate_chunk_interval'::regproc,
    time_partitioning_func regproc = NULL, replication_factor integer = NULL, data_nodes name[] = NULL
) RETURNS TABLE (hypertable_id int, schema_name name, table_name name, created bool) LANGUAGE sql AS $$
    -- The stand-in's chunks are always in _timescaledb_internal, and are divided by the default functions.
    SELECT * FROM _timescaledb_standin.create_distributed_hypertable($1, $2, $3, $4, $6, $7, coalesce($8, false), coalesce($9, false), coalesce($11, false), $15, $16);
$$;
