"""The order in which a bill is worked out. Pure.

1. Each line by its price, rounded once. A part that lies in a trial has no line.
2. The minimum of the period, on the sum of 1; what is missing is a line.
3. The commitment, when it is settled, on what all its periods came to after 1 and 2; what is missing is a line.
4. Coupons, oldest redemption first, on all of it.
5. Tax, on each line less its share of the coupons.
6. Credits, on what is to pay.

Minimum and commitment are so before coupons (a coupon does not make anybody owe a true-up) and before tax. What is
here does 1 to 4; 5 and 6 belong to the invoice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from uuid import UUID

from core.billing.catalog.coupons.terms import Coupon, Discount, Discountable, apply
from core.billing.pricing.schemes.arithmetic import WHOLE, Rated
from core.billing.pricing.schemes.commitments import Commitment, Minimum, true_up
from core.foundation.money import MAX_MINOR, AmountOutOfRange


@dataclass(frozen=True, slots=True)
class Charged:
    """A line: a part of the plan by its code, or `minimum` or `commitment`."""

    code: str
    name: str
    rated: Rated


@dataclass(frozen=True, slots=True)
class Totals:
    """`lines` sum to `subtotal_minor`; less what the discounts sum to, that is `total_minor`, before tax."""

    lines: tuple[Charged, ...]
    discounts: tuple[Discount, ...]
    subtotal_minor: int
    total_minor: int


def total(
    lines: Sequence[Charged],
    *,
    currency: str,
    plan_id: UUID,
    product_id: UUID | None = None,
    minimum: Minimum | None = None,
    part: Fraction = WHOLE,
    commitment: Commitment | None = None,
    charged_before_minor: int = 0,
    coupons: Sequence[Coupon] = (),
) -> Totals:
    """Steps 1 to 4 for one plan. `part` is the share of the period that the minimum is for.

    `commitment` is given in the period that settles it, with what the periods before came to. Raises AmountOutOfRange.
    """
    kept = list(lines)
    for name, floor, before_minor, share in (
        ("Minimum", minimum, 0, part),
        ("Commitment", commitment, charged_before_minor, WHOLE),
    ):
        charged_minor = before_minor + sum(line.rated.amount_minor for line in kept)
        missing = true_up(floor, charged_minor, currency=currency, part=share) if floor is not None else None
        if missing is not None:
            kept.append(Charged(missing.model, name, missing))
    discountable = [Discountable(line.rated.amount_minor, plan_id, product_id) for line in kept]
    discounts = apply(coupons, discountable, currency=currency)
    subtotal_minor = sum(line.amount_minor for line in discountable)
    if abs(subtotal_minor) > MAX_MINOR:
        raise AmountOutOfRange
    total_minor = subtotal_minor - sum(discount.amount_minor for discount in discounts)
    return Totals(tuple(kept), tuple(discounts), subtotal_minor, total_minor)
