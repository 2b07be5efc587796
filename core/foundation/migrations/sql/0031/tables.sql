-- Credits for certain models or meters only: an account of its own for each set of them, beside the wallet.

ALTER TABLE accounts
    DROP CONSTRAINT accounts_kind_check,
    DROP CONSTRAINT accounts_floor_of_wallet_check,
    DROP CONSTRAINT accounts_held_check,
    ADD CONSTRAINT accounts_kind_check
        CHECK (kind IN ('wallet', 'receivable', 'revenue', 'clearing', 'granted') OR kind ~ '^limited:[0-9a-f]{24}$'),
    ADD CONSTRAINT accounts_floor_of_wallet_check
        CHECK ((kind = 'wallet' OR kind LIKE 'limited:%') = (floor_micro IS NOT NULL)),
    ADD CONSTRAINT accounts_held_check
        CHECK (held_micro >= 0 AND (kind = 'wallet' OR kind LIKE 'limited:%' OR held_micro = 0));

CREATE TABLE credit_targets (
    tenant_id UUID NOT NULL,
    account_id UUID NOT NULL,
    models TEXT[] NOT NULL,
    meters TEXT[] NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT credit_targets_pkey PRIMARY KEY (tenant_id, account_id),
    CONSTRAINT credit_targets_tenant_id_account_id_fkey FOREIGN KEY(tenant_id, account_id) REFERENCES accounts (tenant_id, id),
    CONSTRAINT credit_targets_some_check CHECK (cardinality(models) + cardinality(meters) > 0)
);

ALTER TABLE holds ADD COLUMN limited_micro BIGINT NOT NULL DEFAULT 0,
    ADD CONSTRAINT holds_limited_check CHECK (limited_micro BETWEEN 0 AND amount_micro);
DROP INDEX holds_open_idx;
CREATE INDEX holds_open_idx ON holds (tenant_id, account_id, expires_at) INCLUDE (amount_micro, limited_micro)
    WHERE state = 'open';

CREATE TABLE hold_shares (
    tenant_id UUID NOT NULL,
    hold_id UUID NOT NULL,
    account_id UUID NOT NULL,
    amount_micro BIGINT NOT NULL,
    CONSTRAINT hold_shares_pkey PRIMARY KEY (tenant_id, hold_id, account_id),
    CONSTRAINT hold_shares_tenant_id_hold_id_fkey FOREIGN KEY(tenant_id, hold_id) REFERENCES holds (tenant_id, id),
    CONSTRAINT hold_shares_tenant_id_account_id_fkey FOREIGN KEY(tenant_id, account_id) REFERENCES accounts (tenant_id, id),
    CONSTRAINT hold_shares_amount_check CHECK (amount_micro > 0)
);
CREATE INDEX hold_shares_account_idx ON hold_shares (tenant_id, account_id) INCLUDE (amount_micro);
