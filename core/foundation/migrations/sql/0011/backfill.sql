-- What was sold before has the same terms: a version for each that there was, and one flat part for each price.
INSERT INTO plan_versions (tenant_id, plan_id, version, effective_from, interval, interval_count, cycle, proration, applies)
SELECT tenant_id, plan_id, version, min(effective_from), min(interval), 1, 'anniversary', 'second', 'new'
FROM prices GROUP BY tenant_id, plan_id, version;

INSERT INTO price_components (tenant_id, id, price_id, position, code, name, kind, is_add_on, definition)
SELECT r.tenant_id, gen_random_uuid(), r.id, 1, 'base', l.name, 'recurring', false,
       jsonb_build_object('model', 'flat', 'schema', 1, 'rounding', 'half_up', 'amount',
                          trim_scale(r.amount_minor / CASE r.currency WHEN 'JPY' THEN 1 WHEN 'KRW' THEN 1
                                                                      WHEN 'KWD' THEN 1000 ELSE 100 END::numeric)::text)
FROM prices r JOIN plans l ON l.tenant_id = r.tenant_id AND l.id = r.plan_id;
