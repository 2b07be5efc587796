-- Narrow functions into the tables that are read before a tenant is known: each does one thing, and the application
-- has no other way there. None gives an installation role, replaces a signing key or lists people.

CREATE FUNCTION find_tenant_by_slug(wanted text)
    RETURNS TABLE (id uuid, slug text, name text, currency text, is_test boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.id, t.slug, t.name, t.currency, t.is_test FROM public.tenants t WHERE t.slug = wanted
$$;

CREATE FUNCTION find_user_by_email(wanted text)
    RETURNS TABLE (id uuid, email text, name text, password_hash text, installation_role text, last_tenant_id uuid,
                   disabled_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT u.id, u.email, u.name, u.password_hash, u.installation_role, u.last_tenant_id, u.disabled_at
    FROM public.users u WHERE u.email = wanted
$$;

CREATE FUNCTION find_user(wanted uuid)
    RETURNS TABLE (id uuid, email text, name text, installation_role text, last_tenant_id uuid, disabled_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT u.id, u.email, u.name, u.installation_role, u.last_tenant_id, u.disabled_at
    FROM public.users u WHERE u.id = wanted
$$;

CREATE FUNCTION create_user(new_id uuid, new_email text, new_name text, new_password_hash text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO public.users (id, email, name, password_hash) VALUES (new_id, new_email, new_name, new_password_hash)
$$;

-- A sign-in with the right password may store it at a higher cost; nothing else changes a password.
CREATE FUNCTION rehash_password(of_user uuid, old_hash text, new_hash text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE public.users u SET password_hash = new_hash WHERE u.id = of_user AND u.password_hash = old_hash
$$;

CREATE FUNCTION list_tenants_of_user(of_user uuid)
    RETURNS TABLE (id uuid, slug text, name text, is_test boolean, role text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.id, t.slug, t.name, t.is_test, m.role
    FROM public.memberships m JOIN public.tenants t ON t.id = m.tenant_id
    WHERE m.user_id = of_user ORDER BY t.slug
$$;

-- The members of the current tenant by name: users themselves are out of the application's reach.
CREATE FUNCTION list_members()
    RETURNS TABLE (user_id uuid, email text, name text, role text, created_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT u.id, u.email, u.name, m.role, m.created_at
    FROM public.memberships m JOIN public.users u ON u.id = m.user_id
    WHERE m.tenant_id = public.app_tenant() ORDER BY m.created_at, u.id
$$;

CREATE FUNCTION find_invitation(wanted bytea)
    RETURNS TABLE (tenant_id uuid, slug text, id uuid, email text, role text, expires_at timestamptz,
                   accepted_at timestamptz, revoked_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT i.tenant_id, t.slug, i.id, i.email, i.role, i.expires_at, i.accepted_at, i.revoked_at
    FROM public.invitations i JOIN public.tenants t ON t.id = i.tenant_id WHERE i.token_hash = wanted
$$;

CREATE FUNCTION find_api_key(wanted text)
    RETURNS TABLE (tenant_id uuid, slug text, is_test boolean, id uuid, key_hash bytea, scopes text[],
                   rate_limit bigint, expires_at timestamptz, revoked_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT k.tenant_id, t.slug, t.is_test, k.id, k.key_hash, k.scopes, k.rate_limit, k.expires_at, k.revoked_at
    FROM public.api_keys k JOIN public.tenants t ON t.id = k.tenant_id WHERE k.prefix = wanted
$$;

CREATE FUNCTION create_sign_in(new_id uuid, of_user uuid, in_tenant uuid, token_id uuid, token bytea,
                               issued timestamptz, expires timestamptz) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO public.sign_ins (id, user_id, tenant_id, created_at) VALUES (new_id, of_user, in_tenant, issued);
    INSERT INTO public.refresh_tokens (id, sign_in_id, token_hash, issued_at, expires_at)
    VALUES (token_id, new_id, token, issued, expires);
    UPDATE public.users u SET last_tenant_id = in_tenant WHERE u.id = of_user AND u.last_tenant_id IS DISTINCT FROM in_tenant;
$$;

-- Uses a refresh token once and stores its successor, in one step: of two at the same time one waits for the other and
-- then finds the token used. A token used twice may have been stolen, so its whole sign-in ends. No grace is given.
CREATE FUNCTION rotate_refresh_token(old_token bytea, token_id uuid, new_token bytea, at timestamptz,
                                     expires timestamptz)
    RETURNS TABLE (outcome text, sign_in_id uuid, user_id uuid, tenant_id uuid)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    used public.refresh_tokens%ROWTYPE;
    sign_in public.sign_ins%ROWTYPE;
BEGIN
    SELECT * INTO used FROM public.refresh_tokens t WHERE t.token_hash = old_token FOR UPDATE;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 'unknown', NULL::uuid, NULL::uuid, NULL::uuid;
        RETURN;
    END IF;
    SELECT * INTO STRICT sign_in FROM public.sign_ins s WHERE s.id = used.sign_in_id FOR UPDATE;
    IF sign_in.revoked_at IS NOT NULL THEN
        outcome := CASE WHEN sign_in.revoked_because = 'reused' THEN 'reused' ELSE 'revoked' END;
    ELSIF used.used_at IS NOT NULL THEN
        UPDATE public.sign_ins s SET revoked_at = at, revoked_because = 'reused' WHERE s.id = sign_in.id;
        outcome := 'reused';
    ELSIF used.expires_at <= at THEN
        outcome := 'expired';
    ELSE
        UPDATE public.refresh_tokens t SET used_at = at WHERE t.id = used.id;
        INSERT INTO public.refresh_tokens (id, sign_in_id, token_hash, issued_at, expires_at)
        VALUES (token_id, sign_in.id, new_token, at, expires);
        outcome := 'rotated';
    END IF;
    RETURN QUERY SELECT outcome, sign_in.id, sign_in.user_id, sign_in.tenant_id;
END $$;

-- A refresh may move the sign-in to another tenant of the same user.
CREATE FUNCTION move_sign_in(wanted uuid, to_tenant uuid) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE public.sign_ins s SET tenant_id = to_tenant WHERE s.id = wanted;
    UPDATE public.users u SET last_tenant_id = to_tenant
    FROM public.sign_ins s WHERE s.id = wanted AND u.id = s.user_id;
$$;

CREATE FUNCTION end_sign_in(token bytea, at timestamptz) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE public.sign_ins s SET revoked_at = at, revoked_because = 'logout'
    FROM public.refresh_tokens t WHERE t.token_hash = token AND s.id = t.sign_in_id AND s.revoked_at IS NULL
$$;

CREATE FUNCTION list_signing_keys()
    RETURNS TABLE (id text, public_pem text, private_pem_encrypted bytea, created_at timestamptz,
                   signs_until timestamptz, verifies_until timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT k.id, k.public_pem, k.private_pem_encrypted, k.created_at, k.signs_until, k.verifies_until
    FROM public.signing_keys k ORDER BY k.created_at DESC
$$;

-- The first start makes the first key; every later one is made by the owner (`cloudbill keys rotate`).
CREATE FUNCTION create_first_signing_key(new_id text, new_public_pem text, new_private_pem_encrypted bytea) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('create_first_signing_key', 0));
    IF NOT EXISTS (SELECT FROM public.signing_keys k WHERE k.signs_until IS NULL) THEN
        INSERT INTO public.signing_keys (id, public_pem, private_pem_encrypted)
        VALUES (new_id, new_public_pem, new_private_pem_encrypted);
    END IF;
END $$;

-- Remembered answers that moved no money, once they are old: each tenant's under that tenant, as row security wants.
CREATE FUNCTION forget_idempotency_keys(before timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tenant uuid;
    here bigint;
    forgotten bigint := 0;
BEGIN
    FOR tenant IN SELECT DISTINCT k.tenant_id FROM public.idempotency_keys k WHERE k.created_at < before LOOP
        PERFORM set_config('app.tenant_id', tenant::text, true);
        DELETE FROM public.idempotency_keys k WHERE k.tenant_id = tenant AND k.created_at < before;
        GET DIAGNOSTICS here = ROW_COUNT;
        forgotten := forgotten + here;
    END LOOP;
    PERFORM set_config('app.tenant_id', '', true);
    RETURN forgotten;
END $$;

-- Sign-ins none of whose refresh tokens could be used any more; their tokens go with them.
CREATE FUNCTION forget_sign_ins(before timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    forgotten bigint;
BEGIN
    DELETE FROM public.sign_ins s WHERE NOT EXISTS (
        SELECT FROM public.refresh_tokens t WHERE t.sign_in_id = s.id AND t.expires_at >= before);
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    RETURN forgotten;
END $$;

DO $$
DECLARE
    narrow text;
BEGIN
    FOREACH narrow IN ARRAY ARRAY[
        'find_tenant_by_slug(text)', 'find_user_by_email(text)', 'find_user(uuid)',
        'create_user(uuid, text, text, text)', 'rehash_password(uuid, text, text)', 'list_tenants_of_user(uuid)',
        'list_members()', 'find_invitation(bytea)', 'find_api_key(text)',
        'create_sign_in(uuid, uuid, uuid, uuid, bytea, timestamptz, timestamptz)',
        'rotate_refresh_token(bytea, uuid, bytea, timestamptz, timestamptz)', 'move_sign_in(uuid, uuid)',
        'end_sign_in(bytea, timestamptz)', 'list_signing_keys()', 'create_first_signing_key(text, text, bytea)',
        'forget_idempotency_keys(timestamptz)', 'forget_sign_ins(timestamptz)'
    ] LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION public.%s FROM PUBLIC', narrow);
        EXECUTE format('GRANT EXECUTE ON FUNCTION public.%s TO cloudbill_app', narrow);
    END LOOP;
END $$;
