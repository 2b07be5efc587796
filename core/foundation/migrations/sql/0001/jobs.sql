-- The job tables are procrastinate's own and have no row security: only our ids stand in a job's arguments.
GRANT SELECT, INSERT, UPDATE, DELETE ON procrastinate_jobs, procrastinate_events, procrastinate_periodic_defers,
    procrastinate_workers TO cloudbill_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO cloudbill_app;
GRANT SELECT ON procrastinate_jobs, procrastinate_events, procrastinate_workers TO cloudbill_operator;

-- What a job last failed with. Kept apart, so that procrastinate's tables stay as it makes them.
CREATE FUNCTION record_job_error(job bigint, problem text) RETURNS void LANGUAGE sql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO public.job_errors (job_id, error, failed_at) VALUES (job, problem, clock_timestamp())
    ON CONFLICT (job_id) DO UPDATE SET error = EXCLUDED.error, failed_at = EXCLUDED.failed_at
$$;
CREATE FUNCTION forget_job_error(job bigint) RETURNS void LANGUAGE sql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
    DELETE FROM public.job_errors WHERE job_id = job
$$;
REVOKE EXECUTE ON FUNCTION record_job_error(bigint, text), forget_job_error(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION record_job_error(bigint, text), forget_job_error(bigint) TO cloudbill_app;
