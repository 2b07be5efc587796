-- What an account holds is what its open holds keep of it: of a wallet, each less what it keeps of limited credits.
CREATE OR REPLACE FUNCTION refuse_wrong_held(tenant uuid, wallet uuid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (SELECT a.held_micro FROM public.accounts a WHERE a.tenant_id = tenant AND a.id = wallet)
       <> (SELECT coalesce(sum(h.amount_micro - h.limited_micro), 0) FROM public.holds h
           WHERE h.tenant_id = tenant AND h.account_id = wallet AND h.state = 'open')
        + (SELECT coalesce(sum(s.amount_micro), 0) FROM public.hold_shares s
           WHERE s.tenant_id = tenant AND s.account_id = wallet) THEN
        RAISE EXCEPTION 'the holds of account % do not add up to what is held', wallet
            USING ERRCODE = 'check_violation', CONSTRAINT = 'accounts_held';
    END IF;
END $$;

-- The shares of a hold: there while it is open, and what it says it keeps of limited credits.
CREATE FUNCTION refuse_wrong_shares(tenant uuid, hold uuid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM public.holds h WHERE h.tenant_id = tenant AND h.id = hold
               AND (SELECT coalesce(sum(s.amount_micro), 0) FROM public.hold_shares s
                    WHERE s.tenant_id = tenant AND s.hold_id = hold)
                   <> CASE h.state WHEN 'open' THEN h.limited_micro ELSE 0 END) THEN
        RAISE EXCEPTION 'the shares of hold % do not add up to what it keeps', hold
            USING ERRCODE = 'check_violation', CONSTRAINT = 'hold_shares_sum';
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION refuse_wrong_shares(uuid, uuid) FROM PUBLIC;

CREATE OR REPLACE FUNCTION check_hold() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.refuse_wrong_held(NEW.tenant_id, NEW.account_id);
    IF NEW.limited_micro > 0 THEN
        PERFORM public.refuse_wrong_shares(NEW.tenant_id, NEW.id);
    END IF;
    IF NOT EXISTS (SELECT FROM public.accounts a
                   WHERE a.tenant_id = NEW.tenant_id AND a.id = NEW.account_id AND a.kind = 'wallet'
                     AND a.currency = NEW.currency) THEN
        RAISE EXCEPTION 'hold % is on no wallet in %', NEW.id, NEW.currency
            USING ERRCODE = 'check_violation', CONSTRAINT = 'holds_on_wallet';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION check_hold_share() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    share record;
BEGIN
    IF TG_OP = 'DELETE' THEN share := OLD; ELSE share := NEW; END IF;
    PERFORM public.refuse_wrong_shares(share.tenant_id, share.hold_id);
    PERFORM public.refuse_wrong_held(share.tenant_id, share.account_id);
    IF TG_OP = 'INSERT' AND NOT EXISTS (
        SELECT FROM public.accounts a
        JOIN public.holds h ON h.tenant_id = a.tenant_id AND h.id = share.hold_id AND h.currency = a.currency
        JOIN public.accounts w ON w.tenant_id = h.tenant_id AND w.id = h.account_id AND w.customer_id = a.customer_id
        WHERE a.tenant_id = share.tenant_id AND a.id = share.account_id AND a.kind LIKE 'limited:%') THEN
        RAISE EXCEPTION 'hold % keeps no limited credits of its payer', share.hold_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'hold_shares_of_payer';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER check_hold_share AFTER INSERT OR UPDATE OR DELETE ON hold_shares
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_hold_share();

CREATE OR REPLACE FUNCTION guard_hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'open' OR NEW.state = 'open'
       OR (OLD.tenant_id, OLD.id, OLD.account_id, OLD.customer_id, OLD.amount_micro, OLD.currency, OLD.idempotency_key,
           OLD.limited_micro)
          IS DISTINCT FROM
          (NEW.tenant_id, NEW.id, NEW.account_id, NEW.customer_id, NEW.amount_micro, NEW.currency, NEW.idempotency_key,
           NEW.limited_micro)
    THEN
        RAISE EXCEPTION 'hold % is % and cannot become %', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'holds_closed_once';
    END IF;
    RETURN NEW;
END $$;

-- What limited credits are for belongs to an account of theirs.
CREATE FUNCTION check_credit_target() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM public.accounts a WHERE a.tenant_id = NEW.tenant_id AND a.id = NEW.account_id
                   AND a.kind LIKE 'limited:%') THEN
        RAISE EXCEPTION 'account % holds no limited credits', NEW.account_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'credit_targets_of_limited';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER check_credit_target AFTER INSERT ON credit_targets
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_credit_target();
