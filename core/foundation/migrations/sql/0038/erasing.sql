-- What the payment provider told us, without what may name somebody: ids, figures and its own words for what happened
-- stay, so that it can still be applied; every other text goes.
CREATE FUNCTION without_persons(told jsonb, under text DEFAULT '') RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    CASE jsonb_typeof(told)
    WHEN 'object' THEN
        RETURN (SELECT coalesce(jsonb_object_agg(f.key, public.without_persons(f.value, f.key)), '{}')
                FROM jsonb_each(told) f);
    WHEN 'array' THEN
        RETURN (SELECT coalesce(jsonb_agg(public.without_persons(f.value, under) ORDER BY f.at), '[]')
                FROM jsonb_array_elements(told) WITH ORDINALITY f (value, at));
    WHEN 'string' THEN
        IF under LIKE 'cloudbill\_%' OR under IN (
            'id', 'object', 'type', 'account', 'api_version', 'status', 'payment_status', 'mode', 'currency', 'reason',
            'failure_reason', 'cancellation_reason', 'code', 'decline_code', 'advice_code', 'customer', 'charge',
            'latest_charge', 'payment_intent', 'payment_method', 'setup_intent') THEN
            RETURN told;
        END IF;
        RETURN '"erased"';
    ELSE
        RETURN told;
    END CASE;
END $$;

-- The customers that something the provider told us is about: by our ids in it, the tenant's beside them, or by its own
-- for what is theirs. Each word is looked up by an index, one after the other (LIMIT), since every event passes here.
CREATE FUNCTION customers_told_of(account text, told jsonb) RETURNS TABLE (tenant_id uuid, customer_id uuid)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH words AS MATERIALIZED (
        SELECT DISTINCT f #>> '{}' AS word FROM jsonb_path_query(told, 'strict $.**') f
        WHERE jsonb_typeof(f) = 'string' AND length(f #>> '{}') < 256
    ), ids AS MATERIALIZED (
        SELECT word::uuid AS id FROM words WHERE word ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
    ), pairs AS MATERIALIZED (
        SELECT t.id AS tenant, i.id FROM ids t JOIN public.tenants ON tenants.id = t.id CROSS JOIN ids i
    ), paid AS MATERIALIZED (
        SELECT f.* FROM words CROSS JOIN LATERAL (
            SELECT p.tenant_id AS tenant, p.invoice_id, p.purchase_id FROM public.payments p
            WHERE p.provider_account_id = account AND p.provider_id = word LIMIT 1) f
        UNION ALL SELECT f.* FROM words CROSS JOIN LATERAL (
            SELECT p.tenant_id, p.invoice_id, p.purchase_id FROM public.payments p
            WHERE p.provider_account_id = account AND p.provider_intent_id = word LIMIT 1) f
        UNION ALL SELECT tenant, id, id FROM pairs
    )
    SELECT f.* FROM words CROSS JOIN LATERAL (
        SELECT c.tenant_id, c.customer_id FROM public.provider_customers c
        WHERE c.provider_account_id = account AND c.provider_id = word LIMIT 1) f
    UNION SELECT f.* FROM words CROSS JOIN LATERAL (
        SELECT m.tenant_id, m.customer_id FROM public.payment_methods m
        WHERE m.provider_account_id = account AND m.provider_id = word LIMIT 1) f
    UNION SELECT f.* FROM pairs CROSS JOIN LATERAL (
        SELECT c.tenant_id, c.id FROM public.customers c WHERE c.tenant_id = tenant AND c.id = pairs.id LIMIT 1) f
    UNION SELECT f.* FROM pairs CROSS JOIN LATERAL (
        SELECT s.tenant_id, s.customer_id FROM public.payment_setups s
        WHERE s.tenant_id = tenant AND s.id = pairs.id LIMIT 1) f
    UNION SELECT f.* FROM paid CROSS JOIN LATERAL (
        SELECT i.tenant_id, i.customer_id FROM public.invoices i
        WHERE i.tenant_id = tenant AND i.id = paid.invoice_id LIMIT 1) f
    UNION SELECT f.* FROM paid CROSS JOIN LATERAL (
        SELECT b.tenant_id, b.customer_id FROM public.purchases b
        WHERE b.tenant_id = tenant AND b.id = paid.purchase_id LIMIT 1) f
$$;

-- What the provider still says of somebody who was erased is applied and not kept, and not kept whole where it waits for
-- somebody to look at it.
CREATE OR REPLACE FUNCTION close_provider_event(wanted uuid, outcome text, of_tenant uuid, why text) RETURNS void
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
    UPDATE public.provider_events e
    SET payload = CASE WHEN outcome = 'parked' THEN public.without_persons(e.payload)
        ELSE jsonb_build_object('id', e.provider_id, 'type', e.type, 'removed', true) END
    WHERE e.id = wanted AND NOT e.payload ? 'removed' AND EXISTS (
        SELECT FROM public.customers_told_of(e.provider_account_id, e.payload) c
        JOIN public.erasures r ON r.tenant_id = c.tenant_id AND r.subject_id = c.customer_id);
END $$;

-- What stands of a customer of the current tenant beside its row, in places that nobody overwrites otherwise.
CREATE OR REPLACE FUNCTION erase_customer_traces(wanted uuid, at timestamptz) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tenant uuid := public.app_tenant();
    known text[];
BEGIN
    -- Of a card: nothing that tells whose it was, and it pays nothing any more.
    UPDATE public.payment_methods m
    SET brand = 'erased', last4 = '0000', exp_month = 1, exp_year = 2000, country = NULL, state = 'detached',
        is_default = false, default_since = NULL, detached_at = coalesce(m.detached_at, at)
    WHERE m.tenant_id = tenant AND m.customer_id = wanted;
    UPDATE public.outbox_events o
    SET document = o.document || '{"brand": null, "last4": null, "expMonth": null, "expYear": null}'
    WHERE o.tenant_id = tenant AND o.customer_id = wanted AND o.document ? 'last4';
    UPDATE public.payment_setups s SET success_url = '', cancel_url = ''
    WHERE s.tenant_id = tenant AND s.customer_id = wanted;
    UPDATE public.purchases p SET success_url = '', cancel_url = ''
    WHERE p.tenant_id = tenant AND p.customer_id = wanted;
    UPDATE public.payments p SET reference = 'erased-' || p.id
    WHERE p.tenant_id = tenant AND p.reference IS NOT NULL
      AND (p.invoice_id IN (SELECT i.id FROM public.invoices i WHERE i.tenant_id = tenant AND i.customer_id = wanted)
        OR p.purchase_id IN (SELECT b.id FROM public.purchases b WHERE b.tenant_id = tenant AND b.customer_id = wanted));
    UPDATE public.refunds r SET reason = 'erased'
    WHERE r.tenant_id = tenant AND r.reason IS NOT NULL AND r.origin = 'requested'
      AND (r.invoice_id IN (SELECT i.id FROM public.invoices i WHERE i.tenant_id = tenant AND i.customer_id = wanted)
        OR r.purchase_id IN (SELECT b.id FROM public.purchases b WHERE b.tenant_id = tenant AND b.customer_id = wanted));
    UPDATE public.credit_lots l SET label = 'erased' WHERE l.tenant_id = tenant AND l.customer_id = wanted;
    -- What providers and endpoints said of them may repeat anything.
    UPDATE public.notification_messages m SET reason = 'erased'
    WHERE m.tenant_id = tenant AND m.recipient_id = wanted AND m.state IN ('queued', 'failed', 'uncertain');
    UPDATE public.webhook_attempts a SET answer = NULL
    FROM public.webhook_deliveries d JOIN public.outbox_events o ON o.tenant_id = d.tenant_id AND o.id = d.event_id
    WHERE a.tenant_id = tenant AND d.tenant_id = tenant AND a.delivery_id = d.id AND o.customer_id = wanted;
    DELETE FROM public.idempotency_keys k WHERE k.tenant_id = tenant AND position(wanted::text IN k.body::text) > 0;
    known := ARRAY(
        SELECT c.provider_id FROM public.provider_customers c WHERE c.tenant_id = tenant AND c.customer_id = wanted
        UNION SELECT wanted::text
        UNION SELECT p.id::text FROM public.purchases p WHERE p.tenant_id = tenant AND p.customer_id = wanted
        UNION SELECT i.id::text FROM public.invoices i WHERE i.tenant_id = tenant AND i.customer_id = wanted
        UNION SELECT s.id::text FROM public.payment_setups s WHERE s.tenant_id = tenant AND s.customer_id = wanted
        UNION SELECT m.provider_id FROM public.payment_methods m WHERE m.tenant_id = tenant AND m.customer_id = wanted
        -- What a bank says of a payment names nothing else of ours.
        UNION SELECT unnest(ARRAY[p.provider_id, p.provider_intent_id]) FROM public.payments p
        WHERE p.tenant_id = tenant
          AND (p.invoice_id IN (SELECT i.id FROM public.invoices i WHERE i.tenant_id = tenant AND i.customer_id = wanted)
            OR p.purchase_id IN (
                SELECT b.id FROM public.purchases b WHERE b.tenant_id = tenant AND b.customer_id = wanted)));
    UPDATE public.provider_events e
    SET payload = CASE WHEN e.state IN ('applied', 'ignored')
        THEN jsonb_build_object('id', e.provider_id, 'type', e.type, 'removed', true)
        ELSE public.without_persons(e.payload) END
    -- One that changed nothing has no tenant; our ids in it tell whose it is.
    WHERE coalesce(e.tenant_id, tenant) = tenant AND NOT e.payload ? 'removed'
      AND EXISTS (SELECT FROM unnest(known) AS k (id) WHERE position(k.id IN e.payload::text) > 0);
END $$;

-- What was applied stays applied, and what was removed cannot be; the rest may be tried again.
CREATE OR REPLACE FUNCTION reopen_provider_event(wanted uuid) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    former text;
BEGIN
    SELECT CASE WHEN e.payload ? 'removed' THEN 'removed' ELSE e.state END INTO former
    FROM public.provider_events e WHERE e.id = wanted FOR UPDATE;
    IF former IN ('parked', 'ignored') THEN
        UPDATE public.provider_events e SET state = 'received', attempts = 0, last_error = NULL, closed_at = NULL
        WHERE e.id = wanted;
    END IF;
    RETURN former;
END $$;

REVOKE EXECUTE ON FUNCTION without_persons(jsonb, text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION customers_told_of(text, jsonb) FROM PUBLIC;
