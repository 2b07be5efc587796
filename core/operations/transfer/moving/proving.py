"""What has to hold on the side that is about to serve, beside its rows being the same: money, definitions, time.

All of it is looked at before the pause; in the pause only what was written last, and whether a definition was touched.
"""

import asyncio
import time
from collections.abc import Collection
from typing import Any

import psycopg
from pydantic import SecretStr
from sqlalchemy.exc import DBAPIError

from core.foundation.database import Database
from core.foundation.settings import Settings
from core.operations.recovery.checking import Checked, check
from core.operations.transfer.moving.errors import BooksWrong, StreamBroken
from core.operations.transfer.moving.servers import Endpoint, explained

_ENTRIES_A_SECOND = 1_000
"""Far fewer than any machine recomputes."""
CLOCK_SECONDS = 5.0
"""Clocks further apart would make leases, limits and instants jump at the switch."""

Key = tuple[str, tuple[str, ...]]
"""Table and key."""


def prove_books(settings: Settings, endpoint: Endpoint, *, entries: int) -> Checked:
    """The whole ledger recomputed: sums, balances, versions, chains up to their heads.

    Raises BooksWrong; StreamBroken when it takes many times as long as that many entries should.
    """
    mover = SecretStr(endpoint.url)
    there = settings.model_copy(update={"database_operator_url": mover, "database_app_url": mover})
    seconds = 60 + entries / _ENTRIES_A_SECOND
    try:
        checked = asyncio.run(asyncio.wait_for(_check(there), seconds))
    except TimeoutError:
        raise StreamBroken(f"the {endpoint} did not answer while its ledger was recomputed ({seconds:.0f} s)") from None
    except (DBAPIError, psycopg.Error) as error:
        origin = getattr(error, "orig", error)
        broken = origin if isinstance(origin, psycopg.Error) else psycopg.OperationalError(str(error))
        raise explained(endpoint, broken) from None
    if checked.findings:
        more = f" (and {len(checked.findings) - 1} more findings)" if len(checked.findings) > 1 else ""
        raise BooksWrong(
            f"the ledger on the {endpoint} does not verify: {checked.findings[0]}{more}; the serving side goes on. "
            "`cloudbill ledger verify` there says whether it is its own or came along"
        )
    return checked


async def _check(settings: Settings) -> Checked:
    database = Database(settings)
    try:
        return await check(database, None)
    finally:
        await database.dispose()


def prove_written(connection: psycopg.Connection[Any], keys: Collection[Key], *, side: Endpoint) -> None:
    """The same of what these rows are part of, by their indexes. Raises BooksWrong."""
    found: list[str] = []
    for table, query in _OF_TABLE.items():
        columns = list(zip(*(key for name, key in keys if name == table), strict=True))
        if columns:
            found += [row[0] for row in connection.execute(query, [list(columns[0]), list(columns[1])]).fetchall()]
    if found:
        raise BooksWrong(f"the ledger on the {side} does not hold: {found[0]}; the serving side goes on")


def newest_blocks(connection: psycopg.Connection[Any], tenants: Collection[str] | None = None) -> dict[str, list[Any]]:
    """Number and hash of each tenant's newest block, by tenant; of all tenants or of those named."""
    rows = connection.execute(
        "SELECT t.id::text, coalesce(b.number, 0), coalesce(encode(b.hash, 'hex'), repeat('0', 64)) "
        "FROM public.tenants t LEFT JOIN LATERAL (SELECT b.number, b.hash FROM public.ledger_blocks b "
        "WHERE b.tenant_id = t.id ORDER BY b.number DESC LIMIT 1) b ON true "
        "WHERE %(tenants)s::text[] IS NULL OR t.id = ANY (%(tenants)s::text[]::uuid[])",
        {"tenants": None if tenants is None else list(tenants)},
    ).fetchall()
    return {row[0]: [row[1], row[2]] for row in rows}


def definitions_mark(connection: psycopg.Connection[Any]) -> str:
    """Another one after any DDL: the versions of all the catalog's rows about what is not the server's own."""
    row = connection.execute(_DEFINITIONS).fetchone()
    assert row
    return "/".join(map(str, row))


def clock_offset(connection: psycopg.Connection[Any]) -> tuple[float, float]:
    """By how many seconds that server's clock is ahead of this machine's, and how wrong that may be at most."""
    began = time.time()
    row = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
    ended = time.time()
    assert row
    return row[0] - (began + ended) / 2, (ended - began) / 2


def clocks_apart(source: psycopg.Connection[Any], target: psycopg.Connection[Any]) -> str | None:
    """What is wrong with the two servers' clocks, in words; None when nothing is."""
    (here, here_error), (there, there_error) = clock_offset(source), clock_offset(target)
    apart = there - here
    if abs(apart) - here_error - there_error <= CLOCK_SECONDS:
        return None
    return (
        f"the target's clock is {abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'} the source's: mend the "
        "wrong one (NTP), else leases, limits and the order of instants jump at the switch"
    )


_OF_TABLE: dict[str, Any] = {
    "ledger_transactions": """
SELECT format('the entries of transaction %%s of tenant %%s sum to %%s micro %%s', e.transaction_id, e.tenant_id,
              sum(e.amount_micro), e.currency)
FROM unnest(%s::text[]::uuid[], %s::text[]::uuid[]) AS x (tenant_id, id)
JOIN public.ledger_entries e ON e.tenant_id = x.tenant_id AND e.transaction_id = x.id
GROUP BY e.tenant_id, e.transaction_id, e.currency HAVING sum(e.amount_micro) <> 0
""",
    "accounts": """
SELECT format('account %%s of tenant %%s has %%s micro at version %%s, its newest entry %%s at %%s', a.id, a.tenant_id,
              a.balance_micro, a.version, coalesce(e.balance_after_micro, 0), coalesce(e.version, 0))
FROM unnest(%s::text[]::uuid[], %s::text[]::uuid[]) AS x (tenant_id, id)
JOIN public.accounts a ON a.tenant_id = x.tenant_id AND a.id = x.id
LEFT JOIN LATERAL (SELECT e.version, e.balance_after_micro FROM public.ledger_entries e
                   WHERE e.tenant_id = a.tenant_id AND e.account_id = a.id ORDER BY e.version DESC LIMIT 1) e ON true
WHERE (a.balance_micro, a.version) IS DISTINCT FROM (coalesce(e.balance_after_micro, 0), coalesce(e.version, 0))
""",
}
# What sessions make for themselves (temporary tables) is no definition; PostgreSQL's own have numbers below 16384.
_LASTING = "(SELECT r.oid FROM pg_catalog.pg_class r WHERE r.oid >= 16384 AND r.relpersistence <> 't')"
_CATALOGS = (
    ("pg_class", f"c.oid IN {_LASTING}"),
    ("pg_attribute", f"c.attrelid IN {_LASTING}"),
    ("pg_attrdef", f"c.adrelid IN {_LASTING}"),
    ("pg_constraint", f"c.conrelid IN {_LASTING}"),
    ("pg_index", f"c.indexrelid IN {_LASTING}"),
    ("pg_trigger", f"c.tgrelid IN {_LASTING}"),
    ("pg_policy", f"c.polrelid IN {_LASTING}"),
    ("pg_inherits", f"c.inhrelid IN {_LASTING}"),
    ("pg_proc", "c.oid >= 16384"),
    ("pg_namespace", "c.nspname = 'public'"),
)
_DEFINITIONS: Any = "SELECT " + ", ".join(
    "(SELECT count(*) || ':' || coalesce(sum(hashtextextended(c.xmin::text || c.ctid::text, 0)::numeric), 0) "  # noqa: S608 - words of ours
    f"FROM pg_catalog.{name} c WHERE {condition})"
    for name, condition in _CATALOGS
)
