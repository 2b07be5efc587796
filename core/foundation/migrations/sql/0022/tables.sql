-- What a wallet's balance is made of. It follows from the ledger, by the rule in credits/lots/using.py.

CREATE TABLE credit_lots (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    account_id UUID NOT NULL,
    customer_id UUID NOT NULL,
    currency TEXT NOT NULL,
    kind TEXT NOT NULL,
    label TEXT NOT NULL,
    priority BIGINT NOT NULL,
    amount_micro BIGINT NOT NULL,
    remaining_micro BIGINT NOT NULL,
    state TEXT NOT NULL,
    opened_version BIGINT NOT NULL,
    transaction_id UUID NOT NULL,
    rolled_from UUID,
    expires_at TIMESTAMP WITH TIME ZONE,
    look_at TIMESTAMP WITH TIME ZONE,
    rollover_micro BIGINT NOT NULL,
    rollover_days BIGINT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT credit_lots_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT credit_lots_tenant_id_account_id_fkey FOREIGN KEY(tenant_id, account_id) REFERENCES accounts (tenant_id, id),
    CONSTRAINT credit_lots_tenant_id_customer_id_fkey FOREIGN KEY(tenant_id, customer_id) REFERENCES customers (tenant_id, id),
    CONSTRAINT credit_lots_tenant_id_transaction_id_fkey FOREIGN KEY(tenant_id, transaction_id) REFERENCES ledger_transactions (tenant_id, id),
    CONSTRAINT credit_lots_kind_check CHECK (kind IN ('paid', 'granted')),
    CONSTRAINT credit_lots_state_check CHECK (state IN ('open', 'spent', 'expired')),
    CONSTRAINT credit_lots_remaining_check CHECK (remaining_micro BETWEEN 0 AND amount_micro AND amount_micro > 0),
    CONSTRAINT credit_lots_closed_check CHECK (state = 'open' OR remaining_micro = 0),
    CONSTRAINT credit_lots_priority_check CHECK (priority BETWEEN 0 AND 100),
    CONSTRAINT credit_lots_look_check CHECK ((expires_at IS NULL) = (look_at IS NULL)),
    CONSTRAINT credit_lots_rollover_check CHECK (rollover_micro >= 0 AND rollover_days BETWEEN 0 AND 3660)
);
CREATE INDEX credit_lots_due_idx ON credit_lots (tenant_id, look_at) WHERE state = 'open' AND look_at IS NOT NULL;
CREATE UNIQUE INDEX credit_lots_opened_key ON credit_lots (tenant_id, account_id, opened_version) WHERE rolled_from IS NULL;

CREATE TABLE credit_uses (
    tenant_id UUID NOT NULL,
    lot_id UUID NOT NULL,
    first_version BIGINT NOT NULL,
    last_version BIGINT NOT NULL,
    amount_micro BIGINT NOT NULL,
    CONSTRAINT credit_uses_pkey PRIMARY KEY (tenant_id, lot_id, first_version),
    CONSTRAINT credit_uses_tenant_id_lot_id_fkey FOREIGN KEY(tenant_id, lot_id) REFERENCES credit_lots (tenant_id, id),
    CONSTRAINT credit_uses_amount_check CHECK (amount_micro > 0 AND last_version >= first_version)
);

CREATE TABLE credit_positions (
    tenant_id UUID NOT NULL,
    account_id UUID NOT NULL,
    version BIGINT NOT NULL,
    owed_micro BIGINT NOT NULL,
    CONSTRAINT credit_positions_pkey PRIMARY KEY (tenant_id, account_id),
    CONSTRAINT credit_positions_tenant_id_account_id_fkey FOREIGN KEY(tenant_id, account_id) REFERENCES accounts (tenant_id, id),
    CONSTRAINT credit_positions_figures_check CHECK (version >= 0 AND owed_micro >= 0)
);

