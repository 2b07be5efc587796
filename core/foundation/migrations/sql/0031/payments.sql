-- Of a credit note's money one refund of a payment is under way or done; one that was refused may be followed by another.
DROP INDEX refunds_credit_note_key;
CREATE UNIQUE INDEX refunds_credit_note_key ON refunds (tenant_id, credit_note_id, payment_id)
    WHERE credit_note_id IS NOT NULL AND state IN ('pending', 'succeeded');

-- What the provider paid stays paid. What somebody recorded by mistake may be canceled.
CREATE OR REPLACE FUNCTION guard_payment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'succeeded' AND NEW.state <> 'succeeded' AND NOT (OLD.means = 'by_hand' AND NEW.state = 'canceled')
       OR OLD.means = 'by_hand' AND OLD.state = 'canceled' AND NEW.state <> 'canceled'
       OR OLD.provider_id IS NOT NULL AND NEW.provider_id IS DISTINCT FROM OLD.provider_id THEN
        RAISE EXCEPTION 'payment % has succeeded, or is known to the provider by another id', OLD.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payments_succeeded_once';
    END IF;
    RETURN NEW;
END $$;
