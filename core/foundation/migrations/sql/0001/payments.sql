-- Narrow functions into what the payment provider told us: an event is stored once, and closed once.

CREATE FUNCTION store_provider_event(new_id uuid, account text, of_provider text, event_type text, body jsonb,
                                     created timestamptz) RETURNS boolean
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH stored AS (
        INSERT INTO public.provider_events (id, provider_account_id, provider_id, type, payload, state,
                                            provider_created_at)
        VALUES (new_id, account, of_provider, event_type, body, 'received', created)
        ON CONFLICT (provider_account_id, provider_id) DO NOTHING
        RETURNING 1
    )
    SELECT EXISTS (SELECT FROM stored)
$$;

CREATE FUNCTION find_provider_event(wanted uuid)
    RETURNS TABLE (provider_account_id text, type text, payload jsonb, state text, attempts bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT e.provider_account_id, e.type, e.payload, e.state, e.attempts FROM public.provider_events e
    WHERE e.id = wanted
$$;

-- Until the end of the transaction nobody else applies it.
CREATE FUNCTION lock_provider_event(wanted uuid) RETURNS text
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT e.state FROM public.provider_events e WHERE e.id = wanted FOR UPDATE
$$;

CREATE FUNCTION close_provider_event(wanted uuid, outcome text, of_tenant uuid, why text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE public.provider_events e
    SET state = outcome, attempts = e.attempts + 1, last_error = why, tenant_id = coalesce(of_tenant, e.tenant_id),
        closed_at = clock_timestamp()
    WHERE e.id = wanted AND e.state = 'received' AND outcome IN ('applied', 'ignored', 'parked');
    IF NOT FOUND THEN
        RAISE EXCEPTION 'provider event % is not open, or cannot become %', wanted, outcome
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'provider_events_applied_once';
    END IF;
END $$;

CREATE FUNCTION note_provider_event_failure(wanted uuid, problem text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE public.provider_events e SET attempts = e.attempts + 1, last_error = problem
    WHERE e.id = wanted AND e.state = 'received'
$$;

-- What was applied stays applied; the rest may be tried again.
CREATE FUNCTION reopen_provider_event(wanted uuid) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    former text;
BEGIN
    SELECT e.state INTO former FROM public.provider_events e WHERE e.id = wanted FOR UPDATE;
    IF former IN ('parked', 'ignored') THEN
        UPDATE public.provider_events e SET state = 'received', attempts = 0, last_error = NULL, closed_at = NULL
        WHERE e.id = wanted;
    END IF;
    RETURN former;
END $$;

DO $$
DECLARE
    narrow text;
BEGIN
    FOREACH narrow IN ARRAY ARRAY[
        'store_provider_event(uuid, text, text, text, jsonb, timestamptz)', 'find_provider_event(uuid)',
        'lock_provider_event(uuid)', 'close_provider_event(uuid, text, uuid, text)',
        'note_provider_event_failure(uuid, text)', 'reopen_provider_event(uuid)']
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', narrow);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO cloudbill_app', narrow);
    END LOOP;
END $$;

-- Money that was received, given back or taken stays so; only what is still open changes.
CREATE FUNCTION guard_purchase() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.paid_by IS NOT NULL AND (OLD.paid_by, OLD.paid_at) IS DISTINCT FROM (NEW.paid_by, NEW.paid_at)
       OR OLD.paid_by IS NOT NULL AND NEW.state NOT IN ('paid', 'refunded') THEN
        RAISE EXCEPTION 'purchase % is paid and stays so', OLD.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'purchases_paid_once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_purchase BEFORE UPDATE ON purchases FOR EACH ROW EXECUTE FUNCTION guard_purchase();

CREATE FUNCTION guard_payment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'succeeded' AND NEW.state <> 'succeeded'
       OR OLD.provider_id IS NOT NULL AND NEW.provider_id IS DISTINCT FROM OLD.provider_id THEN
        RAISE EXCEPTION 'payment % has succeeded, or is known to the provider by another id', OLD.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payments_succeeded_once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_payment BEFORE UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION guard_payment();
