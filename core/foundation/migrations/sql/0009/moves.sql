-- A table is published by its owner only, and the mover is not the owner: so the owner's function does it, for tables of
-- this schema that have a key, under a name that says what it is for. Without a key the source could no longer change
-- such a table once it is published: it is refused.
CREATE FUNCTION publish_for_move(publication text, tables text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    keyless text;
    listed text;
BEGIN
    IF publication IS NULL OR publication !~ '^cloudbill_move_[0-9a-f_]{1,40}$' THEN
        RAISE EXCEPTION '% is no name of a move''s publication', publication USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT string_agg(t.name, ', ') INTO keyless FROM unnest(tables) AS t (name)
    WHERE NOT EXISTS (SELECT FROM pg_class c JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
                      WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
                        AND c.relname = t.name AND NOT c.relispartition);
    IF keyless IS NOT NULL THEN
        RAISE EXCEPTION 'not published, since they are no tables here with a primary key: %', keyless
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT string_agg(format('public.%I', t.name), ', ' ORDER BY t.name) INTO listed FROM unnest(tables) AS t (name);
    EXECUTE format('CREATE PUBLICATION %I FOR TABLE %s WITH (publish_via_partition_root = true)', publication, listed);
END $$;

CREATE FUNCTION unpublish_for_move(publication text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF publication IS NULL OR publication !~ '^cloudbill_move_[0-9a-f_]{1,40}$' THEN
        RAISE EXCEPTION '% is no name of a move''s publication', publication USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SET LOCAL client_min_messages = error;
    EXECUTE format('DROP PUBLICATION IF EXISTS %I', publication);
END $$;

REVOKE EXECUTE ON FUNCTION publish_for_move(text, text[]), unpublish_for_move(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION publish_for_move(text, text[]), unpublish_for_move(text) TO cloudbill_mover;
-- Months that one side made while the other was being filled.
GRANT EXECUTE ON FUNCTION create_usage_partition(date) TO cloudbill_mover;
