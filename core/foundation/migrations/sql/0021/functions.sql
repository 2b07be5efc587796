-- When a restored copy was last let go, and the instant that its state is of: what others were told in between is not in it.
CREATE FUNCTION last_worker_release() RETURNS TABLE (state_of timestamptz, released_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT h.state_of, h.released_at FROM public.worker_holds h WHERE h.released_at IS NOT NULL
    ORDER BY h.released_at DESC LIMIT 1
$$;
REVOKE EXECUTE ON FUNCTION last_worker_release() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION last_worker_release() TO cloudbill_app;
