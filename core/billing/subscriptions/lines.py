"""The items that a transition writes: what is to be billed, each with what its amount follows from. Pure.

`basis` (schema 1) names the seller, plan, version, price and component, and the share of a whole period as two
integers; a credit is a negative share. Who computes an amount later reads those, and never what was written here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from core.billing.pricing.schemes.arithmetic import WHOLE, Rated, part_of
from core.billing.subscriptions.agreement import Agreement, Held, Part, Terms
from core.billing.subscriptions.models import InvoiceItem
from core.billing.subscriptions.periods import Period
from core.billing.subscriptions.proration import Basis, share
from core.foundation.ids import new_id

SCHEMA = 1
MINIMUM, COMMITMENT = "minimum", "commitment"


def basis_of(terms: Terms, **more: Any) -> dict[str, Any]:
    """What every basis says of its terms."""
    return {
        "schema": SCHEMA,
        "sellerId": str(terms.seller_id),
        "planId": str(terms.plan_id),
        "productId": str(terms.product_id) if terms.product_id else None,
        "version": terms.version,
        "priceId": str(terms.price_id),
        **taxed_as(terms.tax_code, is_goods=terms.is_goods),
        **more,
    }


def taxed_as(tax_code: str | None, *, is_goods: bool) -> dict[str, Any]:
    """What a basis says of its tax; nothing for services at the standard rates."""
    return {**({"taxCode": tax_code} if tax_code else {}), **({"isGoods": True} if is_goods else {})}


def written(part: Fraction) -> list[int]:
    """A share as JSON keeps it."""
    return [part.numerator, part.denominator]


def part_between(agreement: Agreement, start: datetime, end: datetime) -> Fraction:
    """The share of the cycle's whole period that two instants of the current one enclose."""
    return share_of(agreement.whole, start, end, agreement.terms.proration, agreement.cycle.zone)


def share_of(whole: Period, start: datetime, end: datetime, by: Basis, zone: str) -> Fraction:
    """A share, exactly one for the whole period."""
    if (start, end) == (whole.start, whole.end):
        return WHOLE
    return share(whole, start, end, basis=by, zone=zone)


def charge(
    agreement: Agreement,
    part: Part,
    *,
    kind: str,
    terms: Terms,
    start: datetime,
    end: datetime,
    bill_at: datetime,
    now: datetime,
    part_of_period: Fraction = WHOLE,
    rated: Rated | None = None,
) -> InvoiceItem:
    """A line for a part that has a quantity; `part_of_period` is negative for what comes back."""
    whole = rated or part.rated(agreement.currency)
    amount = whole if part_of_period == WHOLE else part_of(whole, part_of_period)
    return InvoiceItem(
        tenant_id=agreement.tenant_id,
        id=new_id(),
        customer_id=agreement.customer_id,
        currency=agreement.currency,
        subscription_id=agreement.id,
        ordinal=agreement.ordinal,
        kind=kind,
        code=part.component.code,
        description=part.component.name,
        period_start=start,
        period_end=end,
        quantity=part.quantity,
        basis=basis_of(terms, componentId=str(part.component.id), share=written(part_of_period)),
        amount_minor=amount.amount_minor,
        bill_at=bill_at,
        created_at=now,
    )


def ahead(
    agreement: Agreement, *, start: datetime, bill_at: datetime, kind: str = "recurring", one_time: bool = False
) -> list[InvoiceItem]:
    """What is paid ahead from `start` to the end of the current period, and once at the beginning."""
    part_of_period = part_between(agreement, start, agreement.period_end)
    return [
        charge(
            agreement,
            part,
            kind="one_time" if part.component.kind == "one_time" else kind,
            terms=agreement.terms,
            start=start,
            end=agreement.period_end,
            bill_at=bill_at,
            now=start,
            part_of_period=WHOLE if part.component.kind == "one_time" else part_of_period,
        )
        for part in agreement.parts
        if part.component.kind == "recurring" or (one_time and part.component.kind == "one_time")
    ]


def unused(agreement: Agreement, parts: Iterable[Part], *, at: datetime, bill_at: datetime) -> list[InvoiceItem]:
    """The rest of what was paid ahead comes back."""
    if agreement.paid_through <= at:
        return []
    rest = part_between(agreement, at, agreement.paid_through)
    return [
        charge(
            agreement,
            part,
            kind="unused",
            terms=agreement.terms,
            start=at,
            end=agreement.paid_through,
            bill_at=bill_at,
            now=at,
            part_of_period=-rest,
        )
        for part in parts
        if part.component.kind == "recurring" and rest
    ]


def closing(
    agreement: Agreement,
    *,
    at: datetime,
    bill_at: datetime,
    ends: bool = False,
    keeps: bool = False,
    gives_back: bool = False,
) -> list[InvoiceItem]:
    """What is owed for the time up to `at` of the current period: usage, the minimum, and a commitment that is due.

    To be asked of the agreement before its parts are closed. `ends`: a commitment is owed whole however many periods
    are left of it. `keeps`: what was paid ahead stays, and counts for the rest of the period if it goes on.
    `gives_back`: it does not, and what a pause kept comes back: what was to be reached up to the pause may lack now.
    """
    items: list[InvoiceItem] = []
    if agreement.state != "paused":
        # Else it was billed up to the pause then.
        items = [*_usage(agreement, at, bill_at), *_minimum(agreement, at, bill_at, keeps)]
    elif gives_back and agreement.terms.minimum is not None:
        # As of a resumption that ends at once: it counts what came before the pause, and owes nothing of its own.
        after = replace(agreement, ordinal=agreement.ordinal + 1)
        basis = basis_of(agreement.terms, owed=[])
        items = [_later(after, MINIMUM, "Minimum", start=at, end=at, bill_at=bill_at, now=at, basis=basis)]
    if agreement.commitment is not None and (ends or agreement.commitment_left == 1):
        items.append(
            _later(
                agreement,
                COMMITMENT,
                "Commitment",
                start=agreement.commitment_from or agreement.period_start,
                end=at,
                bill_at=bill_at,
                now=at,
                basis=agreement.commitment,
            )
        )
    return items


def _usage(agreement: Agreement, at: datetime, bill_at: datetime) -> Iterator[InvoiceItem]:
    for part in (*agreement.past_parts, *agreement.parts):
        start, end = _within(agreement, part, at)
        if part.component.kind != "usage" or start >= end:
            continue
        item = _later(
            agreement,
            "usage",
            part.component.name,
            start=start,
            end=end,
            bill_at=bill_at,
            now=at,
            basis=basis_of(_terms_at(agreement, part), componentId=str(part.component.id)),
        )
        item.code, item.meter_id = part.component.code, part.component.meter_id
        yield item


def _minimum(agreement: Agreement, at: datetime, bill_at: datetime, keeps: bool) -> Iterator[InvoiceItem]:
    owed: list[dict[str, Any]] = []
    start = agreement.period_end
    for held in (*agreement.past_held, agreement.held):
        first, last = _within(agreement, held, at)
        if held.terms.minimum is None or first >= last:
            continue
        part = share_of(agreement.whole, first, last, held.terms.proration, agreement.cycle.zone)
        owed.append({"priceId": str(held.terms.price_id), "share": written(part)})
        start = min(start, first)
    keeps_on = keeps and agreement.terms.minimum is not None
    if owed or keeps_on:
        yield _later(
            agreement,
            MINIMUM,
            "Minimum",
            start=min(start, at),
            end=at,
            bill_at=bill_at,
            now=at,
            basis=basis_of(
                agreement.terms, owed=owed, **({"keeps": agreement.paid_through.isoformat()} if keeps_on else {})
            ),
        )


def _within(agreement: Agreement, held: Part | Held, at: datetime) -> tuple[datetime, datetime]:
    return max(held.since, agreement.period_start), min(held.until or at, at)


def _terms_at(agreement: Agreement, part: Part) -> Terms:
    for held in (*agreement.past_held, agreement.held):
        if any(component.id == part.component.id for component in held.terms.components):
            return held.terms
    return agreement.terms


def _later(
    agreement: Agreement,
    kind: str,
    description: str,
    *,
    start: datetime,
    end: datetime,
    bill_at: datetime,
    now: datetime,
    basis: Mapping[str, Any],
) -> InvoiceItem:
    return InvoiceItem(
        tenant_id=agreement.tenant_id,
        id=new_id(),
        customer_id=agreement.customer_id,
        currency=agreement.currency,
        subscription_id=agreement.id,
        ordinal=agreement.ordinal,
        kind=kind,
        code=kind,
        description=description,
        period_start=start,
        period_end=end,
        quantity=None,
        basis=dict(basis),
        amount_minor=None,
        bill_at=bill_at,
        created_at=now,
    )


def period_of(item: InvoiceItem) -> int | None:
    """The ordinal of an item's period: what lacks after a kept pause that never ended is of the one before its own."""
    is_rest = item.kind == MINIMUM and not item.basis["owed"] and "keeps" not in item.basis
    return item.ordinal - 1 if is_rest and item.ordinal is not None else item.ordinal


def is_nothing(item: InvoiceItem) -> bool:
    """A line of none of something, such as no seats: it says nothing, and is not written."""
    return item.quantity == Decimal(0) and item.amount_minor == 0
