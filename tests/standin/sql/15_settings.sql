-- What can be changed of a distributed hypertable. All of it is for new chunks only.

CREATE FUNCTION _timescaledb_standin.find_dimension(hypertable _timescaledb_catalog.hypertable, the_column name, is_time boolean)
RETURNS _timescaledb_catalog.dimension LANGUAGE plpgsql AS $$
DECLARE
    dimension _timescaledb_catalog.dimension;
BEGIN
    SELECT * INTO dimension FROM _timescaledb_catalog.dimension d
     WHERE d.hypertable_id = hypertable.id AND (d.interval_length IS NOT NULL) = is_time AND d.column_name = coalesce(the_column, d.column_name);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'hypertable "%" does not have a matching dimension', hypertable.table_name USING ERRCODE = 'TS002';
    END IF;
    RETURN dimension;
END
$$;

CREATE FUNCTION _timescaledb_standin.change_dimension(hypertable _timescaledb_catalog.hypertable, dimension _timescaledb_catalog.dimension) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    node name;
BEGIN
    UPDATE _timescaledb_catalog.dimension AS d SET num_slices = dimension.num_slices, interval_length = dimension.interval_length
     WHERE d.id = dimension.id;
    FOR node IN SELECT node_name FROM _timescaledb_catalog.hypertable_data_node WHERE hypertable_id = hypertable.id ORDER BY 1 LOOP
        PERFORM _timescaledb_standin.on_node(node, format('SELECT _timescaledb_standin.change_member(%L, %L, %L, %L, %L)', hypertable.schema_name,
            hypertable.table_name, dimension.column_name, dimension.num_slices, dimension.interval_length));
    END LOOP;
END
$$;

CREATE FUNCTION @extschema@.set_chunk_time_interval(hypertable regclass, chunk_time_interval anyelement, dimension_name name = NULL) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    the_hypertable _timescaledb_catalog.hypertable := _timescaledb_standin.own_hypertable(hypertable);
    dimension _timescaledb_catalog.dimension;
BEGIN
    IF chunk_time_interval IS NULL THEN
        RAISE EXCEPTION 'invalid interval: an explicit interval must be specified' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    dimension := _timescaledb_standin.find_dimension(the_hypertable, dimension_name, true);
    dimension.interval_length := _timescaledb_standin.interval_units(dimension.column_type, chunk_time_interval);
    PERFORM _timescaledb_standin.change_dimension(the_hypertable, dimension);
END
$$;

CREATE FUNCTION @extschema@.set_number_partitions(hypertable regclass, number_partitions integer, dimension_name name = NULL) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    the_hypertable _timescaledb_catalog.hypertable := _timescaledb_standin.own_hypertable(hypertable);
    dimension _timescaledb_catalog.dimension;
BEGIN
    PERFORM _timescaledb_standin.check_partitions(number_partitions);
    dimension := _timescaledb_standin.find_dimension(the_hypertable, dimension_name, false);
    dimension.num_slices := number_partitions;
    PERFORM _timescaledb_standin.change_dimension(the_hypertable, dimension);
    PERFORM _timescaledb_standin.remake_partitions(the_hypertable.id, _timescaledb_standin.accepting_nodes(the_hypertable.id));
    PERFORM _timescaledb_standin.warn_of_few_partitions(the_hypertable.id);
END
$$;

CREATE FUNCTION @extschema@.set_replication_factor(hypertable regclass, replication_factor integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    the_hypertable _timescaledb_catalog.hypertable := _timescaledb_standin.own_hypertable(hypertable);
BEGIN
    PERFORM _timescaledb_standin.check_replication_factor(the_hypertable.table_name, coalesce(set_replication_factor.replication_factor, 0),
        (SELECT count(*)::integer FROM _timescaledb_catalog.hypertable_data_node WHERE hypertable_id = the_hypertable.id));
    UPDATE _timescaledb_catalog.hypertable h SET replication_factor = set_replication_factor.replication_factor WHERE id = the_hypertable.id;
    IF EXISTS (SELECT FROM _timescaledb_catalog.chunk c WHERE c.hypertable_id = the_hypertable.id
                  AND (SELECT count(*) FROM _timescaledb_catalog.chunk_data_node n WHERE n.chunk_id = c.id) < set_replication_factor.replication_factor) THEN
        RAISE WARNING 'hypertable "%" is under-replicated', the_hypertable.table_name
            USING DETAIL = format('Some chunks have less than %s replicas.', set_replication_factor.replication_factor);
    END IF;
    PERFORM _timescaledb_standin.remake_partitions(the_hypertable.id, _timescaledb_standin.accepting_nodes(the_hypertable.id));
END
$$;
