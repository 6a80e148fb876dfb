-- DROP TABLE of a distributed hypertable on the access node drops it on its data nodes too.

CREATE FUNCTION _timescaledb_standin.forget_chunks(the_chunks integer[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    writer name;
BEGIN
    FOR writer IN SELECT writer_name FROM _timescaledb_standin.chunk_writer WHERE chunk_id = ANY (the_chunks) LOOP
        EXECUTE format('DROP FOREIGN TABLE _timescaledb_standin.%I', writer);
    END LOOP;
    DELETE FROM _timescaledb_catalog.chunk_data_node WHERE chunk_id = ANY (the_chunks);
    DELETE FROM _timescaledb_catalog.chunk WHERE id = ANY (the_chunks);
END
$$;

CREATE FUNCTION _timescaledb_standin.forget_hypertable(hypertable _timescaledb_catalog.hypertable) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    node name;
BEGIN
    FOR node IN SELECT node_name FROM _timescaledb_catalog.hypertable_data_node WHERE hypertable_id = hypertable.id ORDER BY 1 LOOP
        PERFORM _timescaledb_standin.drop_member(node, hypertable.schema_name, hypertable.table_name);
    END LOOP;
    PERFORM _timescaledb_standin.forget_chunks(ARRAY(SELECT id FROM _timescaledb_catalog.chunk WHERE hypertable_id = hypertable.id));
    DELETE FROM _timescaledb_catalog.hypertable_data_node WHERE hypertable_id = hypertable.id;
    DELETE FROM _timescaledb_catalog.hypertable AS h WHERE h.id = hypertable.id;
END
$$;

CREATE FUNCTION _timescaledb_standin.follow_drop() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE
    hypertable _timescaledb_catalog.hypertable;
    chunks integer[];
BEGIN
    IF current_setting('timescaledb_standin.switching', true) = 'on' THEN
        RETURN;
    END IF;
    FOR hypertable IN SELECT h.* FROM pg_event_trigger_dropped_objects() o JOIN _timescaledb_catalog.hypertable h
                          ON h.schema_name = o.schema_name AND h.table_name = o.object_name WHERE o.object_type = 'table' LOOP
        PERFORM _timescaledb_standin.forget_hypertable(hypertable);
    END LOOP;
    SELECT array_agg(c.id) INTO chunks FROM pg_event_trigger_dropped_objects() o JOIN _timescaledb_catalog.chunk c
        ON c.schema_name = o.schema_name AND c.table_name = o.object_name WHERE o.object_type IN ('table', 'foreign table');
    IF chunks IS NOT NULL THEN
        PERFORM _timescaledb_standin.forget_chunks(chunks);
    END IF;
END
$$;

CREATE EVENT TRIGGER ts_standin_follow_drop ON sql_drop WHEN TAG IN ('DROP TABLE', 'DROP FOREIGN TABLE', 'DROP SCHEMA', 'DROP OWNED')
    EXECUTE FUNCTION _timescaledb_standin.follow_drop();
