-- Metered events are rows of usage_events beside reconciled calls: an event is one or the other for ever. What is
-- settled by a ledger transaction has a transaction and a price; what is metered has neither, and is rated on an
-- invoice through its meters. Meters count metered events only, so nothing is paid twice.
ALTER TABLE usage_events
    ALTER COLUMN model DROP NOT NULL,
    ALTER COLUMN input_tokens DROP NOT NULL,
    ALTER COLUMN cached_tokens DROP NOT NULL,
    ALTER COLUMN output_tokens DROP NOT NULL,
    ALTER COLUMN amount_micro DROP NOT NULL,
    ALTER COLUMN currency DROP NOT NULL,
    ALTER COLUMN price_book_version DROP NOT NULL,
    ALTER COLUMN arithmetic DROP NOT NULL,
    ADD COLUMN event_name text,
    ADD COLUMN properties jsonb,
    ADD COLUMN quantity numeric(38, 12),
    DROP CONSTRAINT usage_events_outcome_check,
    ADD CONSTRAINT usage_events_outcome_check CHECK (outcome IN ('settled', 'refused', 'metered')),
    ADD CONSTRAINT usage_events_kind_check CHECK (
        CASE WHEN outcome = 'metered'
        THEN event_name IS NOT NULL AND properties IS NOT NULL
             AND num_nonnulls(model, input_tokens, cached_tokens, output_tokens, amount_micro, currency,
                              price_book_version, arithmetic, transaction_id, hold_id) = 0
        ELSE num_nulls(model, input_tokens, cached_tokens, output_tokens, amount_micro, currency, price_book_version,
                       arithmetic) = 0
             AND num_nonnulls(event_name, properties, quantity) = 0 END),
    ADD CONSTRAINT usage_events_quantity_check CHECK (quantity >= 0);

-- Recent calls are looked for by time, metered events by customer and time; neither pays for the other's index.
DROP INDEX usage_events_recent_idx;
CREATE INDEX usage_events_recent_idx ON usage_events (tenant_id, occurred_at, id) WHERE outcome <> 'metered';
CREATE INDEX usage_events_metered_idx ON usage_events (tenant_id, customer_id, occurred_at) WHERE outcome = 'metered';
-- An hour of all customers, for counting anew: events come in about the order of their time, so this costs next to nothing.
CREATE INDEX usage_events_hour_idx ON usage_events USING brin (tenant_id, occurred_at) WITH (pages_per_range = 32);

-- One space of keys for both. The key of a metered event is written with its event by one statement and never changes.
ALTER TABLE usage_keys ADD COLUMN is_metered boolean NOT NULL DEFAULT false;
ALTER TABLE usage_keys ADD CONSTRAINT usage_keys_metered_check CHECK (NOT (is_metered AND transaction_id IS NOT NULL));

-- The checks one by one are for what costs money at once; for a thousand events at a time they would cost more than
-- the events.
DROP TRIGGER check_usage ON usage_events;
CREATE CONSTRAINT TRIGGER check_usage AFTER INSERT ON usage_events
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.outcome <> 'metered') EXECUTE FUNCTION check_usage_event();
DROP TRIGGER check_usage ON usage_keys;
CREATE CONSTRAINT TRIGGER check_usage AFTER INSERT OR UPDATE ON usage_keys
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NOT NEW.is_metered) EXECUTE FUNCTION check_usage_key();

CREATE OR REPLACE FUNCTION guard_usage_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Settled once, and never left without its refused event for another refused one; metered stays metered.
    IF OLD.transaction_id IS NOT NULL OR NEW.transaction_id IS NULL OR OLD.is_metered OR NEW.is_metered
       OR (OLD.tenant_id, OLD.key, OLD.input_hash) IS DISTINCT FROM (NEW.tenant_id, NEW.key, NEW.input_hash) THEN
        RAISE EXCEPTION 'usage key of event % is settled', OLD.event_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'usage_keys_settled_once';
    END IF;
    RETURN NEW;
END $$;

-- All that a batch of events depends on, in one round trip and in this order: the lock first, so that no definition
-- changes between being read here and the commit of what was counted by it (who changes one takes it exclusively).
CREATE FUNCTION read_metering(external_ids text[], customer_ids uuid[], with_self boolean) RETURNS json LANGUAGE plpgsql
    SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    definitions text;
    customers json;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended(app_tenant()::text, 6));
    SELECT json_agg(json_build_array(m.id, m.code, m.aggregation, v.version, v.event_name, v.property, v.filters,
                                     v.dimensions, v.effective_from, m.archived_at) ORDER BY m.id, v.version)::text
    INTO definitions
    FROM meters m JOIN meter_versions v ON v.tenant_id = m.tenant_id AND v.meter_id = m.id
    WHERE m.tenant_id = app_tenant();
    SELECT json_agg(json_build_array(c.id, c.external_id, c.is_self, c.created_at, s.since)) INTO customers
    FROM (SELECT c.id, c.external_id, c.is_self, c.created_at
          FROM unnest(external_ids) AS named (external_id), LATERAL (
              SELECT * FROM customers WHERE tenant_id = app_tenant() AND external_id = named.external_id OFFSET 0) c
          UNION
          SELECT c.id, c.external_id, c.is_self, c.created_at
          FROM unnest(customer_ids) AS named (id), LATERAL (
              SELECT * FROM customers WHERE tenant_id = app_tenant() AND id = named.id OFFSET 0) c
          UNION
          SELECT c.id, c.external_id, c.is_self, c.created_at
          FROM customers c WHERE c.tenant_id = app_tenant() AND c.is_self AND with_self) c
    LEFT JOIN LATERAL (SELECT min(created_at) AS since FROM subscriptions
                       WHERE tenant_id = app_tenant() AND customer_id = c.id) s ON true;
    RETURN json_build_array(definitions, customers);
END $$;

-- A definition's history and the trail of corrections are only added to; a meter keeps what it is.
CREATE FUNCTION guard_meter() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.tenant_id, OLD.id, OLD.code, OLD.aggregation) IS DISTINCT FROM
       (NEW.tenant_id, NEW.id, NEW.code, NEW.aggregation) OR OLD.archived_at IS NOT NULL THEN
        RAISE EXCEPTION 'meter % keeps its code and aggregation, and an archived one everything', OLD.code
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'meters_identity';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_meter BEFORE UPDATE ON meters FOR EACH ROW EXECUTE FUNCTION guard_meter();

-- A backfill is applied once and reverted at most once.
CREATE FUNCTION guard_backfill() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.reverted_at IS NOT NULL OR NEW.reverted_at IS NULL
       OR (to_jsonb(OLD) - 'reverted_at' - 'reverted_by' - 'revert_reason')
          IS DISTINCT FROM (to_jsonb(NEW) - 'reverted_at' - 'reverted_by' - 'revert_reason') THEN
        RAISE EXCEPTION 'backfill % is reverted once and else never changed', OLD.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'usage_backfills_reverted_once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_backfill BEFORE UPDATE ON usage_backfills FOR EACH ROW EXECUTE FUNCTION guard_backfill();

-- Figures that change with every batch: room on the page keeps the new version beside the old one.
ALTER TABLE usage_aggregates SET (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);
