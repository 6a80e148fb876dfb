-- Who belongs to which distributed database: dist_uuid, on the access node equal to its own uuid.

INSERT INTO _timescaledb_catalog.metadata VALUES
    ('uuid', gen_random_uuid(), true),
    ('exported_uuid', gen_random_uuid(), true),
    ('install_timestamp', now(), true);

CREATE FUNCTION _timescaledb_standin.membership() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT CASE WHEN d.value = u.value THEN 'access node' ELSE 'data node' END
                       FROM _timescaledb_catalog.metadata d, _timescaledb_catalog.metadata u
                      WHERE d.key = 'dist_uuid' AND u.key = 'uuid'), 'none');
$$;

CREATE FUNCTION _timescaledb_standin.become_access_node() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO _timescaledb_catalog.metadata SELECT 'dist_uuid', value, true FROM _timescaledb_catalog.metadata WHERE key = 'uuid'
    ON CONFLICT DO NOTHING;
$$;

CREATE FUNCTION _timescaledb_standin.leave_distributed_database() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DELETE FROM _timescaledb_catalog.metadata WHERE key = 'dist_uuid';
$$;

CREATE FUNCTION _timescaledb_functions.set_dist_id(dist_id uuid) RETURNS boolean
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    present text := (SELECT value FROM _timescaledb_catalog.metadata WHERE key = 'dist_uuid');
BEGIN
    IF present = dist_id::text THEN
        RETURN false;
    ELSIF present IS NOT NULL THEN
        RAISE EXCEPTION 'database is already a member of a distributed database' USING ERRCODE = 'TS171';
    ELSIF dist_id::text = (SELECT value FROM _timescaledb_catalog.metadata WHERE key = 'uuid') THEN
        RAISE EXCEPTION 'cannot add the current database as a data node to itself' USING ERRCODE = 'TS174',
            DETAIL = 'Adding the current database as a data node to itself would create a cycle. '
                     'Use a different instance or database for the data node.',
            HINT = 'Check that the ''port'' parameter refers to a different instance or that the ''database'' parameter refers to '
                   'a different database.';
    END IF;
    INSERT INTO _timescaledb_catalog.metadata VALUES ('dist_uuid', dist_id, true);
    RETURN true;
END
$$;

CREATE FUNCTION _timescaledb_functions.validate_as_data_node() RETURNS void LANGUAGE plpgsql STRICT AS $$
DECLARE
    prepared integer := current_setting('max_prepared_transactions');
BEGIN
    IF _timescaledb_standin.membership() <> 'none' THEN
        RAISE EXCEPTION 'node is already %', CASE _timescaledb_standin.membership() WHEN 'data node' THEN 'a data node' ELSE 'an access node' END
            USING ERRCODE = 'TS174';
    ELSIF prepared = 0 THEN
        RAISE EXCEPTION 'prepared transactions need to be enabled' USING ERRCODE = 'TS174',
            DETAIL = 'Parameter max_prepared_transactions=0.',
            HINT = 'Configuration parameter max_prepared_transactions must be set >0 (changes will require restart).';
    ELSIF prepared < current_setting('max_connections')::integer THEN
        RAISE WARNING 'max_prepared_transactions is set low' USING ERRCODE = 'TS174',
            DETAIL = format('Parameters max_prepared_transactions=%s, max_connections=%s.', prepared, current_setting('max_connections')),
            HINT = 'It is recommended that max_prepared_transactions >= max_connections (changes will require restart).';
    END IF;
END
$$;
