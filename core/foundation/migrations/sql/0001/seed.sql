-- What the installation itself sells: tenant zero's packages, plans and price book. `starter` always exists.
SELECT set_config('app.tenant_id', '00000000-0000-0000-0000-000000000000', true);

INSERT INTO tenants (id, slug, name, currency, is_test, created_at)
VALUES (app_tenant(), 'installation', 'This installation', 'USD', false, now());
INSERT INTO customers (tenant_id, id, external_id, is_self, created_at)
VALUES (app_tenant(), app_tenant(), 'self', true, now());

INSERT INTO credit_packages (tenant_id, id, code, name, currency, amount_minor, credits_micro)
SELECT app_tenant(), gen_random_uuid(), code, name, currency, amount_minor, amount_minor * 10000
FROM (VALUES ('starter', 'Starter', 500), ('team', 'Team', 2500), ('scale', 'Scale', 10000)) AS package (code, name, amount_minor),
     (VALUES ('USD'), ('EUR')) AS sold_in (currency);

INSERT INTO plans (tenant_id, id, code, name)
VALUES (app_tenant(), gen_random_uuid(), 'starter', 'Starter'), (app_tenant(), gen_random_uuid(), 'team', 'Team');
INSERT INTO prices (tenant_id, id, plan_id, version, currency, amount_minor, interval, effective_from)
SELECT app_tenant(), gen_random_uuid(), id, 1, sold_in.currency, CASE code WHEN 'starter' THEN 1900 ELSE 9900 END, 'month',
       timestamptz '1970-01-01 00:00:00+00'
FROM plans, (VALUES ('USD'), ('EUR')) AS sold_in (currency);

INSERT INTO price_books (tenant_id, id, version, currency, effective_from, source)
VALUES (app_tenant(), gen_random_uuid(), 1, 'USD', timestamptz '1970-01-01 00:00:00+00',
        'Public list prices of the models'' vendors in US dollars per million tokens, as of 2025-06');
INSERT INTO model_prices (tenant_id, price_book_id, model, input_per_million, cached_per_million, output_per_million)
SELECT app_tenant(), price_books.id, model, input, cached, output
FROM price_books, (VALUES
    ('gpt-4o', 2.50, 1.25, 10.00),
    ('gpt-4o-mini', 0.15, 0.075, 0.60),
    ('gpt-4.1', 2.00, 0.50, 8.00),
    ('gpt-4.1-mini', 0.40, 0.10, 1.60),
    ('o3-mini', 1.10, 0.55, 4.40),
    ('claude-sonnet-4', 3.00, 0.30, 15.00),
    ('gemini-2.5-flash', 0.30, 0.075, 2.50)
) AS listed (model, input, cached, output);

SELECT set_config('app.tenant_id', '', true);
