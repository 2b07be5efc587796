-- A usage event is of a customer of its tenant. As a foreign key that was asked for each row, and was the largest part of
-- storing a batch: a thousand events of a hundred customers asked a thousand times. Now a statement asks once for each
-- customer that it names. It takes no lock, because a customer stays: it is never deleted and keeps its id.
CREATE FUNCTION check_usage_customers() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    stray record;
BEGIN
    SELECT named.tenant_id, named.customer_id INTO stray
    FROM (SELECT DISTINCT tenant_id, customer_id FROM arrived) AS named
    -- OFFSET 0 keeps it a look at the primary key for each, however the tables grow.
    WHERE NOT EXISTS (SELECT FROM public.customers c
                      WHERE c.tenant_id = named.tenant_id AND c.id = named.customer_id OFFSET 0)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'tenant % has no customer % that usage could be of', stray.tenant_id, stray.customer_id
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'usage_events_customer', TABLE = 'usage_events',
                  SCHEMA = 'public';
    END IF;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION check_usage_customers() FROM PUBLIC;

-- Whoever names a partition goes past the triggers of its parent, so each has its own.
CREATE TRIGGER check_customers AFTER INSERT ON usage_events REFERENCING NEW TABLE AS arrived
    FOR EACH STATEMENT EXECUTE FUNCTION check_usage_customers();
DO $$
DECLARE
    partition regclass;
BEGIN
    FOR partition IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'usage_events'::regclass LOOP
        EXECUTE format('CREATE TRIGGER check_customers AFTER INSERT ON %s REFERENCING NEW TABLE AS arrived '
                       'FOR EACH STATEMENT EXECUTE FUNCTION check_usage_customers()', partition);
    END LOOP;
END $$;
ALTER TABLE usage_events DROP CONSTRAINT usage_events_tenant_id_customer_id_fkey;

-- Erasure overwrites a customer and leaves the row.
CREATE TRIGGER never_deleted BEFORE DELETE ON customers FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON customers FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_renamed BEFORE UPDATE ON customers FOR EACH ROW
    WHEN ((OLD.tenant_id, OLD.id) IS DISTINCT FROM (NEW.tenant_id, NEW.id)) EXECUTE FUNCTION refuse_change();

-- As before, and the new partition asks for its customers.
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
    EXECUTE format('CREATE TRIGGER check_customers AFTER INSERT ON public.%I REFERENCING NEW TABLE AS arrived '
                   'FOR EACH STATEMENT EXECUTE FUNCTION public.check_usage_customers()', partition);
EXCEPTION WHEN check_violation THEN
    -- Events of that month already lie in usage_events_elsewhere; they and their successors stay there.
    RETURN;
END $$;
