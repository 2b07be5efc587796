"""After a restore: how many numbers the lost copy may have given out, and skipping them.

Numbers given out up to `seen_at` are known; what came after it is bounded by what is waiting to be billed and by what
was ever given out in so long a time, twice, and a hundred more. Better too many: a number that nobody got is explained
by its row, one that two got is not.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.invoices.numbering import skip_numbers
from core.billing.sellers.service import settings_of
from core.foundation.clock import tenant_now

AT_LEAST = 100
"""Skipped of each series, whatever is known."""


async def list_series(session: AsyncSession) -> dict[UUID, dict[str, int]]:
    """The last number of each series, tenant by tenant; as the reading operator."""
    found: dict[UUID, dict[str, int]] = {}
    for row in await session.execute(_ALL):
        found.setdefault(row.tenant_id, {})[row.series] = int(row.next_sequence) - 1
    return found


async def list_skipped(
    session: AsyncSession, tenant_id: UUID, *, after: tuple[str, int] | None, limit: int
) -> Sequence[Row[Any]]:
    """Skipped numbers, those that follow each other for one reason as one row; by series and number."""
    series, first = after or ("", 0)
    return (
        await session.execute(_SKIPPED, {"tenant": tenant_id, "series": series, "first": first, "limit": limit})
    ).all()


async def skip_possibly_issued(
    session: AsyncSession, *, tenant_id: UUID, known: Mapping[str, int], seen_at: datetime, reason: str
) -> dict[str, tuple[int, int]]:
    """Skips them, once for each `reason`; the first and the last of each series.

    `known`: the last number of series as far as it was seen outside of the database, at `seen_at`.
    """
    if await session.scalar(_DONE, {"tenant": tenant_id, "reason": reason}):
        return {}
    settings = await settings_of(session, tenant_id)
    standing = {row.series: row.next_sequence - 1 for row in await session.execute(_OWN, {"tenant": tenant_id})}
    now = await tenant_now(session, tenant_id)
    waiting = await session.scalar(_WAITING, {"tenant": tenant_id, "now": now}) or 0
    counts: dict[str, int] = {}
    for series in {*standing, *known, settings.number_prefix, settings.credit_note_prefix}:
        last = max(standing.get(series, 0), known.get(series, 0))
        most = await session.scalar(_MOST, {"tenant": tenant_id, "series": series, "since": seen_at}) or 0
        counts[series] = last - standing.get(series, 0) + AT_LEAST + 2 * most + waiting
    return await skip_numbers(session, tenant_id=tenant_id, counts=counts, reason=reason, now=now)


_ALL = text("SELECT tenant_id, series, next_sequence FROM invoice_series")
_OWN = text("SELECT series, next_sequence FROM invoice_series WHERE tenant_id = :tenant")
_DONE = text(
    "SELECT EXISTS (SELECT FROM invoice_numbers WHERE tenant_id = :tenant AND kind = 'skipped' AND reason = :reason)"
)
_SKIPPED = text("""
SELECT series, min(sequence) AS first, max(sequence) AS last, reason, min(occurred_at) AS occurred_at
FROM (SELECT series, sequence, reason, occurred_at,
             sequence - row_number() OVER (PARTITION BY series, reason ORDER BY sequence) AS stretch
      FROM invoice_numbers WHERE tenant_id = :tenant AND kind = 'skipped') AS each
GROUP BY series, reason, stretch
HAVING (series, min(sequence)) > (:series, :first)
ORDER BY series, first LIMIT :limit
""")
_WAITING = text("""
SELECT (SELECT count(*) FROM invoices WHERE tenant_id = :tenant AND state = 'draft')
     + (SELECT count(DISTINCT (customer_id, currency, subscription_id, bill_at)) FROM invoice_items
        WHERE tenant_id = :tenant AND invoice_id IS NULL)
     + (SELECT count(*) FROM subscriptions
        WHERE tenant_id = :tenant AND state <> 'canceled' AND current_period_end <= :now)
""")
_MOST = text("""
SELECT max(together) FROM (
    SELECT count(*) OVER (ORDER BY recorded_at
                          RANGE BETWEEN greatest(now() - CAST(:since AS timestamptz), interval '0') PRECEDING
                          AND CURRENT ROW) AS together
    FROM invoice_numbers WHERE tenant_id = :tenant AND series = :series AND kind <> 'skipped') AS so_far
""")
