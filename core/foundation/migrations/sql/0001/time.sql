-- A test tenant's clock moves forward only, and only a test tenant has one.
CREATE FUNCTION guard_tenant_clock() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.now_at < OLD.now_at OR NEW.tenant_id <> OLD.tenant_id) THEN
        RAISE EXCEPTION 'the clock of tenant % moves forward only', OLD.tenant_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'tenant_clocks_forward';
    END IF;
    IF NOT EXISTS (SELECT FROM public.tenants t WHERE t.id = NEW.tenant_id AND t.is_test) THEN
        RAISE EXCEPTION 'tenant % is not a test tenant and has no clock', NEW.tenant_id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'tenant_clocks_test_only';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_tenant_clock BEFORE INSERT OR UPDATE ON tenant_clocks
    FOR EACH ROW EXECUTE FUNCTION guard_tenant_clock();

CREATE FUNCTION guard_tenant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.id, OLD.slug, OLD.currency, OLD.is_test) IS DISTINCT FROM (NEW.id, NEW.slug, NEW.currency, NEW.is_test) THEN
        RAISE EXCEPTION 'tenant % keeps its name, currency and kind', OLD.id
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'tenants_identity';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_tenant BEFORE UPDATE ON tenants FOR EACH ROW EXECUTE FUNCTION guard_tenant();
