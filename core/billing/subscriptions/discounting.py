"""Coupons on a bill, period by period. Pure.

A percentage is taken off every line of a period in which the coupon holds, whichever bill it is on. An amount is taken
off once a period: on the bill that opens it, or, where that had nothing to take it off, on the one that closes it. Over
all bills of a period it is at most what their lines come to: where a later one gives back so much that less is left
than the coupon took, its share of the coupon is negative, and the credit smaller. A correction of a period that is
billed has its percentages, and no amounts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Row

from core.billing.catalog.coupons.service import read_terms
from core.billing.catalog.coupons.terms import Coupon, Course, Discountable, apply
from core.billing.subscriptions.lines import period_of
from core.billing.subscriptions.models import InvoiceItem

if TYPE_CHECKING:
    from core.billing.subscriptions.computing import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A coupon with the periods that its redemption is for."""

    coupon_id: UUID
    name: str
    terms: Coupon
    first_ordinal: int
    last_ordinal: int | None

    @classmethod
    def redeemed(cls, row: Row[Any]) -> "Found":
        """Of a redemption with its coupon."""
        return cls(
            coupon_id=row.coupon_id,
            name=row.name,
            terms=read_terms(row),
            first_ordinal=row.first_ordinal,
            last_ordinal=row.last_ordinal,
        )

    @classmethod
    def assumed(cls, row: Row[Any]) -> "Found":
        """Of a coupon that would be redeemed by subscribing."""
        return cls(coupon_id=row.id, name=row.name, terms=read_terms(row), first_ordinal=0, last_ordinal=None)

    def holds_in(self, ordinal: int) -> bool:
        """Whether it takes something off in a period."""
        return (
            ordinal >= self.first_ordinal
            and (self.last_ordinal is None or ordinal <= self.last_ordinal)
            and self.terms.holds_in(ordinal - self.first_ordinal)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Discounted:
    """What a coupon takes off in a period: in all, and of each line of the bill in their order."""

    coupon_id: UUID
    code: str
    name: str
    ordinal: int
    amount_minor: int
    shares: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Earlier:
    """The other bills of a period: whether one that opened it had something to take an amount off, and those before.

    `bills` are the lines of each, in their order, with whether an amount was taken off that bill.
    """

    opened: bool
    bills: "Sequence[tuple[Sequence[Line], bool]]"


NONE = Earlier(opened=False, bills=())


def discount(
    lines: "Sequence[Line]", coupons: Sequence[Found], *, earlier: Mapping[int, Earlier]
) -> "tuple[list[Line], list[Discounted]]":
    """The lines with their shares, and what each coupon takes off."""
    found: list[Discounted] = []
    taken = [0] * len(lines)
    of = [(period_of(line.item), _corrects(line)) for line in lines]
    periods = {(ordinal, corrects) for ordinal, corrects in of if ordinal is not None}
    for ordinal, corrects in sorted(periods):
        holding = [
            coupon
            for coupon in coupons
            if coupon.holds_in(ordinal) and (coupon.terms.amount_minor is None or not corrects)
        ]
        places = [place for place, line in enumerate(lines) if of[place] == (ordinal, corrects) and _has_plan(line)]
        if not holding or not places:
            continue
        by_code = {coupon.terms.code: coupon for coupon in holding}
        discountable = [_discountable(lines[place]) for place in places]
        terms, currency = [coupon.terms for coupon in holding], lines[0].item.currency
        others = NONE if corrects else earlier.get(ordinal, NONE)
        course = Course()
        for bill, takes in others.bills:
            known = [_discountable(line) for line in bill if _has_plan(line)]
            apply(terms, known, currency=currency, course=course, takes=takes)
        for one in apply(terms, discountable, currency=currency, course=course, takes=not others.opened):
            shares = [0] * len(lines)
            for place, part in zip(places, one.shares, strict=True):
                shares[place] = part
                taken[place] += part
            coupon = by_code[one.coupon]
            found.append(
                Discounted(
                    coupon_id=coupon.coupon_id,
                    code=one.coupon,
                    name=coupon.name,
                    ordinal=ordinal,
                    amount_minor=one.amount_minor,
                    shares=tuple(shares),
                )
            )
    return [replace(line, discount_minor=part) for line, part in zip(lines, taken, strict=True)], found


def bills_before(own: Sequence[InvoiceItem], others: Sequence[InvoiceItem]) -> list[list[InvoiceItem]]:
    """The bills before the one of `own` items of a period, in their order; of one instant, as they were written."""
    begins = min((item.bill_at, item.id) for item in own)
    bills: dict[tuple[datetime, UUID | None], list[InvoiceItem]] = {}
    for item in sorted(others, key=lambda item: (item.bill_at, item.id)):
        if (item.bill_at, item.id) < begins:
            bills.setdefault((item.bill_at, item.invoice_id), []).append(item)
    return list(bills.values())


def opening_minor(items: Sequence[InvoiceItem]) -> int:
    """What items come to that open a period."""
    return sum(item.amount_minor or 0 for item in items if item.kind in ("recurring", "one_time"))


def _corrects(line: "Line") -> bool:
    return line.item.kind == "correction"


def _has_plan(line: "Line") -> bool:
    return "planId" in line.item.basis


def _discountable(line: "Line") -> Discountable:
    basis = line.item.basis
    product_id = basis.get("productId")
    return Discountable(line.amount_minor, UUID(basis["planId"]), UUID(product_id) if product_id else None)
