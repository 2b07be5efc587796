"""What a coupon takes off, for how long, and of what. Pure.

Coupons are applied in the order in which they were redeemed, each to what those before it left. A percentage is taken
of the sum of the lines it is for, rounded half up once; where that sum is a credit (a change in the middle of a
period) the credit shrinks by it, since what comes back was never paid in full. An amount is taken off a positive sum
only, never more than it, and what is left of it is lost; where later bills of the period leave less than was taken
off, their credit shrinks by what is too much. Either is shared out over its lines so that the shares sum to it: to the
cent, the largest remainder first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Literal
from uuid import UUID

from core.billing.catalog.coupons.errors import (
    CouponExpired,
    CouponInvalid,
    CouponNotForThis,
    CouponOtherCurrency,
    CouponUsedUp,
)
from core.foundation.money import round_to_whole, share_out

Duration = Literal["once", "repeating", "forever"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coupon:
    """Either `percent` (0 < percent <= 100) or `amount_minor` of `currency`.

    `periods` is for how many billing periods a repeating one holds. Without `plans` and `products` it is for all.
    """

    code: str
    percent: Decimal | None = None
    amount_minor: int | None = None
    currency: str | None = None
    duration: Duration = "once"
    periods: int | None = None
    redeem_by: datetime | None = None
    max_redemptions: int | None = None
    plans: frozenset[UUID] = field(default_factory=frozenset[UUID])
    products: frozenset[UUID] = field(default_factory=frozenset[UUID])

    def is_for(self, plan_id: UUID, product_id: UUID | None) -> bool:
        """Whether its restrictions let it apply to a plan."""
        return not (self.plans or self.products) or plan_id in self.plans or product_id in self.products

    def holds_in(self, period: int) -> bool:
        """Whether it still takes something off in the `period`-th billing period after its redemption, from 0."""
        if self.duration == "forever":
            return True
        return period < (1 if self.duration == "once" else self.periods or 0)


def check_terms(coupon: Coupon, *, now: datetime) -> None:
    """Raises CouponInvalid for terms that say nothing, or two things."""
    if (coupon.percent is None) == (coupon.amount_minor is None):
        raise CouponInvalid("percent", "or amountMinor: give one of them")
    if coupon.percent is not None and not 0 < coupon.percent <= 100:
        raise CouponInvalid("percent", "must be more than 0 and at most 100")
    if (coupon.amount_minor is None) != (coupon.currency is None):
        raise CouponInvalid("currency", "goes with amountMinor, and with nothing else")
    if (coupon.duration == "repeating") != (coupon.periods is not None):
        raise CouponInvalid("periods", "goes with the duration repeating, and with no other")
    if coupon.redeem_by is not None and coupon.redeem_by <= now:
        raise CouponInvalid("redeemBy", "must lie in the future")


def check_redemption(
    coupon: Coupon, *, now: datetime, redeemed: int, currency: str, plan_id: UUID, product_id: UUID | None
) -> None:
    """Raises CouponExpired, CouponUsedUp, CouponOtherCurrency or CouponNotForThis. `redeem_by` itself is too late."""
    if coupon.redeem_by is not None and now >= coupon.redeem_by:
        raise CouponExpired(coupon.code, coupon.redeem_by)
    if coupon.max_redemptions is not None and redeemed >= coupon.max_redemptions:
        raise CouponUsedUp(coupon.code, coupon.max_redemptions)
    if coupon.currency is not None and coupon.currency != currency:
        raise CouponOtherCurrency(coupon.code, coupon.currency)
    if not coupon.is_for(plan_id, product_id):
        raise CouponNotForThis(coupon.code)


@dataclass(frozen=True, slots=True)
class Discountable:
    """A line before coupons. `amount_minor` may be a credit."""

    amount_minor: int
    plan_id: UUID
    product_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Discount:
    """What a coupon takes off: in all, and of each line in the order they were given (zero of those it is not for)."""

    coupon: str
    amount_minor: int
    shares: tuple[int, ...]


@dataclass(slots=True)
class Course:
    """A period over its bills so far: by coupon what the lines came to that it is for, and what it took off them."""

    sums: dict[str, int] = field(default_factory=dict[str, int])
    taken: dict[str, int] = field(default_factory=dict[str, int])

    def amount_off(self, coupon: Coupon, amount_minor: int, *, takes: bool) -> int:
        """Of a bill whose lines come to `amount_minor`; with `takes` it is one that an amount is taken off."""
        sum_minor = self.sums.get(coupon.code, 0) + amount_minor
        taken = self.taken.get(coupon.code, 0)
        if takes and amount_minor > 0:
            part = min(coupon.amount_minor or 0, amount_minor)
        else:
            # Not sum by sum: what a lower sum gave back once is not given back again after a higher one.
            part = min(taken, max(0, sum_minor)) - taken
        self.sums[coupon.code] = sum_minor
        self.taken[coupon.code] = taken + part
        return part


def apply(
    coupons: Sequence[Coupon],
    lines: Sequence[Discountable],
    *,
    currency: str,
    course: Course | None = None,
    takes: bool = True,
) -> list[Discount]:
    """What each coupon takes off, in their order; one in another currency, or of nothing, takes nothing.

    `course`: the bills of the period before this one, which is added to it.
    """
    course = course or Course()
    left = [line.amount_minor for line in lines]
    found: list[Discount] = []
    for coupon in coupons:
        places = [place for place, line in enumerate(lines) if coupon.is_for(line.plan_id, line.product_id)]
        total = _taken(coupon, sum(left[place] for place in places), currency, course, takes=takes)
        if not total:
            continue
        # By the size of the lines of the sum's own sign: a credit within a positive sum is not made larger.
        sign = 1 if total > 0 else -1
        shares = [0] * len(lines)
        weights = [max(0, sign * left[place]) for place in places]
        for place, part in zip(places, share_out(total, weights), strict=True):
            shares[place] = part
            left[place] -= part
        found.append(Discount(coupon.code, total, tuple(shares)))
    return found


def _taken(coupon: Coupon, amount_minor: int, currency: str, course: Course, *, takes: bool) -> int:
    if coupon.percent is not None:
        return round_to_whole(amount_minor * Fraction(coupon.percent) / 100)
    if coupon.currency != currency or coupon.amount_minor is None:
        return 0
    return course.amount_off(coupon, amount_minor, takes=takes)
