"""Figures are spelled so that nobody misreads an amount or an instant."""

from datetime import UTC, datetime

import pytest

from console.figures import compact, minor_money, moment, money


@pytest.mark.parametrize(
    ("amount", "digits", "padding", "brief", "short", "exact"),
    [
        ("0", "0.00", "0000", "0.00 USD", "0.00 USD", "0.000000 USD"),
        ("1234.56", "1,234.56", "0000", "1,234.56 USD", "1,234.56 USD", "1,234.560000 USD"),
        ("4.9925", "4.9925", "00", "4.99 USD", "4.99 USD", "4.992500 USD"),
        ("-0.0075", "−0.0075", "00", "−0.0075 USD", "−0.0075 USD", "−0.007500 USD"),
        ("0.053488", "0.053488", "", "0.053488 USD", "0.05 USD", "0.053488 USD"),
        ("0.5", "0.50", "0000", "0.50 USD", "0.50 USD", "0.500000 USD"),
        ("1000000", "1,000,000.00", "0000", "1,000,000.00 USD", "1,000,000.00 USD", "1,000,000.000000 USD"),
        ("0.000001", "0.000001", "", "0.000001 USD", "0.000001 USD", "0.000001 USD"),
    ],
)
def test_an_amount_is_exact_in_columns_and_short_in_headlines(
    amount: str, digits: str, padding: str, brief: str, short: str, exact: str
) -> None:
    spelled = money(amount, "USD")
    assert (spelled.digits, spelled.padding) == (digits, padding)
    assert (spelled.brief, spelled.short, spelled.exact) == (brief, short, exact)


def test_a_card_amount_counts_in_minor_units() -> None:
    assert minor_money(500, "USD") == "5.00 USD"
    assert minor_money(123456, "EUR") == "1,234.56 EUR"


@pytest.mark.parametrize(
    ("iso", "relative"),
    [
        ("2026-11-21T12:00:00Z", "now"),
        ("2026-11-21T11:59:18Z", "42 s ago"),
        ("2026-11-21T11:56:00Z", "4 min ago"),
        ("2026-11-21T09:00:00Z", "3 h ago"),
        ("2026-11-19T11:00:00Z", "2 d ago"),
        ("2026-08-20T12:00:00Z", "3 mo ago"),
        ("2024-11-01T12:00:00Z", "2 y ago"),
        ("2026-11-21T12:04:30Z", "in 4 min"),
    ],
)
def test_an_instant_is_told_against_the_tenants_own_now(iso: str, relative: str) -> None:
    spelled = moment(iso, datetime(2026, 11, 21, 12, tzinfo=UTC))
    assert spelled.relative == relative


def test_an_instant_is_written_out_in_utc() -> None:
    spelled = moment("2026-11-21T13:05:09+01:00", datetime(2026, 11, 21, 12, tzinfo=UTC))
    assert spelled.absolute == "21 Nov 2026, 12:05:09 UTC"
    assert moment(None, datetime(2026, 11, 21, tzinfo=UTC)).iso == ""


@pytest.mark.parametrize(
    ("number", "shown"), [(0, "0"), (999, "999"), (1000, "1k"), (31_249, "31.2k"), (4_500_000, "4.5M")]
)
def test_token_counts_are_rounded_for_reading(number: int, shown: str) -> None:
    assert compact(number) == shown
