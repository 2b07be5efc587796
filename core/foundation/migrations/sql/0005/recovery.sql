-- Evidence is only added to, each piece naming the hash of the one before; the application computes hash and signature,
-- this function sees to the order, and triggers refuse every change.
CREATE FUNCTION store_evidence(evidence jsonb) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    given public.recovery_evidence := jsonb_populate_record(NULL::public.recovery_evidence, evidence);
    last public.recovery_evidence;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('recovery_evidence'));
    SELECT * INTO last FROM public.recovery_evidence ORDER BY number DESC LIMIT 1;
    IF given.number IS DISTINCT FROM coalesce(last.number, 0) + 1
       OR given.previous_hash IS DISTINCT FROM coalesce(last.hash, decode(repeat('00', 32), 'hex'))
       OR given.hash IS DISTINCT FROM sha256(given.previous_hash || convert_to(given.document, 'UTF8'))
    THEN
        RETURN false;
    END IF;
    given.recorded_at := clock_timestamp();
    INSERT INTO public.recovery_evidence SELECT given.*;
    RETURN true;
END $$;

CREATE FUNCTION last_evidence() RETURNS TABLE (number bigint, hash bytea)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT e.number, e.hash FROM public.recovery_evidence e ORDER BY e.number DESC LIMIT 1
$$;

-- A restored, moved or failed-over copy does not know what the world did since its state: until somebody has seen to
-- that, its worker waits. The hold is put there by the owner, before anybody else is let in.
CREATE FUNCTION open_worker_holds() RETURNS TABLE (id uuid, reason text, state_of timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT h.id, h.reason, h.state_of FROM public.worker_holds h WHERE h.released_at IS NULL ORDER BY h.held_at
$$;

CREATE FUNCTION release_worker_hold(wanted uuid, how text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE public.worker_holds h SET released_at = clock_timestamp(), release = how
    WHERE h.id = wanted AND h.released_at IS NULL;
    RETURN FOUND;
END $$;

DO $$
DECLARE
    narrow text;
BEGIN
    FOREACH narrow IN ARRAY ARRAY[
        'store_evidence(jsonb)', 'last_evidence()', 'open_worker_holds()', 'release_worker_hold(uuid, text)']
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', narrow);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO cloudbill_app', narrow);
    END LOOP;
END $$;

CREATE FUNCTION guard_worker_hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.released_at IS NOT NULL
       OR (OLD.id, OLD.reason, OLD.state_of, OLD.held_at) IS DISTINCT FROM (NEW.id, NEW.reason, NEW.state_of, NEW.held_at)
    THEN
        RAISE EXCEPTION '% of worker_holds is refused: a hold is released once, and stays on record', TG_OP
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER hold_stays BEFORE UPDATE OR DELETE ON worker_holds FOR EACH ROW EXECUTE FUNCTION guard_worker_hold();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON worker_holds FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
