-- `read_charges` as before, and more: limited credits of the payers are locked with their wallets, `limited` says for
-- which models each is, and `shares` what holds keep of them. Nothing else of the answer has changed.
CREATE OR REPLACE FUNCTION read_charges(requests json) RETURNS json LANGUAGE plpgsql
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
    reservations json;
    expired json;
    limits uuid[];
    limited json;
    shares json;
BEGIN
    FOR asked IN
        SELECT * FROM json_to_recordset(requests)
                      AS r (tenant_id text, now timestamptz, currency text, self_id uuid, self_pays boolean,
                            users text[], customers uuid[], keys text[], holds uuid[], hold_keys text[],
                            released uuid[])
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
               CASE WHEN bool_or(a.held_micro > 0) THEN array_agg(a.id) FILTER (WHERE a.kind = 'wallet') END,
               array_agg(a.id) FILTER (WHERE a.kind LIKE 'limited:%')
        INTO accounts, held, limits
        FROM (SELECT DISTINCT id FROM unnest(payers) AS id ORDER BY id) payer, LATERAL (
            SELECT * FROM accounts
            WHERE tenant_id = app_tenant() AND customer_id = payer.id AND currency = asked.currency
              AND (kind IN ('wallet', 'receivable', 'revenue') OR kind LIKE 'limited:%')
            ORDER BY kind FOR NO KEY UPDATE) a;
        limited := NULL;
        IF limits IS NOT NULL THEN
            SELECT json_agg(json_build_array(t.account_id, t.models, cardinality(t.models) + cardinality(t.meters)))
            INTO limited
            FROM unnest(limits) AS named (id), LATERAL (
                SELECT * FROM credit_targets WHERE tenant_id = app_tenant() AND account_id = named.id OFFSET 0) t;
        END IF;

        -- After the locks: what was being booked meanwhile by the same key is seen, and a hold as it is now.
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
        reservations := NULL;
        IF cardinality(asked.hold_keys) > 0 OR cardinality(asked.released) > 0 THEN
            SELECT json_agg(json_build_array(h.id, h.idempotency_key, encode(h.input_hash, 'hex'), h.amount_micro,
                                             h.currency, h.created_at, h.expires_at, h.closed_at,
                                             h.balance_after_micro, h.available_after_micro))
            INTO reservations
            FROM (SELECT h.* FROM unnest(asked.hold_keys) AS named (key), LATERAL (
                      SELECT * FROM holds WHERE tenant_id = app_tenant() AND idempotency_key = named.key OFFSET 0) h
                  UNION ALL
                  SELECT h.* FROM unnest(asked.released) AS named (id), LATERAL (
                      SELECT * FROM holds WHERE tenant_id = app_tenant() AND id = named.id OFFSET 0) h) h;
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

        -- What holds keep of limited credits. Only open holds have it.
        shares := NULL;
        IF limits IS NOT NULL THEN
            SELECT json_agg(json_build_array(s.hold_id, s.account_id, s.amount_micro)) INTO shares
            FROM (SELECT CAST(h ->> 0 AS uuid) AS id FROM json_array_elements(coalesce(holds, '[]')) h
                  UNION SELECT CAST(h ->> 0 AS uuid) FROM json_array_elements(coalesce(expired, '[]')) h
                  UNION SELECT unnest(asked.released)) named, LATERAL (
                SELECT * FROM hold_shares WHERE tenant_id = app_tenant() AND hold_id = named.id OFFSET 0) s;
        END IF;

        answers := answers || json_build_object('policy', policy, 'now', now_at, 'customers', customers,
                                                'accounts', accounts, 'keys', keys, 'holds', holds,
                                                'reservations', reservations, 'expired', expired,
                                                'limited', limited, 'shares', shares);
    END LOOP;
    RETURN array_to_json(answers);
END $$;
