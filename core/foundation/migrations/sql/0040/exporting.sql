-- By which words the payment provider's news name a customer of the current tenant: our ids for what is theirs, and its own.
CREATE FUNCTION provider_words_of(wanted uuid) RETURNS text[]
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tenant uuid := public.app_tenant();
BEGIN
    RETURN ARRAY(
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
END $$;

-- What the payment provider told us of a customer of the current tenant, newest last: that person may read it.
CREATE FUNCTION provider_events_of(wanted uuid, most integer) RETURNS SETOF jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tenant uuid := public.app_tenant();
    known text[];
BEGIN
    IF NOT EXISTS (SELECT FROM public.customers c WHERE c.tenant_id = tenant AND c.id = wanted) THEN
        RETURN;
    END IF;
    known := public.provider_words_of(wanted);
    RETURN QUERY
        SELECT to_jsonb(e) - 'last_error' FROM public.provider_events e
        -- One that changed nothing has no tenant; our ids in it tell whose it is.
        WHERE coalesce(e.tenant_id, tenant) = tenant
          AND EXISTS (SELECT FROM unnest(known) AS k (id) WHERE position(k.id IN e.payload::text) > 0)
        ORDER BY e.id LIMIT most;
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
    known := public.provider_words_of(wanted);
    UPDATE public.provider_events e
    SET payload = CASE WHEN e.state IN ('applied', 'ignored')
        THEN jsonb_build_object('id', e.provider_id, 'type', e.type, 'removed', true)
        ELSE public.without_persons(e.payload) END
    -- One that changed nothing has no tenant; our ids in it tell whose it is.
    WHERE coalesce(e.tenant_id, tenant) = tenant AND NOT e.payload ? 'removed'
      AND EXISTS (SELECT FROM unnest(known) AS k (id) WHERE position(k.id IN e.payload::text) > 0);
END $$;

REVOKE EXECUTE ON FUNCTION provider_words_of(uuid) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION provider_events_of(uuid, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION provider_events_of(uuid, integer) TO cloudbill_app;
