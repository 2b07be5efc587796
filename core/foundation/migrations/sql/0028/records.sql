-- How long a tenant keeps a kind of record, where not as long as the installation does.
CREATE TABLE retention_terms (
    tenant_id uuid NOT NULL,
    kind text NOT NULL,
    days bigint NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT retention_terms_pkey PRIMARY KEY (tenant_id, kind),
    CONSTRAINT retention_terms_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT retention_terms_kind_check CHECK (kind IN ('messages', 'webhookLog', 'webhookAnswers', 'invitations')),
    CONSTRAINT retention_terms_days_check CHECK (days BETWEEN 1 AND 36500)
);

-- Removes or empties at most so many records of a kind that ended before then: the current tenant's, as row security
-- wants, or what belongs to no tenant. It knows no other table: books, invoices, usage and chains are out of its reach.
CREATE FUNCTION remove_over_time(of_kind text, before timestamptz, most bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tenant uuid := public.app_tenant();
    ended uuid[];
    removed bigint := 0;
BEGIN
    CASE of_kind
    WHEN 'messages' THEN
        DELETE FROM public.notification_messages m WHERE m.tenant_id = tenant AND m.id IN (
            SELECT o.id FROM public.notification_messages o
            WHERE o.tenant_id = tenant AND o.occurred_at < before AND o.created_at < before
              AND o.state NOT IN ('queued', 'sending')
            ORDER BY o.id LIMIT most);
        GET DIAGNOSTICS removed = ROW_COUNT;
    WHEN 'webhookAnswers' THEN
        UPDATE public.webhook_attempts a SET answer = NULL
        WHERE a.tenant_id = tenant AND (a.delivery_id, a.number) IN (
            SELECT o.delivery_id, o.number FROM public.webhook_attempts o
            WHERE o.tenant_id = tenant AND o.attempted_at < before AND o.answer IS NOT NULL LIMIT most);
        GET DIAGNOSTICS removed = ROW_COUNT;
    WHEN 'webhookLog' THEN
        ended := ARRAY(
            SELECT d.id FROM public.webhook_deliveries d
            WHERE d.tenant_id = tenant AND d.state <> 'pending' AND d.closed_at < before
            ORDER BY d.id LIMIT most FOR UPDATE);
        DELETE FROM public.webhook_attempts a WHERE a.tenant_id = tenant AND a.delivery_id = ANY(ended);
        DELETE FROM public.webhook_deliveries d WHERE d.tenant_id = tenant AND d.id = ANY(ended);
        GET DIAGNOSTICS removed = ROW_COUNT;
    WHEN 'invitations' THEN
        DELETE FROM public.invitations i WHERE i.tenant_id = tenant AND i.id IN (
            SELECT o.id FROM public.invitations o
            WHERE o.tenant_id = tenant AND least(o.expires_at, o.accepted_at, o.revoked_at) < before LIMIT most);
        GET DIAGNOSTICS removed = ROW_COUNT;
    WHEN 'providerEvents' THEN
        UPDATE public.provider_events e
        SET payload = jsonb_build_object('id', e.provider_id, 'type', e.type, 'removed', true)
        WHERE e.id IN (
            SELECT o.id FROM public.provider_events o
            WHERE o.state IN ('applied', 'ignored') AND o.closed_at < before AND NOT o.payload ? 'removed' LIMIT most);
        GET DIAGNOSTICS removed = ROW_COUNT;
    ELSE
        RAISE EXCEPTION 'records of kind % are not removed by time', of_kind USING ERRCODE = 'invalid_parameter_value';
    END CASE;
    RETURN removed;
END $$;

-- What stands of a customer of the current tenant beside its row, in places that nobody overwrites otherwise.
CREATE FUNCTION erase_customer_traces(wanted uuid, at timestamptz) RETURNS void
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
        UNION SELECT s.id::text FROM public.payment_setups s WHERE s.tenant_id = tenant AND s.customer_id = wanted);
    UPDATE public.provider_events e
    SET payload = jsonb_build_object('id', e.provider_id, 'type', e.type, 'removed', true)
    -- One that changed nothing has no tenant; our ids in it tell whose it is.
    WHERE coalesce(e.tenant_id, tenant) = tenant AND e.state IN ('applied', 'ignored') AND NOT e.payload ? 'removed'
      AND EXISTS (SELECT FROM unnest(known) AS k (id) WHERE position(k.id IN e.payload::text) > 0);
END $$;

-- Who was invited by an address is forgotten with it.
CREATE OR REPLACE FUNCTION erase_user(wanted uuid, at timestamptz) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    address text;
    tenant uuid;
    current uuid := public.app_tenant();
BEGIN
    SELECT u.email INTO address FROM public.users u WHERE u.id = wanted;
    FOR tenant IN SELECT DISTINCT i.tenant_id FROM public.invitations i WHERE i.email = address LOOP
        PERFORM set_config('app.tenant_id', tenant::text, true);
        UPDATE public.invitations i
        SET email = 'erased-' || i.id || '@erased.invalid',
            revoked_at = CASE WHEN i.accepted_at IS NULL THEN coalesce(i.revoked_at, at) ELSE i.revoked_at END
        WHERE i.tenant_id = tenant AND i.email = address;
    END LOOP;
    FOR tenant IN SELECT DISTINCT m.tenant_id FROM public.notification_messages m WHERE m.recipient_id = wanted LOOP
        PERFORM set_config('app.tenant_id', tenant::text, true);
        UPDATE public.notification_messages m SET reason = 'erased'
        WHERE m.tenant_id = tenant AND m.recipient_id = wanted AND m.state IN ('queued', 'failed', 'uncertain');
    END LOOP;
    PERFORM set_config('app.tenant_id', coalesce(current::text, ''), true);
    DELETE FROM public.refresh_tokens r USING public.sign_ins s WHERE r.sign_in_id = s.id AND s.user_id = wanted;
    DELETE FROM public.sign_ins WHERE user_id = wanted;
    DELETE FROM public.user_identities WHERE user_id = wanted;
    UPDATE public.users SET email = 'erased-' || wanted || '@erased.invalid', name = NULL, password_hash = '!',
                            disabled_at = coalesce(disabled_at, at)
    WHERE id = wanted;
    RETURN FOUND;
END $$;

-- Whoever proved to know the old password sets a new one; every sign-in of theirs ends.
CREATE FUNCTION change_password(of_user uuid, old_hash text, new_hash text, at timestamptz) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE public.users u SET password_hash = new_hash WHERE u.id = of_user AND u.password_hash = old_hash;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE public.sign_ins s SET revoked_at = at, revoked_because = 'password'
    WHERE s.user_id = of_user AND s.revoked_at IS NULL;
    RETURN true;
END $$;

DO $$
DECLARE
    narrow text;
BEGIN
    FOREACH narrow IN ARRAY ARRAY[
        'remove_over_time(text, timestamptz, bigint)', 'erase_customer_traces(uuid, timestamptz)',
        'change_password(uuid, text, text, timestamptz)'
    ] LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION public.%s FROM PUBLIC', narrow);
        EXECUTE format('GRANT EXECUTE ON FUNCTION public.%s TO cloudbill_app', narrow);
    END LOOP;
    -- A copy that is imported repeats erasures as the one that imports it.
    GRANT EXECUTE ON FUNCTION public.erase_customer_traces(uuid, timestamptz) TO cloudbill_mover;
END $$;
