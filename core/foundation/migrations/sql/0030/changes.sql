-- What a request changes is noted row by row, for its row in the audit log: the columns that differ, as they were and
-- as they are, without secrets. Nothing is written here: the note lives in a setting that ends with the transaction,
-- and a savepoint that is taken back takes its notes along. Jobs, imports and what is done in bulk ask for none of it.
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    said constant text[] := ARRAY['tenant_id', 'token_hash', 'key_hash', 'secret', 'former_secret', 'logo', 'input_hash',
                                  'changed_at', 'updated_at', 'recorded_at', 'lease_until'];
    was jsonb := CASE WHEN TG_OP = 'INSERT' THEN '{}' ELSE to_jsonb(OLD) - said END;
    stands jsonb := CASE WHEN TG_OP = 'DELETE' THEN '{}' ELSE to_jsonb(NEW) - said END;
    noted text := coalesce(current_setting('app.changes', true), '');
    row_id text := coalesce(stands ->> 'id', was ->> 'id', '');
    customer text := coalesce(stands ->> 'customer_id', was ->> 'customer_id');
    before jsonb;
    after jsonb;
BEGIN
    IF octet_length(noted) > 30000 THEN
        RETURN NULL;
    END IF;
    IF TG_TABLE_NAME = 'invitations' THEN  -- whom it names may be forgotten, and the inviter's key would keep it
        was := was - 'email';
        stands := stands - 'email';
    END IF;
    SELECT coalesce(jsonb_object_agg(o.key, o.value), '{}') INTO before
    FROM jsonb_each(was) o WHERE o.value IS DISTINCT FROM stands -> o.key AND o.value <> 'null';
    SELECT coalesce(jsonb_object_agg(n.key, n.value), '{}') INTO after
    FROM jsonb_each(stands) n WHERE n.value IS DISTINCT FROM was -> n.key AND (TG_OP = 'UPDATE' OR n.value <> 'null');
    IF before <> '{}' OR after <> '{}' THEN
        PERFORM set_config('app.changes', noted || jsonb_build_object(
            'table', TG_TABLE_NAME, 'id', row_id, 'customer', customer, 'before', before, 'after', after)::text || E'\n', true);
    END IF;
    RETURN NULL;
END $$;
