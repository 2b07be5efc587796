-- A settled usage event has exactly one ledger transaction, and a usage transaction exactly one settled event. The
-- key of the caller ties them: unique by key, and unique by transaction.
CREATE FUNCTION check_usage_transaction() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM public.usage_keys k WHERE k.tenant_id = NEW.tenant_id AND k.transaction_id = NEW.id) THEN
        RAISE EXCEPTION 'usage transaction % has no usage event', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'usage_one_to_one';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER check_usage AFTER INSERT ON ledger_transactions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.kind = 'usage') EXECUTE FUNCTION check_usage_transaction();

CREATE FUNCTION check_usage_key() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM public.usage_events e
                   WHERE e.tenant_id = NEW.tenant_id AND e.id = NEW.event_id AND e.occurred_at = NEW.event_occurred_at
                     AND e.idempotency_key = NEW.key AND e.transaction_id IS NOT DISTINCT FROM NEW.transaction_id)
       OR (NEW.transaction_id IS NOT NULL
           AND NOT EXISTS (SELECT FROM public.ledger_transactions t
                           WHERE t.tenant_id = NEW.tenant_id AND t.id = NEW.transaction_id AND t.kind = 'usage'))
    THEN
        RAISE EXCEPTION 'the usage key of event % does not match its event and transaction', NEW.event_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'usage_one_to_one';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER check_usage AFTER INSERT OR UPDATE ON usage_keys
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_usage_key();

-- A settled event is its key's, and what it cost is what its transaction earned. A refused one is kept once per key.
CREATE FUNCTION check_usage_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM public.usage_keys k
                   WHERE k.tenant_id = NEW.tenant_id AND k.key = NEW.idempotency_key
                     AND k.transaction_id IS NOT DISTINCT FROM NEW.transaction_id AND k.event_id = NEW.id
                     AND k.event_occurred_at = NEW.occurred_at) THEN
        RAISE EXCEPTION 'usage event % has no key of its own', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'usage_one_to_one';
    END IF;
    IF NEW.transaction_id IS NOT NULL AND NEW.amount_micro IS DISTINCT FROM (
        SELECT sum(e.amount_micro)
        FROM public.ledger_entries e
        JOIN public.accounts a ON a.tenant_id = e.tenant_id AND a.id = e.account_id AND a.kind = 'revenue'
        WHERE e.tenant_id = NEW.tenant_id AND e.transaction_id = NEW.transaction_id AND e.currency = NEW.currency) THEN
        RAISE EXCEPTION 'usage event % does not cost what its transaction earned', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'usage_amount';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER check_usage AFTER INSERT ON usage_events
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_usage_event();

-- A key that is settled stays as it is; a refused one may be settled once.
CREATE FUNCTION guard_usage_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Settled once, and never left without its refused event for another refused one.
    IF OLD.transaction_id IS NOT NULL OR NEW.transaction_id IS NULL OR (OLD.tenant_id, OLD.key, OLD.input_hash)
       IS DISTINCT FROM (NEW.tenant_id, NEW.key, NEW.input_hash) THEN
        RAISE EXCEPTION 'usage key of event % is settled', OLD.event_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'usage_keys_settled_once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_usage_key BEFORE UPDATE ON usage_keys FOR EACH ROW EXECUTE FUNCTION guard_usage_key();

-- Partitions are the owner's to make; the worker asks for months ahead. A partition is isolated like its parent.
CREATE FUNCTION create_usage_partition(month date) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first_day date := date_trunc('month', month)::date;
    partition text := 'usage_events_' || to_char(first_day, 'YYYY_MM');
BEGIN
    IF to_regclass('public.' || partition) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE public.%I PARTITION OF public.usage_events FOR VALUES FROM (%L) TO (%L)', partition,
                   first_day || ' 00:00:00+00', (first_day + interval '1 month')::date || ' 00:00:00+00');
    EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', partition);
    EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', partition);
    EXECUTE format('CREATE POLICY tenant_reads ON public.%I FOR SELECT TO cloudbill_app '
                   'USING (tenant_id = public.app_tenant())', partition);
EXCEPTION WHEN check_violation THEN
    -- Events of that month already lie in usage_events_elsewhere; they and their successors stay there.
    RETURN;
END $$;
REVOKE EXECUTE ON FUNCTION create_usage_partition(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION create_usage_partition(date) TO cloudbill_app;

-- What lies before the first month or after the last one still has a place.
CREATE TABLE usage_events_elsewhere PARTITION OF usage_events DEFAULT;
ALTER TABLE usage_events_elsewhere ENABLE ROW LEVEL SECURITY;
ALTER TABLE usage_events_elsewhere FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_reads ON usage_events_elsewhere FOR SELECT TO cloudbill_app USING (tenant_id = app_tenant());
SELECT create_usage_partition(month::date)
FROM generate_series(date '2026-01-01', date '2027-12-01', interval '1 month') AS month;
