-- The write fence: whether this server may be written. It is about this server and nobody else: it is never exported,
-- published or compared. A copy made of the files (a standby) carries it along, and so is closed when it is promoted
-- after its primary was closed.
--
-- epoch grows with every closing and opening: who would open writes must name a greater one than all that were.
CREATE TABLE write_fence (
    only_row boolean DEFAULT true CONSTRAINT write_fence_pkey PRIMARY KEY
        CONSTRAINT write_fence_only_row_check CHECK (only_row),
    state text NOT NULL CONSTRAINT write_fence_state_check CHECK (state IN ('open', 'standby', 'closed')),
    epoch bigint NOT NULL CONSTRAINT write_fence_epoch_check CHECK (epoch >= 1),
    reason text NOT NULL,
    successor text CONSTRAINT write_fence_successor_check
        CHECK (successor IS NULL OR (state = 'closed' AND successor ~ '^\S+:[0-9]{1,5}$')),
    changed_at timestamptz NOT NULL
);
INSERT INTO write_fence (state, epoch, reason, changed_at) VALUES ('open', 1, 'installed', clock_timestamp());

-- Counts every try that was refused, also those that are rolled back: a sequence is never rolled back.
CREATE SEQUENCE write_refusals;

-- 439804650341 is FENCE_KEY of core/foundation/fence.py. Whoever writes shares it until his commit: so raising the fence
-- waits for all that are under way, and who holds it alone makes the others wait.
CREATE FUNCTION refuse_when_fenced() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    fence public.write_fence;
BEGIN
    -- A superuser has every role's rights without having been given any: he is refused like anybody else.
    IF pg_has_role(session_user, 'cloudbill_mover', 'USAGE')
       AND NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = session_user) THEN
        RETURN NULL;
    END IF;
    PERFORM pg_advisory_xact_lock_shared(439804650341);
    IF current_setting('transaction_isolation') IN ('read committed', 'read uncommitted') THEN
        -- A statement of its own has a snapshot of its own, taken after the lock.
        SELECT * INTO fence FROM public.write_fence;
    ELSE
        -- Such a transaction sees the fence as it was when it began: locking the row says whether it is still that one.
        BEGIN
            SELECT * INTO fence FROM public.write_fence FOR SHARE;
        EXCEPTION WHEN serialization_failure THEN
            PERFORM nextval('public.write_refusals');
            RAISE EXCEPTION 'writing % is refused: the write fence was moved since this transaction began',
                TG_TABLE_NAME USING ERRCODE = 'CB001', HINT = 'Repeat the whole transaction.';
        END;
    END IF;
    IF fence.state = 'open' THEN
        RETURN NULL;
    END IF;
    PERFORM nextval('public.write_refusals');
    RAISE EXCEPTION 'writing % is refused: this server is % since epoch % (%); %', TG_TABLE_NAME, fence.state,
        fence.epoch, fence.reason, coalesce(fence.successor || ' serves now', 'nobody is named that serves now')
        USING ERRCODE = 'CB001';
END $$;

CREATE FUNCTION write_standing()
    RETURNS TABLE (state text, epoch bigint, reason text, successor text, changed_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT f.state, f.epoch, f.reason, f.successor, f.changed_at FROM public.write_fence f
$$;

-- Waits for the writers under way; the epoch from which on nobody but the mover writes here. Asked twice it is one.
CREATE FUNCTION close_writes(why text, serves_now text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    closed_epoch bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(439804650341);
    UPDATE public.write_fence f
    SET state = 'closed', epoch = f.epoch + 1, reason = why, successor = serves_now, changed_at = clock_timestamp()
    WHERE f.state <> 'closed' OR f.successor IS DISTINCT FROM serves_now;
    SELECT f.epoch INTO closed_epoch FROM public.write_fence f;
    RETURN closed_epoch;
END $$;

CREATE FUNCTION open_writes(new_epoch bigint, why text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last_epoch bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(439804650341);
    SELECT f.epoch INTO last_epoch FROM public.write_fence f;
    IF new_epoch IS NULL OR new_epoch <= last_epoch THEN
        RAISE EXCEPTION 'writes stay as they are: epoch % is not greater than %, which this server has seen',
            new_epoch, last_epoch USING ERRCODE = 'CB002';
    END IF;
    UPDATE public.write_fence
    SET state = 'open', epoch = new_epoch, reason = why, successor = NULL, changed_at = clock_timestamp();
END $$;

CREATE FUNCTION stand_by(why text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(439804650341);
    UPDATE public.write_fence
    SET state = 'standby', reason = why, successor = NULL, changed_at = clock_timestamp();
END $$;

DO $$
DECLARE
    narrow text;
BEGIN
    FOREACH narrow IN ARRAY ARRAY[
        'write_standing()', 'close_writes(text, text)', 'open_writes(bigint, text)', 'stand_by(text)']
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', narrow);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO cloudbill_mover', narrow);
    END LOOP;
    REVOKE EXECUTE ON FUNCTION refuse_when_fenced() FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION write_standing() TO cloudbill_app;
END $$;

-- The owner can reach the row itself; epochs go one way for him, too.
CREATE FUNCTION guard_write_fence() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR NEW.epoch < OLD.epoch
       OR (NEW.state = 'open' AND OLD.state <> 'open' AND NEW.epoch = OLD.epoch)
    THEN
        RAISE EXCEPTION '% of write_fence is refused: it stays, and opens with a greater epoch only', TG_OP
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER epochs_grow BEFORE UPDATE OR DELETE ON write_fence FOR EACH ROW EXECUTE FUNCTION guard_write_fence();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON write_fence FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE write_fence ENABLE ROW LEVEL SECURITY;
ALTER TABLE write_fence FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_functions ON write_fence FOR ALL TO CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY operator_reads ON write_fence FOR SELECT TO cloudbill_operator USING (true);
CREATE POLICY mover_moves ON write_fence FOR SELECT TO cloudbill_mover USING (true);
GRANT SELECT ON write_fence, write_refusals TO cloudbill_operator, cloudbill_mover;
GRANT SELECT ON write_refusals TO cloudbill_app;

-- As before, and the new partition has the fence of its own: a statement that names it goes past its parent's. Making a
-- table fires no trigger, so a statement that touches no row asks the fence first.
CREATE OR REPLACE FUNCTION create_usage_partition(month date) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first_day date := date_trunc('month', month)::date;
    partition text := 'usage_events_' || to_char(first_day, 'YYYY_MM');
BEGIN
    IF to_regclass('public.' || partition) IS NOT NULL THEN
        RETURN;
    END IF;
    DELETE FROM public.usage_events WHERE false;
    EXECUTE format('CREATE TABLE public.%I PARTITION OF public.usage_events FOR VALUES FROM (%L) TO (%L)', partition,
                   first_day || ' 00:00:00+00', (first_day + interval '1 month')::date || ' 00:00:00+00');
    EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', partition);
    EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', partition);
    EXECUTE format('CREATE POLICY tenant_reads ON public.%I FOR SELECT TO cloudbill_app '
                   'USING (tenant_id = public.app_tenant())', partition);
    EXECUTE format('CREATE TRIGGER fenced BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON public.%I '
                   'FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_when_fenced()', partition);
EXCEPTION WHEN check_violation THEN
    -- Events of that month already lie in usage_events_elsewhere; they and their successors stay there.
    RETURN;
END $$;
