-- alter_data_node() and delete_data_node()

-- Read chunks from another node while this one is away, and from this one again when it is the first of its partition.
CREATE FUNCTION _timescaledb_standin.switch_chunks(node name, available boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    chunk record;
    stuck integer := 0;
BEGIN
    FOR chunk IN SELECT n.chunk_id, _timescaledb_standin.read_from(n.chunk_id) AS reads_from, p.data_nodes,
                        (SELECT o.node_name FROM _timescaledb_catalog.chunk_data_node o WHERE o.chunk_id = n.chunk_id AND o.node_name <> node
                          ORDER BY _timescaledb_standin.is_available(o.node_name) DESC, o.node_name LIMIT 1) AS other
                   FROM _timescaledb_catalog.chunk_data_node n JOIN _timescaledb_standin.chunk_box b ON b.chunk_id = n.chunk_id
                   LEFT JOIN LATERAL (SELECT data_nodes FROM _timescaledb_catalog.dimension_partition q JOIN _timescaledb_catalog.dimension d ON d.id = q.dimension_id
                                       WHERE d.hypertable_id = b.hypertable_id AND q.range_start <= b.space_start ORDER BY q.range_start DESC LIMIT 1) p ON true
                  WHERE n.node_name = node LOOP
        IF available AND chunk.reads_from <> node AND chunk.data_nodes[1] = node THEN
            PERFORM _timescaledb_standin.read_chunk_from(chunk.chunk_id, node);
        ELSIF NOT available AND chunk.other IS NULL THEN
            stuck := stuck + 1;
        ELSIF NOT available AND chunk.reads_from = node THEN
            PERFORM _timescaledb_standin.read_chunk_from(chunk.chunk_id, chunk.other);
        END IF;
    END LOOP;
    IF stuck > 0 THEN
        RAISE WARNING 'could not switch data node on % chunks', stuck;
    END IF;
END
$$;

CREATE FUNCTION _timescaledb_standin.drop_stale_chunks_on(node name) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    hypertable _timescaledb_catalog.hypertable;
BEGIN
    FOR hypertable IN SELECT h.* FROM _timescaledb_catalog.hypertable h JOIN _timescaledb_catalog.hypertable_data_node n ON n.hypertable_id = h.id
                       WHERE n.node_name = node LOOP
        PERFORM _timescaledb_standin.on_node(node, format('SELECT _timescaledb_standin.drop_stale_chunks(%L, %L, %L)', hypertable.schema_name, hypertable.table_name,
            ARRAY(SELECT c.table_name FROM _timescaledb_catalog.chunk c JOIN _timescaledb_catalog.chunk_data_node n ON n.chunk_id = c.id
                   WHERE c.hypertable_id = hypertable.id AND n.node_name = node)));
    END LOOP;
END
$$;

CREATE FUNCTION _timescaledb_standin.alter_data_node(node name, new_host text, new_database name, new_port integer, new_available boolean)
RETURNS TABLE (o_node name, o_host text, o_port integer, o_database name, o_available boolean) LANGUAGE plpgsql AS $$
DECLARE
    was_available boolean;
    wanted record;
BEGIN
    PERFORM _timescaledb_standin.warn_deprecated('altering data node');
    PERFORM _timescaledb_standin.check_node(node, needs_usage => false);
    PERFORM _timescaledb_standin.check_port(new_port);
    was_available := _timescaledb_standin.is_available(node);
    FOR wanted IN SELECT * FROM (VALUES ('host', new_host), ('dbname', new_database::text), ('port', new_port::text), ('available', new_available::text)) v (keyword, value)
                   WHERE value IS NOT NULL LOOP
        EXECUTE format('ALTER SERVER %I OPTIONS (%s %I %L)', node,
            CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_foreign_server s, pg_options_to_table(s.srvoptions) o WHERE s.srvname = node AND o.option_name = wanted.keyword)
                 THEN 'SET' ELSE 'ADD' END, wanted.keyword, wanted.value);
    END LOOP;
    IF new_available AND NOT was_available THEN
        PERFORM _timescaledb_standin.drop_stale_chunks_on(node);
    END IF;
    IF coalesce(new_host, new_database, new_port::text, new_available::text) IS NOT NULL THEN
        PERFORM _timescaledb_standin.switch_chunks(node, coalesce(new_available, true));
    END IF;
    RETURN QUERY SELECT node, max(option_value) FILTER (WHERE option_name = 'host'), (max(option_value) FILTER (WHERE option_name = 'port'))::integer,
                        (max(option_value) FILTER (WHERE option_name = 'dbname'))::name,
                        coalesce((max(option_value) FILTER (WHERE option_name = 'available'))::boolean, true)
                   FROM pg_catalog.pg_foreign_server s, pg_options_to_table(s.srvoptions) WHERE s.srvname = node;
END
$$;

CREATE FUNCTION @extschema@.alter_data_node(node_name name, host text = NULL, database name = NULL, port integer = NULL, available boolean = NULL)
RETURNS TABLE (node_name name, host text, port integer, database name, available boolean) LANGUAGE sql AS $$
    SELECT * FROM _timescaledb_standin.alter_data_node($1, $2, $3, $4, $5);
$$;

CREATE FUNCTION _timescaledb_standin.drop_node_database(node name) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    alias text := 'standin_drop';
    place record;
    reason text;
BEGIN
    SELECT max(option_value) FILTER (WHERE option_name = 'host') AS host, max(option_value) FILTER (WHERE option_name = 'port')::integer AS port,
           max(option_value) FILTER (WHERE option_name = 'dbname') AS dbname INTO place
      FROM pg_catalog.pg_foreign_server s, pg_options_to_table(s.srvoptions) WHERE s.srvname = node;
    FOR attempt IN 1..2 LOOP
        reason := _timescaledb_standin.try_connection(alias, _timescaledb_standin.connection_string(
            place.host, place.port, CASE attempt WHEN 1 THEN 'postgres' ELSE 'template1' END, node));
        EXIT WHEN reason IS NULL;
    END LOOP;
    IF reason IS NOT NULL THEN
        RAISE EXCEPTION 'could not connect to data node "%"', node USING ERRCODE = '08001', DETAIL = reason;
    END IF;
    PERFORM _timescaledb_standin.remote_command(alias, node, format('DROP DATABASE %I', place.dbname));
    PERFORM _timescaledb_standin.close_connection(alias);
EXCEPTION WHEN OTHERS THEN
    PERFORM _timescaledb_standin.close_connection(alias);
    RAISE;
END
$$;

CREATE FUNCTION _timescaledb_standin.delete_data_node(node name, skip_missing boolean, force boolean, repartition boolean, drop_database boolean) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    mapping record;
    node_id oid;
BEGIN
    PERFORM _timescaledb_standin.warn_deprecated('deleting data node');
    IF NOT _timescaledb_standin.check_node(node, missing_ok => skip_missing) THEN
        RAISE NOTICE 'data node "%" does not exist, skipping', node;
        RETURN false;
    END IF;
    node_id := _timescaledb_standin.node_oid(node);
    IF drop_database THEN
        PERFORM _timescaledb_standin.refuse_transaction_block('delete_data_node()');
        -- This session's own connection would be in the way of DROP DATABASE.
        PERFORM _timescaledb_standin.fdw_disconnect(node);
    END IF;
    PERFORM _timescaledb_standin.detach_everywhere(node, force, repartition, false, 'delete');
    IF drop_database THEN
        PERFORM _timescaledb_standin.drop_node_database(node);
    END IF;
    EXECUTE format('DROP FOREIGN TABLE _timescaledb_standin.%I', 'node_command_' || node_id);
    EXECUTE format('DROP SERVER %I', node);
    IF NOT EXISTS (SELECT FROM timescaledb_information.data_nodes) THEN
        PERFORM _timescaledb_standin.leave_distributed_database();
    END IF;
    RETURN true;
END
$$;

CREATE FUNCTION _timescaledb_standin.fdw_disconnect(text) RETURNS boolean AS '$libdir/postgres_fdw', 'postgres_fdw_disconnect' LANGUAGE C STRICT;

CREATE FUNCTION @extschema@.delete_data_node(
    node_name name, if_exists boolean = false, force boolean = false, repartition boolean = true, drop_database boolean = false
) RETURNS boolean LANGUAGE sql AS $$
    SELECT _timescaledb_standin.delete_data_node($1, coalesce($2, false), coalesce($3, false), coalesce($4, false), coalesce($5, false));
$$;
