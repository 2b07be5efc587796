-- What stood in users is overwritten: nobody signs in as that user again, and what refers to the id still does.
CREATE FUNCTION erase_user(wanted uuid, at timestamptz) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM public.refresh_tokens r USING public.sign_ins s WHERE r.sign_in_id = s.id AND s.user_id = wanted;
    DELETE FROM public.sign_ins WHERE user_id = wanted;
    DELETE FROM public.user_identities WHERE user_id = wanted;
    UPDATE public.users SET email = 'erased-' || wanted || '@erased.invalid', name = NULL, password_hash = '!',
                            disabled_at = coalesce(disabled_at, at)
    WHERE id = wanted;
    RETURN FOUND;
END $$;
REVOKE EXECUTE ON FUNCTION erase_user(uuid, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erase_user(uuid, timestamptz) TO cloudbill_app;
