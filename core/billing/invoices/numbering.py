"""Numbers without gaps: given out by the transaction that makes a document final, behind its series' lock.

The series' row stays locked until that commits, so a number is given out if and only if its document is there. After
a restore no number is given out until those that the lost copy may have issued are skipped, each with a row that says
why.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.invoices.errors import NumbersHeld


def format_number(series: str, sequence: int, *, digits: int) -> str:
    """The number as it is printed: INV-000042."""
    return f"{series}{sequence:0{digits}d}"


async def take_numbers(
    session: AsyncSession, *, tenant_id: UUID, series: str, kind: str, documents: Sequence[UUID], now: datetime
) -> list[int]:
    """The next numbers of the series for these documents, in their order. `kind`: invoice or credit_note.

    Take it last: other finalizations of the series wait from here until the commit. Raises NumbersHeld.
    """
    if not documents:
        return []
    await refuse_while_held(session)
    following = await _advance(session, tenant_id, series, len(documents))
    first = following - len(documents)
    await session.execute(
        _TAKE,
        {
            "tenant": tenant_id,
            "series": series,
            "kind": kind,
            "first": first,
            "documents": list(documents),
            "now": now,
        },
    )
    return list(range(first, following))


async def refuse_while_held(session: AsyncSession) -> None:
    """Raises NumbersHeld in a restored copy whose worker is held, unless nothing was lost."""
    state_of = await held_with_state_of(session)
    if state_of is not None:
        raise NumbersHeld(state_of)


async def held_with_state_of(session: AsyncSession) -> datetime | None:
    """The instant whose state a restored copy has while its worker is held; None unless something may be lost."""
    return await session.scalar(_HELD)


async def skip_numbers(
    session: AsyncSession, *, tenant_id: UUID, counts: Mapping[str, int], reason: str, now: datetime
) -> dict[str, tuple[int, int]]:
    """Skips the next so many numbers of each series: they may have been issued before a restore.

    Returns the first and the last of each series that nobody gets. The rows stay and say why, so there is no gap.
    """
    skipped: dict[str, tuple[int, int]] = {}
    for series, count in sorted(counts.items()):
        following = await _advance(session, tenant_id, series, count)
        first = following - count
        await session.execute(
            _SKIP,
            {"tenant": tenant_id, "series": series, "first": first, "count": count, "reason": reason, "now": now},
        )
        skipped[series] = (first, following - 1)
    return skipped


async def _advance(session: AsyncSession, tenant_id: UUID, series: str, count: int) -> int:
    return (await session.execute(_ADVANCE, {"tenant": tenant_id, "series": series, "count": count})).scalar_one()


_ADVANCE = text("""
INSERT INTO invoice_series (tenant_id, series, next_sequence) VALUES (:tenant, :series, 1 + :count)
ON CONFLICT (tenant_id, series) DO UPDATE SET next_sequence = invoice_series.next_sequence + :count
RETURNING next_sequence
""")

_HELD = text("SELECT min(state_of) FROM open_worker_holds() WHERE NOT nothing_lost")

_TAKE = text("""
INSERT INTO invoice_numbers (tenant_id, series, sequence, kind, document_id, occurred_at)
SELECT :tenant, :series, :first + given.place - 1, :kind, given.document_id, :now
FROM unnest(CAST(:documents AS uuid[])) WITH ORDINALITY AS given (document_id, place)
ORDER BY given.place
""")

_SKIP = text("""
INSERT INTO invoice_numbers (tenant_id, series, sequence, kind, reason, occurred_at)
SELECT :tenant, :series, place, 'skipped', :reason, :now
FROM generate_series(CAST(:first AS bigint), CAST(:first AS bigint) + :count - 1) AS place
""")
