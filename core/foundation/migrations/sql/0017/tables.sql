-- Invoices and what belongs to them. Amounts are minor units of the row's currency.
CREATE TABLE invoice_series (
    tenant_id UUID NOT NULL,
    series TEXT NOT NULL,
    next_sequence BIGINT NOT NULL,
    CONSTRAINT invoice_series_pkey PRIMARY KEY (tenant_id, series),
    CONSTRAINT invoice_series_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT invoice_series_next_sequence_check CHECK (next_sequence >= 1)
);

CREATE TABLE invoice_numbers (
    tenant_id UUID NOT NULL,
    series TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    kind TEXT NOT NULL,
    document_id UUID,
    reason TEXT,
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT invoice_numbers_pkey PRIMARY KEY (tenant_id, series, sequence),
    CONSTRAINT invoice_numbers_tenant_id_series_fkey FOREIGN KEY(tenant_id, series) REFERENCES invoice_series (tenant_id, series),
    CONSTRAINT invoice_numbers_kind_check CHECK (kind IN ('invoice', 'credit_note', 'skipped')),
    CONSTRAINT invoice_numbers_document_check CHECK ((kind = 'skipped') = (document_id IS NULL)),
    CONSTRAINT invoice_numbers_reason_check CHECK ((kind = 'skipped') = (reason IS NOT NULL))
);

CREATE UNIQUE INDEX invoice_numbers_document_key ON invoice_numbers (tenant_id, document_id) WHERE document_id IS NOT NULL;

CREATE TABLE invoices (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    customer_id UUID NOT NULL,
    subscription_id UUID,
    currency TEXT NOT NULL,
    state TEXT NOT NULL,
    origin TEXT NOT NULL,
    collection TEXT NOT NULL,
    bill_at TIMESTAMP WITH TIME ZONE NOT NULL,
    drafted_at TIMESTAMP WITH TIME ZONE NOT NULL,
    finalize_at TIMESTAMP WITH TIME ZONE,
    series TEXT,
    sequence BIGINT,
    number TEXT,
    finalized_at TIMESTAMP WITH TIME ZONE,
    due_at TIMESTAMP WITH TIME ZONE,
    period_start TIMESTAMP WITH TIME ZONE,
    period_end TIMESTAMP WITH TIME ZONE,
    lines BIGINT NOT NULL,
    subtotal_minor BIGINT NOT NULL,
    discount_minor BIGINT NOT NULL,
    tax_minor BIGINT NOT NULL,
    total_minor BIGINT NOT NULL,
    applied_minor BIGINT DEFAULT '0' NOT NULL,
    paid_minor BIGINT DEFAULT '0' NOT NULL,
    credited_minor BIGINT DEFAULT '0' NOT NULL,
    open_minor BIGINT NOT NULL,
    memo TEXT,
    paid_at TIMESTAMP WITH TIME ZONE,
    voided_at TIMESTAMP WITH TIME ZONE,
    uncollectible_at TIMESTAMP WITH TIME ZONE,
    recorded_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT invoices_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT invoices_tenant_id_customer_id_fkey FOREIGN KEY(tenant_id, customer_id) REFERENCES customers (tenant_id, id),
    CONSTRAINT invoices_tenant_id_subscription_id_fkey FOREIGN KEY(tenant_id, subscription_id) REFERENCES subscriptions (tenant_id, id),
    CONSTRAINT invoices_tenant_id_series_sequence_fkey FOREIGN KEY(tenant_id, series, sequence) REFERENCES invoice_numbers (tenant_id, series, sequence),
    CONSTRAINT invoices_state_check CHECK (state IN ('draft', 'open', 'paid', 'void', 'uncollectible')),
    CONSTRAINT invoices_origin_check CHECK (origin IN ('run', 'manual')),
    CONSTRAINT invoices_collection_check CHECK (collection IN ('automatic', 'send_invoice')),
    CONSTRAINT invoices_number_check CHECK ((number IS NULL) = (sequence IS NULL) AND (number IS NULL) = (series IS NULL) AND (number IS NULL) = (finalized_at IS NULL)),
    CONSTRAINT invoices_final_check CHECK (CASE state WHEN 'draft' THEN number IS NULL WHEN 'void' THEN true ELSE number IS NOT NULL END),
    CONSTRAINT invoices_total_check CHECK (total_minor = subtotal_minor - discount_minor + tax_minor),
    CONSTRAINT invoices_open_check CHECK (open_minor = total_minor - applied_minor - paid_minor - credited_minor),
    CONSTRAINT invoices_paid_check CHECK ((state = 'paid') = (paid_at IS NOT NULL) AND (state <> 'paid' OR open_minor <= 0)),
    CONSTRAINT invoices_owed_check CHECK (state NOT IN ('open', 'uncollectible') OR open_minor > 0),
    CONSTRAINT invoices_void_check CHECK ((state = 'void') = (voided_at IS NOT NULL)),
    CONSTRAINT invoices_draft_check CHECK (state <> 'draft' OR paid_minor = 0 AND credited_minor = 0 AND applied_minor = 0),
    CONSTRAINT invoices_amounts_check CHECK (lines >= 0 AND credited_minor >= 0 AND paid_minor >= 0)
);

CREATE INDEX invoices_customer_idx ON invoices (tenant_id, customer_id, id);
CREATE INDEX invoices_due_idx ON invoices (tenant_id, finalize_at, id) WHERE state = 'draft';
CREATE UNIQUE INDEX invoices_number_key ON invoices (tenant_id, number) WHERE number IS NOT NULL;
CREATE INDEX invoices_open_idx ON invoices (tenant_id, due_at) WHERE state = 'open';
CREATE INDEX invoices_subscription_idx ON invoices (tenant_id, subscription_id, id);

CREATE TABLE invoice_lines (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    invoice_id UUID NOT NULL,
    position BIGINT NOT NULL,
    item_id UUID,
    subscription_id UUID,
    kind TEXT NOT NULL,
    code TEXT NOT NULL,
    description TEXT NOT NULL,
    period_start TIMESTAMP WITH TIME ZONE,
    period_end TIMESTAMP WITH TIME ZONE,
    quantity NUMERIC,
    amount_minor BIGINT NOT NULL,
    discount_minor BIGINT NOT NULL,
    net_minor BIGINT NOT NULL,
    tax_category TEXT NOT NULL,
    tax_rate NUMERIC NOT NULL,
    tax_reason TEXT,
    tax_minor BIGINT NOT NULL,
    arithmetic JSONB,
    discounts JSONB NOT NULL,
    CONSTRAINT invoice_lines_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT invoice_lines_tenant_id_invoice_id_fkey FOREIGN KEY(tenant_id, invoice_id) REFERENCES invoices (tenant_id, id),
    CONSTRAINT invoice_lines_tenant_id_item_id_fkey FOREIGN KEY(tenant_id, item_id) REFERENCES invoice_items (tenant_id, id),
    CONSTRAINT invoice_lines_tenant_id_subscription_id_fkey FOREIGN KEY(tenant_id, subscription_id) REFERENCES subscriptions (tenant_id, id),
    CONSTRAINT invoice_lines_net_check CHECK (net_minor = amount_minor - discount_minor)
);

CREATE INDEX invoice_lines_invoice_idx ON invoice_lines (tenant_id, invoice_id, position);
CREATE UNIQUE INDEX invoice_lines_item_key ON invoice_lines (tenant_id, item_id) WHERE item_id IS NOT NULL;

CREATE TABLE invoice_taxes (
    tenant_id UUID NOT NULL,
    invoice_id UUID NOT NULL,
    category TEXT NOT NULL,
    rate NUMERIC NOT NULL,
    taxable_minor BIGINT NOT NULL,
    tax_minor BIGINT NOT NULL,
    reason TEXT,
    CONSTRAINT invoice_taxes_pkey PRIMARY KEY (tenant_id, invoice_id, category, rate),
    CONSTRAINT invoice_taxes_tenant_id_invoice_id_fkey FOREIGN KEY(tenant_id, invoice_id) REFERENCES invoices (tenant_id, id)
);

CREATE TABLE invoice_inputs (
    tenant_id UUID NOT NULL,
    invoice_id UUID NOT NULL,
    as_of TIMESTAMP WITH TIME ZONE NOT NULL,
    computed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    inputs JSONB NOT NULL,
    digest BYTEA NOT NULL,
    parties BYTEA NOT NULL,
    CONSTRAINT invoice_inputs_pkey PRIMARY KEY (tenant_id, invoice_id),
    CONSTRAINT invoice_inputs_tenant_id_invoice_id_fkey FOREIGN KEY(tenant_id, invoice_id) REFERENCES invoices (tenant_id, id)
);

CREATE TABLE invoice_payments (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    invoice_id UUID NOT NULL,
    cause_id UUID NOT NULL,
    amount_minor BIGINT NOT NULL,
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT invoice_payments_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT invoice_payments_tenant_id_invoice_id_fkey FOREIGN KEY(tenant_id, invoice_id) REFERENCES invoices (tenant_id, id),
    CONSTRAINT invoice_payments_tenant_id_invoice_id_cause_id_key UNIQUE (tenant_id, invoice_id, cause_id),
    CONSTRAINT invoice_payments_amount_check CHECK (amount_minor <> 0)
);

CREATE TABLE credit_notes (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    invoice_id UUID NOT NULL,
    customer_id UUID NOT NULL,
    currency TEXT NOT NULL,
    series TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    number TEXT NOT NULL,
    reason TEXT NOT NULL,
    memo TEXT,
    net_minor BIGINT NOT NULL,
    tax_minor BIGINT NOT NULL,
    total_minor BIGINT NOT NULL,
    to_open_minor BIGINT NOT NULL,
    to_wallet_minor BIGINT NOT NULL,
    to_refund_minor BIGINT NOT NULL,
    issued_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_by UUID,
    recorded_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT credit_notes_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT credit_notes_tenant_id_invoice_id_fkey FOREIGN KEY(tenant_id, invoice_id) REFERENCES invoices (tenant_id, id),
    CONSTRAINT credit_notes_tenant_id_customer_id_fkey FOREIGN KEY(tenant_id, customer_id) REFERENCES customers (tenant_id, id),
    CONSTRAINT credit_notes_tenant_id_series_sequence_fkey FOREIGN KEY(tenant_id, series, sequence) REFERENCES invoice_numbers (tenant_id, series, sequence),
    CONSTRAINT credit_notes_tenant_id_number_key UNIQUE (tenant_id, number),
    CONSTRAINT credit_notes_reason_check CHECK (reason IN ('requested', 'late_usage', 'duplicate', 'void')),
    CONSTRAINT credit_notes_total_check CHECK (total_minor = net_minor + tax_minor AND total_minor > 0),
    CONSTRAINT credit_notes_goes_check CHECK (total_minor = to_open_minor + to_wallet_minor + to_refund_minor AND to_open_minor >= 0 AND to_wallet_minor >= 0 AND to_refund_minor >= 0)
);

CREATE INDEX credit_notes_invoice_idx ON credit_notes (tenant_id, invoice_id, id);

CREATE TABLE credit_note_lines (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    credit_note_id UUID NOT NULL,
    invoice_line_id UUID NOT NULL,
    net_minor BIGINT NOT NULL,
    tax_minor BIGINT NOT NULL,
    CONSTRAINT credit_note_lines_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT credit_note_lines_tenant_id_credit_note_id_fkey FOREIGN KEY(tenant_id, credit_note_id) REFERENCES credit_notes (tenant_id, id),
    CONSTRAINT credit_note_lines_tenant_id_invoice_line_id_fkey FOREIGN KEY(tenant_id, invoice_line_id) REFERENCES invoice_lines (tenant_id, id),
    CONSTRAINT credit_note_lines_tenant_id_credit_note_id_invoice_line_id_key UNIQUE (tenant_id, credit_note_id, invoice_line_id)
);

CREATE INDEX credit_note_lines_line_idx ON credit_note_lines (tenant_id, invoice_line_id);

CREATE TABLE parked_customers (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    customer_id UUID NOT NULL,
    code TEXT NOT NULL,
    detail TEXT NOT NULL,
    invoice_id UUID,
    parked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    resolved_at TIMESTAMP WITH TIME ZONE,
    resolved_by UUID,
    resolution TEXT,
    CONSTRAINT parked_customers_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT parked_customers_tenant_id_customer_id_fkey FOREIGN KEY(tenant_id, customer_id) REFERENCES customers (tenant_id, id),
    CONSTRAINT parked_customers_tenant_id_invoice_id_fkey FOREIGN KEY(tenant_id, invoice_id) REFERENCES invoices (tenant_id, id),
    CONSTRAINT parked_customers_resolved_check CHECK ((resolved_at IS NULL) = (resolution IS NULL)),
    CONSTRAINT parked_customers_resolution_check CHECK (resolution IN ('replayed', 'allowed'))
);

CREATE UNIQUE INDEX parked_customers_open_key ON parked_customers (tenant_id, customer_id) WHERE resolved_at IS NULL;

CREATE TABLE invoicing_rules (
    tenant_id UUID NOT NULL,
    one_invoice_per TEXT NOT NULL,
    applies_credits BOOLEAN NOT NULL,
    lines_a_day BIGINT NOT NULL,
    months_ahead BIGINT NOT NULL,
    times_history BIGINT NOT NULL,
    free_below_minor BIGINT NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT invoicing_rules_pkey PRIMARY KEY (tenant_id),
    CONSTRAINT invoicing_rules_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT invoicing_rules_one_invoice_per_check CHECK (one_invoice_per IN ('subscription', 'customer')),
    CONSTRAINT invoicing_rules_lines_a_day_check CHECK (lines_a_day BETWEEN 1 AND 1000000),
    CONSTRAINT invoicing_rules_months_ahead_check CHECK (months_ahead BETWEEN 0 AND 120),
    CONSTRAINT invoicing_rules_times_history_check CHECK (times_history BETWEEN 2 AND 1000000),
    CONSTRAINT invoicing_rules_free_below_check CHECK (free_below_minor >= 0)
);

CREATE TABLE subject_keys (
    tenant_id UUID NOT NULL,
    subject_id UUID NOT NULL,
    key BYTEA,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    destroyed_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT subject_keys_pkey PRIMARY KEY (tenant_id, subject_id),
    CONSTRAINT subject_keys_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT subject_keys_destroyed_check CHECK ((key IS NULL) = (destroyed_at IS NOT NULL))
);

ALTER TABLE invoice_items ADD CONSTRAINT invoice_items_tenant_id_invoice_id_fkey
    FOREIGN KEY (tenant_id, invoice_id) REFERENCES invoices (tenant_id, id);
