"""Every final invoice worked out anew and held against what it says: from raw events and price versions.

Nothing that the invoice stored goes into the new computation but the instants it was made at, where its parties were,
and which items it billed. A difference names the invoice, the line, and what is behind it: the price, the events, the
tax rate or the coupon that is not as it was, or the stored line itself where all of those are.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.invoices import repository
from core.billing.invoices.inputs import read_buyer, read_seller
from core.billing.invoices.parking import count_parked
from core.billing.invoices.recomputing.comparing import Comparison, Drift
from core.billing.invoices.recomputing.corrections import Stated, compare_corrections
from core.billing.invoices.recomputing.heads import compare_heads
from core.billing.invoices.sale import open_sale
from core.billing.invoices.working import Group, bill_of, compute_groups
from core.billing.subscriptions.computing import Computed
from core.foundation.crypto import input_hash
from core.foundation.database import Database
from core.foundation.errors import CloudBillError

_AT_ONCE = 100
_CANNOT = (CloudBillError, KeyError, ValueError, AssertionError)


@dataclass(slots=True)
class Recomputed:
    """What a recomputation came to: invoices, those of them that differ, and customers set aside."""

    recomputed: int = 0
    drifted: int = 0
    parked: int = 0


async def recompute_all(
    database: Database,
    *,
    result: Recomputed,
    slug: str | None = None,
    invoice_id: UUID | None = None,
    most: int | None = None,
) -> AsyncIterator[Drift]:
    """All final invoices of all tenants, or of one; each difference as it is found. `most`: about so many a tenant."""
    async with database.reading() as session:
        result.parked = await count_parked(session)
        tenants = (await session.execute(_TENANTS, {"slug": slug})).all()
    for tenant in tenants:
        after = UUID(int=0)
        until = None if most is None else result.recomputed + most
        while until is None or result.recomputed < until:
            # Read only, as the tenant: row security keeps to what is its own, as when the invoice was made.
            async with database.tenant(tenant.id, writes=False) as session:
                where = {"tenant": tenant.id, "after": after, "most": _AT_ONCE, "id": invoice_id}
                rows = (await session.execute(_FINAL, where)).all()
                drifts = await recompute(session, rows, tenant_id=tenant.id, slug=tenant.slug)
            result.recomputed += len(rows)
            result.drifted += len({drift.invoice_id for drift in drifts})
            for drift in drifts:
                yield drift
            if len(rows) < _AT_ONCE:
                break
            after = rows[-1].id


async def find_final(session: AsyncSession, tenant_id: UUID, invoice_id: UUID) -> Sequence[Row[Any]]:
    """One final invoice as `recompute` takes it."""
    where = {"tenant": tenant_id, "after": UUID(int=0), "most": 1, "id": invoice_id}
    return (await session.execute(_FINAL, where)).all()


async def recompute(session: AsyncSession, rows: Sequence[Row[Any]], *, tenant_id: UUID, slug: str) -> list[Drift]:
    """These invoices of one tenant."""
    if not rows:
        return []
    ids = [row.id for row in rows]
    items = await repository.list_items_of(session, tenant_id, ids)
    lines = await _lines(session, tenant_id, ids)
    sale = await open_sale(session, tenant_id, [item for own in items.values() for item in own])
    taxes = await _taxes(session, tenant_id, ids)
    comparisons: list[Comparison] = []
    groups = [
        Group(
            customer_id=row.customer_id,
            currency=row.currency,
            subscription_id=row.subscription_id,
            bill_at=row.bill_at,
            items=items[row.id],
        )
        for row in rows
    ]
    computed = await _compute(session, rows, groups)
    for row, group in zip(rows, groups, strict=True):
        comparison = Comparison(slug, row, lines[row.id], taxes[row.id])
        if row.inputs is None:
            comparison.add(None, "inputs", "what it was computed from is gone")
        elif input_hash(row.inputs) != bytes(row.digest):
            comparison.add(None, "inputs", "what it says it was computed from is not what was written")
        try:
            if row.inputs is not None:
                parts = computed[row.id]
                if isinstance(parts, Exception):
                    raise parts
                seller, buyer = read_seller(row.inputs["seller"]), read_buyer(row.inputs["buyer"])
                zone, schema = row.inputs["zone"], row.inputs["schema"]
                bill = bill_of(
                    group, parts, sale, as_of=row.as_of, seller=seller, buyer=buyer, zone=zone, schema=schema
                )
                comparison.compare(bill)
        except _CANNOT as error:
            detail = error.detail if isinstance(error, CloudBillError) else f"{type(error).__name__} {error}"
            comparison.add(None, "cannot_recompute", detail[:300])
        comparisons.append(comparison)
    stated = [
        Stated(row.id, lines[row.id], comparison.fresh, comparison.add)
        for row, comparison in zip(rows, comparisons, strict=True)
    ]
    await compare_corrections(session, tenant_id, stated)
    by_id = {row.id: comparison for row, comparison in zip(rows, comparisons, strict=True)}
    await compare_heads(session, tenant_id, ids, lambda one, cause, detail: by_id[one].add(None, cause, detail))
    return [drift for comparison in comparisons for drift in comparison.found]


async def _compute(
    session: AsyncSession, rows: Sequence[Row[Any]], groups: Sequence[Group]
) -> dict[UUID, list[Computed] | Exception]:
    """What each comes to by what was known at its instant; those of one run share it, and are read together."""
    by_instant: dict[datetime, list[tuple[UUID, Group]]] = {}
    for row, group in zip(rows, groups, strict=True):
        if row.inputs is not None:
            by_instant.setdefault(row.as_of, []).append((row.id, group))
    found: dict[UUID, list[Computed] | Exception] = {}
    for as_of, own in by_instant.items():
        try:
            done = await compute_groups(session, [group for _, group in own], as_of=as_of)
            found.update(zip([invoice_id for invoice_id, _ in own], done, strict=True))
        except _CANNOT:
            for invoice_id, group in own:
                try:
                    found[invoice_id] = (await compute_groups(session, [group], as_of=as_of))[0]
                except _CANNOT as error:
                    found[invoice_id] = error
    return found


async def _lines(session: AsyncSession, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, list[Row[Any]]]:
    found: dict[UUID, list[Row[Any]]] = {invoice_id: [] for invoice_id in ids}
    for row in await session.execute(_LINES, {"tenant": tenant_id, "ids": list(ids)}):
        found[row.invoice_id].append(row)
    return found


async def _taxes(session: AsyncSession, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, list[Row[Any]]]:
    found: dict[UUID, list[Row[Any]]] = {invoice_id: [] for invoice_id in ids}
    for row in await session.execute(_TAXES, {"tenant": tenant_id, "ids": list(ids)}):
        found[row.invoice_id].append(row)
    return found


_TENANTS = text("""
SELECT t.id, t.slug FROM tenants t
WHERE (CAST(:slug AS text) IS NULL OR t.slug = :slug)
  AND EXISTS (SELECT FROM invoices i WHERE i.tenant_id = t.id AND i.number IS NOT NULL)
ORDER BY t.id
""")

_FINAL = text("""
SELECT i.id, i.number, i.customer_id, i.subscription_id, i.currency, i.bill_at, i.subtotal_minor, i.discount_minor,
       i.tax_minor, i.total_minor, i.period_start, i.period_end, p.as_of, p.inputs, p.digest, p.parties
FROM invoices i LEFT JOIN invoice_inputs p ON p.tenant_id = i.tenant_id AND p.invoice_id = i.id
WHERE i.tenant_id = :tenant AND i.number IS NOT NULL AND i.id > :after
  AND (CAST(:id AS uuid) IS NULL OR i.id = :id)
ORDER BY i.id LIMIT :most
""")

_LINES = text("""
SELECT l.* FROM invoice_lines l WHERE l.tenant_id = :tenant AND l.invoice_id = ANY(:ids)
ORDER BY l.invoice_id, l.position
""")

_TAXES = text("""
SELECT invoice_id, category, rate, taxable_minor, tax_minor, reason FROM invoice_taxes
WHERE tenant_id = :tenant AND invoice_id = ANY(:ids)
""")
