"""Working an invoice out: lines by the subscriptions' computation, tax by the tenant's rates, parties as they are now.

The same for drafts, final invoices, previews and the recomputation, so that they agree to the cent. What all invoices
of a batch need is read once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.invoices.bills import Bill, Line, TaxSum
from core.billing.invoices.inputs import read_buyer, written_buyer, written_seller
from core.billing.invoices.printing import party_of_customer
from core.billing.invoices.sale import Sale
from core.billing.metering.meters.repository import lock_definitions
from core.billing.subscriptions.computing import Computed, compute, compute_all
from core.billing.subscriptions.models import InvoiceItem
from core.billing.tax.rules import Buyer, LineTax, Seller, TaxedLine
from core.billing.tax.service import buyer_of
from core.foundation.errors import CloudBillError
from core.foundation.zones import find_zone

SCHEMA = 2
"""Of what an invoice keeps of its computation. Before 2 what comes back bore the tax of the buyer of its own bill."""
_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What goes on one invoice: of one customer, in one currency."""

    customer_id: UUID
    currency: str
    subscription_id: UUID | None
    bill_at: datetime
    items: Sequence[InvoiceItem]
    assumed: Sequence[InvoiceItem] = ()
    coupons: Mapping[UUID, Sequence[Row[Any]]] = field(default_factory=dict[UUID, Sequence[Row[Any]]])
    """For previews: what is not stored and on another bill, and coupons that subscriptions would redeem."""


def is_metered(item: InvoiceItem) -> bool:
    """Whether it is worked out from events."""
    return item.kind in ("usage", "correction")


async def known_at(session: AsyncSession, items: Iterable[InvoiceItem]) -> datetime:
    """The server's instant up to which usage is known: nothing more is recorded before it.

    Where usage is billed, batches of events under way are waited for, and new ones wait until the commit.
    """
    if any(map(is_metered, items)):
        await lock_definitions(session)
    return (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()


async def work_out(
    session: AsyncSession, groups: Sequence[Group], sale: Sale, *, as_of: datetime | None
) -> list[Bill | CloudBillError]:
    """Each group's bill, or what stands against it: one that fails leaves the others theirs."""
    bills: list[Bill | CloudBillError] = []
    for group, computed in zip(groups, await compute_groups(session, groups, as_of=as_of), strict=True):
        try:
            bills.append(
                computed if isinstance(computed, CloudBillError) else bill_of(group, computed, sale, as_of=as_of)
            )
        except CloudBillError as error:
            bills.append(error)
    return bills


async def compute_groups(
    session: AsyncSession, groups: Sequence[Group], *, as_of: datetime | None
) -> list[list[Computed] | CloudBillError]:
    """Of each group its subscriptions' parts, or the first error of them; what they have in common is read once."""
    parts = [(place, part) for place, group in enumerate(groups) for part in _by_subscription(group.items)]
    found: list[list[Computed] | CloudBillError] = [[] for _ in groups]
    done = await compute_all(session, [part for _, part in parts], as_of=as_of)
    for (place, _), one in zip(parts, done, strict=True):
        known = found[place]
        if isinstance(known, CloudBillError):
            continue
        if isinstance(one, CloudBillError):
            found[place] = one
        else:
            known.append(one)
    return found


async def work_out_one(session: AsyncSession, group: Group, sale: Sale, *, as_of: datetime | None) -> Bill:
    """One bill, with what is assumed of it. Raises the first error."""
    computed: list[Computed] = []
    for items in _by_subscription(group.items):
        of = items[0].subscription_id
        assumed = [item for item in group.assumed if item.subscription_id == of]
        coupons = group.coupons.get(of) if of is not None else None
        computed.append(await compute(session, items, as_of=as_of, assumed=assumed, coupons=coupons))
    return bill_of(group, computed, sale, as_of=as_of)


def _by_subscription(items: Iterable[InvoiceItem]) -> list[list[InvoiceItem]]:
    found: dict[UUID | None, list[InvoiceItem]] = {}
    for item in items:
        found.setdefault(item.subscription_id, []).append(item)
    return list(found.values())


def bill_of(
    group: Group,
    computed: Sequence[Computed],
    sale: Sale,
    *,
    as_of: datetime | None,
    seller: Seller | None = None,
    buyer: Buyer | None = None,
    zone: str | None = None,
    schema: int | None = None,
) -> Bill:
    """The bill of what was computed. `seller`, `buyer`, `zone` and `schema` as they were; without them as now."""
    schema = schema or SCHEMA
    customer = sale.customers[group.customer_id]
    seller, buyer = seller or sale.seller, buyer or buyer_of(customer)
    zone = zone or customer.time_zone
    billed_on = _day(group.bill_at, zone)
    untaxed = [(line, shares) for one in computed for line, shares in zip(one.lines, _shares(one), strict=True)]
    supplied = [_supplied_on(sale, line.item, group.bill_at, zone) for line, _ in untaxed]
    taxed = [
        TaxedLine(
            amount_minor=line.amount_minor - sum(shares.values()),
            code=line.item.basis.get("taxCode") or "standard",
            is_goods=line.item.basis.get("isGoods", False),
            supplied_on=on,
            buyer=_former_buyer(sale, line.item, buyer, as_of=as_of) if schema >= 2 else None,
        )
        for (line, shares), on in zip(untaxed, supplied, strict=True)
    ]
    provider = sale.provider if as_of is None else sale.provider.known_at(as_of)
    taxes = provider.tax_of(taxed, seller=seller, buyer=buyer, at=billed_on)
    lines = [
        Line(
            item_id=line.item.id,
            subscription_id=line.item.subscription_id,
            kind=line.item.kind,
            code=line.item.code,
            description=line.item.description,
            period_start=line.item.period_start,
            period_end=line.item.period_end,
            quantity=line.quantity,
            meter_id=line.item.meter_id,
            amount_minor=line.amount_minor,
            discounts=shares,
            arithmetic=line.rated.arithmetic,
            tax_category=tax.category,
            tax_rate=tax.percent,
            tax_reason=tax.reason,
            tax_minor=tax.amount_minor,
        )
        for (line, shares), tax in zip(untaxed, taxes, strict=True)
    ]
    bill = Bill(
        customer_id=group.customer_id,
        subscription_id=group.subscription_id,
        currency=group.currency,
        bill_at=group.bill_at,
        collection=next(
            (
                sale.collections[item.subscription_id]
                for item in group.items
                if item.subscription_id is not None and item.subscription_id in sale.collections
            ),
            "send_invoice",
        ),
        lines=lines,
        taxes=_sums(lines),
        inputs={
            "schema": schema,
            "zone": zone,
            "taxProvider": sale.provider.name,
            "seller": written_seller(seller),
            "buyer": written_buyer(buyer),
            "lines": [
                {
                    **line.inputs,
                    "itemId": str(line.item.id),
                    "tax": {
                        "on": on.isoformat(),
                        "rateId": str(tax.rate_id) if tax.rate_id else None,
                        "percent": str(tax.percent),
                        "country": tax.country,
                    },
                }
                for (line, _), tax, on in zip(untaxed, taxes, supplied, strict=True)
            ],
        },
        parties={
            "seller": sale.seller_party,
            "buyer": party_of_customer(customer),
            "taxNames": _names(taxes),
        },
    )
    bill.check()
    return bill


def _shares(computed: Computed) -> list[dict[str, int]]:
    """Of each line what each coupon takes off it."""
    found: list[dict[str, int]] = [{} for _ in computed.lines]
    for one in computed.discounts:
        for shares, part in zip(found, one.shares, strict=True):
            if part:
                shares[one.code] = shares.get(one.code, 0) + part
    return found


def _sums(lines: Sequence[Line]) -> list[TaxSum]:
    sums: dict[tuple[str, Any], TaxSum] = {}
    for line in lines:
        key = (line.tax_category, line.tax_rate)
        before = sums.get(key)
        sums[key] = TaxSum(
            category=line.tax_category,
            rate=line.tax_rate,
            taxable_minor=line.net_minor + (before.taxable_minor if before else 0),
            tax_minor=line.tax_minor + (before.tax_minor if before else 0),
            reason=line.tax_reason,
        )
    return list(sums.values())


def _supplied_on(sale: Sale, item: InvoiceItem, bill_at: datetime, zone: str) -> date:
    """The day whose rate holds: that of the bill for what is paid ahead, the last day of what was supplied before it,
    and for what comes back the day it was charged.
    """
    charge = _charge_of(sale, item)
    if charge is not None:
        return _day(_end_of_supply(charge.period_start, charge.period_end, charge.bill_at), zone)
    return _day(_end_of_supply(item.period_start, item.period_end, bill_at), zone)


def _charge_of(sale: Sale, item: InvoiceItem) -> Row[Any] | None:
    """What charged that which comes back."""
    if item.kind == "unused" and item.period_start is not None:
        for charge in reversed(sale.charged.get((item.subscription_id, item.code), [])):
            # What a change charges instead begins at the same instant, and was written after what comes back.
            if charge.id < item.id and charge.period_start <= item.period_start < charge.period_end:
                return charge
    return None


def _former_buyer(sale: Sale, item: InvoiceItem, buyer: Buyer, *, as_of: datetime | None) -> Buyer | None:
    """Of what comes back the buyer that the final invoice which charged it saw, where that is another to the tax: no
    tax is given back that was not charged.
    """
    charge = _charge_of(sale, item)
    if charge is None or charge.buyer is None or (as_of is not None and charge.as_of >= as_of):
        return None
    return None if charge.buyer == written_buyer(buyer) else read_buyer(charge.buyer)


def _end_of_supply(start: datetime | None, end: datetime | None, bill_at: datetime) -> datetime:
    return max(end - _MOMENT, start or end) if end is not None and end <= bill_at else bill_at


def _day(at: datetime, zone: str) -> date:
    return at.astimezone(find_zone(zone)).date()


def _names(taxes: Sequence[LineTax]) -> dict[str, dict[str, str | None]]:
    """How each rate is called, and in which words nothing is charged."""
    return {
        f"{tax.category} {tax.percent}": {
            "name": tax.name,
            "reason": tax.reason,
            "reasonText": tax.reason_text,
            "reasonCode": tax.reason_code,
        }
        for tax in taxes
    }
