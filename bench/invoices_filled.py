"""What `bench.invoices` begins with: customers, subscriptions whose period is over, usage; and one long bill."""

_SOLD = """
CREATE TEMP TABLE sold AS
SELECT n, uuidv7() AS customer, uuidv7() AS subscription, p.tenant_id AS seller, p.plan_id, p.id AS price_id, p.version
FROM generate_series(1, %(count)s) AS n
JOIN plans l ON l.tenant_id = %(tenant)s
     AND l.code = CASE WHEN n %% %(metered)s = 0 THEN 'metered' ELSE 'plain' END
JOIN prices p ON p.tenant_id = l.tenant_id AND p.plan_id = l.id
ORDER BY n
"""

_CUSTOMERS = """
INSERT INTO customers (tenant_id, id, external_id, name, is_self, created_at, currency, address)
SELECT %(tenant)s, customer, 'c' || n, 'Customer ' || n, false, %(start)s, 'EUR',
       '{"line1": "Weg 1", "city": "Bonn", "postalCode": "53111", "country": "DE"}'
FROM sold
"""

_SUBSCRIPTIONS = """
INSERT INTO subscriptions (tenant_id, id, customer_id, plan_tenant_id, plan_id, price_id, state, currency,
    current_period_start, current_period_end, created_at, version, collection, interval, interval_count, cycle,
    proration, anchor, zone, period_number, ordinal, paid_through, due_at)
SELECT %(tenant)s, subscription, customer, seller, plan_id, price_id, 'active', 'EUR', %(start)s, %(end)s, %(start)s,
       version, 'send_invoice', 'month', 1, 'anniversary', 'second', %(start)s, 'UTC', 0, 0, %(end)s, %(end)s
FROM sold
"""

_TERMS = """
INSERT INTO subscription_terms (tenant_id, id, subscription_id, plan_tenant_id, plan_id, version, price_id,
    effective_from)
SELECT %(tenant)s, uuidv7(), subscription, seller, plan_id, version, price_id, %(start)s FROM sold
"""

_PARTS = """
INSERT INTO subscription_items (tenant_id, id, subscription_id, plan_tenant_id, component_id, code, kind, quantity,
    effective_from)
SELECT %(tenant)s, uuidv7(), s.subscription, s.seller, c.id, c.code, c.kind,
       CASE WHEN c.kind = 'usage' THEN NULL ELSE 1 END, %(start)s
FROM sold s JOIN price_components c ON c.tenant_id = s.seller AND c.price_id = s.price_id
"""

_USAGE = """
INSERT INTO usage_events (tenant_id, id, occurred_at, customer_id, idempotency_key, outcome, event_name, properties)
SELECT %(tenant)s, uuidv7(), %(end)s - interval '2 days', s.customer, 'e' || s.n || '-' || k, 'metered', 'calls', '{}'
FROM sold s, generate_series(1, 3) AS k WHERE s.n %% %(metered)s = 0
"""

FILL = (_SOLD, _CUSTOMERS, _SUBSCRIPTIONS, _TERMS, _PARTS, _USAGE, "DROP TABLE sold")

LONG = """
INSERT INTO invoice_items (tenant_id, id, customer_id, currency, subscription_id, ordinal, kind, code, description,
    period_start, period_end, quantity, meter_id, basis, amount_minor, bill_at, created_at)
SELECT %(tenant)s, uuidv7(), c.id, 'EUR', NULL, NULL, 'one_off', 'part', 'Part ' || n, NULL, NULL, 1, NULL,
       '{}', n %% 10 + 1, now() - interval '1 h', now()
FROM (SELECT id FROM customers WHERE tenant_id = %(tenant)s AND NOT is_self LIMIT 1) c,
     generate_series(1, %(lines)s) AS n
"""
