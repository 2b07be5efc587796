-- Usage that came in, or was amended, after an invoice had billed its time: what was noted of it until it is corrected,
-- and what each correction came to.

CREATE TABLE late_usage (
    tenant_id UUID NOT NULL,
    item_id UUID NOT NULL,
    noted_at TIMESTAMP WITH TIME ZONE NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT late_usage_pkey PRIMARY KEY (tenant_id, item_id),
    CONSTRAINT late_usage_tenant_id_item_id_fkey FOREIGN KEY(tenant_id, item_id) REFERENCES invoice_items (tenant_id, id),
    CONSTRAINT late_usage_due_check CHECK (due_at >= noted_at)
);
CREATE INDEX late_usage_due_idx ON late_usage (tenant_id, due_at);

CREATE TABLE late_corrections (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    invoice_id UUID NOT NULL,
    item_id UUID NOT NULL,
    as_of_before TIMESTAMP WITH TIME ZONE NOT NULL,
    as_of TIMESTAMP WITH TIME ZONE NOT NULL,
    amount_minor BIGINT NOT NULL,
    inputs JSONB NOT NULL,
    correction_item_id UUID,
    credited JSONB NOT NULL,
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT late_corrections_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT late_corrections_tenant_id_invoice_id_fkey FOREIGN KEY(tenant_id, invoice_id) REFERENCES invoices (tenant_id, id),
    CONSTRAINT late_corrections_tenant_id_item_id_fkey FOREIGN KEY(tenant_id, item_id) REFERENCES invoice_items (tenant_id, id),
    CONSTRAINT late_corrections_tenant_id_correction_item_id_fkey FOREIGN KEY(tenant_id, correction_item_id) REFERENCES invoice_items (tenant_id, id),
    CONSTRAINT late_corrections_once_key UNIQUE (tenant_id, item_id, as_of_before),
    CONSTRAINT late_corrections_later_check CHECK (as_of > as_of_before),
    CONSTRAINT late_corrections_amount_check CHECK (amount_minor <> 0)
);
CREATE INDEX late_corrections_invoice_idx ON late_corrections (tenant_id, invoice_id);
CREATE INDEX late_corrections_correction_item_idx ON late_corrections (tenant_id, correction_item_id) WHERE correction_item_id IS NOT NULL;

-- Every batch of events asks which of them lie in a time that is billed: nearly always none, and then at one look.
CREATE INDEX invoice_items_billed_usage_idx ON invoice_items (tenant_id, customer_id, period_end)
    WHERE kind = 'usage' AND invoice_id IS NOT NULL;
