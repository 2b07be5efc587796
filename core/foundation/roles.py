"""Which database role may serve: one that row security binds. Light to import, so that a start can ask first."""

import psycopg

ROLE_CHECK = """
SELECT current_user AS name,
       bool_or(r.rolsuper) AS is_super,
       bool_or(r.rolbypassrls) AS bypasses,
       EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')
                 AND pg_has_role(current_user, c.relowner, 'USAGE')) AS owns
FROM pg_roles r WHERE pg_has_role(current_user, r.oid, 'MEMBER')
"""
"""One row: name, is_super, bypasses, owns."""


class UnsafeRole(Exception):
    """The process would serve with a role that row security does not bind."""


def refuse_unsafe(name: str, *, is_super: bool, bypasses: bool, owns: bool) -> None:
    """Raises UnsafeRole when any of the three is so."""
    if is_super or bypasses or owns:
        raise UnsafeRole(
            f"DATABASE_APP_URL signs in as {name}, which is a superuser, may bypass row security or owns "
            "tables. Give it a role that is only a member of cloudbill_app."
        )


def refuse_unsafe_url(app_url: str) -> None:
    """The same, asked over a connection of its own. Raises psycopg.OperationalError when nobody answers there."""
    with psycopg.connect(app_url, connect_timeout=5) as connection:
        row = connection.execute(ROLE_CHECK).fetchone()
        assert row
        name, is_super, bypasses, owns = row
        refuse_unsafe(name, is_super=is_super, bypasses=bypasses, owns=owns)
