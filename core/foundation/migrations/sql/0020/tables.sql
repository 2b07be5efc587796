-- Saved means of payment. Of a card only what may be shown is kept.

CREATE TABLE provider_customers (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    customer_id UUID NOT NULL,
    provider_account_id TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    clock_id TEXT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT provider_customers_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT provider_customers_tenant_id_customer_id_fkey FOREIGN KEY(tenant_id, customer_id) REFERENCES customers (tenant_id, id),
    CONSTRAINT provider_customers_customer_key UNIQUE (tenant_id, customer_id, provider_account_id)
);
CREATE UNIQUE INDEX provider_customers_provider_key ON provider_customers (provider_account_id, provider_id);

CREATE TABLE payment_methods (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    customer_id UUID NOT NULL,
    provider_account_id TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    brand TEXT NOT NULL,
    last4 TEXT NOT NULL,
    exp_month BIGINT NOT NULL,
    exp_year BIGINT NOT NULL,
    country TEXT,
    state TEXT NOT NULL,
    is_default BOOLEAN DEFAULT 'false' NOT NULL,
    default_since TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    detached_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT payment_methods_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT payment_methods_tenant_id_customer_id_fkey FOREIGN KEY(tenant_id, customer_id) REFERENCES customers (tenant_id, id),
    CONSTRAINT payment_methods_state_check CHECK (state IN ('active', 'detached')),
    CONSTRAINT payment_methods_last4_check CHECK (last4 ~ '^[0-9]{4}$'),
    CONSTRAINT payment_methods_expiry_check CHECK (exp_month BETWEEN 1 AND 12 AND exp_year BETWEEN 2000 AND 2200),
    CONSTRAINT payment_methods_shown_check CHECK (char_length(brand) <= 30 AND char_length(country) <= 2),
    CONSTRAINT payment_methods_detached_check CHECK ((state = 'detached') = (detached_at IS NOT NULL)),
    CONSTRAINT payment_methods_default_check CHECK ((state = 'active' OR NOT is_default) AND is_default = (default_since IS NOT NULL))
);
CREATE INDEX payment_methods_customer_idx ON payment_methods (tenant_id, customer_id);
CREATE UNIQUE INDEX payment_methods_default_key ON payment_methods (tenant_id, customer_id) WHERE is_default;
CREATE UNIQUE INDEX payment_methods_provider_key ON payment_methods (provider_account_id, provider_id);

CREATE TABLE payment_setups (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    customer_id UUID NOT NULL,
    means TEXT NOT NULL,
    state TEXT NOT NULL,
    makes_default BOOLEAN NOT NULL,
    currency TEXT NOT NULL,
    success_url TEXT NOT NULL,
    cancel_url TEXT NOT NULL,
    idempotency_key TEXT,
    input_hash BYTEA NOT NULL,
    provider_account_id TEXT NOT NULL,
    provider_id TEXT,
    provider_page_id TEXT,
    payment_method_id UUID,
    failure_code TEXT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT payment_setups_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT payment_setups_tenant_id_customer_id_fkey FOREIGN KEY(tenant_id, customer_id) REFERENCES customers (tenant_id, id),
    CONSTRAINT payment_setups_tenant_id_payment_method_id_fkey FOREIGN KEY(tenant_id, payment_method_id) REFERENCES payment_methods (tenant_id, id),
    CONSTRAINT payment_setups_tenant_id_idempotency_key_key UNIQUE (tenant_id, idempotency_key),
    CONSTRAINT payment_setups_means_check CHECK (means IN ('page', 'intent')),
    CONSTRAINT payment_setups_state_check CHECK (state IN ('pending', 'succeeded', 'failed', 'canceled')),
    CONSTRAINT payment_setups_saved_check CHECK ((state = 'succeeded') = (payment_method_id IS NOT NULL))
);
CREATE UNIQUE INDEX payment_setups_provider_key ON payment_setups (provider_account_id, provider_id);

