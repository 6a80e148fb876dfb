-- Schemas, named as TimescaleDB 2.13 names them; _timescaledb_standin has what is the stand-in's own.

DO $$
BEGIN
    IF NOT current_setting('shared_preload_libraries') ~ '\mtimescaledb\M' THEN
        RAISE EXCEPTION 'extension "timescaledb" must be preloaded'
            USING HINT = 'Please preload the timescaledb library via shared_preload_libraries.';
    END IF;
END
$$;

CREATE SCHEMA _timescaledb_catalog;
CREATE SCHEMA _timescaledb_functions;
CREATE SCHEMA _timescaledb_internal;
CREATE SCHEMA _timescaledb_standin;
CREATE SCHEMA timescaledb_experimental;
CREATE SCHEMA timescaledb_information;

-- A double keeps no secrets: whoever may use it may write its catalogue (but not the membership, see 04_membership.sql).
GRANT USAGE ON SCHEMA _timescaledb_catalog, _timescaledb_functions, _timescaledb_internal, _timescaledb_standin,
    timescaledb_experimental, timescaledb_information TO PUBLIC;
GRANT CREATE ON SCHEMA _timescaledb_internal, _timescaledb_standin TO PUBLIC;
