-- What is watched of wallets: from where on they are low, and are filled by a saved card.

CREATE TABLE wallet_watches (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    customer_id UUID NOT NULL,
    currency TEXT NOT NULL,
    alert_below_micro BIGINT,
    is_low BOOLEAN DEFAULT 'false' NOT NULL,
    crossings BIGINT DEFAULT '0' NOT NULL,
    package_code TEXT,
    top_up_below_micro BIGINT,
    monthly_limit_minor BIGINT,
    fired BIGINT DEFAULT '0' NOT NULL,
    purchase_id UUID,
    blocked_until TIMESTAMP WITH TIME ZONE,
    failed_code TEXT,
    failed_at TIMESTAMP WITH TIME ZONE,
    changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT wallet_watches_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT wallet_watches_tenant_id_customer_id_fkey FOREIGN KEY(tenant_id, customer_id) REFERENCES customers (tenant_id, id),
    CONSTRAINT wallet_watches_tenant_id_purchase_id_fkey FOREIGN KEY(tenant_id, purchase_id) REFERENCES purchases (tenant_id, id),
    CONSTRAINT wallet_watches_tenant_id_customer_id_currency_key UNIQUE (tenant_id, customer_id, currency),
    CONSTRAINT wallet_watches_figures_check CHECK (alert_below_micro > 0 AND top_up_below_micro > 0 AND monthly_limit_minor > 0),
    CONSTRAINT wallet_watches_top_up_check CHECK ((package_code IS NULL) = (top_up_below_micro IS NULL) AND (package_code IS NULL) = (monthly_limit_minor IS NULL)),
    CONSTRAINT wallet_watches_failed_check CHECK ((failed_code IS NULL) = (failed_at IS NULL)),
    CONSTRAINT wallet_watches_counts_check CHECK (crossings >= 0 AND fired >= 0)
);

