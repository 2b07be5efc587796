"""Correcting what an invoice billed by usage that was not all there: each item by what is known now, less what was.

A subscription's usage is corrected together with the minimums and the commitment of its periods, so that what they
covered already is not charged again, and what one period has more and another less is one amount. By the tenant's
choice it goes on the subscription's next invoice, or what is less is a credit note and what is more an invoice of its
own, as it is where no invoice is to come. Each correction goes on from where the last one of its item ended, in the
transaction that says so: whoever is killed leaves the note, and it is done once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.invoices import crediting, finalizing
from core.billing.invoices.crediting import Destinations
from core.billing.invoices.late_usage import repository
from core.billing.invoices.late_usage.models import LateCorrection
from core.billing.invoices.parking import park
from core.billing.invoices.working import known_at
from core.billing.sellers.service import settings_of
from core.billing.subscriptions.computing import Reader
from core.billing.subscriptions.lines import period_of
from core.billing.subscriptions.models import InvoiceItem
from core.billing.subscriptions.repository import lock_subscription
from core.foundation.ids import new_id
from core.foundation.money import round_to_whole

_EVER = datetime(9999, 1, 1, tzinfo=UTC)
_KEPT = ("schema", "sellerId", "planId", "productId", "version", "priceId", "taxCode", "isGoods")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What one item came to differently, and where what it corrects stands."""

    item: InvoiceItem
    standing: Row[Any]
    as_of: datetime
    amount_minor: int
    inputs: Mapping[str, Any]


async def correct_customers(
    session: AsyncSession, customers: Sequence[UUID], *, tenant_id: UUID, now: datetime, until: datetime
) -> list[UUID]:
    """Corrects what was noted of these locked customers and is due until then; those whom it had to park."""
    late_usage = (await settings_of(session, tenant_id)).late_usage
    # Alone with the tenant's usage until the commit: what comes in later notes itself anew.
    as_of = await known_at(session, [InvoiceItem(kind="correction")])
    parked: list[UUID] = []
    for customer_id in customers:
        try:
            async with session.begin_nested():
                items = await repository.take_marks(session, tenant_id, customer_id, until=until)
                await _correct(session, items, late_usage, tenant_id=tenant_id, as_of=as_of, now=now)
                await finalizing.check_now(session)
        except Exception as error:
            await park(session, tenant_id=tenant_id, customer_id=customer_id, error=error, now=now)
            parked.append(customer_id)
    return parked


async def correct_before_billing(
    session: AsyncSession, customers: Sequence[UUID], *, tenant_id: UUID, now: datetime
) -> list[UUID]:
    """What was noted of customers who are billed now comes on that invoice, where it goes on the next; who is left."""
    marked = await repository.list_marked(session, tenant_id, customers)
    if not marked or (await settings_of(session, tenant_id)).late_usage != "next_invoice":
        return list(customers)
    parked = await correct_customers(session, marked, tenant_id=tenant_id, now=now, until=_EVER)
    return [one for one in customers if one not in parked]


async def foresee_corrections(
    session: AsyncSession, *, tenant_id: UUID, customer_id: UUID, subscription_id: UUID, bill_at: datetime
) -> list[InvoiceItem]:
    """What would come on a subscription's next bill by what is noted; nothing is written, nobody waits."""
    marked = await repository.list_marks(session, tenant_id, customer_id)
    if not marked or (await settings_of(session, tenant_id)).late_usage != "next_invoice":
        return []
    as_of = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    usage = [
        item
        for item in await repository.list_items(session, tenant_id, marked)
        if item.subscription_id == subscription_id
    ]
    found = await _differences(session, Reader(session, as_of), usage, tenant_id=tenant_id, as_of=as_of)
    # At the end of the grace, or with the bill where that comes first.
    now = min(bill_at, max(marked.values()))
    return list(_bill(found, bill_at=bill_at, now=now).values())


async def _correct(
    session: AsyncSession, ids: Sequence[UUID], late_usage: str, *, tenant_id: UUID, as_of: datetime, now: datetime
) -> None:
    reader = Reader(session, as_of)
    items = await repository.list_items(session, tenant_id, ids)
    for subscription_id, own in groupby(items, key=lambda item: item.subscription_id):
        assert subscription_id is not None, "usage is billed of a subscription"
        usage = list(own)
        found = await _differences(session, reader, usage, tenant_id=tenant_id, as_of=as_of)
        if not found:
            continue
        await lock_subscription(session, tenant_id, subscription_id)
        net_minor = sum(one.amount_minor for one in found)
        bill_at = None
        if late_usage == "next_invoice":
            bill_at = await repository.next_bill(session, tenant_id, subscription_id)
        elif net_minor > 0:
            bill_at = now
        if bill_at is None and net_minor < 0:
            credited = await _credit(session, found, -net_minor, tenant_id=tenant_id, now=now)
            if credited is not None:
                _keep(session, found, now=now, credited=credited)
                continue
        if bill_at is None and net_minor:
            bill_at = now
        items_of = _bill(found, bill_at=bill_at, now=now) if bill_at is not None else {}
        session.add_all(items_of.values())
        await session.flush()
        _keep(session, found, now=now, billed=items_of)
        await session.flush()


async def _differences(
    session: AsyncSession, reader: Reader, usage: Sequence[InvoiceItem], *, tenant_id: UUID, as_of: datetime
) -> list[Difference]:
    """Of a subscription's usage, and of its floors, what is not as it was billed. What is not final bills it itself."""
    floors: dict[UUID, InvoiceItem] = {}
    for _, period in groupby(usage, key=lambda item: item.ordinal):
        # Several periods may have one commitment, which is corrected once for all of them.
        floors |= {floor.id: floor for floor in await repository.list_floors(session, next(period))}
    items = [*usage, *floors.values()]
    standing = await repository.standing_of(session, tenant_id, [item.id for item in items])
    found: list[Difference] = []
    for item in items:
        stands = standing.get(item.id)
        if stands is None or stands.as_of >= as_of:
            continue
        rated, inputs = await reader.difference(item, before=stands.as_of, after=as_of)
        if rated.amount_minor:
            found.append(
                Difference(item=item, standing=stands, as_of=as_of, amount_minor=rated.amount_minor, inputs=inputs)
            )
    return found


def _bill(found: Iterable[Difference], *, bill_at: datetime, now: datetime) -> dict[UUID, InvoiceItem]:
    """The lines that correct items, by item."""
    return {
        one.item.id: InvoiceItem(
            tenant_id=one.item.tenant_id,
            id=new_id(),
            customer_id=one.item.customer_id,
            currency=one.item.currency,
            subscription_id=one.item.subscription_id,
            ordinal=period_of(one.item),
            kind="correction",
            code=one.item.code,
            description=f"{one.item.description} (correction of {one.standing.number})",
            period_start=one.item.period_start,
            period_end=one.item.period_end,
            quantity=None,
            basis={
                **{name: one.item.basis[name] for name in _KEPT if name in one.item.basis},
                "itemId": str(one.item.id),
                "invoiceId": str(one.standing.invoice_id),
                "asOfBefore": one.standing.as_of.isoformat(),
                "asOf": one.as_of.isoformat(),
            },
            amount_minor=one.amount_minor,
            bill_at=bill_at,
            reverses_line_id=one.standing.line_id,
            created_at=now,
        )
        for one in found
    }


async def _credit(
    session: AsyncSession, found: Sequence[Difference], less_minor: int, *, tenant_id: UUID, now: datetime
) -> dict[UUID, list[dict[str, Any]]] | None:
    """Takes so much, before coupons, back of the lines that billed too much; by item what credit notes took.

    None where the lines cannot give it, since corrections that were billed apart are part of what is too much.
    """
    lines = await repository.credited_of(session, tenant_id, [one.item.id for one in found])
    taken: list[tuple[Difference, Row[Any], int, int]] = []
    for one in found:
        line = lines.get(one.item.id)
        amount_minor = min(-one.amount_minor, less_minor)
        if line is None or amount_minor <= 0:
            continue
        less_minor -= amount_minor
        part = Fraction(line.net_minor, line.amount_minor) if line.amount_minor else Fraction(1)
        # By the running sum: all that was billed, taken back in parts, is all that was to pay for it.
        net_minor = round_to_whole((line.corrected_minor + amount_minor) * part) - round_to_whole(
            line.corrected_minor * part
        )
        left_minor = line.net_minor - line.taken_minor
        if net_minor > left_minor and line.billed:
            return None
        taken.append((one, line, amount_minor, max(0, min(net_minor, left_minor))))
    if less_minor:
        return None
    credited: dict[UUID, list[dict[str, Any]]] = {}
    for invoice_id in dict.fromkeys(line.invoice_id for _, line, _, _ in taken):
        own = [(one, line, amount, net) for one, line, amount, net in taken if line.invoice_id == invoice_id and net]
        if not own:
            continue
        note = await crediting.issue(
            session,
            tenant_id=tenant_id,
            invoice_id=invoice_id,
            lines={line.line_id: net for _, line, _, net in own},
            to=Destinations(),
            reason="late_usage",
            memo=None,
            by=None,
            now=now,
        )
        for one, line, amount, net in own:
            entry = {"creditNoteId": str(note.id), "lineId": str(line.line_id)}
            credited[one.item.id] = [{**entry, "amountMinor": amount, "netMinor": net}]
    return credited


def _keep(
    session: AsyncSession,
    found: Iterable[Difference],
    *,
    now: datetime,
    billed: Mapping[UUID, InvoiceItem] | None = None,
    credited: Mapping[UUID, list[dict[str, Any]]] | None = None,
) -> None:
    for one in found:
        item = (billed or {}).get(one.item.id)
        session.add(
            LateCorrection(
                tenant_id=one.item.tenant_id,
                id=new_id(),
                invoice_id=one.standing.invoice_id,
                item_id=one.item.id,
                as_of_before=one.standing.as_of,
                as_of=one.as_of,
                amount_minor=one.amount_minor,
                inputs=dict(one.inputs),
                correction_item_id=item.id if item else None,
                credited=(credited or {}).get(one.item.id, []),
                occurred_at=now,
            )
        )
