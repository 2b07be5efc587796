"""The run's first half: what is due becomes drafts, a batch of customers at a time.

A customer is locked while its items are put on invoices, so workers run side by side; what fails is parked with its
customer and the rest of the batch goes on. With no grace a draft is made final in the same transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.invoices import finalizing, repository
from core.billing.invoices.bills import Bill
from core.billing.invoices.late_usage.correcting import correct_before_billing
from core.billing.invoices.models import Invoice
from core.billing.invoices.parking import allowed_customers, park
from core.billing.invoices.rules import Rules, check_bounds, rules_of
from core.billing.invoices.sale import open_sale
from core.billing.invoices.telling import tell_all
from core.billing.invoices.working import Group, is_metered, known_at, work_out
from core.billing.subscriptions.models import InvoiceItem
from core.foundation.errors import CloudBillError
from core.foundation.ids import new_id

CUSTOMERS_AT_ONCE = 100
_YEAR = timedelta(days=366)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    """A draft and its bill."""

    invoice_id: UUID
    group: Group
    bill: Bill


async def draft_due(session: AsyncSession, *, tenant_id: UUID, now: datetime, most: int = CUSTOMERS_AT_ONCE) -> int:
    """Makes drafts of what is due for some customers; how many customers it saw to, 0 once nothing is due.

    Where others have all that is due it waits for one of them, so that whoever asks never turns in vain.
    """
    customers = await repository.lock_customers_to_bill(
        session, tenant_id, now=now, most=most
    ) or await repository.wait_for_customer(session, tenant_id, now=now)
    if not customers:
        return 0
    corrected = await correct_before_billing(session, customers, tenant_id=tenant_id, now=now)
    items = await repository.list_waiting(session, tenant_id, customers=corrected, now=now)
    # Who has usage to bill keeps the tenant's batches of events waiting until the commit, and other workers with usage
    # too: they come by themselves, after those who have none.
    metered = {item.customer_id for item in items if is_metered(item)}
    plain = [one for one in corrected if one not in metered]
    seen = len(customers)
    if plain and metered:
        seen -= len(metered)
        items = [item for item in items if item.customer_id not in metered]
        corrected = plain
    rules = await rules_of(session, tenant_id)
    groups = group_items(items, rules)
    try:
        async with session.begin_nested():
            await _draft(session, groups, rules, tenant_id=tenant_id, now=now)
            await finalizing.check_now(session)
    except Exception:
        # One of them cannot be written: each customer by itself, so that only that one is parked.
        for customer_id in corrected:
            own = [group for group in groups if group.customer_id == customer_id]
            try:
                async with session.begin_nested():
                    await _draft(session, own, rules, tenant_id=tenant_id, now=now)
                    await finalizing.check_now(session)
            except Exception as error:
                await park(session, tenant_id=tenant_id, customer_id=customer_id, error=error, now=now)
    return seen


def group_items(items: Sequence[InvoiceItem], rules: Rules) -> list[Group]:
    """What goes on one invoice: of a customer and currency what is due at one instant, by subscription or together."""
    by_key: dict[tuple[UUID, str, UUID | None, datetime], list[InvoiceItem]] = {}
    for item in items:
        of = item.subscription_id if rules.one_invoice_per == "subscription" else None
        by_key.setdefault((item.customer_id, item.currency, of, item.bill_at), []).append(item)
    groups: list[Group] = []
    for (customer_id, currency, subscription_id, bill_at), own in by_key.items():
        if subscription_id is None:
            # Several on one invoice: it is of a subscription where all of it is.
            named = {item.subscription_id for item in own}
            subscription_id = named.pop() if len(named) == 1 else None
        groups.append(
            Group(
                customer_id=customer_id,
                currency=currency,
                subscription_id=subscription_id,
                bill_at=bill_at,
                items=own,
            )
        )
    return groups


async def _draft(
    session: AsyncSession, groups: Sequence[Group], rules: Rules, *, tenant_id: UUID, now: datetime
) -> None:
    if not groups:
        return
    items = [item for group in groups for item in group.items]
    sale = await open_sale(session, tenant_id, items)
    as_of = await known_at(session, items)
    worked = await work_out(session, groups, sale, as_of=as_of)
    failed = {
        group.customer_id: bill for group, bill in zip(groups, worked, strict=True) if isinstance(bill, CloudBillError)
    }
    drafts = [
        Drafted(invoice_id=new_id(), group=group, bill=bill)
        for group, bill in zip(groups, worked, strict=True)
        if isinstance(bill, Bill) and group.customer_id not in failed
    ]
    failed |= await _out_of_bounds(session, drafts, rules, tenant_id=tenant_id, now=now)
    for customer_id, error in failed.items():
        await park(session, tenant_id=tenant_id, customer_id=customer_id, error=error, now=now)
    drafts = [draft for draft in drafts if draft.group.customer_id not in failed]
    grace = timedelta(hours=sale.settings.grace_hours)
    made = await write_drafts(session, drafts, tenant_id=tenant_id, now=now, origin="run", grace=grace)
    if not grace:
        await finalizing.finalize(session, made, sale, rules, tenant_id=tenant_id, as_of=as_of, now=now)


async def write_drafts(
    session: AsyncSession,
    drafts: Sequence[Drafted],
    *,
    tenant_id: UUID,
    now: datetime,
    origin: str,
    grace: timedelta | None,
    memo: str | None = None,
) -> list[tuple[Invoice, Bill]]:
    """Writes drafts and puts their items on them. Without `grace` they wait until somebody makes them final.

    A bill without a line leaves its items on a void draft: nothing is owed for them.
    """
    made: list[tuple[Invoice, Bill]] = []
    rows: list[dict[str, Any]] = []
    for draft in drafts:
        invoice = _invoice(draft, tenant_id=tenant_id, now=now, origin=origin, grace=grace, memo=memo)
        made.append((invoice, draft.bill))
        rows.append({column: getattr(invoice, column) for column in _WRITTEN})
    if not rows:
        return []
    await repository.write_invoices(session, rows)
    taken = {item.id: draft.invoice_id for draft in drafts for item in draft.group.items}
    done = await repository.take_items(session, tenant_id, taken)
    assert done == len(taken), "the customer is locked: nobody else took them"
    await tell_all(session, [("invoice.created", invoice) for invoice, _ in made], tenant_id=tenant_id, now=now)
    return made


def _invoice(
    draft: Drafted, *, tenant_id: UUID, now: datetime, origin: str, grace: timedelta | None, memo: str | None
) -> Invoice:
    bill = draft.bill
    period_start, period_end = bill.period
    return Invoice(
        tenant_id=tenant_id,
        id=draft.invoice_id,
        customer_id=bill.customer_id,
        subscription_id=bill.subscription_id,
        currency=bill.currency,
        state="draft",
        origin=origin,
        collection=bill.collection,
        bill_at=bill.bill_at,
        drafted_at=now,
        finalize_at=now + grace if grace is not None else None,
        number=None,
        due_at=None,
        period_start=period_start,
        period_end=period_end,
        lines=len(bill.lines),
        subtotal_minor=bill.subtotal_minor,
        discount_minor=bill.discount_minor,
        tax_minor=bill.tax_minor,
        total_minor=bill.total_minor,
        open_minor=bill.total_minor,
        memo=memo,
    )


_WRITTEN = (
    "tenant_id", "id", "customer_id", "subscription_id", "currency", "origin", "collection", "bill_at", "drafted_at",
    "finalize_at", "period_start", "period_end", "lines", "subtotal_minor", "discount_minor", "tax_minor",
    "total_minor", "memo",
)  # fmt: skip


async def _out_of_bounds(
    session: AsyncSession, drafts: Sequence[Drafted], rules: Rules, *, tenant_id: UUID, now: datetime
) -> dict[UUID, CloudBillError]:
    """Customers whose drafts pass a bound, less those that somebody let pass."""
    customers = sorted({draft.group.customer_id for draft in drafts})
    subscriptions = sorted({draft.group.subscription_id for draft in drafts if draft.group.subscription_id})
    largest = await repository.largest_invoices(session, tenant_id, customers=customers, since=now - _YEAR)
    today = await repository.lines_billed_since(session, tenant_id, subscriptions=subscriptions, since=now - _DAY)
    found: dict[UUID, CloudBillError] = {}
    for draft in drafts:
        group, bill = draft.group, draft.bill
        by_run = [line for line in bill.lines if line.kind != "one_off"]
        before = today.get(group.subscription_id, 0) if group.subscription_id else 0
        if group.subscription_id:
            today[group.subscription_id] = before + len(by_run)
        try:
            check_bounds(
                rules,
                lines=len(by_run),
                lines_today=before,
                period_ends=[line.period_end for line in by_run if line.period_end is not None],
                total_minor=bill.total_minor,
                largest_minor=largest.get((group.customer_id, group.currency)),
                now=now,
            )
        except CloudBillError as passed:
            found.setdefault(group.customer_id, passed)
    if found:
        for customer_id in await allowed_customers(session, tenant_id, list(found)):
            del found[customer_id]
    return found
