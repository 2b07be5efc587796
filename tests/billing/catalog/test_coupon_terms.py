"""Coupons take off what they say, in the order they were redeemed, shared out to the cent."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.billing.catalog.coupons.errors import CouponInvalid
from core.billing.catalog.coupons.terms import Coupon, Course, Discountable, apply, check_redemption, check_terms
from core.foundation.errors import CloudBillError

GOLD, SILVER, APP = UUID(int=1), UUID(int=2), UUID(int=3)
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def percent(rate: str, **terms: Any) -> Coupon:
    return Coupon(code=f"{rate}-off", percent=Decimal(rate), **terms)


def amount(minor: int, currency: str = "USD", **terms: Any) -> Coupon:
    return Coupon(code=f"{minor}-off", amount_minor=minor, currency=currency, **terms)


def taken(coupons: list[Coupon], amounts: list[int], currency: str = "USD") -> list[tuple[int, tuple[int, ...]]]:
    lines = [Discountable(amount_minor, GOLD) for amount_minor in amounts]
    return [(discount.amount_minor, discount.shares) for discount in apply(coupons, lines, currency=currency)]


@pytest.mark.parametrize(
    ("coupons", "amounts", "expected"),
    [
        ([percent("10")], [1900], [(190, (190,))]),
        ([percent("33.333")], [1000, 1000, 1000], [(1000, (334, 333, 333))]),
        ([percent("50")], [333], [(167, (167,))]),  # 166.5, half up
        ([amount(500)], [1900, 100], [(500, (475, 25))]),
        ([amount(5000)], [1900, 100], [(2000, (1900, 100))]),
        ([amount(500)], [0], []),
        # In the order of redemption: 10 % of 20.00, then 5.00; or 5.00, then 10 % of 15.00.
        ([percent("10"), amount(500)], [2000], [(200, (200,)), (500, (500,))]),
        ([amount(500), percent("10")], [2000], [(500, (500,)), (150, (150,))]),
        ([percent("100"), amount(500)], [2000], [(2000, (2000,))]),
        # A credit in a positive sum is not made larger: 10 % of 20.00, all of it off the charge.
        ([percent("10")], [3000, -1000], [(200, (200, 0))]),
        # A sum that is a credit shrinks: half of what comes back was never paid.
        ([percent("50")], [2000, -5000], [(-1500, (0, -1500))]),
        ([amount(500)], [2000, -5000], []),
        ([amount(500, "EUR")], [2000], []),
        ([percent("10")], [], []),
    ],
)
def test_what_is_taken_off(
    coupons: list[Coupon], amounts: list[int], expected: list[tuple[int, tuple[int, ...]]]
) -> None:
    assert taken(coupons, amounts) == expected


@given(
    st.integers(1, 3000),
    st.lists(st.lists(st.integers(-2000, 2000), min_size=1, max_size=3), min_size=1, max_size=6),
    st.lists(st.sampled_from(["10", "33.3", "100"]), max_size=2),
)
def test_over_the_bills_of_a_period_an_amount_is_at_most_what_they_come_to(
    minor: int, bills: list[list[int]], percents: list[str]
) -> None:
    course, coupon = Course(), amount(minor)
    sum_minor = off_minor = 0
    for place, amounts in enumerate(bills):
        lines = [Discountable(amount_minor, GOLD) for amount_minor in amounts]
        coupons = [*(percent(rate) for rate in dict.fromkeys(percents)), coupon]
        found = {one.coupon: one for one in apply(coupons, lines, currency="USD", course=course, takes=place == 0)}
        part = found.pop(coupon.code).amount_minor if coupon.code in found else 0
        sum_minor += sum(amounts) - sum(one.amount_minor for one in found.values())
        off_minor += part
        assert 0 <= off_minor <= max(0, min(minor, sum_minor))
        assert place == 0 or part <= 0


def test_what_an_amount_gave_back_is_not_given_back_again() -> None:
    course = Course()
    parts = [
        [one.amount_minor for one in apply([amount(900)], lines, currency="USD", course=course, takes=place == 0)]
        for place, lines in enumerate([[Discountable(minor, GOLD)] for minor in (1000, -900, 900, -900, -100)])
    ]
    # 1.00 is left after the second bill, and the coupon is worth as much; so it is to the end, where nothing is left.
    assert parts == [[900], [-800], [], [], [-100]]


def test_a_restricted_coupon_leaves_other_plans_alone() -> None:
    lines = [Discountable(1000, GOLD, APP), Discountable(1000, SILVER)]
    for terms, shares in (
        ({"plans": frozenset({SILVER})}, (0, 500)),
        ({"products": frozenset({APP})}, (500, 0)),
        ({"plans": frozenset({SILVER}), "products": frozenset({APP})}, (500, 500)),
        ({}, (500, 500)),
    ):
        (found,) = apply([percent("50", **terms)], lines, currency="USD")
        assert found.shares == shares


def test_how_long_a_coupon_holds() -> None:
    coupons = (percent("1"), percent("1", duration="repeating", periods=3), percent("1", duration="forever"))
    assert [[coupon.holds_in(period) for period in range(4)] for coupon in coupons] == [
        [True, False, False, False],
        [True, True, True, False],
        [True, True, True, True],
    ]


@pytest.mark.parametrize(
    ("terms", "changes", "code"),
    [
        ({"redeem_by": NOW}, {}, "coupon_expired"),
        ({"max_redemptions": 3}, {"redeemed": 3}, "coupon_used_up"),
        ({"plans": frozenset({SILVER})}, {}, "coupon_not_for_this"),
        ({"products": frozenset({APP})}, {"product_id": SILVER}, "coupon_not_for_this"),
    ],
)
def test_a_redemption_is_refused_by_name(terms: dict[str, Any], changes: dict[str, Any], code: str) -> None:
    given_ = {"now": NOW, "redeemed": 0, "currency": "USD", "plan_id": GOLD, "product_id": None, **changes}
    with pytest.raises(CloudBillError) as refused:
        check_redemption(percent("10", **terms), **given_)
    assert refused.value.code == code


def test_a_redemption_in_another_currency_is_refused_and_one_in_time_is_not() -> None:
    given_: dict[str, Any] = {"now": NOW, "redeemed": 2, "plan_id": GOLD, "product_id": APP}
    with pytest.raises(CloudBillError) as refused:
        check_redemption(amount(500, "EUR"), currency="USD", **given_)
    assert refused.value.code == "coupon_other_currency"
    in_time = percent("10", redeem_by=datetime(2026, 6, 1, 0, 0, 1, tzinfo=UTC), max_redemptions=3)
    check_redemption(in_time, currency="USD", **given_)


@pytest.mark.parametrize(
    "terms",
    [
        {},
        {"percent": Decimal(10), "amount_minor": 1, "currency": "USD"},
        {"percent": Decimal(0)},
        {"percent": Decimal("100.01")},
        {"amount_minor": 100},
        {"percent": Decimal(10), "currency": "USD"},
        {"percent": Decimal(10), "duration": "repeating"},
        {"percent": Decimal(10), "duration": "once", "periods": 3},
        {"percent": Decimal(10), "redeem_by": NOW},
    ],
)
def test_terms_that_say_nothing_or_two_things_are_refused(terms: dict[str, Any]) -> None:
    with pytest.raises(CouponInvalid):
        check_terms(Coupon(code="x", **terms), now=NOW)


coupons_of = st.lists(
    st.one_of(
        st.decimals("0.01", 100, places=2).map(lambda rate: Coupon(code="p", percent=rate)),
        st.integers(1, 10**6).map(lambda minor: Coupon(code="a", amount_minor=minor, currency="USD")),
    ),
    max_size=4,
)


@given(coupons_of, st.lists(st.integers(-(10**6), 10**7), max_size=8))
def test_shares_sum_to_the_discount_and_no_sum_changes_its_sign(coupons: list[Coupon], amounts: list[int]) -> None:
    lines = [Discountable(amount_minor, GOLD) for amount_minor in amounts]
    found = apply(coupons, lines, currency="USD")
    assert all(sum(discount.shares) == discount.amount_minor for discount in found)
    subtotal, taken_off = sum(amounts), sum(discount.amount_minor for discount in found)
    assert 0 <= taken_off <= subtotal if subtotal >= 0 else subtotal <= taken_off <= 0
    left = [amount - sum(discount.shares[at] for discount in found) for at, amount in enumerate(amounts)]
    assert all(rest * amount >= 0 for rest, amount in zip(left, amounts, strict=True))
