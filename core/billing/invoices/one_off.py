"""Lines that somebody writes: on an invoice of their own, or on the customer's next one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.invoices import repository
from core.billing.invoices.bills import Bill
from core.billing.invoices.drafting import Drafted, write_drafts
from core.billing.invoices.errors import NothingToBill
from core.billing.invoices.listing import bill_of
from core.billing.invoices.models import Invoice
from core.billing.invoices.sale import open_sale
from core.billing.invoices.working import Group, known_at, work_out_one
from core.billing.subscriptions.lines import taxed_as
from core.billing.subscriptions.models import InvoiceItem
from core.billing.subscriptions.proration import NegativePeriod
from core.foundation.errors import InvalidInput
from core.foundation.ids import new_id
from core.foundation.money import MAX_MINOR, format_decimal, minor_digits, round_to_whole

MOST_LINES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A line: an amount, or a quantity at a unit price in units of the currency."""

    description: str
    code: str
    amount_minor: int | None = None
    quantity: Decimal = Decimal(1)
    unit_price: Decimal | None = None
    tax_code: str | None = None
    is_goods: bool = False
    period_start: datetime | None = None
    period_end: datetime | None = None


def make_items(
    lines: Sequence[Written],
    *,
    tenant_id: UUID,
    customer_id: UUID,
    currency: str,
    bill_at: datetime,
    now: datetime,
) -> list[InvoiceItem]:
    """The items of these lines. Raises InvalidInput, NothingToBill."""
    if not lines:
        raise NothingToBill
    items: list[InvoiceItem] = []
    for place, line in enumerate(lines):
        if (line.amount_minor is None) == (line.unit_price is None):
            raise InvalidInput(f"lines[{place}].amountMinor", "or unitPrice: give one of them")
        if (line.period_start is None) != (line.period_end is None) or (
            line.period_start is not None and line.period_end is not None and line.period_end < line.period_start
        ):
            raise NegativePeriod(f"lines[{place}].periodEnd", "goes with periodStart, and must not lie before it")
        amount_minor, basis = _amount(line, currency, place)
        items.append(
            InvoiceItem(
                tenant_id=tenant_id,
                id=new_id(),
                customer_id=customer_id,
                currency=currency,
                subscription_id=None,
                ordinal=None,
                kind="one_off",
                code=line.code,
                description=line.description,
                period_start=line.period_start,
                period_end=line.period_end,
                quantity=line.quantity,
                basis={**basis, **taxed_as(line.tax_code, is_goods=line.is_goods)},
                amount_minor=amount_minor,
                bill_at=bill_at,
                created_at=now,
            )
        )
    return items


async def draft_by_hand(
    session: AsyncSession,
    items: Sequence[InvoiceItem],
    *,
    tenant_id: UUID,
    now: datetime,
    memo: str | None,
    collection: str = "send_invoice",
) -> Invoice:
    """A draft of these new items, which waits until somebody makes it final."""
    session.add_all(items)
    await session.flush()
    first = items[0]
    group = Group(
        customer_id=first.customer_id,
        currency=first.currency,
        subscription_id=None,
        bill_at=first.bill_at,
        items=items,
    )
    sale = await open_sale(session, tenant_id, items)
    bill = await work_out_one(session, group, sale, as_of=await known_at(session, items))
    drafted = Drafted(invoice_id=new_id(), group=group, bill=replace(bill, collection=collection))
    ((invoice, _),) = await write_drafts(
        session, [drafted], tenant_id=tenant_id, now=now, origin="manual", grace=None, memo=memo
    )
    session.expire_all()
    return invoice


async def add_to_draft(session: AsyncSession, invoice: Invoice, items: Sequence[InvoiceItem]) -> Bill:
    """Puts new items on a draft, which is locked; what it comes to with them."""
    session.add_all(items)
    await session.flush()
    await repository.take_items(session, invoice.tenant_id, {item.id: invoice.id for item in items})
    return await work_out_draft(session, invoice)


async def work_out_draft(session: AsyncSession, invoice: Invoice) -> Bill:
    """Brings a draft, which is locked and whose items changed, up to what it comes to now."""
    session.expire_all()
    await session.refresh(invoice)
    bill = await bill_of(session, invoice)
    invoice.lines, invoice.subtotal_minor, invoice.discount_minor = (
        len(bill.lines),
        bill.subtotal_minor,
        bill.discount_minor,
    )
    invoice.tax_minor, invoice.total_minor, invoice.open_minor = bill.tax_minor, bill.total_minor, bill.total_minor
    invoice.period_start, invoice.period_end = bill.period
    await session.flush()
    return bill


def _amount(line: Written, currency: str, place: int) -> tuple[int, dict[str, str]]:
    if line.unit_price is None:
        assert line.amount_minor is not None
        if abs(line.amount_minor) > MAX_MINOR:
            raise InvalidInput(f"lines[{place}].amountMinor", f"must be at most {MAX_MINOR}")
        return line.amount_minor, {}
    exact = Fraction(line.unit_price) * Fraction(line.quantity) * 10 ** minor_digits(currency)
    return round_to_whole(exact), {"unitPrice": format_decimal(line.unit_price)}
