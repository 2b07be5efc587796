-- The two ends of a charge: `read_charges` locks and reads all that some tenants' charges depend on, `write_ledger`
-- writes what was decided on it, both for many tenants in one call and each part under its own tenant. They have no
-- rights of their own (SECURITY INVOKER): row security and grants bind them as they bind their caller.

--
-- Rows are looked for one key at a time (unnest, LATERAL, and OFFSET 0 so that it stays so): the plan is kept for all
-- tenants, and one that reads everything a small tenant has would be ruinous for a large one.
CREATE FUNCTION read_charges(requests json) RETURNS json LANGUAGE plpgsql
    SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    asked record;
    answers json[] := '{}';
    policy text;
    now_at timestamptz;
    payers uuid[];
    more uuid[];
    self_pays boolean;
    held uuid[];
    customers json;
    accounts json;
    keys json;
    holds json;
    expired json;
BEGIN
    FOR asked IN
        SELECT * FROM json_to_recordset(requests)
                      AS r (tenant_id text, now timestamptz, currency text, self_id uuid, self_pays boolean,
                            users text[], customers uuid[], keys text[], holds uuid[])
    LOOP
        PERFORM set_config('app.tenant_id', asked.tenant_id, true);

        SELECT t.charge_policy, coalesce(c.now_at, asked.now) INTO policy, now_at
        FROM tenants t LEFT JOIN tenant_clocks c ON c.tenant_id = app_tenant() WHERE t.id = app_tenant();

        -- Who may be charged: customers with a wallet of their own, else the tenant itself; and whoever a hold is on.
        payers := NULL;
        customers := NULL;
        self_pays := asked.self_pays;
        IF cardinality(asked.users) > 0 OR cardinality(asked.customers) > 0 THEN
            SELECT json_agg(json_build_array(c.id, c.external_id)), array_agg(c.id),
                   self_pays OR NOT bool_and(EXISTS (
                       SELECT FROM accounts a WHERE a.tenant_id = app_tenant() AND a.customer_id = c.id
                         AND a.kind = 'wallet' AND a.currency = asked.currency))
            INTO customers, payers, self_pays
            FROM (SELECT c.id, c.external_id
                  FROM unnest(asked.users) AS named (external_id), LATERAL (
                      SELECT id, external_id FROM customers
                      WHERE tenant_id = app_tenant() AND external_id = named.external_id OFFSET 0) c
                  UNION
                  SELECT c.id, c.external_id
                  FROM unnest(asked.customers) AS named (id), LATERAL (
                      SELECT id, external_id FROM customers
                      WHERE tenant_id = app_tenant() AND id = named.id OFFSET 0) c) c;
        END IF;
        IF self_pays THEN
            payers := payers || asked.self_id;
        END IF;
        IF cardinality(asked.holds) > 0 THEN
            SELECT array_agg(a.customer_id) INTO more
            FROM unnest(asked.holds) AS named (id), LATERAL (
                SELECT a.customer_id FROM accounts a
                WHERE a.tenant_id = app_tenant()
                  AND a.id = (SELECT account_id FROM holds WHERE tenant_id = app_tenant() AND id = named.id) OFFSET 0) a;
            payers := payers || more;
        END IF;

        -- In the order of customer and kind, like every other writer, so that none waits for another in a circle.
        SELECT json_agg(json_build_array(a.id, a.customer_id, a.kind, a.currency, a.floor_micro, a.balance_micro,
                                         a.held_micro, a.version)),
               array_agg(a.id) FILTER (WHERE a.held_micro > 0)
        INTO accounts, held
        FROM (SELECT DISTINCT id FROM unnest(payers) AS id ORDER BY id) payer, LATERAL (
            SELECT * FROM accounts
            WHERE tenant_id = app_tenant() AND customer_id = payer.id AND currency = asked.currency
              AND kind IN ('wallet', 'receivable', 'revenue')
            ORDER BY kind FOR NO KEY UPDATE) a;

        -- After the locks: a charge by the same key that was being booked meanwhile is seen, and a hold as it is now.
        keys := NULL;
        IF EXISTS (SELECT FROM unnest(asked.keys) AS named (key), LATERAL (
                       SELECT FROM usage_keys WHERE tenant_id = app_tenant() AND key = named.key OFFSET 0) k) THEN
            SELECT json_agg(json_build_array(k.key, encode(k.input_hash, 'hex'), k.event_id, k.event_occurred_at,
                                             k.transaction_id, e.amount_micro, e.currency, e.price_book_version,
                                             e.arithmetic))
            INTO keys
            FROM unnest(asked.keys) AS named (key)
            CROSS JOIN LATERAL (
                SELECT * FROM usage_keys WHERE tenant_id = app_tenant() AND key = named.key OFFSET 0) k
            LEFT JOIN usage_events e ON e.tenant_id = app_tenant() AND e.id = k.event_id
                                    AND e.occurred_at = k.event_occurred_at;
        END IF;
        holds := NULL;
        IF cardinality(asked.holds) > 0 THEN
            SELECT json_agg(json_build_array(h.id, h.account_id, h.customer_id, h.amount_micro, h.state, h.expires_at))
            INTO holds
            FROM unnest(asked.holds) AS named (id), LATERAL (
                SELECT * FROM holds WHERE tenant_id = app_tenant() AND id = named.id OFFSET 0) h;
        END IF;
        expired := NULL;
        IF held IS NOT NULL THEN
            SELECT json_agg(json_build_array(h.id, h.account_id, h.customer_id, h.amount_micro, h.state, h.expires_at))
            INTO expired
            FROM unnest(held) AS wallet (id), LATERAL (
                SELECT * FROM holds
                WHERE tenant_id = app_tenant() AND account_id = wallet.id AND state = 'open' AND expires_at <= now_at
                OFFSET 0) h;
        END IF;

        answers := answers || json_build_object('policy', policy, 'now', now_at, 'customers', customers,
                                                'accounts', accounts, 'keys', keys, 'holds', holds,
                                                'expired', expired);
    END LOOP;
    RETURN array_to_json(answers);
END $$;

-- One INSERT a table for all tenants: each row sets its tenant as it comes, right before row security checks it, so it
-- is still written under its own tenant and no other; were the order ever another, the check would refuse the row. An
-- account is written whole and runs into itself (ON CONFLICT), since an UPDATE looks for its rows before their tenant
-- is set. Holds and keys that change are few and are taken one by one.
CREATE FUNCTION write_ledger(transactions json, entries json, accounts json, holds_opened json, holds_closed json,
                             events json, keys json, keys_settled json)
    RETURNS void LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    change record;
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
                           input_hash, created_at, expires_at, balance_after_micro, available_after_micro)
        SELECT set_config('app.tenant_id', h.tenant_id, true)::uuid, h.id, h.account_id, h.customer_id,
               h.amount_micro, h.currency, 'open', h.idempotency_key, decode(h.input_hash, 'hex'), h.created_at,
               h.expires_at, h.balance_after_micro, h.available_after_micro
        FROM json_to_recordset(holds_opened)
             AS h (tenant_id text, id uuid, account_id uuid, customer_id uuid, amount_micro bigint, currency text,
                   idempotency_key text, input_hash text, created_at timestamptz, expires_at timestamptz,
                   balance_after_micro bigint, available_after_micro bigint);
    END IF;
    IF holds_closed IS NOT NULL THEN
        FOR change IN
            SELECT * FROM json_to_recordset(holds_closed)
                          AS h (tenant_id text, id uuid, state text, closed_at timestamptz, transaction_id uuid)
        LOOP
            PERFORM set_config('app.tenant_id', change.tenant_id, true);
            UPDATE holds SET state = change.state, closed_at = change.closed_at, transaction_id = change.transaction_id
            WHERE tenant_id = app_tenant() AND id = change.id AND state = 'open';
            IF NOT FOUND THEN
                RAISE EXCEPTION 'hold % of the plan is not open', change.id USING ERRCODE = 'restrict_violation';
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

REVOKE EXECUTE ON FUNCTION read_charges(json), write_ledger(json, json, json, json, json, json, json, json) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION read_charges(json), write_ledger(json, json, json, json, json, json, json, json) TO cloudbill_app;
