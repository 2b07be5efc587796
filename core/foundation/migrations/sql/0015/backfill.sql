-- Subscriptions there are keep their terms: those of the version that their price belongs to, counted from their first
-- period. Row security binds the owner, too, who writes for all tenants here.
ALTER TABLE subscriptions NO FORCE ROW LEVEL SECURITY;
UPDATE subscriptions s
SET version = r.version, interval = v.interval, interval_count = v.interval_count, cycle = v.cycle,
    proration = v.proration, anchor = s.current_period_start, paid_through = s.current_period_end
FROM prices r
JOIN plan_versions v ON v.tenant_id = r.tenant_id AND v.plan_id = r.plan_id AND v.version = r.version
WHERE r.tenant_id = s.plan_tenant_id AND r.id = s.price_id;
ALTER TABLE subscriptions FORCE ROW LEVEL SECURITY;

INSERT INTO subscription_terms
    (tenant_id, id, subscription_id, plan_tenant_id, plan_id, version, price_id, effective_from, effective_to)
SELECT tenant_id, gen_random_uuid(), id, plan_tenant_id, plan_id, version, price_id, created_at, canceled_at
FROM subscriptions;

INSERT INTO subscription_items
    (tenant_id, id, subscription_id, plan_tenant_id, component_id, code, kind, quantity, effective_from, effective_to)
SELECT s.tenant_id, gen_random_uuid(), s.id, s.plan_tenant_id, c.id, c.code, c.kind,
       CASE WHEN c.kind <> 'usage' THEN 1 END, s.created_at, s.canceled_at
FROM subscriptions s
JOIN price_components c ON c.tenant_id = s.plan_tenant_id AND c.price_id = s.price_id AND NOT c.is_add_on;
