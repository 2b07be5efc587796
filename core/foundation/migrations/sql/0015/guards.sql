-- What is to be billed is written once. Two things may still be said of it: that it is billed earlier (its subscription
-- ended), and which invoice took it.
CREATE FUNCTION guard_invoice_item() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (to_jsonb(OLD) - 'bill_at' - 'invoice_id') IS DISTINCT FROM (to_jsonb(NEW) - 'bill_at' - 'invoice_id')
       OR NEW.bill_at > OLD.bill_at OR (NEW.bill_at < OLD.bill_at AND OLD.invoice_id IS NOT NULL) THEN
        RAISE EXCEPTION 'item % is to be billed as it was written', OLD.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'invoice_items_never_changed';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_item BEFORE UPDATE ON invoice_items FOR EACH ROW EXECUTE FUNCTION guard_invoice_item();
CREATE TRIGGER never_deleted BEFORE DELETE ON invoice_items FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON invoice_items FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A metered event is rated once: no two items count one meter of one customer over the same time, unless they are
-- parts of one subscription that price it together.
CREATE FUNCTION refuse_usage_billed_twice() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    other uuid;
BEGIN
    -- Two that are written at once see each other: the second waits here.
    PERFORM pg_advisory_xact_lock(hashtextextended(NEW.tenant_id::text || NEW.customer_id || NEW.meter_id, 15));
    SELECT i.id INTO other FROM public.invoice_items i
    WHERE i.tenant_id = NEW.tenant_id AND i.customer_id = NEW.customer_id AND i.meter_id = NEW.meter_id
      AND i.kind = 'usage' AND i.id <> NEW.id
      AND i.period_start < NEW.period_end AND i.period_end > NEW.period_start
      AND (i.subscription_id <> NEW.subscription_id OR i.code = NEW.code) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'usage from % to % is billed by item % already', NEW.period_start, NEW.period_end, other
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'invoice_items_usage_once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER usage_once BEFORE INSERT ON invoice_items FOR EACH ROW WHEN (NEW.kind = 'usage')
    EXECUTE FUNCTION refuse_usage_billed_twice();

-- What held from when until when is history: an open row is closed once, and nothing else of it changes.
CREATE FUNCTION guard_effective() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.effective_to IS NOT NULL OR NEW.effective_to IS NULL
       OR (to_jsonb(OLD) - 'effective_to') IS DISTINCT FROM (to_jsonb(NEW) - 'effective_to') THEN
        RAISE EXCEPTION 'what row % of % said is closed once and else never changed', OLD.id, TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation', CONSTRAINT = TG_TABLE_NAME || '_never_changed';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_effective BEFORE UPDATE ON subscription_terms FOR EACH ROW EXECUTE FUNCTION guard_effective();
CREATE TRIGGER guard_effective BEFORE UPDATE ON subscription_items FOR EACH ROW EXECUTE FUNCTION guard_effective();

-- A redemption ends once; what it took off before it keeps.
CREATE FUNCTION guard_redemption() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.last_ordinal IS NOT NULL OR NEW.last_ordinal IS NULL
       OR (to_jsonb(OLD) - 'last_ordinal') IS DISTINCT FROM (to_jsonb(NEW) - 'last_ordinal') THEN
        RAISE EXCEPTION 'redemption % ends once and else never changes', OLD.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'coupon_redemptions_never_changed';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_redemption BEFORE UPDATE ON coupon_redemptions FOR EACH ROW EXECUTE FUNCTION guard_redemption();
