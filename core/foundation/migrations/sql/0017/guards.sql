-- What invoices refuse. These functions only refuse, never write; they are the owner's, who reads all rows, so that a
-- session that clears or changes its tenant before COMMIT is judged all the same.

-- Gapless: each number has the one before it, and a number that is not skipped is that of a document.
CREATE FUNCTION check_invoice_number() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.sequence <> 1 AND NOT EXISTS (
           SELECT FROM public.invoice_numbers n
           WHERE n.tenant_id = NEW.tenant_id AND n.series = NEW.series AND n.sequence = NEW.sequence - 1) THEN
        RAISE EXCEPTION 'number % of series % leaves a gap', NEW.sequence, NEW.series
            USING ERRCODE = 'check_violation', CONSTRAINT = 'invoice_numbers_gapless';
    END IF;
    IF NOT EXISTS (SELECT FROM public.invoice_series s
                   WHERE s.tenant_id = NEW.tenant_id AND s.series = NEW.series AND s.next_sequence > NEW.sequence) THEN
        RAISE EXCEPTION 'number % of series % is ahead of its series', NEW.sequence, NEW.series
            USING ERRCODE = 'check_violation', CONSTRAINT = 'invoice_numbers_series';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_invoice_number AFTER INSERT ON invoice_numbers
    FOR EACH ROW EXECUTE FUNCTION check_invoice_number();

CREATE FUNCTION check_invoice_number_used() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.kind = 'invoice' AND NOT EXISTS (
           SELECT FROM public.invoices i WHERE i.tenant_id = NEW.tenant_id AND i.id = NEW.document_id
             AND i.series = NEW.series AND i.sequence = NEW.sequence)
       OR NEW.kind = 'credit_note' AND NOT EXISTS (
           SELECT FROM public.credit_notes c WHERE c.tenant_id = NEW.tenant_id AND c.id = NEW.document_id
             AND c.series = NEW.series AND c.sequence = NEW.sequence) THEN
        RAISE EXCEPTION 'number % of series % belongs to no document', NEW.sequence, NEW.series
            USING ERRCODE = 'check_violation', CONSTRAINT = 'invoice_numbers_used';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER check_invoice_number_used AFTER INSERT ON invoice_numbers
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_invoice_number_used();

-- A series only grows.
CREATE FUNCTION guard_invoice_series() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.next_sequence < OLD.next_sequence OR (OLD.tenant_id, OLD.series) IS DISTINCT FROM (NEW.tenant_id, NEW.series)
    THEN
        RAISE EXCEPTION 'series % only grows', OLD.series
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'invoice_series_grows';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_invoice_series BEFORE UPDATE ON invoice_series
    FOR EACH ROW EXECUTE FUNCTION guard_invoice_series();

-- Every number up to the next one is there.
CREATE FUNCTION check_invoice_series() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    standing bigint;
BEGIN
    SELECT s.next_sequence INTO standing FROM public.invoice_series s
    WHERE s.tenant_id = NEW.tenant_id AND s.series = NEW.series;
    IF standing <> 1 AND NOT EXISTS (
           SELECT FROM public.invoice_numbers n
           WHERE n.tenant_id = NEW.tenant_id AND n.series = NEW.series AND n.sequence = standing - 1) THEN
        RAISE EXCEPTION 'series % is ahead of its numbers', NEW.series
            USING ERRCODE = 'check_violation', CONSTRAINT = 'invoice_series_numbers';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER check_invoice_series AFTER INSERT OR UPDATE ON invoice_series
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_invoice_series();

-- An invoice that is final stays as it is, but for its state and what is paid of it.
CREATE FUNCTION guard_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    moves text[] := ARRAY['draft open', 'draft paid', 'draft void', 'open paid', 'open void', 'open uncollectible',
                          'paid open', 'uncollectible paid', 'uncollectible void'];
BEGIN
    IF OLD.state <> NEW.state AND NOT (OLD.state || ' ' || NEW.state) = ANY (moves) THEN
        RAISE EXCEPTION 'invoice % is % and cannot become %', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'invoices_state';
    END IF;
    IF (OLD.tenant_id, OLD.id, OLD.customer_id, OLD.subscription_id, OLD.currency, OLD.origin, OLD.bill_at)
       IS DISTINCT FROM
       (NEW.tenant_id, NEW.id, NEW.customer_id, NEW.subscription_id, NEW.currency, NEW.origin, NEW.bill_at)
       OR (OLD.state <> 'draft'
           AND (OLD.collection, OLD.drafted_at, OLD.finalize_at, OLD.series, OLD.sequence, OLD.number,
                OLD.finalized_at, OLD.due_at, OLD.period_start, OLD.period_end, OLD.lines, OLD.subtotal_minor,
                OLD.discount_minor, OLD.tax_minor, OLD.total_minor, OLD.applied_minor, OLD.memo, OLD.recorded_at)
               IS DISTINCT FROM
               (NEW.collection, NEW.drafted_at, NEW.finalize_at, NEW.series, NEW.sequence, NEW.number,
                NEW.finalized_at, NEW.due_at, NEW.period_start, NEW.period_end, NEW.lines, NEW.subtotal_minor,
                NEW.discount_minor, NEW.tax_minor, NEW.total_minor, NEW.applied_minor, NEW.memo, NEW.recorded_at)) THEN
        RAISE EXCEPTION 'invoice % is final', OLD.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'invoices_final';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_invoice BEFORE UPDATE ON invoices FOR EACH ROW EXECUTE FUNCTION guard_invoice();
CREATE TRIGGER never_deleted BEFORE DELETE ON invoices FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON invoices FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The sums of a final invoice: its lines, its taxes, what was paid and credited; its number and its inputs.
CREATE FUNCTION check_invoice() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    seen public.invoices;
    found record;
BEGIN
    -- As it is by now: a later change of this transaction is judged, not the one that called.
    SELECT * INTO STRICT seen FROM public.invoices i WHERE i.tenant_id = NEW.tenant_id AND i.id = NEW.id;
    SELECT count(*) AS lines, coalesce(sum(l.amount_minor), 0) AS subtotal, coalesce(sum(l.discount_minor), 0) AS discount,
           coalesce(sum(l.tax_minor), 0) AS tax, coalesce(sum(l.net_minor), 0) AS net
    INTO found FROM public.invoice_lines l WHERE l.tenant_id = seen.tenant_id AND l.invoice_id = seen.id;
    IF seen.number IS NULL THEN
        IF found.lines > 0 THEN
            RAISE EXCEPTION 'invoice % has lines and no number', seen.id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'invoices_sums';
        END IF;
        RETURN NULL;
    END IF;
    IF (found.lines, found.subtotal, found.discount, found.tax)
       <> (seen.lines, seen.subtotal_minor, seen.discount_minor, seen.tax_minor) THEN
        RAISE EXCEPTION 'the lines of invoice % do not sum to its amounts', seen.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'invoices_sums';
    END IF;
    IF (SELECT (coalesce(sum(t.tax_minor), 0), coalesce(sum(t.taxable_minor), 0)) FROM public.invoice_taxes t
        WHERE t.tenant_id = seen.tenant_id AND t.invoice_id = seen.id) <> (found.tax, found.net) THEN
        RAISE EXCEPTION 'the taxes of invoice % do not sum to those of its lines', seen.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'invoices_taxes';
    END IF;
    IF NOT EXISTS (SELECT FROM public.invoice_numbers n WHERE n.tenant_id = seen.tenant_id
                     AND n.series = seen.series AND n.sequence = seen.sequence AND n.document_id = seen.id) THEN
        RAISE EXCEPTION 'the number of invoice % is not its own', seen.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'invoices_numbered';
    END IF;
    IF NOT EXISTS (SELECT FROM public.invoice_inputs p WHERE p.tenant_id = seen.tenant_id AND p.invoice_id = seen.id) THEN
        RAISE EXCEPTION 'invoice % does not say what it was computed from', seen.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'invoices_inputs';
    END IF;
    IF EXISTS (SELECT FROM public.invoice_items t WHERE t.tenant_id = seen.tenant_id AND t.invoice_id = seen.id
                 AND (t.customer_id, t.currency) <> (seen.customer_id, seen.currency)) THEN
        RAISE EXCEPTION 'invoice % bills what is not its customer''s or in another currency', seen.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'invoices_items';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER check_invoice AFTER INSERT ON invoices DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.number IS NOT NULL) EXECUTE FUNCTION check_invoice();
CREATE CONSTRAINT TRIGGER check_invoice_final AFTER UPDATE ON invoices DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.state = 'draft' AND NEW.state <> 'draft') EXECUTE FUNCTION check_invoice();

-- What is paid and credited is what its payments and credit notes say, whichever of them was written.
CREATE FUNCTION refuse_wrong_paid(tenant uuid, invoice uuid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (SELECT (i.paid_minor, i.credited_minor) FROM public.invoices i WHERE i.tenant_id = tenant AND i.id = invoice)
       IS DISTINCT FROM
       (SELECT ((SELECT coalesce(sum(p.amount_minor), 0)::bigint FROM public.invoice_payments p
                 WHERE p.tenant_id = tenant AND p.invoice_id = invoice),
                (SELECT coalesce(sum(c.to_open_minor), 0)::bigint FROM public.credit_notes c
                 WHERE c.tenant_id = tenant AND c.invoice_id = invoice))) THEN
        RAISE EXCEPTION 'what is paid of invoice % is not the sum of its payments and credit notes', invoice
            USING ERRCODE = 'check_violation', CONSTRAINT = 'invoices_settled';
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION refuse_wrong_paid(uuid, uuid) FROM PUBLIC;

CREATE FUNCTION check_invoice_paid() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.refuse_wrong_paid(NEW.tenant_id, NEW.id);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER check_invoice_paid AFTER INSERT ON invoices DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.paid_minor <> 0 OR NEW.credited_minor <> 0) EXECUTE FUNCTION check_invoice_paid();
CREATE CONSTRAINT TRIGGER check_invoice_paid_change AFTER UPDATE ON invoices DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.paid_minor <> NEW.paid_minor OR OLD.credited_minor <> NEW.credited_minor)
    EXECUTE FUNCTION check_invoice_paid();

CREATE FUNCTION check_invoice_settlement() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.refuse_wrong_paid(NEW.tenant_id, NEW.invoice_id);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER check_invoice_payment AFTER INSERT ON invoice_payments DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION check_invoice_settlement();
CREATE CONSTRAINT TRIGGER check_credit_note_settles AFTER INSERT ON credit_notes DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION check_invoice_settlement();

-- Lines, taxes and inputs are written while the invoice is a draft; whoever makes it final waits for them, or they
-- for it.
CREATE FUNCTION check_draft() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    named record;
BEGIN
    FOR named IN SELECT DISTINCT tenant_id, invoice_id FROM written WHERE invoice_id IS NOT NULL LOOP
        PERFORM FROM public.invoices i
        WHERE i.tenant_id = named.tenant_id AND i.id = named.invoice_id AND i.state = 'draft' FOR NO KEY UPDATE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'invoice % is no draft and takes nothing more', named.invoice_id
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'invoices_final';
        END IF;
    END LOOP;
    RETURN NULL;
END $$;
CREATE TRIGGER check_draft AFTER INSERT ON invoice_lines REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION check_draft();
CREATE TRIGGER check_draft AFTER INSERT ON invoice_taxes REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION check_draft();
CREATE TRIGGER check_draft AFTER INSERT ON invoice_inputs REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION check_draft();

-- What is to be billed gets its invoice once, while that is a draft.
CREATE FUNCTION guard_item_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.invoice_id IS NOT NULL AND NEW.invoice_id IS DISTINCT FROM OLD.invoice_id THEN
        RAISE EXCEPTION 'item % is on invoice % already', OLD.id, OLD.invoice_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'invoice_items_billed_once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_item_invoice BEFORE UPDATE ON invoice_items FOR EACH ROW EXECUTE FUNCTION guard_item_invoice();
CREATE TRIGGER check_draft AFTER UPDATE ON invoice_items REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION check_draft();

-- What a correction reverses is a line of the tenant's. A foreign key would go in a circle: lines refer to items.
CREATE FUNCTION check_item_reverses() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM public.invoice_lines l
                   WHERE l.tenant_id = NEW.tenant_id AND l.id = NEW.reverses_line_id) THEN
        RAISE EXCEPTION 'item % reverses no line', NEW.id
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'invoice_items_reverses';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_item_reverses BEFORE INSERT ON invoice_items FOR EACH ROW
    WHEN (NEW.reverses_line_id IS NOT NULL) EXECUTE FUNCTION check_item_reverses();

-- A credit note's lines sum to it, and nothing is taken back twice. Its invoice is locked first, so that of two at once
-- the second sees the first.
CREATE FUNCTION check_credit_note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    invoice public.invoices;
BEGIN
    SELECT * INTO invoice FROM public.invoices i
    WHERE i.tenant_id = NEW.tenant_id AND i.id = NEW.invoice_id AND i.number IS NOT NULL FOR NO KEY UPDATE;
    IF NOT FOUND OR (invoice.customer_id, invoice.currency) <> (NEW.customer_id, NEW.currency) THEN
        RAISE EXCEPTION 'credit note % is for no final invoice of its customer and currency', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'credit_notes_invoice';
    END IF;
    IF (SELECT (coalesce(sum(l.net_minor), 0)::bigint, coalesce(sum(l.tax_minor), 0)::bigint) FROM public.credit_note_lines l
        WHERE l.tenant_id = NEW.tenant_id AND l.credit_note_id = NEW.id) <> (NEW.net_minor, NEW.tax_minor) THEN
        RAISE EXCEPTION 'the lines of credit note % do not sum to its amounts', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'credit_notes_sums';
    END IF;
    IF EXISTS (
        SELECT FROM public.invoice_lines l
        CROSS JOIN LATERAL (
            SELECT sum(c.net_minor) AS net, sum(c.tax_minor) AS tax FROM public.credit_note_lines c
            WHERE c.tenant_id = l.tenant_id AND c.invoice_line_id = l.id) taken
        WHERE l.tenant_id = NEW.tenant_id
          AND l.id IN (SELECT c.invoice_line_id FROM public.credit_note_lines c
                       WHERE c.tenant_id = NEW.tenant_id AND c.credit_note_id = NEW.id)
          AND (l.invoice_id <> NEW.invoice_id
               OR taken.net NOT BETWEEN least(l.net_minor, 0) AND greatest(l.net_minor, 0)
               OR taken.tax NOT BETWEEN least(l.tax_minor, 0) AND greatest(l.tax_minor, 0))) THEN
        RAISE EXCEPTION 'credit note % takes back more than a line of its invoice', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'credit_notes_lines';
    END IF;
    IF NOT EXISTS (SELECT FROM public.invoice_numbers n WHERE n.tenant_id = NEW.tenant_id
                     AND n.series = NEW.series AND n.sequence = NEW.sequence AND n.document_id = NEW.id) THEN
        RAISE EXCEPTION 'the number of credit note % is not its own', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'credit_notes_numbered';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER check_credit_note AFTER INSERT ON credit_notes DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION check_credit_note();

-- A line that is written later, to a note that is there already, is judged with its note.
CREATE FUNCTION check_credit_note_line() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT FROM public.credit_notes n
        WHERE n.tenant_id = NEW.tenant_id AND n.id = NEW.credit_note_id
          AND (SELECT (coalesce(sum(l.net_minor), 0)::bigint, coalesce(sum(l.tax_minor), 0)::bigint) FROM public.credit_note_lines l
               WHERE l.tenant_id = NEW.tenant_id AND l.credit_note_id = NEW.credit_note_id)
              <> (n.net_minor, n.tax_minor)) THEN
        RAISE EXCEPTION 'the lines of credit note % do not sum to its amounts', NEW.credit_note_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'credit_notes_sums';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER check_credit_note_line AFTER INSERT ON credit_note_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION check_credit_note_line();

-- A parked customer is let go once.
CREATE FUNCTION guard_parked_customer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.resolved_at IS NOT NULL OR NEW.resolved_at IS NULL THEN
        RAISE EXCEPTION 'customer % was let go before', OLD.customer_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'parked_customers_once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_parked_customer BEFORE UPDATE ON parked_customers
    FOR EACH ROW EXECUTE FUNCTION guard_parked_customer();

-- A key is destroyed once and never comes back.
CREATE FUNCTION guard_subject_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.tenant_id, OLD.subject_id, OLD.created_at) IS DISTINCT FROM (NEW.tenant_id, NEW.subject_id, NEW.created_at)
       OR (NEW.key IS NOT NULL AND NEW.key IS DISTINCT FROM OLD.key)
       OR (OLD.destroyed_at IS NOT NULL AND NEW.destroyed_at IS DISTINCT FROM OLD.destroyed_at) THEN
        RAISE EXCEPTION 'the key of subject % is destroyed or stays', OLD.subject_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'subject_keys_once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_subject_key BEFORE UPDATE ON subject_keys FOR EACH ROW EXECUTE FUNCTION guard_subject_key();
