CREATE FUNCTION find_user_by_identity(of_provider text, of_subject text)
    RETURNS TABLE (id uuid, email text, name text, installation_role text, last_tenant_id uuid, disabled_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT u.id, u.email, u.name, u.installation_role, u.last_tenant_id, u.disabled_at
    FROM public.user_identities i JOIN public.users u ON u.id = i.user_id
    WHERE i.provider = of_provider AND i.subject = of_subject
$$;

CREATE FUNCTION list_identities(of_user uuid)
    RETURNS TABLE (provider text, registered boolean, created_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT i.provider, i.registered, i.created_at FROM public.user_identities i
    WHERE i.user_id = of_user ORDER BY i.provider
$$;

-- One account elsewhere is one user here, and a user has one account with each provider.
CREATE FUNCTION link_identity(of_user uuid, of_provider text, of_subject text, is_registration boolean) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    holder uuid;
BEGIN
    INSERT INTO public.user_identities (provider, subject, user_id, registered)
    VALUES (of_provider, of_subject, of_user, is_registration) ON CONFLICT DO NOTHING;
    IF FOUND THEN
        RETURN 'linked';
    END IF;
    SELECT i.user_id INTO holder FROM public.user_identities i WHERE i.provider = of_provider AND i.subject = of_subject;
    RETURN CASE WHEN holder = of_user THEN 'same' WHEN holder IS NULL THEN 'other' ELSE 'taken' END;
END $$;

-- A user who was made by an identity knows no password: his last identity stays.
CREATE FUNCTION unlink_identity(of_user uuid, of_provider text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.users u WHERE u.id = of_user FOR UPDATE;
    IF NOT EXISTS (SELECT FROM public.user_identities i WHERE i.user_id = of_user AND i.provider = of_provider) THEN
        RETURN 'unknown';
    END IF;
    IF EXISTS (SELECT FROM public.user_identities i WHERE i.user_id = of_user AND i.registered)
       AND (SELECT count(*) FROM public.user_identities i WHERE i.user_id = of_user) = 1 THEN
        RETURN 'only';
    END IF;
    -- Who knew no password knows none afterwards: that passes on to an identity that stays.
    UPDATE public.user_identities i SET registered = true
    WHERE i.user_id = of_user AND i.provider <> of_provider
      AND EXISTS (SELECT FROM public.user_identities r WHERE r.user_id = of_user AND r.registered);
    DELETE FROM public.user_identities i WHERE i.user_id = of_user AND i.provider = of_provider;
    RETURN 'unlinked';
END $$;

DO $$
DECLARE
    narrow text;
BEGIN
    FOREACH narrow IN ARRAY ARRAY[
        'find_user_by_identity(text, text)', 'list_identities(uuid)', 'link_identity(uuid, text, text, boolean)',
        'unlink_identity(uuid, text)']
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', narrow);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO cloudbill_app', narrow);
    END LOOP;
END $$;
