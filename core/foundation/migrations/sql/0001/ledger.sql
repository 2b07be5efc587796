-- What the ledger refuses. These functions only refuse, never write. They are the owner's (SECURITY DEFINER), who
-- reads all rows: a session that clears or changes its tenant between insert and commit is judged all the same.
-- They run at COMMIT, so a transaction may write its rows in any order.

-- An entry is born with its transaction: written by the same statement or at least the same (sub)transaction, so nothing
-- is added to what was posted before. It follows from the version before it, in its account's currency, and what it
-- takes from a wallet leaves it at its floor or above. The entries of its transaction sum to zero in its currency.
CREATE FUNCTION check_ledger_entry() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    seen record;
BEGIN
    SELECT a.currency, a.version, a.floor_micro, whole.sum_micro, whole.is_born_together,
           CASE NEW.version WHEN 1 THEN 0 ELSE
               (SELECT e.balance_after_micro FROM public.ledger_entries e
                WHERE e.tenant_id = NEW.tenant_id AND e.account_id = NEW.account_id AND e.version = NEW.version - 1)
           END AS previous_balance
    INTO STRICT seen
    FROM public.accounts a
    CROSS JOIN LATERAL (
        SELECT sum(e.amount_micro) FILTER (WHERE e.currency = NEW.currency) AS sum_micro,
               bool_and(e.xmin = t.xmin) AS is_born_together
        FROM public.ledger_transactions t
        JOIN public.ledger_entries e ON e.tenant_id = t.tenant_id AND e.transaction_id = t.id
        WHERE t.tenant_id = NEW.tenant_id AND t.id = NEW.transaction_id
    ) whole
    WHERE a.tenant_id = NEW.tenant_id AND a.id = NEW.account_id;

    IF seen.sum_micro <> 0 THEN
        RAISE EXCEPTION 'ledger transaction % does not sum to zero', NEW.transaction_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entries_zero_sum';
    END IF;
    IF seen.is_born_together IS NOT TRUE THEN
        RAISE EXCEPTION 'ledger transaction % was posted before and takes no further entry', NEW.transaction_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'ledger_entries_born_together';
    END IF;
    IF seen.currency <> NEW.currency THEN
        RAISE EXCEPTION 'account % is kept in %, not in %', NEW.account_id, seen.currency, NEW.currency
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entries_currency';
    END IF;
    IF NEW.version > seen.version THEN
        RAISE EXCEPTION 'entry % of account % is ahead of its account', NEW.version, NEW.account_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entries_version';
    END IF;
    IF seen.previous_balance IS NULL OR NEW.balance_after_micro <> seen.previous_balance + NEW.amount_micro THEN
        RAISE EXCEPTION 'entry % of account % does not follow from the one before it', NEW.version, NEW.account_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entries_balance';
    END IF;
    IF NEW.balance_after_micro < seen.floor_micro AND NEW.amount_micro < 0 THEN
        RAISE EXCEPTION 'entry % of account % passes its floor', NEW.version, NEW.account_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entries_floor';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER check_ledger_entry AFTER INSERT ON ledger_entries
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_ledger_entry();

-- A transaction moves something: it has at least two entries.
CREATE FUNCTION check_ledger_transaction() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (SELECT count(*) FROM public.ledger_entries e
        WHERE e.tenant_id = NEW.tenant_id AND e.transaction_id = NEW.id) < 2 THEN
        RAISE EXCEPTION 'ledger transaction % has no entries', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_transactions_entries';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER check_ledger_transaction AFTER INSERT ON ledger_transactions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_ledger_transaction();

-- The cached balance is the newest entry's, and every version up to it is there (each follows from the one before).
CREATE FUNCTION check_account() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    seen record;
BEGIN
    -- As it is by now: a later change of this transaction is judged, not the one that called. Two questions, since a
    -- join may read all entries of the account to find one.
    SELECT a.version, a.balance_micro INTO STRICT seen
    FROM public.accounts a WHERE a.tenant_id = NEW.tenant_id AND a.id = NEW.id;
    IF seen.balance_micro IS DISTINCT FROM (CASE seen.version WHEN 0 THEN 0 ELSE
           (SELECT e.balance_after_micro FROM public.ledger_entries e
            WHERE e.tenant_id = NEW.tenant_id AND e.account_id = NEW.id AND e.version = seen.version) END) THEN
        RAISE EXCEPTION 'the balance of account % is not that of its entries', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'accounts_balance';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER check_account_balance AFTER INSERT ON accounts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_account();
CREATE CONSTRAINT TRIGGER check_account_balance_change AFTER UPDATE ON accounts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.balance_micro <> NEW.balance_micro OR OLD.version <> NEW.version)
    EXECUTE FUNCTION check_account();

-- A wallet's cached holds are the sum of its open holds, whichever of the two was written.
CREATE FUNCTION refuse_wrong_held(tenant uuid, wallet uuid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (SELECT a.held_micro FROM public.accounts a WHERE a.tenant_id = tenant AND a.id = wallet)
       <> (SELECT coalesce(sum(h.amount_micro), 0) FROM public.holds h
           WHERE h.tenant_id = tenant AND h.account_id = wallet AND h.state = 'open') THEN
        RAISE EXCEPTION 'the holds of account % do not add up to what is held', wallet
            USING ERRCODE = 'check_violation', CONSTRAINT = 'accounts_held';
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION refuse_wrong_held(uuid, uuid) FROM PUBLIC;

CREATE FUNCTION check_held() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.refuse_wrong_held(NEW.tenant_id, NEW.id);
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER check_account_held AFTER INSERT ON accounts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.held_micro <> 0) EXECUTE FUNCTION check_held();
CREATE CONSTRAINT TRIGGER check_account_held_change AFTER UPDATE ON accounts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.held_micro <> NEW.held_micro) EXECUTE FUNCTION check_held();

CREATE FUNCTION check_hold() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.refuse_wrong_held(NEW.tenant_id, NEW.account_id);
    IF NOT EXISTS (SELECT FROM public.accounts a
                   WHERE a.tenant_id = NEW.tenant_id AND a.id = NEW.account_id AND a.kind = 'wallet'
                     AND a.currency = NEW.currency) THEN
        RAISE EXCEPTION 'hold % is on no wallet in %', NEW.id, NEW.currency
            USING ERRCODE = 'check_violation', CONSTRAINT = 'holds_on_wallet';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER check_hold AFTER INSERT OR UPDATE ON holds
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_hold();

-- A hold is closed once: nothing but its end may be written, and only while it is open.
CREATE FUNCTION guard_hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'open' OR NEW.state = 'open'
       OR (OLD.tenant_id, OLD.id, OLD.account_id, OLD.customer_id, OLD.amount_micro, OLD.currency, OLD.idempotency_key)
          IS DISTINCT FROM
          (NEW.tenant_id, NEW.id, NEW.account_id, NEW.customer_id, NEW.amount_micro, NEW.currency, NEW.idempotency_key)
    THEN
        RAISE EXCEPTION 'hold % is % and cannot become %', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'holds_closed_once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_hold BEFORE UPDATE ON holds FOR EACH ROW EXECUTE FUNCTION guard_hold();

-- What an account is never changes; only its figures do.
CREATE FUNCTION guard_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.tenant_id, OLD.id, OLD.customer_id, OLD.kind, OLD.currency)
       IS DISTINCT FROM (NEW.tenant_id, NEW.id, NEW.customer_id, NEW.kind, NEW.currency)
       OR NEW.version < OLD.version THEN
        RAISE EXCEPTION 'account % can change its figures only, and only forward', OLD.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'accounts_identity';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_account BEFORE UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION guard_account();

-- An account's row changes with every posting: room on its page keeps the new version beside the old one.
ALTER TABLE accounts SET (fillfactor = 40, autovacuum_vacuum_scale_factor = 0.05);
