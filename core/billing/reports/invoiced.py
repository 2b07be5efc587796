"""What follows from invoices: revenue and what of it is deferred, what is open, usage that was billed, tax."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.reports import repository
from core.billing.reports.entries import Entry
from core.billing.reports.months import Month, month_of
from core.billing.reports.recognition import recognized
from core.foundation.money import format_decimal, minor_to_micro

REVENUE = ("invoiced", "recognized", "deferred_before", "deferred", "credits_used")
AGEING = ("open", "given_up")
USAGE = ("billed", "counted", "events")
TAX = ("taxable", "tax")
BUCKETS = ((0, "not due"), (30, "1 to 30 days"), (60, "31 to 60 days"), (90, "61 to 90 days"))
OLDEST = "more than 90 days"
INVOICED_ALREADY = ("invoice", "invoice_credit")
"""Credits used on an invoice are revenue by its lines: the ledger's side of it is not counted again."""
SUMMED = ("count", "sum")


async def revenue(
    session: AsyncSession, tenant_id: UUID, months: Sequence[Month], now: datetime
) -> AsyncGenerator[Entry]:
    """Invoiced in the month, recognized in it, deferred before and after it; and what calls used of credits."""
    begin, end = months[0].begin, months[-1].end
    spans = [(month, month.begin, month.end) for month in months]
    async with aclosing(repository.stream_documents(session, tenant_id, begin=begin, end=end)) as rows:
        async for row in rows:
            for month, since, until in spans:
                if row.at < until:
                    for entry in _revenue(row, month, since, until, now):
                        yield entry
    for row in await repository.list_earned(session, tenant_id, begin=begin, end=end):
        if row.kind not in INVOICED_ALREADY:
            month = Month(row.month.year, row.month.month)
            yield Entry(
                month=month,
                figure="credits_used",
                currency=row.currency,
                key=row.kind,
                amount_micro=row.amount_micro,
                what=f"{row.entries} postings of the ledger",
                customer_id=row.customer_id,
            )


def _revenue(row: Row[Any], month: Month, begin: datetime, end: datetime, now: datetime) -> list[Entry]:
    is_new = row.at >= begin
    before = 0 if is_new else recognized(row.net_minor, row.period_start, row.period_end, at=min(begin, now))
    after = recognized(row.net_minor, row.period_start, row.period_end, at=min(end, now))
    amounts = {
        "invoiced": row.net_minor if is_new else 0,
        "recognized": after - before,
        "deferred_before": 0 if is_new else row.net_minor - before,
        "deferred": row.net_minor - after,
    }
    return [_line(row, month, figure, minor) for figure, minor in amounts.items() if minor]


async def usage(
    session: AsyncSession, tenant_id: UUID, months: Sequence[Month], now: datetime
) -> AsyncGenerator[Entry]:
    """By meter: what was billed in the month, and what was counted in it."""
    begin, end = months[0].begin, months[-1].end
    async with aclosing(repository.stream_documents(session, tenant_id, begin=begin, end=end, usage=True)) as rows:
        async for row in rows:
            yield _line(row, month_of(row.at), "billed", row.net_minor, key=row.meter, quantity=row.quantity)
    for row in await repository.list_counted(session, tenant_id, begin=begin, end=end):
        month = Month(row.month.year, row.month.month)
        common: dict[str, Any] = {"month": month, "currency": "", "key": row.code, "customer_id": row.customer_id}
        if row.aggregation in SUMMED:
            quantity = row.events if row.aggregation == "count" else row.total
            yield Entry(**common, figure="counted", quantity=quantity, what=row.aggregation)
        yield Entry(**common, figure="events", quantity=row.events, what=row.aggregation)


async def tax(session: AsyncSession, tenant_id: UUID, months: Sequence[Month], now: datetime) -> AsyncGenerator[Entry]:
    """By category and rate, of documents of the month."""
    async with aclosing(repository.stream_taxes(session, tenant_id, begin=months[0].begin, end=months[-1].end)) as rows:
        async for row in rows:
            for figure, minor in (("taxable", row.taxable_minor), ("tax", row.tax_minor)):
                yield Entry(
                    month=month_of(row.at),
                    figure=figure,
                    currency=row.currency,
                    key=f"{row.category} {format_decimal(row.rate)}",
                    amount_micro=minor_to_micro(int(minor), row.currency),
                    at=row.at,
                    what=_document(row.credit_note_id, is_void=row.taxable_minor < 0),
                    customer_id=row.customer_id,
                    invoice_id=row.invoice_id,
                    number=row.number,
                    credit_note_id=row.credit_note_id,
                )


async def ageing(
    session: AsyncSession, tenant_id: UUID, months: Sequence[Month], now: datetime
) -> AsyncGenerator[Entry]:
    """What was open at the end of the month (of the current one: now), by how long it was due."""
    for month in months:
        async with aclosing(repository.stream_open(session, tenant_id, end=month.end)) as rows:
            async for row in rows:
                yield Entry(
                    month=month,
                    figure="given_up" if row.is_given_up else "open",
                    currency=row.currency,
                    key=_bucket(row.due_at, min(month.end, now)),
                    amount_micro=minor_to_micro(int(row.open_minor), row.currency),
                    at=row.due_at,
                    what="due",
                    customer_id=row.customer_id,
                    subscription_id=row.subscription_id,
                    invoice_id=row.id,
                    number=row.number,
                )


def _bucket(due_at: datetime | None, at: datetime) -> str:
    late = timedelta(0) if due_at is None else at - due_at
    return next((name for days, name in BUCKETS if late <= timedelta(days=days)), OLDEST)


def _line(row: Row[Any], month: Month, figure: str, minor: int, *, key: str = "", quantity: Any = None) -> Entry:
    return Entry(
        month=month,
        figure=figure,
        currency=row.currency,
        key=key,
        amount_micro=minor_to_micro(minor, row.currency),
        quantity=quantity,
        at=row.at,
        what=row.description,
        customer_id=row.customer_id,
        subscription_id=row.subscription_id,
        invoice_id=row.invoice_id,
        number=row.number,
        line_id=row.line_id,
        credit_note_id=row.credit_note_id,
    )


def _document(credit_note_id: UUID | None, *, is_void: bool) -> str:
    if credit_note_id is not None:
        return "credit note"
    return "void" if is_void else "invoice"
