-- Of each movement the newest row counts: acknowledged with what it moved, or taken back (the amount is null).
CREATE TABLE payment_acknowledgements (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    provider_account_id text NOT NULL,
    kind text NOT NULL,
    provider_id text NOT NULL,
    amount_minor bigint,
    currency text NOT NULL,
    reason text NOT NULL,
    acknowledged_by uuid,
    acknowledged_at timestamptz NOT NULL,
    CONSTRAINT payment_acknowledgements_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT payment_acknowledgements_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT payment_acknowledgements_kind_check CHECK (kind IN ('charge', 'refund', 'dispute'))
);
CREATE INDEX payment_acknowledgements_movement_idx
    ON payment_acknowledgements (tenant_id, provider_account_id, kind, provider_id, id);
