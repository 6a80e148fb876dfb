-- What is kept of jobs, which the stand-in never runs.
CREATE SCHEMA "My Jobs";
CREATE PROCEDURE "My Jobs"."Tidy up"(job_id int, config jsonb) LANGUAGE SQL AS 'SELECT 1';
SELECT add_job('"My Jobs"."Tidy up"', '1 h', config => '{"a": 1}', scheduled => false);
SELECT add_job('"My Jobs"."Tidy up"', '12 hours');
SELECT add_job('"My Jobs".nothing', '12 hours');
SELECT add_job('"My Jobs"."Tidy up"', NULL);
SELECT add_job(NULL, '1 h');
SELECT id, application_name, schedule_interval, max_runtime, max_retries, retry_period, proc_schema, proc_name, owner, scheduled, fixed_schedule, config FROM _timescaledb_config.bgw_job WHERE id >= 1000 ORDER BY 1;
SELECT job_id, schedule_interval, max_runtime, max_retries, retry_period, scheduled, config, check_config, fixed_schedule, timezone FROM alter_job(1001, schedule_interval => '2 days', retry_period => interval '2 days' / 20, scheduled => true);
SELECT job_id FROM alter_job(4711, scheduled => true);
SELECT job_id, application_name, schedule_interval, retry_period, proc_schema, proc_name, owner, scheduled, config, hypertable_name FROM timescaledb_information.jobs WHERE job_id >= 1000 ORDER BY 1;
SELECT delete_job(1000);
SELECT delete_job(1000);
SELECT id FROM _timescaledb_config.bgw_job WHERE id >= 1000;
SET ROLE pg_monitor;
SELECT add_job('"My Jobs"."Tidy up"', '12 hours');
RESET ROLE;
