"""Brings a database's schema up to date and lets the serving roles sign in. Run before anything serves."""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import psycopg
from psycopg import sql

from core.foundation.fence import FenceMissing, WritesFenced, standing
from core.foundation.settings import Settings, SettingsInvalid

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

LOGINS = {
    "DATABASE_APP_URL": "cloudbill_app",
    "DATABASE_OPERATOR_URL": "cloudbill_operator",
    "DATABASE_MOVER_URL": "cloudbill_mover",
}
"""Which role the user of each address must be, or be a member of."""


class SchemaTooNew(Exception):
    """The database was migrated by a newer CloudBill than this."""


def upgrade_schema(owner_url: str) -> tuple[str | None, str]:
    """Run what is missing, as the owner, in one transaction; the revision before and after.

    Raises SchemaTooNew, and WritesFenced for a server whose place another one has taken: its tables are not changed.
    """
    before, head = _current(owner_url), _newest()
    if before is not None and before > head:
        raise SchemaTooNew(f"The database is at {before} and this CloudBill knows {head} only: start the newer one.")
    if before != head:
        _refuse_closed(owner_url)
        from alembic import command

        with _connected(owner_url) as connection:
            command.upgrade(_config(connection), "head")
            connection.commit()
    return before, head


def compare_models(owner_url: str) -> None:
    """Raises alembic's CommandError when the models and the migrated schema differ."""
    from alembic import command

    with _connected(owner_url) as connection:
        command.check(_config(connection))


def ensure_logins(settings: Settings) -> list[str]:
    """Make the users of the addresses in LOGINS that are given able to sign in with the passwords given there.

    A user that can sign in already is left as it is. Returns those that were made or changed.
    """
    urls = {
        "DATABASE_APP_URL": settings.app_url if settings.database_app_url else None,
        "DATABASE_OPERATOR_URL": settings.operator_url if settings.database_operator_url else None,
        "DATABASE_MOVER_URL": settings.mover_url if settings.database_mover_url else None,
    }
    changed: list[str] = []
    with psycopg.connect(settings.owner_url, autocommit=True, connect_timeout=10) as connection:
        for variable, url in urls.items():
            if url is not None and not _signs_in(url):
                changed.append(_ensure_login(connection, variable, url))
    return changed


def _ensure_login(connection: psycopg.Connection, variable: str, url: str) -> str:
    parts = urlsplit(url)
    if not parts.username or not parts.password:
        raise SettingsInvalid(f"{variable} does not sign in and names no user and password: give both")
    user, password, group = unquote(parts.username), unquote(parts.password), LOGINS[variable]
    # The verifier is made here: the password itself never reaches the server or its log.
    verifier = connection.pgconn.encrypt_password(password.encode(), user.encode(), b"scram-sha-256").decode()
    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [user]).fetchone()
    action = sql.SQL("ALTER" if known else "CREATE")
    try:
        connection.execute(sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(action, sql.Identifier(user), verifier))
        if user != group:
            connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), sql.Identifier(user)))
    except psycopg.errors.InsufficientPrivilege:
        raise SettingsInvalid(
            f"{variable}: the owner may not let {user} sign in: give the owner CREATEROLE, or make that login "
            f"yourself, as a member of {group}"
        ) from None
    return user


def _signs_in(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=10).close()
    except psycopg.OperationalError:
        return False
    return True


def _refuse_closed(owner_url: str) -> None:
    with psycopg.connect(owner_url, autocommit=True, connect_timeout=10) as connection, suppress(FenceMissing):
        now = standing(connection)
        if now.state == "closed":
            raise WritesFenced(
                f"this server is closed since epoch {now.epoch} ({now.reason}): migrate who serves now, "
                f"{now.successor or 'whoever that is'}"
            )


def _current(owner_url: str) -> str | None:
    with psycopg.connect(owner_url, connect_timeout=10) as connection:
        if connection.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,):
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return row[0] if row else None


def _newest() -> str:
    # Told by the files' names, which alembic.ini gives their revision: asking alembic would import every model, and
    # most starts have nothing to do.
    return max(path.name.split("_")[0] for path in (Path(__file__).parent / "versions").glob("[0-9]*_*.py"))


@contextmanager
def _connected(owner_url: str) -> Generator["Connection"]:
    from sqlalchemy import create_engine, pool

    from core.foundation.database import sqlalchemy_url

    with create_engine(sqlalchemy_url(owner_url), poolclass=pool.NullPool).connect() as connection:
        yield connection


def _config(connection: "Connection") -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config
