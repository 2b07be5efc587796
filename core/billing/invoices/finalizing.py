"""The run's second half: a draft whose grace is over is worked out anew and becomes an invoice for good.

Everything is written by one transaction: lines, taxes, what it was computed from, what the wallet pays, and last the
number, since other finalizations of the series wait from then on. A zero or negative total is paid at once; what a
negative one gives back goes into the wallet.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.credits.invoicing import credit_from_invoice, customers_with_credits, spend_on_invoice
from core.billing.credits.limits.service import meters_by_id
from core.billing.invoices import repository
from core.billing.invoices.activating import activate_paid
from core.billing.invoices.bills import Bill
from core.billing.invoices.inputs import written_head
from core.billing.invoices.models import Invoice
from core.billing.invoices.numbering import format_number, refuse_while_held, take_numbers
from core.billing.invoices.parking import park
from core.billing.invoices.rules import Rules, rules_of
from core.billing.invoices.sale import Sale, open_sale
from core.billing.invoices.telling import tell_all, tell_settled
from core.billing.invoices.working import Group, is_metered, known_at, work_out
from core.foundation.crypto import input_hash
from core.foundation.errors import CloudBillError
from core.foundation.ids import new_id
from core.identity.tenants.subject_keys import SubjectSeal, seals_of

DRAFTS_AT_ONCE = 100


async def finalize_due(session: AsyncSession, *, tenant_id: UUID, now: datetime, most: int = DRAFTS_AT_ONCE) -> int:
    """Makes drafts final whose grace is over; how many it saw to, 0 once there are none."""
    locked = await repository.lock_drafts(session, tenant_id, now=now, most=most)
    if not locked:
        if not await repository.is_due_to_finalize(session, tenant_id, now=now):
            return 0
        # Others have them all: it waits, and says that there was something.
        locked = await repository.wait_for_drafts(session, tenant_id, now=now, most=1)
        if not locked:
            return 1
    await refuse_while_held(session)  # nobody is parked for that
    # As the run's first half: those without usage first, since usage is waited for.
    items = await repository.list_items_of(session, tenant_id, locked)
    locked = [one for one in locked if not any(map(is_metered, items[one]))] or locked
    try:
        async with session.begin_nested():
            await finalize_drafts(session, locked, tenant_id=tenant_id, now=now)
            await check_now(session)
    except Exception:
        for invoice_id in locked:
            try:
                async with session.begin_nested():
                    await finalize_drafts(session, [invoice_id], tenant_id=tenant_id, now=now)
                    await check_now(session)
            except Exception as error:
                customer_id = (await session.get_one(Invoice, (tenant_id, invoice_id))).customer_id
                await park(
                    session,
                    tenant_id=tenant_id,
                    customer_id=customer_id,
                    error=error,
                    now=now,
                    invoice_id=invoice_id,
                )
    return len(locked)


async def finalize_drafts(
    session: AsyncSession, invoices: Sequence[UUID], *, tenant_id: UUID, now: datetime
) -> list[Invoice]:
    """Works these locked drafts out anew and makes them final, numbered in this order. Raises the first error there
    is.
    """
    found = await session.scalars(
        select(Invoice)
        .where(Invoice.tenant_id == tenant_id, Invoice.id.in_(invoices), Invoice.state == "draft")
        .execution_options(populate_existing=True)
    )
    by_id = {draft.id: draft for draft in found}
    drafts = [by_id[one] for one in invoices if one in by_id]
    items = await repository.list_items_of(session, tenant_id, [draft.id for draft in drafts])
    groups = [
        Group(
            customer_id=draft.customer_id,
            currency=draft.currency,
            subscription_id=draft.subscription_id,
            bill_at=draft.bill_at,
            items=items[draft.id],
        )
        for draft in drafts
    ]
    billed = [item for own in items.values() for item in own]
    sale = await open_sale(session, tenant_id, billed, customers={draft.customer_id for draft in drafts})
    as_of = await known_at(session, billed)
    made: list[tuple[Invoice, Bill]] = []
    for draft, bill in zip(drafts, await work_out(session, groups, sale, as_of=as_of), strict=True):
        if isinstance(bill, CloudBillError):
            raise bill
        made.append((draft, bill))
        session.expunge(draft)
    rules = await rules_of(session, tenant_id)
    await finalize(session, made, sale, rules, tenant_id=tenant_id, as_of=as_of, now=now)
    return [draft for draft, _ in made]


async def finalize(
    session: AsyncSession,
    made: Sequence[tuple[Invoice, Bill]],
    sale: Sale,
    rules: Rules,
    *,
    tenant_id: UUID,
    as_of: datetime,
    now: datetime,
) -> None:
    """Makes drafts final as worked out. The invoices given, which belong to no session, are brought up to date."""
    # Nothing came of what was to be billed: nothing is owed, and no number is used up.
    empty = [invoice.id for invoice, bill in made if not bill.lines]
    await repository.void_empty(session, tenant_id, empty, now=now)
    made = [(invoice, bill) for invoice, bill in made if bill.lines]
    if not made:
        await tell_settled(session, empty, tenant_id=tenant_id, now=now)
        return
    await repository.write_lines(session, [row for invoice, bill in made for row in _lines(invoice, bill)])
    await repository.write_taxes(session, [row for invoice, bill in made for row in _taxes(invoice, bill)])
    seals = await seals_of(session, tenant_id, {invoice.customer_id for invoice, _ in made})
    settings = sale.settings
    due_at = now + timedelta(days=settings.net_days)
    await repository.write_inputs(
        session,
        [
            _inputs(invoice, bill, seals[invoice.customer_id], as_of=as_of, now=now, due_at=due_at)
            for invoice, bill in made
        ],
    )
    applied = await _apply_credits(session, made, rules, tenant_id=tenant_id, now=now)
    series = settings.number_prefix
    numbers = await take_numbers(
        session, tenant_id=tenant_id, series=series, kind="invoice", documents=[one.id for one, _ in made], now=now
    )
    for (invoice, bill), sequence in zip(made, numbers, strict=True):
        invoice.series, invoice.sequence = series, sequence
        invoice.number = format_number(series, sequence, digits=settings.number_digits)
        invoice.finalized_at, invoice.due_at = now, due_at
        invoice.period_start, invoice.period_end = bill.period
        invoice.lines = len(bill.lines)
        invoice.subtotal_minor, invoice.discount_minor = bill.subtotal_minor, bill.discount_minor
        invoice.tax_minor, invoice.total_minor = bill.tax_minor, bill.total_minor
        invoice.applied_minor = applied.get(invoice.id, 0)
        invoice.open_minor = invoice.total_minor - invoice.applied_minor
        invoice.state = "paid" if invoice.open_minor <= 0 else "open"
        invoice.paid_at = now if invoice.state == "paid" else None
    done = await repository.make_final(
        session, [{column: getattr(invoice, column) for column in _FINAL} for invoice, _ in made]
    )
    assert done == len(made), "the drafts are locked: nobody else made them final"
    await tell_all(session, [("invoice.finalized", invoice) for invoice, _ in made], tenant_id=tenant_id, now=now)
    paid = [invoice for invoice, _ in made if invoice.state == "paid"]
    await tell_all(session, [("invoice.paid", invoice) for invoice in paid], tenant_id=tenant_id, now=now)
    settled = [one.id for one, _ in made if one.state == "paid" or one.collection == "send_invoice"]
    await tell_settled(session, [*empty, *settled], tenant_id=tenant_id, now=now)
    for invoice in paid:
        await activate_paid(session, invoice, now=now)


async def check_now(session: AsyncSession) -> None:
    """What the database checks at COMMIT it checks here, so that a savepoint can still take it back."""
    await session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    await session.execute(text("SET CONSTRAINTS ALL DEFERRED"))


async def _apply_credits(
    session: AsyncSession,
    made: Sequence[tuple[Invoice, Bill]],
    rules: Rules,
    *,
    tenant_id: UUID,
    now: datetime,
) -> dict[UUID, int]:
    """What the wallets pay, by invoice; negative where a negative total goes into one."""
    applied: dict[UUID, int] = {}
    by_currency: dict[str, set[UUID]] = defaultdict(set)
    for invoice, bill in made:
        if bill.total_minor > 0:
            by_currency[invoice.currency].add(invoice.customer_id)
    having: set[tuple[str, UUID]] = set()
    if rules.applies_credits:
        for currency, customers in by_currency.items():
            found = await customers_with_credits(session, tenant_id, customers=customers, currency=currency)
            having |= {(currency, customer_id) for customer_id in found}
    codes = await meters_by_id(session, tenant_id) if having else {}
    # Wallets in the order of their customers, as every other writer locks them.
    for invoice, bill in sorted(made, key=lambda one: (one[0].customer_id, one[0].id)):
        whose: dict[str, Any] = {
            "tenant_id": tenant_id,
            "customer_id": invoice.customer_id,
            "currency": invoice.currency,
            "now": now,
        }
        if bill.total_minor < 0:
            await credit_from_invoice(session, amount_minor=-bill.total_minor, cause_id=invoice.id, **whose)
            applied[invoice.id] = bill.total_minor
        elif bill.total_minor and (invoice.currency, invoice.customer_id) in having:
            applied[invoice.id] = await spend_on_invoice(
                session,
                amount_minor=bill.total_minor,
                usage=bill.usage_by_meter(codes),
                invoice_id=invoice.id,
                **whose,
            )
    return applied


def _lines(invoice: Invoice, bill: Bill) -> list[dict[str, Any]]:
    return [
        {
            "tenant_id": invoice.tenant_id,
            "id": new_id(),
            "invoice_id": invoice.id,
            "position": position,
            "item_id": line.item_id,
            "subscription_id": line.subscription_id,
            "kind": line.kind,
            "code": line.code,
            "description": line.description,
            "period_start": line.period_start,
            "period_end": line.period_end,
            "quantity": line.quantity,
            "amount_minor": line.amount_minor,
            "discount_minor": line.discount_minor,
            "net_minor": line.net_minor,
            "tax_category": line.tax_category,
            "tax_rate": line.tax_rate,
            "tax_reason": line.tax_reason,
            "tax_minor": line.tax_minor,
            "arithmetic": line.arithmetic,
            "discounts": dict(line.discounts),
        }
        for position, line in enumerate(bill.lines, start=1)
    ]


def _taxes(invoice: Invoice, bill: Bill) -> list[dict[str, Any]]:
    return [
        {
            "tenant_id": invoice.tenant_id,
            "invoice_id": invoice.id,
            "category": tax.category,
            "rate": tax.rate,
            "taxable_minor": tax.taxable_minor,
            "tax_minor": tax.tax_minor,
            "reason": tax.reason,
        }
        for tax in bill.taxes
    ]


def _inputs(
    invoice: Invoice, bill: Bill, seal: SubjectSeal | None, *, as_of: datetime, now: datetime, due_at: datetime
) -> Mapping[str, Any]:
    # Of somebody whose key is destroyed nothing personal is kept any more.
    parties = seal.seal(orjson.dumps(bill.parties)).decode() if seal else ""
    head = written_head(invoice, as_of=as_of, due_at=due_at, parties=parties.encode())
    inputs = orjson.loads(orjson.dumps({**bill.inputs, "head": head}))
    return {
        "tenant_id": invoice.tenant_id,
        "invoice_id": invoice.id,
        "as_of": as_of,
        "computed_at": now,
        "inputs": inputs,
        "digest": input_hash(inputs).hex(),
        "parties": parties,
    }


_FINAL = (
    "tenant_id", "id", "state", "series", "sequence", "number", "finalized_at", "due_at", "period_start",
    "period_end", "lines", "subtotal_minor", "discount_minor", "tax_minor", "total_minor", "applied_minor", "paid_at",
)  # fmt: skip
