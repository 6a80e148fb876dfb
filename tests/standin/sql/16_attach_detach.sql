-- attach_data_node() and detach_data_node()

CREATE FUNCTION _timescaledb_standin.set_partitions(hypertable _timescaledb_catalog.hypertable, partitions integer) RETURNS void LANGUAGE sql AS $$
    UPDATE _timescaledb_catalog.dimension SET num_slices = partitions WHERE hypertable_id = hypertable.id AND num_slices IS NOT NULL;
$$;

CREATE FUNCTION _timescaledb_standin.attach_data_node(node name, relation regclass, skip_attached boolean, repartition boolean)
RETURNS TABLE (o_hypertable integer, o_member integer, o_node name) LANGUAGE plpgsql AS $$
DECLARE
    hypertable _timescaledb_catalog.hypertable;
    space _timescaledb_catalog.dimension;
    nodes integer;
BEGIN
    PERFORM _timescaledb_standin.warn_deprecated('attaching data node');
    hypertable := _timescaledb_standin.own_hypertable(relation);
    PERFORM _timescaledb_standin.check_node(node);
    SELECT hypertable_id, node_hypertable_id, node_name INTO o_hypertable, o_member, o_node
      FROM _timescaledb_catalog.hypertable_data_node WHERE hypertable_id = hypertable.id AND node_name = node;
    IF FOUND THEN
        IF NOT skip_attached THEN
            RAISE EXCEPTION 'data node "%" is already attached to hypertable "%"', node, hypertable.table_name USING ERRCODE = 'TS172';
        END IF;
        RAISE NOTICE 'data node "%" is already attached to hypertable "%", skipping', node, hypertable.table_name USING ERRCODE = 'TS172';
        RETURN NEXT;
        RETURN;
    END IF;
    o_hypertable := hypertable.id;
    o_node := node;
    o_member := _timescaledb_standin.attach(hypertable, node);
    SELECT * INTO space FROM _timescaledb_catalog.dimension WHERE hypertable_id = hypertable.id AND num_slices IS NOT NULL;
    SELECT count(*) INTO nodes FROM _timescaledb_catalog.hypertable_data_node WHERE hypertable_id = hypertable.id;
    IF nodes > space.num_slices THEN
        IF repartition THEN
            PERFORM _timescaledb_standin.set_partitions(hypertable, nodes);
            RAISE NOTICE 'the number of partitions in dimension "%" was increased to %', space.column_name, nodes
                USING DETAIL = 'To make use of all attached data nodes, a distributed hypertable needs at least as many partitions in the first '
                               'closed (space) dimension as there are attached data nodes.';
        ELSE
            PERFORM _timescaledb_standin.warn_of_few_partitions(hypertable.id);
        END IF;
    END IF;
    PERFORM _timescaledb_standin.remake_partitions(hypertable.id, _timescaledb_standin.accepting_nodes(hypertable.id));
    RETURN NEXT;
END
$$;

-- The server's rules against losing data; verb: detach or delete.
CREATE FUNCTION _timescaledb_standin.check_leaving(node name, hypertable _timescaledb_catalog.hypertable, force boolean, verb text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    copies bigint[] := ARRAY(SELECT (SELECT count(*) FROM _timescaledb_catalog.chunk_data_node o WHERE o.chunk_id = n.chunk_id)
                               FROM _timescaledb_catalog.chunk_data_node n JOIN _timescaledb_catalog.chunk c ON c.id = n.chunk_id
                              WHERE n.node_name = node AND c.hypertable_id = hypertable.id);
BEGIN
    IF 1 = ANY (copies) THEN
        RAISE EXCEPTION 'insufficient number of data nodes' USING ERRCODE = 'TS170',
            DETAIL = format('Distributed hypertable "%s" would lose data if data node "%s" is %s.', hypertable.table_name, node,
                            CASE verb WHEN 'delete' THEN 'deleted' ELSE 'detached' END),
            HINT = format('Ensure all chunks on the data node are fully replicated before %s it.', CASE verb WHEN 'delete' THEN 'deleting' ELSE 'detaching' END);
    ELSIF cardinality(copies) > 0 AND NOT force THEN
        RAISE EXCEPTION 'data node "%" still holds data for distributed hypertable "%"', node, hypertable.table_name USING ERRCODE = 'TS504';
    ELSIF cardinality(copies) > 0 THEN
        RAISE WARNING 'distributed hypertable "%" is under-replicated', hypertable.table_name USING ERRCODE = 'TS170',
            DETAIL = format('Some chunks no longer meet the replication target after %s data node "%s".',
                            CASE verb WHEN 'delete' THEN 'deleting' ELSE 'detaching' END, node);
    END IF;
    IF hypertable.replication_factor >= cardinality(_timescaledb_standin.accepting_nodes(hypertable.id)) THEN
        IF force THEN
            RAISE WARNING 'insufficient number of data nodes for distributed hypertable "%"', hypertable.table_name USING ERRCODE = 'TS170',
                DETAIL = format('Reducing the number of available data nodes on distributed hypertable "%s" prevents full replication of new chunks.', hypertable.table_name);
        ELSE
            RAISE EXCEPTION 'insufficient number of data nodes for distributed hypertable "%"', hypertable.table_name USING ERRCODE = 'TS170',
                DETAIL = format('Reducing the number of available data nodes on distributed hypertable "%s" prevents full replication of new chunks.', hypertable.table_name),
                HINT = 'Use force => true to force this operation.';
        END IF;
    END IF;
END
$$;

CREATE FUNCTION _timescaledb_standin.detach(node name, hypertable _timescaledb_catalog.hypertable, force boolean, repartition boolean, verb text)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    space _timescaledb_catalog.dimension;
    nodes integer;
    chunk integer;
BEGIN
    PERFORM _timescaledb_standin.check_leaving(node, hypertable, force, verb);
    FOR chunk IN SELECT n.chunk_id FROM _timescaledb_catalog.chunk_data_node n JOIN _timescaledb_catalog.chunk c ON c.id = n.chunk_id
                  WHERE n.node_name = node AND c.hypertable_id = hypertable.id LOOP
        PERFORM _timescaledb_standin.forget_copy(chunk, node);
    END LOOP;
    DELETE FROM _timescaledb_catalog.hypertable_data_node WHERE hypertable_id = hypertable.id AND node_name = node;
    SELECT * INTO space FROM _timescaledb_catalog.dimension WHERE hypertable_id = hypertable.id AND num_slices IS NOT NULL;
    SELECT count(*) INTO nodes FROM _timescaledb_catalog.hypertable_data_node WHERE hypertable_id = hypertable.id;
    IF repartition AND nodes < space.num_slices AND nodes > 0 THEN
        PERFORM _timescaledb_standin.set_partitions(hypertable, nodes);
        RAISE NOTICE 'the number of partitions in dimension "%" of hypertable "%" was decreased to %', space.column_name, hypertable.table_name, nodes
            USING DETAIL = 'To make efficient use of all attached data nodes, the number of space partitions was set to match the number of data nodes.';
    END IF;
    PERFORM _timescaledb_standin.remake_partitions(hypertable.id, _timescaledb_standin.accepting_nodes(hypertable.id));
END
$$;

CREATE FUNCTION _timescaledb_standin.detach_everywhere(node name, force boolean, repartition boolean, drop_remote_data boolean, verb text) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    hypertable _timescaledb_catalog.hypertable;
    detached integer := 0;
BEGIN
    FOR hypertable IN SELECT h.* FROM _timescaledb_catalog.hypertable h JOIN _timescaledb_catalog.hypertable_data_node n ON n.hypertable_id = h.id
                       WHERE n.node_name = node ORDER BY h.id LOOP
        IF NOT _timescaledb_standin.may_change(_timescaledb_standin.relation_of(hypertable)) THEN
            IF verb = 'delete' THEN
                RAISE EXCEPTION 'permission denied for hypertable "%"', hypertable.table_name USING ERRCODE = 'insufficient_privilege',
                    DETAIL = 'The data node is attached to hypertables that the current user lacks permissions for.';
            END IF;
            RAISE NOTICE 'skipping hypertable "%" due to missing permissions', hypertable.table_name USING ERRCODE = 'insufficient_privilege';
            CONTINUE;
        END IF;
        PERFORM _timescaledb_standin.detach(node, hypertable, force, repartition, verb);
        IF drop_remote_data THEN
            PERFORM _timescaledb_standin.drop_member(node, hypertable.schema_name, hypertable.table_name);
        END IF;
        detached := detached + 1;
    END LOOP;
    RETURN detached;
END
$$;

CREATE FUNCTION _timescaledb_standin.drop_member(node name, the_schema name, the_table name) RETURNS void LANGUAGE sql AS $$
    SELECT _timescaledb_standin.on_node(node, format('DROP TABLE IF EXISTS %I.%I CASCADE', the_schema, the_table));
$$;

CREATE FUNCTION @extschema@.detach_data_node(
    node_name name, hypertable regclass = NULL, if_attached boolean = false, force boolean = false, repartition boolean = true,
    drop_remote_data boolean = false
) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    the_hypertable _timescaledb_catalog.hypertable;
    node alias FOR $1;
BEGIN
    PERFORM _timescaledb_standin.warn_deprecated('detaching data node');
    PERFORM _timescaledb_standin.check_node(node);
    IF hypertable IS NULL THEN
        RETURN _timescaledb_standin.detach_everywhere(node, coalesce(force, false), coalesce(repartition, false), coalesce(drop_remote_data, false), 'detach');
    END IF;
    the_hypertable := _timescaledb_standin.own_hypertable(hypertable);
    IF NOT EXISTS (SELECT FROM _timescaledb_catalog.hypertable_data_node n WHERE n.hypertable_id = the_hypertable.id AND n.node_name = node) THEN
        IF NOT coalesce(if_attached, false) THEN
            RAISE EXCEPTION 'data node "%" is not attached to hypertable "%"', node, the_hypertable.table_name USING ERRCODE = 'TS173';
        END IF;
        RAISE NOTICE 'data node "%" is not attached to hypertable "%", skipping', node, the_hypertable.table_name USING ERRCODE = 'TS173';
        RETURN 0;
    END IF;
    PERFORM _timescaledb_standin.detach(node, the_hypertable, coalesce(force, false), coalesce(repartition, false), 'detach');
    IF drop_remote_data THEN
        PERFORM _timescaledb_standin.drop_member(node, the_hypertable.schema_name, the_hypertable.table_name);
    END IF;
    RETURN 1;
END
$$;

CREATE FUNCTION @extschema@.attach_data_node(node_name name, hypertable regclass, if_not_attached boolean = false, repartition boolean = true)
RETURNS TABLE (hypertable_id integer, node_hypertable_id integer, node_name name) LANGUAGE sql AS $$
    SELECT * FROM _timescaledb_standin.attach_data_node($1, $2, coalesce($3, false), coalesce($4, false));
$$;
