-- Checks that several functions share, with the server's own texts.

CREATE FUNCTION _timescaledb_standin.warn_deprecated(what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- PL/pgSQL would tell the server's log the context of each message, which C functions have none of. Only superusers may say so.
    IF current_setting('is_superuser') = 'on' THEN
        PERFORM set_config('log_error_verbosity', 'terse', true);
    END IF;
    RAISE WARNING '% is deprecated', what
        USING ERRCODE = '01P01', DETAIL = 'Multi-node is deprecated and will be removed in future releases.';
END
$$;

-- In a transaction block the transaction is older than the statement. So it is in the extended protocol, where binding
-- comes after parsing; its statements are known by their parameters.
CREATE FUNCTION _timescaledb_standin.refuse_transaction_block(what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT CASE transaction_timestamp() WHEN statement_timestamp() THEN query ~* '^\s*(begin|start)\M' ELSE query !~ '\$1' END
          FROM pg_catalog.pg_stat_activity WHERE pid = pg_backend_pid()) THEN
        RAISE EXCEPTION '% cannot run inside a transaction block', what USING ERRCODE = 'active_sql_transaction';
    END IF;
END
$$;

CREATE FUNCTION _timescaledb_standin.check_port(port integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF port NOT BETWEEN 1 AND 65535 THEN
        RAISE EXCEPTION 'invalid port number %', port
            USING ERRCODE = 'invalid_parameter_value', HINT = 'The port number must be between 1 and 65535.';
    END IF;
END
$$;

-- Returns whether the node exists; raises an error where it has to.
CREATE FUNCTION _timescaledb_standin.check_node(node name, missing_ok boolean DEFAULT false, needs_usage boolean DEFAULT true)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF node IS NULL THEN
        RAISE EXCEPTION 'data node name cannot be NULL' USING ERRCODE = 'invalid_parameter_value';
    ELSIF NOT EXISTS (SELECT FROM pg_catalog.pg_foreign_server WHERE srvname = node) THEN
        IF missing_ok THEN
            RETURN false;
        END IF;
        RAISE EXCEPTION 'server "%" does not exist', node USING ERRCODE = 'undefined_object';
    ELSIF _timescaledb_standin.node_oid(node) IS NULL THEN
        RAISE EXCEPTION 'data node "%" is not a TimescaleDB server', node USING ERRCODE = 'invalid_parameter_value';
    ELSIF needs_usage AND NOT has_server_privilege(node, 'USAGE') THEN
        RAISE EXCEPTION 'permission denied for foreign server %', node USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN true;
END
$$;

CREATE FUNCTION _timescaledb_standin.is_available(node name) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT NOT 'available=false' = ANY (coalesce(srvoptions, '{}')) FROM pg_catalog.pg_foreign_server WHERE srvname = node;
$$;

CREATE FUNCTION _timescaledb_standin.may_change(relation regclass) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT pg_has_role(relowner, 'USAGE') FROM pg_catalog.pg_class WHERE oid = relation;
$$;

CREATE FUNCTION _timescaledb_standin.relation_of(hypertable _timescaledb_catalog.hypertable) RETURNS regclass LANGUAGE sql STABLE AS $$
    SELECT format('%I.%I', hypertable.schema_name, hypertable.table_name)::regclass;
$$;

-- The catalogue's row of a distributed hypertable that the role may change.
CREATE FUNCTION _timescaledb_standin.own_hypertable(relation regclass) RETURNS _timescaledb_catalog.hypertable LANGUAGE plpgsql AS $$
DECLARE
    hypertable _timescaledb_catalog.hypertable;
    relation_name name := (SELECT relname FROM pg_catalog.pg_class WHERE oid = relation);
BEGIN
    IF relation IS NULL THEN
        RAISE EXCEPTION 'hypertable cannot be NULL' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT h.* INTO hypertable
      FROM _timescaledb_catalog.hypertable h JOIN pg_catalog.pg_namespace n ON n.nspname = h.schema_name
      JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = h.table_name
     WHERE c.oid = relation;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'table "%" is not a hypertable', relation_name USING ERRCODE = 'TS001';
    ELSIF hypertable.replication_factor IS NULL OR hypertable.replication_factor < 1 THEN
        RAISE EXCEPTION 'hypertable "%" is not distributed', relation_name USING ERRCODE = 'TS111';
    ELSIF NOT _timescaledb_standin.may_change(relation) THEN
        RAISE EXCEPTION 'must be owner of hypertable "%"', relation_name USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN hypertable;
END
$$;
