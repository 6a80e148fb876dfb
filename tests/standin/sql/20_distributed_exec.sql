-- distributed_exec()

CREATE PROCEDURE @extschema@.distributed_exec(query text, node_list name[] = NULL, transactional boolean = true) LANGUAGE plpgsql AS $$
DECLARE
    node name;
BEGIN
    IF query IS NULL THEN
        RAISE EXCEPTION 'empty command string' USING ERRCODE = 'invalid_parameter_value';
    ELSIF _timescaledb_standin.membership() IS DISTINCT FROM 'access node' THEN
        RAISE EXCEPTION 'function must be run on the access node only' USING ERRCODE = 'feature_not_supported';
    ELSIF cardinality(node_list) = 0 THEN
        RAISE EXCEPTION 'invalid data nodes list' USING ERRCODE = 'invalid_parameter_value', DETAIL = 'The array of data nodes cannot be empty.';
    ELSIF array_position(node_list, NULL) IS NOT NULL THEN
        RAISE EXCEPTION 'invalid data nodes list' USING ERRCODE = 'invalid_parameter_value',
            DETAIL = 'The array of data nodes cannot contain null values.';
    END IF;
    FOR node IN SELECT unnest(coalesce(node_list, ARRAY(SELECT d.node_name FROM timescaledb_information.data_nodes d))) LOOP
        PERFORM _timescaledb_standin.check_node(node);
        PERFORM _timescaledb_standin.on_node(node, query);
    END LOOP;
END
$$;
