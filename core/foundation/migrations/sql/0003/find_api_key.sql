DROP FUNCTION find_api_key(text);

CREATE FUNCTION find_api_key(wanted text)
    RETURNS TABLE (tenant_id uuid, slug text, is_test boolean, id uuid, key_hash bytea, scopes text[],
                   rate_limit bigint, expires_at timestamptz, revoked_at timestamptz, last_used_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT k.tenant_id, t.slug, t.is_test, k.id, k.key_hash, k.scopes, k.rate_limit, k.expires_at, k.revoked_at,
           k.last_used_at
    FROM public.api_keys k JOIN public.tenants t ON t.id = k.tenant_id WHERE k.prefix = wanted
$$;

REVOKE EXECUTE ON FUNCTION find_api_key(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_api_key(text) TO cloudbill_app;
GRANT UPDATE (last_used_at) ON api_keys TO cloudbill_app;
