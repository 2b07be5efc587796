-- Tries to charge invoices, how each open invoice is collected, and a tenant's schedule for it.

CREATE TABLE payment_attempts (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    payment_id UUID NOT NULL,
    invoice_id UUID NOT NULL,
    number BIGINT NOT NULL,
    origin TEXT NOT NULL,
    payment_method_id UUID NOT NULL,
    state TEXT NOT NULL,
    failure_code TEXT,
    advice_code TEXT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    concluded_at TIMESTAMP WITH TIME ZONE,
    lease_until TIMESTAMP WITH TIME ZONE,
    recorded_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT payment_attempts_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT payment_attempts_tenant_id_payment_id_fkey FOREIGN KEY(tenant_id, payment_id) REFERENCES payments (tenant_id, id),
    CONSTRAINT payment_attempts_tenant_id_invoice_id_fkey FOREIGN KEY(tenant_id, invoice_id) REFERENCES invoices (tenant_id, id),
    CONSTRAINT payment_attempts_tenant_id_payment_method_id_fkey FOREIGN KEY(tenant_id, payment_method_id) REFERENCES payment_methods (tenant_id, id),
    CONSTRAINT payment_attempts_tenant_id_payment_id_number_key UNIQUE (tenant_id, payment_id, number),
    CONSTRAINT payment_attempts_state_check CHECK (state IN ('pending', 'action_required', 'succeeded', 'failed', 'canceled')),
    CONSTRAINT payment_attempts_origin_check CHECK (origin IN ('collection', 'tenant', 'customer')),
    CONSTRAINT payment_attempts_number_check CHECK (number >= 1),
    CONSTRAINT payment_attempts_concluded_check CHECK ((state IN ('pending', 'action_required')) = (concluded_at IS NULL))
);
CREATE INDEX payment_attempts_invoice_idx ON payment_attempts (tenant_id, invoice_id, id);
CREATE UNIQUE INDEX payment_attempts_pending_key ON payment_attempts (tenant_id, invoice_id) WHERE state = 'pending';

CREATE TABLE dunning_terms (
    tenant_id UUID NOT NULL,
    retry_days BIGINT[] NOT NULL,
    final_days BIGINT NOT NULL,
    final_action TEXT NOT NULL,
    overdue_action TEXT NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT dunning_terms_pkey PRIMARY KEY (tenant_id),
    CONSTRAINT dunning_terms_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT dunning_terms_final_action_check CHECK (final_action IN ('pause', 'cancel', 'uncollectible', 'leave')),
    CONSTRAINT dunning_terms_overdue_action_check CHECK (overdue_action IN ('pause', 'cancel', 'uncollectible', 'leave')),
    CONSTRAINT dunning_terms_retry_days_check CHECK (cardinality(retry_days) <= 12),
    CONSTRAINT dunning_terms_final_days_check CHECK (final_days BETWEEN 1 AND 180)
);

CREATE TABLE collections (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    invoice_id UUID NOT NULL,
    customer_id UUID NOT NULL,
    subscription_id UUID,
    charges BOOLEAN NOT NULL,
    state TEXT NOT NULL,
    attempt_id UUID,
    tries BIGINT NOT NULL,
    notices BIGINT NOT NULL,
    last_code TEXT,
    next_step TEXT,
    first_failed_at TIMESTAMP WITH TIME ZONE,
    last_tried_at TIMESTAMP WITH TIME ZONE NOT NULL,
    next_at TIMESTAMP WITH TIME ZONE,
    outcome TEXT,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    fault TEXT,
    postponed_to TIMESTAMP WITH TIME ZONE,
    recorded_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT collections_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT collections_tenant_id_invoice_id_fkey FOREIGN KEY(tenant_id, invoice_id) REFERENCES invoices (tenant_id, id),
    CONSTRAINT collections_tenant_id_customer_id_fkey FOREIGN KEY(tenant_id, customer_id) REFERENCES customers (tenant_id, id),
    CONSTRAINT collections_tenant_id_subscription_id_fkey FOREIGN KEY(tenant_id, subscription_id) REFERENCES subscriptions (tenant_id, id),
    CONSTRAINT collections_tenant_id_attempt_id_fkey FOREIGN KEY(tenant_id, attempt_id) REFERENCES payment_attempts (tenant_id, id),
    CONSTRAINT collections_fault_check CHECK ((fault IS NULL) = (postponed_to IS NULL)),
    CONSTRAINT collections_tenant_id_invoice_id_key UNIQUE (tenant_id, invoice_id),
    CONSTRAINT collections_state_check CHECK (state IN ('trying', 'waiting', 'ended')),
    CONSTRAINT collections_outcome_check CHECK (outcome IN ('paid', 'closed', 'recovered', 'pause', 'cancel', 'uncollectible', 'leave')),
    CONSTRAINT collections_next_check CHECK ((state = 'waiting') = (next_at IS NOT NULL)),
    CONSTRAINT collections_attempt_check CHECK (state <> 'trying' OR attempt_id IS NOT NULL),
    CONSTRAINT collections_ended_check CHECK ((state = 'ended') = (outcome IS NOT NULL) AND (state = 'ended') = (ended_at IS NOT NULL)),
    CONSTRAINT collections_counts_check CHECK (tries >= 0 AND notices >= 0)
);
CREATE INDEX collections_open_idx ON collections (tenant_id, next_at) WHERE state <> 'ended';

-- A try ends once, and a collection that has ended stays so: but for a late payment after a pause.
CREATE FUNCTION guard_payment_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.concluded_at IS NOT NULL
       AND NOT (OLD.state IN ('failed', 'canceled') AND NEW.state = 'succeeded')
       AND (OLD.state, OLD.concluded_at) IS DISTINCT FROM (NEW.state, NEW.concluded_at) THEN
        RAISE EXCEPTION 'try % has ended as %', OLD.id, OLD.state
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'payment_attempts_once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_payment_attempt BEFORE UPDATE ON payment_attempts
    FOR EACH ROW EXECUTE FUNCTION guard_payment_attempt();

CREATE FUNCTION guard_collection() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'ended' AND (NEW.state <> 'ended'
       OR OLD.outcome <> NEW.outcome AND NOT (OLD.outcome = 'pause' AND NEW.outcome = 'recovered')) THEN
        RAISE EXCEPTION 'the collection of invoice % has ended', OLD.invoice_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'collections_once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_collection BEFORE UPDATE ON collections
    FOR EACH ROW EXECUTE FUNCTION guard_collection();

-- Payments, refunds and disputes are of a purchase or of an invoice.
ALTER TABLE payments
    ALTER COLUMN purchase_id DROP NOT NULL,
    ADD COLUMN invoice_id UUID,
    ADD COLUMN reference TEXT,
    ADD COLUMN received_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN recorded_by UUID,
    DROP CONSTRAINT payments_means_check,
    ADD CONSTRAINT payments_means_check CHECK (means IN ('intent', 'checkout', 'by_hand')),
    ADD CONSTRAINT payments_tenant_id_invoice_id_fkey FOREIGN KEY (tenant_id, invoice_id) REFERENCES invoices (tenant_id, id),
    ADD CONSTRAINT payments_of_check CHECK (num_nonnulls(purchase_id, invoice_id) = 1),
    ADD CONSTRAINT payments_of_invoice_check CHECK (means <> CASE WHEN invoice_id IS NULL THEN 'by_hand' ELSE 'checkout' END),
    ADD CONSTRAINT payments_reference_check CHECK ((means = 'by_hand') = (reference IS NOT NULL));
CREATE INDEX payments_invoice_idx ON payments (tenant_id, invoice_id) WHERE invoice_id IS NOT NULL;
CREATE UNIQUE INDEX payments_invoice_open_key ON payments (tenant_id, invoice_id) WHERE invoice_id IS NOT NULL AND state IN ('pending', 'failed');
CREATE UNIQUE INDEX payments_reference_key ON payments (tenant_id, invoice_id, reference) WHERE reference IS NOT NULL AND state <> 'canceled';

ALTER TABLE refunds
    ALTER COLUMN purchase_id DROP NOT NULL,
    ADD COLUMN invoice_id UUID,
    ADD COLUMN credit_note_id UUID,
    ADD CONSTRAINT refunds_tenant_id_invoice_id_fkey FOREIGN KEY (tenant_id, invoice_id) REFERENCES invoices (tenant_id, id),
    ADD CONSTRAINT refunds_tenant_id_credit_note_id_fkey FOREIGN KEY (tenant_id, credit_note_id) REFERENCES credit_notes (tenant_id, id),
    ADD CONSTRAINT refunds_of_check CHECK (num_nonnulls(purchase_id, invoice_id) = 1);
CREATE UNIQUE INDEX refunds_credit_note_key ON refunds (tenant_id, credit_note_id, payment_id) WHERE credit_note_id IS NOT NULL;
CREATE INDEX refunds_payment_idx ON refunds (tenant_id, payment_id);

ALTER TABLE disputes
    ALTER COLUMN purchase_id DROP NOT NULL,
    ADD COLUMN invoice_id UUID,
    ADD CONSTRAINT disputes_tenant_id_invoice_id_fkey FOREIGN KEY (tenant_id, invoice_id) REFERENCES invoices (tenant_id, id),
    ADD CONSTRAINT disputes_of_check CHECK (num_nonnulls(purchase_id, invoice_id) = 1);
