-- Whether nodes answer.

CREATE FUNCTION _timescaledb_standin.ask_health(node name) RETURNS TABLE (healthy boolean, in_recovery boolean, error text) LANGUAGE plpgsql AS $$
DECLARE
    alias text := 'standin_health';
    place record;
BEGIN
    SELECT max(option_value) FILTER (WHERE option_name = 'host') AS host, max(option_value) FILTER (WHERE option_name = 'port')::integer AS port,
           max(option_value) FILTER (WHERE option_name = 'dbname') AS dbname INTO place
      FROM pg_catalog.pg_foreign_server s, pg_options_to_table(s.srvoptions) WHERE s.srvname = node;
    error := _timescaledb_standin.try_connection(alias, _timescaledb_standin.connection_string(place.host, place.port, place.dbname, node));
    IF error IS NULL THEN
        SELECT r INTO in_recovery FROM _timescaledb_standin.dblink(alias, 'SELECT pg_is_in_recovery()') AS a (r boolean);
        PERFORM _timescaledb_standin.close_connection(alias);
    END IF;
    healthy := error IS NULL AND NOT in_recovery;
    RETURN NEXT;
END
$$;

-- As in TimescaleDB, a node that does not answer is an error, not a row.
CREATE FUNCTION _timescaledb_functions.health() RETURNS TABLE (node_name name, healthy bool, in_recovery bool, error text) LANGUAGE plpgsql AS $$
DECLARE
    node name;
    seen record;
BEGIN
    RETURN QUERY SELECT NULL::name, NOT pg_is_in_recovery(), pg_is_in_recovery(), NULL::text;
    FOR node IN SELECT n.node_name FROM timescaledb_information.data_nodes n LOOP
        SELECT * INTO seen FROM _timescaledb_standin.ask_health(node);
        IF seen.error IS NOT NULL THEN
            RAISE EXCEPTION 'could not connect to "%"', node USING ERRCODE = '08001', DETAIL = seen.error;
        END IF;
        RETURN QUERY SELECT node, seen.healthy, seen.in_recovery, NULL::text;
    END LOOP;
END
$$;

CREATE FUNCTION _timescaledb_functions.ping_data_node(node_name name, timeout interval = NULL) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM _timescaledb_standin.check_node(node_name, needs_usage => false);
    RETURN (SELECT healthy FROM _timescaledb_standin.ask_health(node_name));
END
$$;
