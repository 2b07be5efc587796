-- Narrow functions into what the installation remembers of itself. The application may add to it and end what is
-- under way; it may neither read these tables (the operator does) nor change what is over.

CREATE FUNCTION store_deployment(deployment jsonb, estimates jsonb) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO public.deployments
    SELECT * FROM jsonb_populate_record(NULL::public.deployments, deployment)
    ON CONFLICT (idempotency_key) DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO public.cost_estimates
    SELECT * FROM jsonb_populate_recordset(NULL::public.cost_estimates, estimates);
    RETURN true;
END $$;

CREATE FUNCTION finish_deployment(wanted uuid, ending jsonb) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    given public.deployments := jsonb_populate_record(NULL::public.deployments, ending);
BEGIN
    UPDATE public.deployments d
    SET outcome = given.outcome, finished_at = given.finished_at, steps = given.steps,
        version = coalesce(given.version, d.version), outputs = coalesce(given.outputs, d.outputs),
        policies = coalesce(given.policies, d.policies)
    WHERE d.id = wanted AND d.outcome = 'running';
    RETURN FOUND;
END $$;

CREATE FUNCTION store_actual_costs(costs jsonb) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO public.actual_costs SELECT * FROM jsonb_populate_record(NULL::public.actual_costs, costs)
$$;

-- A notice that was overtaken by a later one about the same thing says nothing any more.
CREATE FUNCTION store_alert(alert jsonb) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    given public.alerts := jsonb_populate_record(NULL::public.alerts, alert);
BEGIN
    INSERT INTO public.alerts
    SELECT given.* WHERE NOT EXISTS (
        SELECT FROM public.alerts a
        WHERE a.source = given.source AND a.key = given.key AND a.state = 'ended' AND a.ended_at >= given.since)
    ON CONFLICT (source, key) WHERE state = 'firing' DO NOTHING;
    RETURN FOUND;
END $$;

CREATE FUNCTION end_alert(of_source text, of_key text, at timestamptz) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE public.alerts a SET state = 'ended', ended_at = at
    WHERE a.source = of_source AND a.key = of_key AND a.state = 'firing' AND a.since <= at;
    RETURN FOUND;
END $$;

DO $$
DECLARE
    narrow text;
BEGIN
    FOREACH narrow IN ARRAY ARRAY[
        'store_deployment(jsonb, jsonb)', 'finish_deployment(uuid, jsonb)', 'store_actual_costs(jsonb)',
        'store_alert(jsonb)', 'end_alert(text, text, timestamptz)']
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', narrow);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO cloudbill_app', narrow);
    END LOOP;
END $$;

-- What is over is never changed, and what a deployment began with neither.
CREATE FUNCTION guard_deployment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.outcome <> 'running'
       OR (OLD.id, OLD.stack, OLD.cloud, OLD.environment, OLD.kind, OLD.revision, OLD.source_digest, OLD.started_at,
           OLD.recorded_at, OLD.recorded_by, OLD.idempotency_key, OLD.input_hash, OLD.graph, OLD.resources)
          IS DISTINCT FROM
          (NEW.id, NEW.stack, NEW.cloud, NEW.environment, NEW.kind, NEW.revision, NEW.source_digest, NEW.started_at,
           NEW.recorded_at, NEW.recorded_by, NEW.idempotency_key, NEW.input_hash, NEW.graph, NEW.resources)
    THEN
        RAISE EXCEPTION '% of deployments is refused: one that is over is never changed', TG_OP
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER finished_stays BEFORE UPDATE OR DELETE ON deployments
    FOR EACH ROW EXECUTE FUNCTION guard_deployment();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON deployments FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION guard_alert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.state = 'ended'
       OR (to_jsonb(OLD) - 'state' - 'ended_at') IS DISTINCT FROM (to_jsonb(NEW) - 'state' - 'ended_at')
    THEN
        RAISE EXCEPTION '% of alerts is refused: one that has ended is never changed', TG_OP
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER ended_stays BEFORE UPDATE OR DELETE ON alerts FOR EACH ROW EXECUTE FUNCTION guard_alert();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON alerts FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
