-- How recovery stands, as the worker sees it, and what somebody started: drills and backups. Narrow functions write
-- them; the operator reads. A run under way shows that it lives; one that is over is never changed.
CREATE FUNCTION store_recovery_standing(of_part text, seen jsonb, failure text, at timestamptz) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO public.recovery_standing AS s (part, document, seen_at, error, asked_at)
    VALUES (of_part, seen, CASE WHEN seen IS NULL THEN NULL ELSE at END, failure, at)
    ON CONFLICT (part) DO UPDATE
    SET document = coalesce(excluded.document, s.document), seen_at = coalesce(excluded.seen_at, s.seen_at),
        error = excluded.error, asked_at = excluded.asked_at
    WHERE s.asked_at <= excluded.asked_at
$$;

-- False where one of its kind is under way. One that has not shown itself for two minutes has died with its process,
-- and one that no worker took up within an hour is not waited for any more.
CREATE FUNCTION request_recovery_run(wanted jsonb) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    given public.recovery_runs := jsonb_populate_record(NULL::public.recovery_runs, wanted);
BEGIN
    UPDATE public.recovery_runs r
    SET state = 'lost', finished_at = clock_timestamp(),
        error = CASE r.state WHEN 'running' THEN 'its process ended before it did' ELSE 'no worker took it up' END
    WHERE r.kind = given.kind
      AND (r.state = 'running' AND r.beat_at < clock_timestamp() - interval '2 minutes'
           OR r.state = 'waiting' AND r.requested_at < clock_timestamp() - interval '1 hour');
    INSERT INTO public.recovery_runs (id, kind, what, state, requested_at, requested_by, reason, steps)
    VALUES (given.id, given.kind, given.what, 'waiting', clock_timestamp(), given.requested_by, given.reason, '[]')
    ON CONFLICT (kind) WHERE state IN ('waiting', 'running') DO NOTHING;
    RETURN FOUND;
END $$;

CREATE FUNCTION begin_recovery_run(wanted uuid) RETURNS TABLE (kind text, what text, state text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    UPDATE public.recovery_runs r
    SET state = 'running', started_at = clock_timestamp(), beat_at = clock_timestamp()
    WHERE r.id = wanted AND r.state = 'waiting'
    RETURNING r.kind, r.what, 'begun';
    IF NOT FOUND THEN
        RETURN QUERY SELECT r.kind, r.what, r.state FROM public.recovery_runs r WHERE r.id = wanted;
    END IF;
END $$;

CREATE FUNCTION note_recovery_run(wanted uuid, so_far jsonb, doing text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE public.recovery_runs r SET steps = so_far, said = doing, beat_at = clock_timestamp()
    WHERE r.id = wanted AND r.state = 'running';
    RETURN FOUND;
END $$;

CREATE FUNCTION end_recovery_run(wanted uuid, ending jsonb) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    given public.recovery_runs := jsonb_populate_record(NULL::public.recovery_runs, ending);
BEGIN
    UPDATE public.recovery_runs r
    SET state = given.state, finished_at = clock_timestamp(), steps = coalesce(given.steps, r.steps), said = NULL,
        result = given.result, error = given.error, evidence = given.evidence
    WHERE r.id = wanted AND r.state IN ('waiting', 'running');
    RETURN FOUND;
END $$;

DO $$
DECLARE
    narrow text;
BEGIN
    FOREACH narrow IN ARRAY ARRAY[
        'store_recovery_standing(text, jsonb, text, timestamptz)', 'request_recovery_run(jsonb)',
        'begin_recovery_run(uuid)', 'note_recovery_run(uuid, jsonb, text)', 'end_recovery_run(uuid, jsonb)']
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', narrow);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO cloudbill_app', narrow);
    END LOOP;
END $$;

CREATE FUNCTION guard_recovery_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.finished_at IS NOT NULL
       OR (OLD.id, OLD.kind, OLD.what, OLD.requested_at, OLD.requested_by, OLD.reason)
          IS DISTINCT FROM (NEW.id, NEW.kind, NEW.what, NEW.requested_at, NEW.requested_by, NEW.reason)
    THEN
        RAISE EXCEPTION '% of recovery_runs is refused: a run that is over stays on record as it is', TG_OP
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER run_stays BEFORE UPDATE OR DELETE ON recovery_runs
    FOR EACH ROW EXECUTE FUNCTION guard_recovery_run();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON recovery_runs FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
