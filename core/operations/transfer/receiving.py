"""The target of an import: whether it may be filled, and what it is brought to before and after the rows."""

from typing import Any

import psycopg
from psycopg import sql

from core.foundation.settings import Settings
from core.operations.transfer import schema
from core.operations.transfer.errors import SchemaDiffers, ServerUnfit, SetTooNew, TargetBusy, TargetNotEmpty
from core.operations.transfer.tables import Connection, Table, inventory, refuse_hidden_rows, settle

IDLE = (
    "signing_keys",
    "alerts",
    "job_errors",
    "procrastinate_jobs",
    "procrastinate_events",
    "procrastinate_periodic_defers",
    "procrastinate_workers",
)
"""What an installation that nobody uses writes by itself: it makes room, and comes back when the import is undone."""

_NOBODY = "00000000-0000-0000-0000-000000000000"


def open_as(url: str, whose: str) -> Connection:
    """A settled connection. Raises ServerUnfit, saying what was refused, without a password."""
    try:
        return settle(psycopg.connect(url, autocommit=True, connect_timeout=10))
    except psycopg.OperationalError as error:
        said = " ".join(str(error).split("\n")[0].split())
        raise ServerUnfit(f"the {whose}'s address does not sign in: {said}") from None


def refuse_unfit(owner: Connection, settings: Settings, manifest: dict[str, Any]) -> list[Table]:
    """The target's tables, which must be those of the set. Raises what stands against an import; changes nothing."""
    if owner.info.server_version < 150000 or owner.info.parameter_status("server_encoding") != "UTF8":
        raise ServerUnfit(
            f"the target is PostgreSQL {owner.info.server_version // 10000} in "
            f"{owner.info.parameter_status('server_encoding')}: it must be 15 or newer, in UTF8"
        )
    known = owner.execute("SELECT to_regclass('public.alembic_version') IS NOT NULL").fetchone()
    if not known or not known[0]:
        raise SchemaDiffers("the target has no schema yet: run `cloudbill migrate` on it first")
    row = owner.execute("SELECT version_num FROM public.alembic_version").fetchone()
    revision = row[0] if row else ""
    if manifest["revision"] > revision:
        raise SetTooNew(
            f"the set's schema is {manifest['revision']} and the target's {revision}: bring the target up with the "
            f"CloudBill that made the set ({manifest['cloudbill']}) or a newer one, and `cloudbill migrate`"
        )
    if manifest["revision"] < revision:
        raise SchemaDiffers(
            f"the set's schema is {manifest['revision']} and the target is at {revision} already: import it with the "
            f"CloudBill that made it ({manifest['cloudbill']}) into a database that this one migrated, then migrate"
        )
    _refuse_in_use(owner)
    if (standing := schema.standing(owner)) is not None:
        if standing.source != manifest["id"]:
            raise TargetBusy(
                f"the target is half filled from {standing.source} since {standing.since:%Y-%m-%d %H:%M}Z: go on with "
                "that set, or put the target back with `cloudbill import --clean`"
            )
        return []
    tables = inventory(owner)
    with open_as(settings.mover_url, "mover") as mover:
        refuse_hidden_rows(mover, tables)
    _refuse_rows(owner, tables)
    return tables


def align_partitions(owner: Connection, description: dict[str, str]) -> None:
    """Months that the source has a partition for and the target has not, before any row comes."""
    here = schema.describe(owner)
    for name in sorted(description.keys() - here.keys()):
        if name.startswith("partition usage_events_2"):
            year, month = name.rsplit("_", 2)[1:]
            owner.execute("SELECT public.create_usage_partition(%s::date)", [f"{year}-{month}-01"])


def _refuse_in_use(owner: Connection) -> None:
    rows = owner.execute(
        "SELECT a.usename, count(*) FROM pg_catalog.pg_stat_activity a "
        "WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.usename IS NOT NULL "
        "AND (pg_has_role(a.usename, 'cloudbill_app', 'USAGE') "
        "     OR pg_has_role(a.usename, 'cloudbill_operator', 'USAGE')) "
        "AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = a.usename AND r.rolsuper) GROUP BY 1"
    ).fetchall()
    if rows:
        names = ", ".join(f"{count} of {name}" for name, count in rows)
        raise TargetBusy(f"the application is connected to the target ({names}): stop API and worker first")


def _refuse_rows(owner: Connection, tables: list[Table]) -> None:
    found: list[str] = []
    for table in tables:
        if table.name in IDLE:
            continue
        theirs = sql.SQL("true")
        if table.tenant_column:
            theirs = sql.SQL("{} <> {}").format(sql.Identifier(table.tenant_column), sql.Literal(_NOBODY))
        query = sql.SQL("SELECT count(*) FROM {} WHERE {}").format(table.identifier, theirs)
        row = owner.execute(query).fetchone()
        if row and row[0]:
            found.append(f"{table.name} ({row[0]})")
    if found:
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        raise TargetNotEmpty(
            f"the target holds rows in {', '.join(found[:5])}{more}: an import never mixes with what is there. Give a "
            "database that was only migrated"
        )
