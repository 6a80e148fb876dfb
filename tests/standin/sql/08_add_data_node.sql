-- add_data_node(): registers a node, and makes its database and extension where asked to.

CREATE FUNCTION _timescaledb_standin.check_remote_database(alias text, the_database name) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    mine pg_catalog.pg_database;
    theirs record;
BEGIN
    SELECT * INTO mine FROM pg_catalog.pg_database WHERE datname = current_database();
    SELECT * INTO theirs
      FROM _timescaledb_standin.dblink(alias, format('SELECT encoding, datcollate, datctype FROM pg_database WHERE datname = %L', the_database))
           AS d (encoding integer, datcollate text, datctype text);
    IF NOT FOUND THEN
        RETURN false;
    ELSIF theirs.encoding <> mine.encoding THEN
        RAISE EXCEPTION 'database exists but has wrong encoding' USING ERRCODE = 'TS174',
            DETAIL = format('Expected database encoding to be "%s" (%s) but it was "%s" (%s).', pg_encoding_to_char(mine.encoding),
                            mine.encoding, pg_encoding_to_char(theirs.encoding), theirs.encoding);
    ELSIF theirs.datcollate <> mine.datcollate THEN
        RAISE EXCEPTION 'database exists but has wrong collation' USING ERRCODE = 'TS174',
            DETAIL = format('Expected collation "%s" but it was "%s".', mine.datcollate, theirs.datcollate);
    ELSIF theirs.datctype <> mine.datctype THEN
        RAISE EXCEPTION 'database exists but has wrong LC_CTYPE' USING ERRCODE = 'TS174',
            DETAIL = format('Expected LC_CTYPE "%s" but it was "%s".', mine.datctype, theirs.datctype);
    END IF;
    RETURN true;
END
$$;

CREATE FUNCTION _timescaledb_standin.own_version() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'timescaledb';
$$;

-- A node of the same or a newer minor release is accepted.
CREATE FUNCTION _timescaledb_standin.accepts_version(theirs text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT (string_to_array(substring(theirs FROM '^\d+\.\d+'), '.')::integer[])
        >= (string_to_array(substring(_timescaledb_standin.own_version() FROM '^\d+\.\d+'), '.')::integer[]);
$$;

CREATE FUNCTION _timescaledb_standin.check_available_versions(alias text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    versions text[];
BEGIN
    SELECT array_agg(version) INTO versions
      FROM _timescaledb_standin.dblink(alias, 'SELECT version FROM pg_available_extension_versions WHERE name = ''timescaledb'' ORDER BY 1 DESC')
           AS v (version text);
    IF versions IS NULL THEN
        RAISE EXCEPTION 'TimescaleDB extension not available on remote PostgreSQL instance' USING ERRCODE = 'TS174',
            HINT = 'Install the TimescaleDB extension on the remote PostgresSQL instance.';
    ELSIF NOT (SELECT bool_or(_timescaledb_standin.accepts_version(version)) FROM unnest(versions) version) THEN
        RAISE EXCEPTION 'remote PostgreSQL instance has an incompatible timescaledb extension version' USING ERRCODE = 'TS174',
            DETAIL = format('Access node version: %s, available remote versions: %s.', _timescaledb_standin.own_version(),
                            array_to_string(versions, ', '));
    END IF;
END
$$;

-- Returns whether the database had to be created.
CREATE FUNCTION _timescaledb_standin.bootstrap_database(node name, the_host text, the_port integer, the_database name, password text)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    alias text := 'standin_bootstrap';
    reason text;
    mine pg_catalog.pg_database;
BEGIN
    FOR attempt IN 1..2 LOOP
        reason := _timescaledb_standin.try_connection(alias, _timescaledb_standin.connection_string(
            the_host, the_port, CASE attempt WHEN 1 THEN 'postgres' ELSE 'template1' END, node, password));
        EXIT WHEN reason IS NULL;
    END LOOP;
    IF reason IS NOT NULL THEN
        RAISE EXCEPTION 'could not connect to "%"', node USING ERRCODE = '08001', DETAIL = reason;
    END IF;
    PERFORM _timescaledb_standin.check_available_versions(alias);
    IF _timescaledb_standin.check_remote_database(alias, the_database) THEN
        RAISE NOTICE 'database "%" already exists on data node, skipping', the_database;
        PERFORM _timescaledb_standin.close_connection(alias);
        RETURN false;
    END IF;
    SELECT * INTO mine FROM pg_catalog.pg_database WHERE datname = current_database();
    PERFORM _timescaledb_standin.remote_command(alias, node, format(
        'CREATE DATABASE %I ENCODING %L LC_COLLATE %L LC_CTYPE %L TEMPLATE template0 OWNER %I',
        the_database, pg_encoding_to_char(mine.encoding), mine.datcollate, mine.datctype, current_user));
    PERFORM _timescaledb_standin.close_connection(alias);
    RETURN true;
END
$$;

-- Returns whether the extension had to be created.
CREATE FUNCTION _timescaledb_standin.bootstrap_extension(alias text, node name, the_host text, the_port integer) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    found_version text;
BEGIN
    SELECT version INTO found_version
      FROM _timescaledb_standin.dblink(alias, 'SELECT extversion FROM pg_extension WHERE extname = ''timescaledb''') AS v (version text);
    IF FOUND THEN
        RAISE NOTICE 'extension "timescaledb" already exists on data node, skipping'
            USING DETAIL = format('TimescaleDB extension version on %s:%s was %s.', the_host, the_port, found_version);
        RETURN false;
    END IF;
    IF '@extschema@' <> 'public' THEN
        BEGIN
            PERFORM _timescaledb_standin.remote_command(alias, node, 'CREATE SCHEMA @extschema@ AUTHORIZATION ' || quote_ident(current_user));
        EXCEPTION WHEN duplicate_schema THEN
            RAISE EXCEPTION 'schema "%" already exists in database, aborting', '@extschema@' USING ERRCODE = 'duplicate_schema',
                HINT = 'Make sure that the data node does not contain any existing objects prior to adding it.';
        END;
    END IF;
    PERFORM _timescaledb_standin.remote_command(alias, node, format(
        'CREATE EXTENSION timescaledb WITH SCHEMA @extschema@ VERSION %L CASCADE', _timescaledb_standin.own_version()));
    RETURN true;
END
$$;

CREATE FUNCTION _timescaledb_standin.check_remote_extension(alias text, the_host text, the_port integer, the_database name) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    found_version text;
BEGIN
    SELECT version INTO found_version
      FROM _timescaledb_standin.dblink(alias, 'SELECT extversion FROM pg_extension WHERE extname = ''timescaledb''') AS v (version text);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'database does not have TimescaleDB extension loaded' USING ERRCODE = 'TS174',
            DETAIL = format('The TimescaleDB extension is not loaded in database %s on node at %s:%s.', the_database, the_host, the_port);
    ELSIF NOT _timescaledb_standin.accepts_version(found_version) THEN
        RAISE EXCEPTION 'remote PostgreSQL instance has an incompatible timescaledb extension version' USING ERRCODE = 'TS174',
            DETAIL = format('Access node version: %s, remote version: %s.', _timescaledb_standin.own_version(), found_version);
    END IF;
END
$$;

-- The node's own part, in one transaction there. Returns whether the extension had to be created.
CREATE FUNCTION _timescaledb_standin.join_node(node name, the_host text, the_port integer, the_database name, bootstrap boolean,
                                               database_created boolean, password text)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    alias text := 'standin_join';
    reason text;
    detail text;
    hint text;
    extension_created boolean := false;
BEGIN
    reason := _timescaledb_standin.try_connection(alias, _timescaledb_standin.connection_string(the_host, the_port, the_database, node, password));
    IF reason IS NOT NULL THEN
        RAISE EXCEPTION 'could not connect to "%"', node USING ERRCODE = '08001', DETAIL = reason;
    END IF;
    PERFORM _timescaledb_standin.remote_command(alias, node, 'BEGIN');
    IF bootstrap THEN
        extension_created := _timescaledb_standin.bootstrap_extension(alias, node, the_host, the_port);
    END IF;
    IF NOT database_created THEN
        PERFORM _timescaledb_standin.check_remote_database(alias, the_database);
        BEGIN
            PERFORM _timescaledb_standin.remote_command(alias, node, 'DO $do$ BEGIN PERFORM _timescaledb_functions.validate_as_data_node(); END $do$');
        EXCEPTION WHEN OTHERS THEN
            -- libpq's whole message is TimescaleDB's detail.
            GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
            RAISE EXCEPTION 'cannot add "%" as a data node', node USING ERRCODE = 'TS174',
                DETAIL = concat(regexp_replace(SQLERRM, '^\[.*?\]: ', 'ERROR:  ') || E'\n', 'DETAIL:  ' || nullif(detail, '') || E'\n',
                                'HINT:  ' || nullif(hint, '') || E'\n');
        END;
    END IF;
    IF NOT extension_created THEN
        PERFORM _timescaledb_standin.check_remote_extension(alias, the_host, the_port, the_database);
    END IF;
    PERFORM _timescaledb_standin.become_access_node();
    PERFORM _timescaledb_standin.remote_command(alias, node, format(
        'DO $do$ BEGIN PERFORM _timescaledb_functions.set_dist_id(%L); END $do$',
        (SELECT value FROM _timescaledb_catalog.metadata WHERE key = 'dist_uuid')));
    PERFORM _timescaledb_standin.remote_command(alias, node, 'COMMIT');
    PERFORM _timescaledb_standin.close_connection(alias);
    RETURN extension_created;
END
$$;

CREATE FUNCTION _timescaledb_standin.add_data_node(node name, the_host text, the_database name, the_port integer, skip_existing boolean,
                                                   bootstrap boolean, password text)
RETURNS TABLE (o_node name, o_host text, o_port integer, o_database name, node_created boolean, database_created boolean, extension_created boolean)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM _timescaledb_standin.warn_deprecated('adding data node');
    o_node := node;
    o_host := the_host;
    o_port := coalesce(the_port, current_setting('port')::integer);
    o_database := coalesce(the_database, current_database());
    node_created := false;
    database_created := false;
    extension_created := false;
    IF the_host IS NULL THEN
        RAISE EXCEPTION 'a host needs to be specified' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Provide a host name or IP address of a data node to add.';
    ELSIF _timescaledb_standin.membership() = 'data node' THEN
        RAISE EXCEPTION 'unable to assign data nodes from an existing distributed database' USING ERRCODE = 'TS171';
    ELSIF node IS NULL THEN
        RAISE EXCEPTION 'data node name cannot be NULL' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM _timescaledb_standin.check_port(o_port);
    PERFORM _timescaledb_standin.refuse_transaction_block('add_data_node()');
    IF skip_existing AND _timescaledb_standin.check_node(node, missing_ok => true, needs_usage => false) THEN
        RAISE NOTICE 'data node "%" already exists, skipping', node USING ERRCODE = 'duplicate_object';
        RETURN NEXT;
        RETURN;
    END IF;
    EXECUTE format('CREATE SERVER %I FOREIGN DATA WRAPPER timescaledb_fdw OPTIONS (host %L, port %L, dbname %L)', node, o_host, o_port, o_database);
    node_created := true;
    BEGIN
        IF bootstrap THEN
            database_created := _timescaledb_standin.bootstrap_database(node, o_host, o_port, o_database, password);
        END IF;
        extension_created := _timescaledb_standin.join_node(node, o_host, o_port, o_database, bootstrap, database_created, password);
    EXCEPTION WHEN OTHERS THEN
        PERFORM _timescaledb_standin.close_connection('standin_bootstrap'), _timescaledb_standin.close_connection('standin_join');
        RAISE;
    END;
    PERFORM _timescaledb_standin.keep_user_mapping(node, current_user);
    PERFORM _timescaledb_standin.make_node_command(node);
    RETURN NEXT;
END
$$;

CREATE FUNCTION @extschema@.add_data_node(
    node_name name, host text, database name = NULL, port integer = NULL, if_not_exists boolean = false, bootstrap boolean = true,
    password text = NULL
) RETURNS TABLE (node_name name, host text, port integer, database name, node_created bool, database_created bool, extension_created bool)
LANGUAGE sql AS $$
    SELECT * FROM _timescaledb_standin.add_data_node($1, $2, $3, $4, coalesce($5, false), coalesce($6, true), $7);
$$;
