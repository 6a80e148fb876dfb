-- Jobs are kept, and nothing ever runs them.

CREATE SCHEMA _timescaledb_config;
GRANT USAGE ON SCHEMA _timescaledb_config TO PUBLIC;

CREATE SEQUENCE _timescaledb_config.bgw_job_id_seq MINVALUE 1000;
CREATE TABLE _timescaledb_config.bgw_job (
    id integer PRIMARY KEY DEFAULT nextval('_timescaledb_config.bgw_job_id_seq'),
    application_name name NOT NULL,
    schedule_interval interval NOT NULL,
    max_runtime interval NOT NULL DEFAULT '0',
    max_retries integer NOT NULL DEFAULT -1,
    retry_period interval NOT NULL DEFAULT '5 minutes',
    proc_schema name NOT NULL,
    proc_name name NOT NULL,
    owner regrole NOT NULL DEFAULT quote_ident(current_role)::regrole,
    scheduled boolean NOT NULL DEFAULT true,
    fixed_schedule boolean NOT NULL DEFAULT true,
    initial_start timestamptz,
    config jsonb
);
GRANT ALL ON _timescaledb_config.bgw_job, _timescaledb_config.bgw_job_id_seq TO PUBLIC;

CREATE VIEW timescaledb_information.jobs AS
SELECT id AS job_id, application_name, schedule_interval, max_runtime, max_retries, retry_period, proc_schema, proc_name, owner, scheduled,
       fixed_schedule, config, NULL::timestamptz AS next_start, initial_start, NULL::name AS hypertable_schema, NULL::name AS hypertable_name,
       NULL::name AS check_schema, NULL::name AS check_name
  FROM _timescaledb_config.bgw_job;

CREATE VIEW timescaledb_information.job_stats AS
SELECT NULL::name AS hypertable_schema, NULL::name AS hypertable_name, id AS job_id, NULL::timestamptz AS last_run_started_at,
       NULL::timestamptz AS last_successful_finish, NULL::text AS last_run_status, NULL::text AS job_status, NULL::interval AS last_run_duration,
       NULL::timestamptz AS next_start, NULL::bigint AS total_runs, NULL::bigint AS total_successes, NULL::bigint AS total_failures
  FROM _timescaledb_config.bgw_job;
GRANT SELECT ON timescaledb_information.jobs, timescaledb_information.job_stats TO PUBLIC;

CREATE FUNCTION @extschema@.add_job(proc regproc, schedule_interval interval, config jsonb = NULL, initial_start timestamptz = NULL,
    scheduled boolean = true, check_config regproc = NULL, fixed_schedule boolean = true, timezone text = NULL) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    job integer := nextval('_timescaledb_config.bgw_job_id_seq');
BEGIN
    IF proc IS NULL THEN
        RAISE EXCEPTION 'function or procedure cannot be NULL' USING ERRCODE = 'invalid_parameter_value';
    ELSIF schedule_interval IS NULL THEN
        RAISE EXCEPTION 'schedule interval cannot be NULL' USING ERRCODE = 'invalid_parameter_value';
    ELSIF NOT has_function_privilege(proc::oid, 'EXECUTE') THEN
        RAISE EXCEPTION 'permission denied for function "%"', (SELECT proname FROM pg_proc WHERE oid = proc::oid)
            USING ERRCODE = 'insufficient_privilege', HINT = 'Job owner must have EXECUTE privilege on the function.';
    END IF;
    INSERT INTO _timescaledb_config.bgw_job (id, application_name, schedule_interval, proc_schema, proc_name, scheduled, fixed_schedule, initial_start, config)
    SELECT job, format('User-Defined Action [%s]', job), add_job.schedule_interval, n.nspname, p.proname, add_job.scheduled, add_job.fixed_schedule,
           coalesce(add_job.initial_start, now()), add_job.config
      FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.oid = proc::oid;
    RETURN job;
END
$$;

CREATE FUNCTION _timescaledb_standin.check_job(job integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM _timescaledb_config.bgw_job WHERE id = job) THEN
        RAISE EXCEPTION 'job % not found', job USING ERRCODE = 'internal_error';
    END IF;
END
$$;

-- It changes what is kept of a job and can be seen in it.
CREATE FUNCTION @extschema@.alter_job(job_id integer, schedule_interval interval = NULL, max_runtime interval = NULL, max_retries integer = NULL,
    retry_period interval = NULL, scheduled boolean = NULL, config jsonb = NULL, next_start timestamptz = NULL, if_exists boolean = false,
    check_config regproc = NULL, fixed_schedule boolean = NULL, initial_start timestamptz = NULL, timezone text = NULL)
RETURNS TABLE (job_id integer, schedule_interval interval, max_runtime interval, max_retries integer, retry_period interval, scheduled boolean,
    config jsonb, next_start timestamptz, check_config text, fixed_schedule boolean, initial_start timestamptz, timezone text) LANGUAGE sql AS $$
    SELECT _timescaledb_standin.check_job($1);
    UPDATE _timescaledb_config.bgw_job j
       SET schedule_interval = coalesce($2, j.schedule_interval), max_runtime = coalesce($3, j.max_runtime), max_retries = coalesce($4, j.max_retries),
           retry_period = coalesce($5, j.retry_period), scheduled = coalesce($6, j.scheduled), config = coalesce($7, j.config)
     WHERE j.id = $1
    RETURNING j.id, j.schedule_interval, j.max_runtime, j.max_retries, j.retry_period, j.scheduled, j.config, NULL::timestamptz, NULL::text,
              j.fixed_schedule, j.initial_start, NULL::text;
$$;

CREATE FUNCTION @extschema@.delete_job(job_id integer) RETURNS void LANGUAGE plpgsql STRICT AS $$
BEGIN
    PERFORM _timescaledb_standin.check_job(job_id);
    DELETE FROM _timescaledb_config.bgw_job WHERE id = job_id;
END
$$;
