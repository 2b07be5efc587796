CREATE TABLE subscription_terms (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    subscription_id UUID NOT NULL,
    plan_tenant_id UUID NOT NULL,
    plan_id UUID NOT NULL,
    version BIGINT NOT NULL,
    price_id UUID NOT NULL,
    effective_from TIMESTAMP WITH TIME ZONE NOT NULL,
    effective_to TIMESTAMP WITH TIME ZONE,
    CONSTRAINT subscription_terms_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT subscription_terms_tenant_id_subscription_id_fkey FOREIGN KEY(tenant_id, subscription_id) REFERENCES subscriptions (tenant_id, id),
    CONSTRAINT subscription_terms_plan_tenant_id_plan_id_fkey FOREIGN KEY(plan_tenant_id, plan_id) REFERENCES plans (tenant_id, id),
    CONSTRAINT subscription_terms_plan_tenant_id_price_id_fkey FOREIGN KEY(plan_tenant_id, price_id) REFERENCES prices (tenant_id, id),
    CONSTRAINT subscription_terms_plan_tenant_check CHECK (plan_tenant_id IN (tenant_id, '00000000-0000-0000-0000-000000000000')),
    CONSTRAINT subscription_terms_effective_check CHECK (effective_to >= effective_from)
);
CREATE INDEX subscription_terms_of_idx ON subscription_terms (tenant_id, subscription_id);
CREATE UNIQUE INDEX subscription_terms_open_key ON subscription_terms (tenant_id, subscription_id) WHERE effective_to IS NULL;

CREATE TABLE subscription_items (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    subscription_id UUID NOT NULL,
    plan_tenant_id UUID NOT NULL,
    component_id UUID NOT NULL,
    code TEXT NOT NULL,
    kind TEXT NOT NULL,
    quantity NUMERIC(38, 12),
    effective_from TIMESTAMP WITH TIME ZONE NOT NULL,
    effective_to TIMESTAMP WITH TIME ZONE,
    CONSTRAINT subscription_items_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT subscription_items_tenant_id_subscription_id_fkey FOREIGN KEY(tenant_id, subscription_id) REFERENCES subscriptions (tenant_id, id),
    CONSTRAINT subscription_items_plan_tenant_id_component_id_fkey FOREIGN KEY(plan_tenant_id, component_id) REFERENCES price_components (tenant_id, id),
    CONSTRAINT subscription_items_plan_tenant_check CHECK (plan_tenant_id IN (tenant_id, '00000000-0000-0000-0000-000000000000')),
    CONSTRAINT subscription_items_kind_check CHECK (kind IN ('recurring', 'usage', 'one_time')),
    CONSTRAINT subscription_items_usage_check CHECK ((kind = 'usage') = (quantity IS NULL)),
    CONSTRAINT subscription_items_quantity_check CHECK (quantity >= 0),
    CONSTRAINT subscription_items_effective_check CHECK (effective_to >= effective_from)
);
CREATE INDEX subscription_items_of_idx ON subscription_items (tenant_id, subscription_id);
CREATE UNIQUE INDEX subscription_items_open_key ON subscription_items (tenant_id, subscription_id, code) WHERE effective_to IS NULL;

CREATE TABLE subscription_changes (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    subscription_id UUID NOT NULL,
    kind TEXT NOT NULL,
    actor_id UUID,
    actor_kind TEXT NOT NULL,
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    details JSONB NOT NULL,
    CONSTRAINT subscription_changes_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT subscription_changes_tenant_id_subscription_id_fkey FOREIGN KEY(tenant_id, subscription_id) REFERENCES subscriptions (tenant_id, id)
);
CREATE INDEX subscription_changes_of_idx ON subscription_changes (tenant_id, subscription_id, id);

CREATE TABLE coupon_redemptions (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    coupon_id UUID NOT NULL,
    subscription_id UUID NOT NULL,
    redeemed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    first_ordinal BIGINT NOT NULL,
    last_ordinal BIGINT,
    CONSTRAINT coupon_redemptions_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT coupon_redemptions_tenant_id_coupon_id_fkey FOREIGN KEY(tenant_id, coupon_id) REFERENCES coupons (tenant_id, id),
    CONSTRAINT coupon_redemptions_tenant_id_subscription_id_fkey FOREIGN KEY(tenant_id, subscription_id) REFERENCES subscriptions (tenant_id, id),
    CONSTRAINT coupon_redemptions_tenant_id_subscription_id_coupon_id_key UNIQUE (tenant_id, subscription_id, coupon_id),
    CONSTRAINT coupon_redemptions_ordinal_check CHECK (first_ordinal >= 0)
);

CREATE TABLE invoice_items (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    customer_id UUID NOT NULL,
    currency TEXT NOT NULL,
    subscription_id UUID,
    ordinal BIGINT,
    kind TEXT NOT NULL,
    code TEXT NOT NULL,
    description TEXT NOT NULL,
    period_start TIMESTAMP WITH TIME ZONE,
    period_end TIMESTAMP WITH TIME ZONE,
    quantity NUMERIC(38, 12),
    meter_id UUID,
    basis JSONB NOT NULL,
    amount_minor BIGINT,
    bill_at TIMESTAMP WITH TIME ZONE NOT NULL,
    invoice_id UUID,
    reverses_line_id UUID,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT invoice_items_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT invoice_items_tenant_id_customer_id_fkey FOREIGN KEY(tenant_id, customer_id) REFERENCES customers (tenant_id, id),
    CONSTRAINT invoice_items_tenant_id_subscription_id_fkey FOREIGN KEY(tenant_id, subscription_id) REFERENCES subscriptions (tenant_id, id),
    CONSTRAINT invoice_items_tenant_id_meter_id_fkey FOREIGN KEY(tenant_id, meter_id) REFERENCES meters (tenant_id, id),
    CONSTRAINT invoice_items_kind_check CHECK (kind IN ('recurring', 'usage', 'one_time', 'unused', 'remaining', 'minimum', 'commitment', 'one_off', 'correction')),
    CONSTRAINT invoice_items_amount_check CHECK (kind IN ('usage', 'minimum', 'commitment') = (amount_minor IS NULL)),
    CONSTRAINT invoice_items_subscription_check CHECK (subscription_id IS NOT NULL OR kind IN ('one_off', 'correction')),
    CONSTRAINT invoice_items_ordinal_check CHECK ((subscription_id IS NULL) = (ordinal IS NULL)),
    CONSTRAINT invoice_items_meter_check CHECK ((kind = 'usage') = (meter_id IS NOT NULL)),
    CONSTRAINT invoice_items_period_check CHECK (num_nulls(period_start, period_end) IN (0, 2) AND period_end >= period_start),
    CONSTRAINT invoice_items_dated_check CHECK (period_start IS NOT NULL OR subscription_id IS NULL),
    CONSTRAINT invoice_items_range_check CHECK (abs(amount_minor) <= 1000000000000000)
);
CREATE INDEX invoice_items_invoice_idx ON invoice_items (tenant_id, invoice_id);
CREATE INDEX invoice_items_of_idx ON invoice_items (tenant_id, subscription_id, ordinal);
CREATE UNIQUE INDEX invoice_items_once_key ON invoice_items (tenant_id, subscription_id, ordinal, kind, code) WHERE kind IN ('recurring', 'one_time', 'minimum', 'commitment');
CREATE INDEX invoice_items_usage_idx ON invoice_items (tenant_id, customer_id, meter_id) WHERE kind = 'usage';
CREATE INDEX invoice_items_waiting_idx ON invoice_items (tenant_id, bill_at) WHERE invoice_id IS NULL;

