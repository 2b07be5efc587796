"""A line shows how its amount was found, in the order in which it was found."""

from console.bills import line, quote
from console.figures import minor_money

SEATS = {
    "code": "seats",
    "name": "Seats",
    "amountMinor": -3267,
    "arithmetic": {
        "schema": 1,
        "model": "graduated",
        "currency": "EUR",
        "rows": [
            {"kind": "included", "tier": None, "quantity": "500", "unitPrice": "0", "amount": "0"},
            {"kind": "tier", "tier": 1, "quantity": "10", "unitPrice": "8", "amount": "80"},
            {"kind": "tier_fee", "tier": 2, "quantity": "1", "unitPrice": "5", "amount": "5"},
            {"kind": "percentage", "tier": None, "quantity": "1000", "unitPrice": "0.013", "amount": "13"},
        ],
        "sum": "98",
        "part": "-1/3",
        "rounding": "half_up",
        "amountMinor": -3267,
    },
}


def test_a_line_shows_its_steps_its_part_and_its_one_rounding() -> None:
    shown = line(SEATS, "EUR")

    assert [(step.text, step.amount) for step in shown.steps] == [
        ("500 included", "0"),
        ("tier 1: 10 × 8", "80"),
        ("tier 2: fee of 5", "5"),
        ("1,000 × 1.3 %", "13"),
    ]
    assert (shown.exact, shown.part, shown.amount) == ("98 EUR", "−1/3", "−32.67 EUR")
    assert shown.rounded == "to the nearest, halves away from zero"


def test_a_quote_says_what_coupons_take_off_before_what_is_to_pay() -> None:
    body = {
        "currency": "JPY",
        "lines": [{"code": "base", "name": "Base", "amountMinor": 1900}],
        "discounts": [{"coupon": "spring", "amountMinor": 190, "shares": [190]}],
        "subtotalMinor": 1900,
        "totalMinor": 1710,
    }

    shown = quote(body)

    assert [(one.name, one.amount) for one in shown.sums] == [("Together", "1,900 JPY"), ("Coupon spring", "−190 JPY")]
    assert shown.total.amount == "1,710 JPY"


def test_minor_units_are_as_many_digits_as_the_currency_has() -> None:
    assert minor_money(123456, "KWD") == "123.456 KWD"
    assert minor_money(-5, "KRW") == "−5 KRW"
