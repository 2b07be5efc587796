-- Who is invited gets a mail; one that is mailed again holds for longer.
ALTER TABLE notification_messages
    DROP CONSTRAINT notification_messages_recipient_kind_check,
    ADD CONSTRAINT notification_messages_recipient_kind_check
        CHECK (recipient_kind IN ('customer', 'user', 'invitation'));
GRANT UPDATE (expires_at) ON invitations TO cloudbill_app;

-- What the provider still says of somebody who was erased (that the card was removed, that a refund arrived) is applied
-- and not kept: it may repeat a name or an address.
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
    SET payload = jsonb_build_object('id', e.provider_id, 'type', e.type, 'removed', true)
    WHERE e.id = wanted AND outcome IN ('applied', 'ignored') AND EXISTS (
        SELECT FROM public.erasures r
        CROSS JOIN LATERAL (
            SELECT r.subject_id::text AS id
            UNION ALL SELECT c.provider_id FROM public.provider_customers c
            WHERE c.tenant_id = r.tenant_id AND c.customer_id = r.subject_id
            UNION ALL SELECT m.provider_id FROM public.payment_methods m
            WHERE m.tenant_id = r.tenant_id AND m.customer_id = r.subject_id) k
        WHERE r.subject_kind = 'customer' AND r.tenant_id = coalesce(of_tenant, r.tenant_id)
          AND position(k.id IN e.payload::text) > 0);
END $$;
