-- How the access node reaches data nodes: postgres_fdw for all that belongs to a transaction, dblink for the rest.
-- Their C functions are declared here, for CREATE EXTENSION timescaledb must work without CASCADE.

CREATE FUNCTION _timescaledb_standin.fdw_handler() RETURNS fdw_handler
AS '$libdir/postgres_fdw', 'postgres_fdw_handler' LANGUAGE C STRICT;

-- No validator: the option "available" is not one of postgres_fdw's.
CREATE FOREIGN DATA WRAPPER timescaledb_fdw HANDLER _timescaledb_standin.fdw_handler;

-- SECURITY DEFINER as dblink_connect_u: the password may come from the passfile.
CREATE FUNCTION _timescaledb_standin.dblink_connect(text, text) RETURNS text
AS '$libdir/dblink', 'dblink_connect' LANGUAGE C STRICT SECURITY DEFINER;
CREATE FUNCTION _timescaledb_standin.dblink_exec(text, text) RETURNS text
AS '$libdir/dblink', 'dblink_exec' LANGUAGE C STRICT;
CREATE FUNCTION _timescaledb_standin.dblink(text, text) RETURNS SETOF record
AS '$libdir/dblink', 'dblink_record' LANGUAGE C STRICT;
CREATE FUNCTION _timescaledb_standin.dblink_disconnect(text) RETURNS text
AS '$libdir/dblink', 'dblink_disconnect' LANGUAGE C STRICT;
CREATE FUNCTION _timescaledb_standin.dblink_get_connections() RETURNS text[]
AS '$libdir/dblink', 'dblink_get_connections' LANGUAGE C STRICT;

-- The libpq options with which a role logs in to a data node: its name, the passfile, TLS as soon as this server has it.
CREATE FUNCTION _timescaledb_standin.login_options(the_role name) RETURNS TABLE (keyword text, value text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    data_directory text := current_setting('data_directory');
    certificate text;
BEGIN
    RETURN QUERY VALUES ('user', the_role::text),
        ('passfile', coalesce(nullif(current_setting('timescaledb.passfile', true), ''), data_directory || '/passfile'));
    IF current_setting('ssl') <> 'on' THEN
        RETURN;
    END IF;
    RETURN QUERY VALUES ('sslmode', 'require');
    RETURN QUERY SELECT 'sslrootcert', current_setting('ssl_ca_file') WHERE current_setting('ssl_ca_file') <> '';
    certificate := coalesce(nullif(current_setting('timescaledb.ssl_dir', true), ''), data_directory || '/timescaledb/certs')
                   || '/' || md5(the_role);
    IF pg_stat_file(certificate || '.key', true) IS NOT NULL THEN
        RETURN QUERY VALUES ('sslcert', certificate || '.crt'), ('sslkey', certificate || '.key');
    END IF;
END
$$;

-- A user mapping made by somebody else has the last word, as in TimescaleDB; the role's own goes before that of PUBLIC.
CREATE FUNCTION _timescaledb_standin.own_mapping_options(node name, the_role name) RETURNS TABLE (keyword text, value text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT o.option_name, o.option_value
      FROM (SELECT m.umoptions FROM pg_user_mapping m JOIN pg_foreign_server s ON s.oid = m.umserver
             WHERE s.srvname = node AND m.umuser IN (0, (SELECT oid FROM pg_roles WHERE rolname = the_role))
               AND 'standin=true' <> ALL (coalesce(m.umoptions, '{}'))
             ORDER BY m.umuser DESC LIMIT 1) AS m CROSS JOIN pg_options_to_table(m.umoptions) o;
$$;

-- postgres_fdw wants a user mapping. It is made, and remade when the settings behind it have changed, where a role starts
-- to do something with a node.
CREATE FUNCTION _timescaledb_standin.keep_user_mapping(node name, the_role name) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wanted text[];
    found_options text[];
    options text;
    for_all boolean;
BEGIN
    SELECT array_agg(l.keyword || '=' || l.value ORDER BY l.keyword), string_agg(format('%I %L', l.keyword, l.value), ', ')
      INTO wanted, options
      FROM (SELECT * FROM _timescaledb_standin.login_options(the_role)
            UNION ALL VALUES ('password_required', 'false'), ('standin', 'true')) l (keyword, value);
    SELECT coalesce(m.umoptions, '{}') INTO found_options
      FROM pg_user_mapping m JOIN pg_foreign_server s ON s.oid = m.umserver
     WHERE s.srvname = node AND m.umuser = (SELECT oid FROM pg_roles WHERE rolname = the_role);
    for_all := EXISTS (SELECT FROM pg_user_mapping m JOIN pg_foreign_server s ON s.oid = m.umserver WHERE s.srvname = node AND m.umuser = 0);
    IF found_options IS NOT NULL THEN
        IF NOT 'standin=true' = ANY (found_options) OR (found_options <@ wanted AND wanted <@ found_options AND NOT for_all) THEN
            RETURN;
        END IF;
        EXECUTE format('DROP USER MAPPING FOR %I SERVER %I', the_role, node);
    END IF;
    IF for_all THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE USER MAPPING FOR %I SERVER %I OPTIONS (%s)', the_role, node, options);
    -- TimescaleDB has none of its own, so that it must not be in the way of DROP SERVER.
    UPDATE pg_depend d SET deptype = 'a'
      FROM pg_user_mapping m JOIN pg_foreign_server s ON s.oid = m.umserver
     WHERE s.srvname = node AND m.umuser = (SELECT oid FROM pg_roles WHERE rolname = the_role)
       AND d.classid = 'pg_user_mapping'::regclass AND d.objid = m.oid AND d.refclassid = 'pg_foreign_server'::regclass AND d.refobjid = s.oid;
END
$$;

CREATE FUNCTION _timescaledb_standin.connection_string(host text, port integer, database name, node name DEFAULT NULL, password text DEFAULT NULL)
RETURNS text LANGUAGE sql STABLE AS $$
    SELECT string_agg(format('%s=''%s''', keyword, replace(replace(value, '\', '\\'), '''', '\''')), ' ')
      FROM (SELECT DISTINCT ON (keyword) keyword, value
              FROM (VALUES (0, 'host', $1), (0, 'port', $2::text), (0, 'dbname', $3::text), (0, 'password', $5)
                    UNION ALL SELECT 1, * FROM _timescaledb_standin.own_mapping_options($4, current_user)
                    UNION ALL SELECT 2, * FROM _timescaledb_standin.login_options(current_user)) AS given (rank, keyword, value)
             WHERE value IS NOT NULL AND keyword <> 'password_required'
             ORDER BY keyword, rank) options;
$$;

CREATE FUNCTION _timescaledb_standin.close_connection(alias text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF alias = ANY (_timescaledb_standin.dblink_get_connections()) THEN
        PERFORM _timescaledb_standin.dblink_disconnect(alias);
    END IF;
END
$$;

-- Returns NULL, or why there is no connection.
CREATE FUNCTION _timescaledb_standin.try_connection(alias text, connection_string text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    reason text;
BEGIN
    PERFORM _timescaledb_standin.close_connection(alias);
    PERFORM _timescaledb_standin.dblink_connect(alias, connection_string);
    RETURN NULL;
EXCEPTION WHEN sqlclient_unable_to_establish_sqlconnection THEN
    GET STACKED DIAGNOSTICS reason = PG_EXCEPTION_DETAIL;
    RETURN reason;
END
$$;

-- RAISE has no way to leave a detail or a hint out by its value.
CREATE FUNCTION _timescaledb_standin.raise_error(message text, state text, detail text, hint text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF detail = '' AND hint = '' THEN
        RAISE EXCEPTION '%', message USING ERRCODE = state;
    ELSIF detail = '' THEN
        RAISE EXCEPTION '%', message USING ERRCODE = state, HINT = hint;
    ELSIF hint = '' THEN
        RAISE EXCEPTION '%', message USING ERRCODE = state, DETAIL = detail;
    END IF;
    RAISE EXCEPTION '%', message USING ERRCODE = state, DETAIL = detail, HINT = hint;
END
$$;

-- Run a command over such a connection; errors name the node.
CREATE FUNCTION _timescaledb_standin.remote_command(alias text, node name, command text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    state text;
    message text;
    detail text;
    hint text;
BEGIN
    PERFORM _timescaledb_standin.dblink_exec(alias, command);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    PERFORM _timescaledb_standin.raise_error(format('[%s]: %s', node, message), state, detail, hint);
END
$$;
