-- Whether bills rest on a plan: of the installation's plans, those of all tenants. Only the seller may ask.
CREATE FUNCTION count_plan_subscriptions(wanted uuid) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT count(*) FROM public.subscriptions s WHERE s.plan_tenant_id = public.app_tenant() AND s.plan_id = wanted
$$;
REVOKE EXECUTE ON FUNCTION count_plan_subscriptions(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION count_plan_subscriptions(uuid) TO cloudbill_app;
