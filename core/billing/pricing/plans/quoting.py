"""What a plan would cost for a given usage, with the arithmetic of each line. Nothing is kept."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from core.billing.catalog.coupons.terms import Coupon
from core.billing.pricing.plans.errors import ComponentUnknown
from core.billing.pricing.plans.repository import FoundPrice
from core.billing.pricing.plans.schemas import QuoteBody
from core.billing.pricing.schemes.commitments import Minimum, parse_floor
from core.billing.pricing.schemes.definitions import parse
from core.billing.pricing.schemes.rating import Measured, rate
from core.billing.pricing.totals import Charged, Totals, total


def quote(
    price: FoundPrice, asked: QuoteBody, *, plan_id: UUID, product_id: UUID | None, coupons: Sequence[Coupon] = ()
) -> Totals:
    """One whole period. Raises ComponentUnknown, QuantityInvalid, AmountOutOfRange.

    What is recurring or paid once counts one unless a quantity is given, usage none; a commitment is not settled.
    """
    known = {component.code: component for component in price.components}
    for field, codes in (
        ("quantities", asked.quantities),
        ("transactions", asked.transactions),
        ("addOns", asked.add_ons),
    ):
        for code in codes:
            if code not in known or (field == "addOns" and not known[code].is_add_on):
                what = "add-on" if field == "addOns" else "part"
                raise ComponentUnknown(f"{field}.{code}", f"is no {what} of this version; it has {', '.join(known)}")
    lines: list[Charged] = []
    for code, component in known.items():
        if component.is_add_on and code not in asked.add_ons:
            if code in asked.quantities or code in asked.transactions:
                raise ComponentUnknown(f"quantities.{code}", "is an add-on that is not among addOns")
            continue
        if component.kind == "one_time" and not asked.first_period:
            continue
        unasked = Decimal(0 if component.kind == "usage" else 1)
        measured = Measured(asked.quantities.get(code, unasked), asked.transactions.get(code))
        rated = rate(parse(component.definition), measured, currency=price.currency)
        lines.append(Charged(code, component.name, rated))
    minimum = parse_floor(price.minimum) if price.minimum is not None else None
    assert minimum is None or isinstance(minimum, Minimum), "the column of minimums holds no commitment"
    return total(
        lines, currency=price.currency, plan_id=plan_id, product_id=product_id, minimum=minimum, coupons=coupons
    )
