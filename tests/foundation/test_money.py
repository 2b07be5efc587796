"""Money: exact conversions, one rounding, one form as text."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.foundation.errors import InvalidInput
from core.foundation.money import (
    MAX_WALLET_MICRO,
    MINOR_DIGITS,
    AmountOutOfRange,
    Rounding,
    fits_minor,
    format_micro,
    micro_to_minor,
    minor_to_micro,
    minor_to_units,
    parse_amount,
    round_down_to_micro,
    round_to_micro,
    round_to_minor,
    round_up_to_steps,
    share_out,
)

CURRENCIES = st.sampled_from(sorted(MINOR_DIGITS))


@pytest.mark.parametrize(
    ("amount_minor", "currency", "amount_micro"),
    [(500, "USD", 5_000_000), (1, "USD", 10_000), (500, "JPY", 500_000_000), (1, "KWD", 1_000), (0, "EUR", 0)],
)
def test_minor_units_in_micro_units(amount_minor: int, currency: str, amount_micro: int) -> None:
    assert minor_to_micro(amount_minor, currency) == amount_micro
    assert micro_to_minor(amount_micro, currency) == amount_minor


@pytest.mark.parametrize(
    ("amount_micro", "currency", "amount_minor"),
    [(4_992_500, "USD", 499), (9_999, "USD", 0), (-9_999, "USD", 0), (-19_999, "USD", -1), (999_999, "JPY", 0)],
)
def test_what_is_less_than_a_minor_unit_stays_behind(amount_micro: int, currency: str, amount_minor: int) -> None:
    assert micro_to_minor(amount_micro, currency) == amount_minor


@given(amount=st.integers(-(10**12), 10**12), currency=CURRENCIES)
def test_minor_units_survive_the_way_there_and_back(amount: int, currency: str) -> None:
    assert micro_to_minor(minor_to_micro(amount, currency), currency) == amount


@given(amount=st.integers(-(10**15), 10**15), currency=CURRENCIES)
def test_nobody_is_paid_a_fraction_they_did_not_have(amount: int, currency: str) -> None:
    paid = minor_to_micro(micro_to_minor(amount, currency), currency)
    assert abs(paid) <= abs(amount)
    assert abs(amount) - abs(paid) < minor_to_micro(1, currency)


@pytest.mark.parametrize(
    ("amount", "nearest", "down"),
    [
        ("0.0075", 7_500, 7_500),
        ("0.0000005", 1, 0),
        ("0.00000049999999999999999999", 0, 0),
        ("-0.0000005", -1, 0),
        ("123456789.1234565", 123_456_789_123_457, 123_456_789_123_456),
        ("0", 0, 0),
    ],
)
def test_a_charge_is_rounded_half_up_once(amount: str, nearest: int, down: int) -> None:
    assert round_to_micro(Decimal(amount)) == nearest
    assert round_down_to_micro(Decimal(amount)) == down


@given(st.decimals(min_value=-(10**9), max_value=10**9, allow_nan=False, places=20))
def test_rounding_moves_by_half_a_micro_at_most(amount: Decimal) -> None:
    assert abs(Decimal(round_to_micro(amount)) - amount * 1_000_000) <= Decimal("0.5")


@pytest.mark.parametrize(
    ("text", "amount_micro"),
    [("0.05", 50_000), ("5", 5_000_000), ("0.000001", 1), ("007.50", 7_500_000), ("1000000000", MAX_WALLET_MICRO)],
)
def test_amounts_as_text(text: str, amount_micro: int) -> None:
    assert parse_amount(text, "amount") == amount_micro


@pytest.mark.parametrize(
    "text",
    ["", "0", "0.0", "-1", "+1", "1e3", "1,5", ".5", "5.", " 5", "5 ", "NaN", "Infinity", "0x1", "0.0000001", "١",
     "1_000", "1000000000.000001", "9" * 13, "1.2.3", "5\n", "\x005"],
)  # fmt: skip
def test_what_is_no_amount_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidInput, match="amount"):
        parse_amount(text, "amount")


@pytest.mark.parametrize(
    ("amount_micro", "text"),
    [(4_992_500, "4.9925"), (5_000_000, "5"), (0, "0"), (1, "0.000001"), (-7_500, "-0.0075"), (-5_000_000, "-5")],
)
def test_amounts_are_shown_without_trailing_zeros(amount_micro: int, text: str) -> None:
    assert format_micro(amount_micro) == text


@given(st.integers(1, MAX_WALLET_MICRO))
def test_an_amount_survives_being_shown(amount_micro: int) -> None:
    assert parse_amount(format_micro(amount_micro), "amount") == amount_micro


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        amount_micro = parse_amount(text, "amount")
    except InvalidInput:
        return
    assert 0 < amount_micro <= MAX_WALLET_MICRO


def test_an_unknown_currency_is_refused() -> None:
    with pytest.raises(InvalidInput, match="must be one of AUD, BHD, BRL"):
        minor_to_micro(1, "XXX")


@pytest.mark.parametrize(
    ("amount", "half_up", "half_even", "half_down", "up", "down"),
    [
        ("0.005", 1, 0, 0, 1, 0),
        ("0.015", 2, 2, 1, 2, 1),
        ("0.014", 1, 1, 1, 2, 1),
        ("0.016", 2, 2, 2, 2, 1),
        ("-0.005", -1, 0, 0, -1, 0),
        ("-0.015", -2, -2, -1, -2, -1),
        ("0.01", 1, 1, 1, 1, 1),
    ],
)
def test_the_modes_of_rounding(amount: str, half_up: int, half_even: int, half_down: int, up: int, down: int) -> None:
    modes = (Rounding.HALF_UP, Rounding.HALF_EVEN, Rounding.HALF_DOWN, Rounding.UP, Rounding.DOWN)
    found = tuple(round_to_minor(Decimal(amount), "USD", mode) for mode in modes)
    assert found == (half_up, half_even, half_down, up, down)


@pytest.mark.parametrize(
    ("amount", "currency", "amount_minor"),
    [
        ("19.99", "USD", 1999),
        ("1980.5", "JPY", 1981),
        ("4.9955", "KWD", 4996),
        ("4.9954", "BHD", 4995),
        ("0", "KRW", 0),
    ],
)
def test_units_become_the_currencys_minor_units(amount: str, currency: str, amount_minor: int) -> None:
    assert round_to_minor(Decimal(amount), currency) == amount_minor


@given(st.integers(-(10**12), 10**12), CURRENCIES)
def test_minor_units_are_exact_in_units(amount_minor: int, currency: str) -> None:
    assert round_to_minor(minor_to_units(amount_minor, currency), currency, Rounding.DOWN) == amount_minor
    assert fits_minor(minor_to_units(amount_minor, currency), currency)


@pytest.mark.parametrize(
    ("quantity", "step", "steps"), [("0", "100", 0), ("1", "100", 1), ("100", "100", 1), ("100.01", "100", 2)]
)
def test_a_package_begun_is_a_package(quantity: str, step: str, steps: int) -> None:
    assert round_up_to_steps(Decimal(quantity), Decimal(step)) == steps


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (-100, [1, 1, 1], [-34, -33, -33]),
        (10, [0, 5, 5], [0, 5, 5]),
        (1, [1, 2], [0, 1]),
        (7, [0, 0], [7, 0]),
        (5, [], []),
    ],
)
def test_what_is_shared_out(total: int, weights: list[int], parts: list[int]) -> None:
    assert share_out(total, weights) == parts


@given(st.integers(-(10**9), 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=30))
def test_shares_sum_to_the_whole_and_none_is_off_by_a_unit(total: int, weights: list[int]) -> None:
    parts = share_out(total, weights)
    assert sum(parts) == total
    if whole := sum(weights):
        assert all(abs(Fraction(total * weight, whole) - part) < 1 for weight, part in zip(weights, parts, strict=True))


def test_an_amount_that_no_invoice_holds_is_refused() -> None:
    assert round_to_minor(Decimal(10**13), "USD") == 10**15
    with pytest.raises(AmountOutOfRange):
        round_to_minor(Decimal("10000000000000.01"), "USD")
