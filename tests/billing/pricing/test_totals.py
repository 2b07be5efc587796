"""Lines, then the minimum, then the commitment, then coupons: the order that the documents state."""

from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest

from core.billing.catalog.coupons.terms import Coupon
from core.billing.pricing.schemes.commitments import Commitment, Minimum
from core.billing.pricing.schemes.definitions import parse
from core.billing.pricing.schemes.rating import Measured, rate
from core.billing.pricing.totals import Charged, Totals, total
from core.foundation.money import AmountOutOfRange

PLAN = UUID(int=1)
TENTH = Coupon(code="tenth", percent=Decimal(10))
FIVE = Coupon(code="five", amount_minor=500, currency="USD")


def line(code: str, amount: str) -> Charged:
    return Charged(
        code, code, rate(parse({"model": "flat", "schema": 1, "amount": amount}), Measured(), currency="USD")
    )


def bill(*amounts: str, **terms: Any) -> Totals:
    lines = [line(f"part-{place}", amount) for place, amount in enumerate(amounts)]
    return total(lines, currency="USD", plan_id=PLAN, **terms)


def shown(totals: Totals) -> list[tuple[str, int]]:
    return [
        *[(line.code, line.rated.amount_minor) for line in totals.lines],
        *[(discount.coupon, -discount.amount_minor) for discount in totals.discounts],
        ("total", totals.total_minor),
    ]


def test_the_order_of_a_bill_worked_out_by_hand() -> None:
    """Base 19.00, usage 31.75; minimum 60.00; commitment 400.00 with 310.00 before; 10 % off, then 5.00 off.

    50.75 + 9.25 = 60.00; 310.00 + 60.00 = 370.00, so 30.00 are missing; 90.00 - 9.00 - 5.00 = 76.00.
    """
    totals = bill(
        "19",
        "31.75",
        minimum=Minimum(model="minimum", amount=Decimal(60)),
        commitment=Commitment(model="commitment", amount=Decimal(400), periods=7),
        charged_before_minor=31000,
        coupons=[TENTH, FIVE],
    )
    assert shown(totals) == [
        ("part-0", 1900),
        ("part-1", 3175),
        ("minimum", 925),
        ("commitment", 3000),
        ("tenth", -900),
        ("five", -500),
        ("total", 7600),
    ]
    assert totals.subtotal_minor == 9000


def test_a_minimum_that_is_reached_is_no_line() -> None:
    assert shown(bill("60", minimum=Minimum(model="minimum", amount=Decimal(60)))) == [
        ("part-0", 6000),
        ("total", 6000),
    ]


def test_half_a_period_owes_half_of_the_minimum() -> None:
    minimum = Minimum(model="minimum", amount=Decimal(61))
    assert shown(bill("20", minimum=minimum, part=Fraction(1, 2)))[1:] == [("minimum", 1050), ("total", 3050)]


def test_a_coupon_makes_nobody_owe_a_true_up() -> None:
    minimum = Minimum(model="minimum", amount=Decimal(19))
    assert shown(bill("19", minimum=minimum, coupons=[TENTH])) == [("part-0", 1900), ("tenth", -190), ("total", 1710)]


def test_a_sum_that_no_invoice_can_hold_is_refused() -> None:
    assert bill("999999999999", "0").total_minor == 99_999_999_999_900
    with pytest.raises(AmountOutOfRange):
        bill(*["999999999999"] * 11)
