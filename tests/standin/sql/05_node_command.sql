-- How the access node has data nodes do things within its own transaction: it inserts the command into a foreign table
-- over this view of the node, and the view's trigger runs it there, in the transaction of the rows that go the same way.

CREATE VIEW _timescaledb_standin.node_command AS SELECT ''::text AS command, ''::text AS answer;
GRANT ALL ON _timescaledb_standin.node_command TO PUBLIC;

CREATE FUNCTION _timescaledb_standin.obey() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- TimescaleDB writes in two phases.
    IF current_setting('max_prepared_transactions') = '0' THEN
        RAISE EXCEPTION 'prepared transactions are disabled' USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'Set max_prepared_transactions to a nonzero value.';
    ELSIF NEW.command LIKE 'SELECT %' THEN
        EXECUTE NEW.command INTO NEW.answer;
    ELSE
        EXECUTE NEW.command;
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER obey INSTEAD OF INSERT ON _timescaledb_standin.node_command
    FOR EACH ROW EXECUTE FUNCTION _timescaledb_standin.obey();

CREATE FUNCTION _timescaledb_standin.node_oid(node name) RETURNS oid LANGUAGE sql STABLE AS $$
    SELECT s.oid FROM pg_catalog.pg_foreign_server s JOIN pg_catalog.pg_foreign_data_wrapper f ON f.oid = s.srvfdw
     WHERE s.srvname = node AND f.fdwname = 'timescaledb_fdw';
$$;

CREATE FUNCTION _timescaledb_standin.make_node_command(node name) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    command_name text := 'node_command_' || _timescaledb_standin.node_oid(node);
BEGIN
    EXECUTE format('CREATE FOREIGN TABLE _timescaledb_standin.%I (command text, answer text) SERVER %I
                    OPTIONS (schema_name ''_timescaledb_standin'', table_name ''node_command'')', command_name, node);
    EXECUTE format('GRANT ALL ON _timescaledb_standin.%I TO PUBLIC', command_name);
END
$$;

-- An error that came from a node, told as TimescaleDB tells it.
CREATE FUNCTION _timescaledb_standin.raise_node_error(node name, state text, message text, detail text, hint text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF state = '08001' AND message LIKE 'could not connect to server %' THEN
        message := format('could not connect to "%s"', node);
    ELSIF message NOT LIKE '[%]: %' THEN
        message := format('[%s]: %s', node, message);
    END IF;
    PERFORM _timescaledb_standin.raise_error(message, state, detail, hint);
END
$$;

CREATE FUNCTION _timescaledb_standin.on_node(node name, command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    the_answer text;
    state text;
    message text;
    detail text;
    hint text;
BEGIN
    PERFORM _timescaledb_standin.keep_user_mapping(node, current_user);
    EXECUTE format('INSERT INTO _timescaledb_standin.%I (command) VALUES ($1) RETURNING answer', 'node_command_' || _timescaledb_standin.node_oid(node))
        INTO the_answer USING command;
    RETURN the_answer;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    PERFORM _timescaledb_standin.raise_node_error(node, state, message, detail, hint);
END
$$;
