-- `write_ledger` as before, and more: a hold may keep limited credits beside those of its wallet (`shares`).
CREATE OR REPLACE FUNCTION write_ledger(transactions json, entries json, accounts json, holds_opened json, holds_closed json,
                             events json, keys json, keys_settled json)
    RETURNS void LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    change record;
    limited bigint;
BEGIN
    IF transactions IS NOT NULL THEN
        INSERT INTO ledger_transactions (tenant_id, id, kind, reference, occurred_at)
        SELECT set_config('app.tenant_id', t.tenant_id, true)::uuid, t.id, t.kind, t.reference, t.occurred_at
        FROM json_to_recordset(transactions)
             AS t (tenant_id text, id uuid, kind text, reference text, occurred_at timestamptz);

        INSERT INTO ledger_entries
            (tenant_id, account_id, version, transaction_id, amount_micro, balance_after_micro, currency)
        SELECT set_config('app.tenant_id', e.tenant_id, true)::uuid, e.account_id, e.version, e.transaction_id,
               e.amount_micro, e.balance_after_micro, e.currency
        FROM json_to_recordset(entries)
             AS e (tenant_id text, account_id uuid, version bigint, transaction_id uuid, amount_micro bigint,
                   balance_after_micro bigint, currency text);
    END IF;

    IF accounts IS NOT NULL THEN
        INSERT INTO accounts AS known
            (tenant_id, id, customer_id, kind, currency, floor_micro, balance_micro, held_micro, version)
        SELECT set_config('app.tenant_id', a.tenant_id, true)::uuid, a.id, a.customer_id, a.kind, a.currency,
               a.floor_micro, a.balance_micro, a.held_micro, a.version
        FROM json_to_recordset(accounts)
             AS a (tenant_id text, id uuid, customer_id uuid, kind text, currency text, floor_micro bigint,
                   balance_micro bigint, held_micro bigint, version bigint)
        ON CONFLICT (tenant_id, id) DO UPDATE
        SET balance_micro = excluded.balance_micro, held_micro = excluded.held_micro, version = excluded.version;
    END IF;

    IF holds_opened IS NOT NULL THEN
        INSERT INTO holds (tenant_id, id, account_id, customer_id, amount_micro, currency, state, idempotency_key,
                           input_hash, created_at, expires_at, balance_after_micro, available_after_micro,
                           limited_micro)
        SELECT set_config('app.tenant_id', h.tenant_id, true)::uuid, h.id, h.account_id, h.customer_id,
               h.amount_micro, h.currency, 'open', h.idempotency_key, decode(h.input_hash, 'hex'), h.created_at,
               h.expires_at, h.balance_after_micro, h.available_after_micro, coalesce(h.limited_micro, 0)
        FROM json_to_recordset(holds_opened)
             AS h (tenant_id text, id uuid, account_id uuid, customer_id uuid, amount_micro bigint, currency text,
                   idempotency_key text, input_hash text, created_at timestamptz, expires_at timestamptz,
                   balance_after_micro bigint, available_after_micro bigint, limited_micro bigint);

        INSERT INTO hold_shares (tenant_id, hold_id, account_id, amount_micro)
        SELECT set_config('app.tenant_id', h.tenant_id, true)::uuid, h.id, s.account_id, s.amount_micro
        FROM json_to_recordset(holds_opened) AS h (tenant_id text, id uuid, shares json)
        CROSS JOIN LATERAL json_to_recordset(h.shares) AS s (account_id uuid, amount_micro bigint)
        WHERE h.shares IS NOT NULL;
    END IF;
    IF holds_closed IS NOT NULL THEN
        FOR change IN
            SELECT * FROM json_to_recordset(holds_closed)
                          AS h (tenant_id text, id uuid, state text, closed_at timestamptz, transaction_id uuid)
        LOOP
            PERFORM set_config('app.tenant_id', change.tenant_id, true);
            UPDATE holds SET state = change.state, closed_at = change.closed_at, transaction_id = change.transaction_id
            WHERE tenant_id = app_tenant() AND id = change.id AND state = 'open' RETURNING limited_micro INTO limited;
            IF NOT FOUND THEN
                RAISE EXCEPTION 'hold % of the plan is not open', change.id USING ERRCODE = 'restrict_violation';
            END IF;
            IF limited > 0 THEN
                DELETE FROM hold_shares WHERE tenant_id = app_tenant() AND hold_id = change.id;
            END IF;
        END LOOP;
    END IF;

    IF events IS NOT NULL THEN
        INSERT INTO usage_events (tenant_id, id, occurred_at, customer_id, idempotency_key, outcome, model,
                                  input_tokens, cached_tokens, output_tokens, amount_micro, currency,
                                  price_book_version, arithmetic, transaction_id, hold_id)
        SELECT set_config('app.tenant_id', e.tenant_id, true)::uuid, e.id, e.occurred_at, e.customer_id,
               e.idempotency_key, e.outcome, e.model, e.input_tokens, e.cached_tokens, e.output_tokens,
               e.amount_micro, e.currency, e.price_book_version, e.arithmetic, e.transaction_id, e.hold_id
        FROM json_to_recordset(events)
             AS e (tenant_id text, id uuid, occurred_at timestamptz, customer_id uuid, idempotency_key text,
                   outcome text, model text, input_tokens bigint, cached_tokens bigint, output_tokens bigint,
                   amount_micro bigint, currency text, price_book_version bigint, arithmetic jsonb,
                   transaction_id uuid, hold_id uuid);
    END IF;
    IF keys IS NOT NULL THEN
        INSERT INTO usage_keys (tenant_id, key, input_hash, event_id, event_occurred_at, transaction_id)
        SELECT set_config('app.tenant_id', k.tenant_id, true)::uuid, k.key, decode(k.input_hash, 'hex'), k.event_id,
               k.event_occurred_at, k.transaction_id
        FROM json_to_recordset(keys)
             AS k (tenant_id text, key text, input_hash text, event_id uuid, event_occurred_at timestamptz,
                   transaction_id uuid);
    END IF;
    IF keys_settled IS NOT NULL THEN
        FOR change IN
            SELECT * FROM json_to_recordset(keys_settled)
                          AS k (tenant_id text, key text, event_id uuid, event_occurred_at timestamptz, transaction_id uuid)
        LOOP
            PERFORM set_config('app.tenant_id', change.tenant_id, true);
            UPDATE usage_keys SET event_id = change.event_id, event_occurred_at = change.event_occurred_at,
                                  transaction_id = change.transaction_id
            WHERE tenant_id = app_tenant() AND key = change.key;
            IF NOT FOUND THEN
                RAISE EXCEPTION 'a key of the plan is not there' USING ERRCODE = 'foreign_key_violation';
            END IF;
        END LOOP;
    END IF;
END $$;
