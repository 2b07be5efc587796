-- A line that somebody wrote by hand may be withdrawn while it waits or stands on a draft. What subscriptions wrote, and
-- what is on an invoice that is none any more, stays: lines of final invoices refer to their items besides.
CREATE FUNCTION guard_withdrawn_item() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF OLD.kind <> 'one_off' OR OLD.subscription_id IS NOT NULL
       OR (OLD.invoice_id IS NOT NULL AND NOT EXISTS (
               SELECT FROM public.invoices i
               WHERE i.tenant_id = OLD.tenant_id AND i.id = OLD.invoice_id AND i.state = 'draft')) THEN
        RAISE EXCEPTION 'item % is not withdrawn: it was not written by hand, or its invoice is no draft', OLD.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'invoice_items_withdrawn';
    END IF;
    RETURN OLD;
END $$;
DROP TRIGGER never_deleted ON invoice_items;
CREATE TRIGGER guard_withdrawn BEFORE DELETE ON invoice_items FOR EACH ROW EXECUTE FUNCTION guard_withdrawn_item();
-- Who withdrew what stands in the audit log.
CREATE TRIGGER note_change AFTER DELETE ON invoice_items FOR EACH ROW
    WHEN (current_setting('app.audited', true) = 'on') EXECUTE FUNCTION note_change();
GRANT DELETE ON invoice_items TO cloudbill_app;
