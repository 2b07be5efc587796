CREATE TABLE notification_messages (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    event_id uuid NOT NULL,
    slot text NOT NULL,
    channel text NOT NULL,
    template text NOT NULL,
    template_version bigint,
    language text NOT NULL,
    recipient_kind text NOT NULL,
    recipient_id uuid NOT NULL,
    state text NOT NULL,
    reason text,
    attempts bigint NOT NULL DEFAULT 0,
    provider text,
    provider_id text,
    occurred_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    sent_at timestamptz,
    CONSTRAINT notification_messages_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT notification_messages_tenant_id_event_id_fkey
        FOREIGN KEY (tenant_id, event_id) REFERENCES outbox_events (tenant_id, id),
    CONSTRAINT notification_messages_channel_check CHECK (channel IN ('email', 'sms')),
    CONSTRAINT notification_messages_state_check
        CHECK (state IN ('queued', 'sending', 'sent', 'failed', 'uncertain', 'skipped', 'superseded')),
    CONSTRAINT notification_messages_recipient_kind_check CHECK (recipient_kind IN ('customer', 'user'))
);
-- One fact is told once, and of two outcomes of one thing only one lives.
CREATE UNIQUE INDEX notification_messages_slot_key ON notification_messages (tenant_id, slot, channel, recipient_id)
    WHERE state <> 'superseded';
CREATE INDEX notification_messages_recipient_idx ON notification_messages (tenant_id, recipient_id, id);
CREATE INDEX notification_messages_tenant_id_event_id_idx ON notification_messages (tenant_id, event_id);

CREATE TABLE notification_templates (
    tenant_id uuid NOT NULL,
    template text NOT NULL,
    channel text NOT NULL,
    language text NOT NULL,
    version bigint NOT NULL,
    subject text,
    body text,
    created_by uuid,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT notification_templates_pkey PRIMARY KEY (tenant_id, template, channel, language, version),
    CONSTRAINT notification_templates_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT notification_templates_channel_check CHECK (channel IN ('email', 'sms')),
    CONSTRAINT notification_templates_version_check CHECK (version >= 1)
);

CREATE TABLE notification_settings (
    tenant_id uuid NOT NULL,
    language text NOT NULL,
    sms boolean NOT NULL,
    reply_to text,
    updated_at timestamptz NOT NULL,
    CONSTRAINT notification_settings_pkey PRIMARY KEY (tenant_id),
    CONSTRAINT notification_settings_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id)
);

CREATE TABLE notification_opt_outs (
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    channel text NOT NULL,
    category text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT notification_opt_outs_pkey PRIMARY KEY (tenant_id, customer_id, channel, category),
    CONSTRAINT notification_opt_outs_tenant_id_customer_id_fkey
        FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id),
    CONSTRAINT notification_opt_outs_channel_check CHECK (channel IN ('email', 'sms'))
);

CREATE TABLE webhook_endpoints (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    url text NOT NULL,
    description text,
    kinds text[] NOT NULL,
    state text NOT NULL,
    disabled_reason text,
    secret bytea NOT NULL,
    former_secret bytea,
    former_until timestamptz,
    failing_since timestamptz,
    created_at timestamptz NOT NULL,
    CONSTRAINT webhook_endpoints_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT webhook_endpoints_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT webhook_endpoints_state_check CHECK (state IN ('active', 'disabled', 'deleted'))
);

CREATE TABLE webhook_deliveries (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    event_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    recorded_at timestamptz NOT NULL,
    state text NOT NULL,
    attempts bigint NOT NULL DEFAULT 0,
    failures bigint NOT NULL DEFAULT 0,
    next_attempt_at timestamptz,
    last_status integer,
    last_error text,
    created_at timestamptz NOT NULL,
    closed_at timestamptz,
    CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT webhook_deliveries_tenant_id_endpoint_id_event_id_key UNIQUE (tenant_id, endpoint_id, event_id),
    CONSTRAINT webhook_deliveries_tenant_id_endpoint_id_fkey
        FOREIGN KEY (tenant_id, endpoint_id) REFERENCES webhook_endpoints (tenant_id, id),
    CONSTRAINT webhook_deliveries_tenant_id_event_id_fkey
        FOREIGN KEY (tenant_id, event_id) REFERENCES outbox_events (tenant_id, id),
    CONSTRAINT webhook_deliveries_state_check CHECK (state IN ('pending', 'delivered', 'failed', 'canceled'))
);
CREATE INDEX webhook_deliveries_pending_idx
    ON webhook_deliveries (tenant_id, endpoint_id, subject_id, recorded_at, event_id) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_tenant_id_endpoint_id_id_idx ON webhook_deliveries (tenant_id, endpoint_id, id);

CREATE TABLE webhook_attempts (
    tenant_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    number bigint NOT NULL,
    attempted_at timestamptz NOT NULL,
    milliseconds bigint NOT NULL,
    status integer,
    error text,
    answer text,
    CONSTRAINT webhook_attempts_pkey PRIMARY KEY (tenant_id, delivery_id, number),
    CONSTRAINT webhook_attempts_tenant_id_delivery_id_fkey
        FOREIGN KEY (tenant_id, delivery_id) REFERENCES webhook_deliveries (tenant_id, id),
    CONSTRAINT webhook_attempts_number_check CHECK (number >= 1)
);
