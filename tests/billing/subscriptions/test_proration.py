"""A change costs the exact rest of the period, rounded once a line; what is turned back cancels."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.billing.pricing.schemes.arithmetic import Rated, recompute
from core.billing.pricing.schemes.definitions import parse
from core.billing.pricing.schemes.rating import Measured, rate
from core.billing.subscriptions.periods import Cycle, Period
from core.billing.subscriptions.proration import Basis, NegativePeriod, change, share
from core.foundation.money import MINOR_DIGITS, Rounding


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def flat(amount: str, currency: str = "USD", rounding: str = "half_up") -> Rated:
    document = {"model": "flat", "schema": 1, "amount": amount, "rounding": rounding}
    return rate(parse(document), Measured(), currency=currency)


def seats(quantity: int, price: str = "10") -> Rated:
    price_of_one = {"model": "per_unit", "schema": 1, "unitPrice": price}
    return rate(parse(price_of_one), Measured(Decimal(quantity)), currency="USD")


NOVEMBER = Period(0, utc("2026-11-01"), utc("2026-12-01"))


def lines(
    before: Mapping[str, Rated], after: Mapping[str, Rated], at: str, **how: Any
) -> list[tuple[str, str, int, str]]:
    found = change(before, after, period=NOVEMBER, at=utc(at), **how)
    assert all(recompute(line.rated.arithmetic) == line.rated.amount_minor for line in found)
    return [(line.kind, line.code, line.rated.amount_minor, str(line.rated.part)) for line in found]


@pytest.mark.parametrize(
    ("before", "after", "at", "expected"),
    [
        # Upgrade at noon of the 11th: 19.5 of 30 days are left. 19.00 x 0.65 = 12.35; 99.00 x 0.65 = 64.35.
        ({"base": flat("19")}, {"base": flat("99")}, "2026-11-11T12:00",
         [("unused", "base", -1235, "-13/20"), ("remaining", "base", 6435, "13/20")]),
        # Downgrade, with 10 of 30 days left: 99.00 / 3 = 33.00; 19.00 / 3 = 6.333.
        ({"base": flat("99")}, {"base": flat("19")}, "2026-11-21",
         [("unused", "base", -3300, "-1/3"), ("remaining", "base", 633, "1/3")]),
        # Five seats become eight; the base stays as it is.
        ({"base": flat("19"), "seats": seats(5)}, {"base": flat("19"), "seats": seats(8)}, "2026-11-16",
         [("unused", "seats", -2500, "-1/2"), ("remaining", "seats", 4000, "1/2")]),
        # An add-on is begun, another ended.
        ({"base": flat("19"), "backup": flat("3")}, {"base": flat("19"), "support": flat("50")}, "2026-11-25",
         [("unused", "backup", -60, "-1/5"), ("remaining", "support", 1000, "1/5")]),
        # Canceled now: what is unused comes back.
        ({"base": flat("19")}, {}, "2026-11-16", [("unused", "base", -950, "-1/2")]),
        # From the period's first instant the whole of it.
        ({"base": flat("19")}, {"base": flat("99")}, "2026-11-01",
         [("unused", "base", -1900, "-1"), ("remaining", "base", 9900, "1")]),
        # The yen has no smaller part: 1000 / 3 = 333.3.
        ({"base": flat("1000", "JPY")}, {"base": flat("2000", "JPY")}, "2026-11-21",
         [("unused", "base", -333, "-1/3"), ("remaining", "base", 667, "1/3")]),
        ({"base": flat("1", "KWD")}, {}, "2026-11-21", [("unused", "base", -333, "-1/3")]),
        ({"base": flat("0.01")}, {}, "2026-11-16", [("unused", "base", -1, "-1/2")]),
        ({"base": flat("0.01", rounding="half_even")}, {}, "2026-11-16", [("unused", "base", 0, "-1/2")]),
        ({"base": flat("19")}, {"base": flat("19")}, "2026-11-11", []),
    ],
)  # fmt: skip
def test_changes_worked_out_by_hand(
    before: Mapping[str, Rated], after: Mapping[str, Rated], at: str, expected: list[tuple[str, str, int, str]]
) -> None:
    assert lines(before, after, at) == expected


def test_by_day_the_day_of_the_change_belongs_to_what_comes_after_it() -> None:
    for at in ("2026-11-11T00:00:01", "2026-11-11T12:00", "2026-11-11T23:59:59"):
        assert lines({"base": flat("19")}, {"base": flat("99")}, at, basis=Basis.DAY) == [
            ("unused", "base", -1267, "-2/3"),
            ("remaining", "base", 6600, "2/3"),
        ]
    # In Auckland (UTC+13) the 12th has begun: of the 30 days from 1 November to 1 December 19 are left.
    assert lines({"base": flat("31")}, {}, "2026-11-11T12:00", basis=Basis.DAY, zone="Pacific/Auckland") == [
        ("unused", "base", -1963, "-19/30")
    ]


def test_a_day_of_23_hours_counts_23_hours_by_second_and_a_day_by_day() -> None:
    # Berlin, March 2026: the 29th has 23 hours, the month 743.
    march = Cycle(utc("2026-02-28T23:00"), "month", zone="Europe/Berlin").period(0)
    assert march.end == utc("2026-03-31T22:00")
    day = (utc("2026-03-28T23:00"), utc("2026-03-29T22:00"))
    assert share(march, *day, basis=Basis.SECOND, zone="Europe/Berlin") == Fraction(23, 743)
    assert share(march, *day, basis=Basis.DAY, zone="Europe/Berlin") == Fraction(1, 31)
    assert share(march, march.start, march.end, basis=Basis.DAY, zone="Europe/Berlin") == 1


@pytest.mark.parametrize("at", ["2026-10-31T23:59:59", "2026-12-01", "2027-01-01"])
def test_a_change_outside_its_period_is_refused_by_name(at: str) -> None:
    with pytest.raises(NegativePeriod) as refused:
        change({}, {"base": flat("19")}, period=NOVEMBER, at=utc(at))
    assert refused.value.code == "negative_period"


def test_a_part_that_ends_before_it_begins_is_refused_by_name() -> None:
    with pytest.raises(NegativePeriod):
        share(NOVEMBER, utc("2026-11-20"), utc("2026-11-19"), basis=Basis.SECOND, zone="UTC")


amounts = st.decimals(min_value=0, max_value=10**5, places=3)
currencies = st.sampled_from(["USD", "JPY", "KWD"])
modes = st.sampled_from(list(Rounding))
offsets = st.integers(0, 30 * 86400 * 10**6 - 1)
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"])


def priced(amount: Decimal, currency: str, mode: Rounding) -> Rated:
    # Per unit, since a flat amount has no more decimals than its currency.
    document = {"model": "per_unit", "schema": 1, "unitPrice": f"{amount:f}", "rounding": mode.value}
    return rate(parse(document), Measured(), currency=currency)


@given(amounts, amounts, offsets, currencies, modes, st.sampled_from(Basis), zones)
def test_up_and_down_at_one_instant_cost_nothing(
    low: Decimal, high: Decimal, offset: int, currency: str, mode: Rounding, basis: Basis, zone: str
) -> None:
    one, other = ({"base": priced(amount, currency, mode)} for amount in (low, high))
    at = NOVEMBER.start + timedelta(microseconds=offset)
    there = change(one, other, period=NOVEMBER, at=at, basis=basis, zone=zone)
    back = change(other, one, period=NOVEMBER, at=at, basis=basis, zone=zone)
    assert sum(line.rated.amount_minor for line in (*there, *back)) == 0


@given(st.lists(st.tuples(amounts, offsets), min_size=1, max_size=8), currencies, modes, st.sampled_from(Basis), zones)
def test_a_chain_of_changes_is_off_by_no_more_than_stated(
    steps: list[tuple[Decimal, int]], currency: str, mode: Rounding, basis: Basis, zone: str
) -> None:
    scale = 10 ** MINOR_DIGITS[currency]
    moments = sorted(offset for _, offset in steps)
    current = {"base": priced(Decimal(100), currency, mode)}
    charged, count, spans = current["base"].amount_minor, 1, list[tuple[Decimal, Fraction]]()
    last = NOVEMBER.start
    for (amount, _), offset in zip(steps, moments, strict=True):
        at = NOVEMBER.start + timedelta(microseconds=offset)
        spans.append((current["base"].exact, share(NOVEMBER, last, at, basis=basis, zone=zone)))
        new = {"base": priced(amount, currency, mode)}
        made = change(current, new, period=NOVEMBER, at=at, basis=basis, zone=zone)
        charged += sum(line.rated.amount_minor for line in made)
        count += len(made)
        current, last = new, at
    spans.append((current["base"].exact, share(NOVEMBER, last, NOVEMBER.end, basis=basis, zone=zone)))
    assert sum(part for _, part in spans) == 1
    exact = sum(Fraction(amount) * part for amount, part in spans) * scale
    bound = count if mode in (Rounding.UP, Rounding.DOWN) else Fraction(count, 2)
    assert abs(charged - exact) <= bound


@given(amounts, offsets, offsets, currencies, modes, st.sampled_from(Basis), zones)
def test_nothing_is_credited_that_was_not_charged(
    amount: Decimal, one: int, other: int, currency: str, mode: Rounding, basis: Basis, zone: str
) -> None:
    begun, ended = (NOVEMBER.start + timedelta(microseconds=offset) for offset in sorted((one, other)))
    added = {"add-on": priced(amount, currency, mode)}
    (charge,) = change({}, added, period=NOVEMBER, at=begun, basis=basis, zone=zone)
    (credit,) = change(added, {}, period=NOVEMBER, at=ended, basis=basis, zone=zone)
    assert 0 <= -credit.rated.amount_minor <= charge.rated.amount_minor
