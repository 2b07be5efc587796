"""A line shows how its amount was found, in the order in which it was found."""

from console.bills import invoice, line, quote
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


def test_an_invoice_says_what_each_line_is_for_and_how_it_comes_to_its_total() -> None:
    period = {"periodStart": "2026-11-22T00:00:00Z", "periodEnd": "2026-12-22T00:00:00Z", "arithmetic": None}
    lines = [
        {"code": "base", "description": "Base", "kind": "recurring", "amountMinor": 1900, **period},
        {"code": "seats", "description": "Seats", "kind": "unused", "amountMinor": -900, **period},
    ]
    body = {
        "currency": "EUR",
        "subtotalMinor": 1000,
        "discountMinor": 100,
        "totalMinor": 1071,
        "taxes": [{"rate": "19.00", "taxableMinor": 900, "taxMinor": 171, "reason": None}],
    }

    shown = invoice(body, lines)

    assert [(one.name, one.about) for one in shown.lines] == [
        ("Base", "22 Nov 2026 to 22 Dec 2026"),
        ("Seats", "unused, back, 22 Nov 2026 to 22 Dec 2026"),
    ]
    assert [(one.name, one.amount) for one in shown.sums] == [
        ("Together", "10.00 EUR"),
        ("Coupons", "−1.00 EUR"),
        ("Tax 19 % of 9.00 EUR", "1.71 EUR"),
    ]
    assert (shown.total.name, shown.total.amount) == ("Total", "10.71 EUR")
