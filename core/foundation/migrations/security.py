"""Row-level security for migrations: every new table goes through one of these."""

from alembic import op

ROLES = ("cloudbill_app", "cloudbill_operator", "cloudbill_mover")


def create_roles() -> None:
    """The group roles, which are the cluster's: they may be there already. Logins are made by `cloudbill migrate`."""
    for role in ROLES:
        op.execute(
            f"""
            DO $$ BEGIN
                CREATE ROLE {role} NOLOGIN;
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
            END $$
            """
        )


def isolate(table: str, *, app: str, tenant_column: str = "tenant_id", installation_rows: bool = False) -> None:
    """Row security on a tenant table: a tenant sees and writes its own rows; `app` lists the application's rights.

    The owner is bound too (FORCE) and reads all, so that its triggers see every row whatever tenant is set.
    `installation_rows`: rows of tenant zero may be read by all.
    """
    own = f"{tenant_column} = app_tenant()"
    zero = f" OR {tenant_column} = '00000000-0000-0000-0000-000000000000'" if installation_rows else ""
    for statement in (
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY tenant_writes ON {table} FOR ALL TO cloudbill_app, CURRENT_USER "
        f"USING ({own}) WITH CHECK ({own})",
        f"CREATE POLICY tenant_reads ON {table} FOR SELECT TO cloudbill_app USING ({own}{zero})",
        f"CREATE POLICY owner_reads ON {table} FOR SELECT TO CURRENT_USER USING (true)",
        f"CREATE POLICY operator_reads ON {table} FOR SELECT TO cloudbill_operator USING (true)",
        f"CREATE POLICY mover_moves ON {table} FOR ALL TO cloudbill_mover USING (true) WITH CHECK (true)",
        f"GRANT {app} ON {table} TO cloudbill_app",
        f"GRANT SELECT ON {table} TO cloudbill_operator",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO cloudbill_mover",
    ):
        op.execute(statement)
    fence(table)


def enclose(table: str, *, operator: str | None = None) -> None:
    """Row security on a table read before a tenant is known: nobody but the owner's functions reach it.

    `operator` lists what the reading operator may see, such as "SELECT (id, email)".
    """
    for statement in (
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY owner_functions ON {table} FOR ALL TO CURRENT_USER USING (true) WITH CHECK (true)",
        f"CREATE POLICY operator_reads ON {table} FOR SELECT TO cloudbill_operator USING (true)",
        f"CREATE POLICY mover_moves ON {table} FOR ALL TO cloudbill_mover USING (true) WITH CHECK (true)",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO cloudbill_mover",
    ):
        op.execute(statement)
    if operator:
        op.execute(f"GRANT {operator} ON {table} TO cloudbill_operator")
    fence(table)


def fence(table: str) -> None:
    """The write fence before every statement that writes: each new table of state has it, partitions too.

    Tables from before the fence get it with the fence itself.
    """
    op.execute(
        f"""
        DO $$ BEGIN
            IF to_regprocedure('refuse_when_fenced()') IS NOT NULL THEN
                CREATE TRIGGER fenced BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}
                    FOR EACH STATEMENT EXECUTE FUNCTION refuse_when_fenced();
            END IF;
        END $$
        """
    )


def never_changed(table: str) -> None:
    """Rows that are written once: no UPDATE, DELETE or TRUNCATE by anyone, the owner included."""
    op.execute(
        f"CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        f"CREATE TRIGGER never_truncated BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
