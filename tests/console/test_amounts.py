"""What a person types as an amount is taken for what it says, or refused by name."""

import pytest

from console import amounts
from console.client import ApiRefused
from console.figures import DIGITS
from core.foundation.money import MINOR_DIGITS


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("12.34", "USD", 1234),
        (" 1,234.5 ", "USD", 123450),
        ("1,234,567", "USD", 123456700),
        ("500", "JPY", 500),
        ("500 jpy", "JPY", 500),
        ("1.234KWD", "KWD", 1234),
        ("0", "EUR", 0),
    ],
)
def test_an_amount_is_minor_units_of_its_currency(text: str, currency: str, minor: int) -> None:
    assert amounts.in_minor(text, currency) == minor


def test_the_currency_behind_an_amount_is_its_own_in_small_letters_too() -> None:
    assert amounts.read("500 jpy") == (500, "JPY")
    assert amounts.read("5", "KWD") == (5000, "KWD")


@pytest.mark.parametrize(
    ("text", "currency", "advice"),
    [
        ("12,34", "USD", "no amount"),
        ("1.234,56", "EUR", "no amount"),
        ("1,2345", "USD", "no amount"),
        ("-5", "USD", "no amount"),
        ("1e3", "USD", "no amount"),
        ("Infinity", "USD", "no amount"),
        ("٥", "USD", "no amount"),
        ("9" * 40, "USD", "no amount"),
        ("9.5", "JPY", "finer than JPY"),
        ("0.0001", "KWD", "finer than KWD"),
        ("500 JPY", "USD", "not in USD"),
        ("5", "", "no currency"),
    ],
)
def test_what_could_mean_something_else_is_refused_by_name(text: str, currency: str, advice: str) -> None:
    with pytest.raises(ApiRefused, match="cannot be taken") as refused:
        amounts.in_minor(text, currency)
    assert advice in refused.value.advice


def test_the_console_knows_each_currency_by_the_digits_that_the_api_knows() -> None:
    assert {code: DIGITS.get(code, 2) for code in MINOR_DIGITS} == MINOR_DIGITS
