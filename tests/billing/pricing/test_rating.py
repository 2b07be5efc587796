"""A charge is the exact sum of tokens times prices, rounded half up to a micro-unit once, and can be found again."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.billing.pricing.errors import NoPriceBook, UnknownModel
from core.billing.pricing.rating import ModelRates, RateCard, most, rate, recompute
from core.billing.pricing.service import card_at, check_model

FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def card(
    rates: ModelRates | None = None, *, version: int = 1, effective_from: datetime = FIRST, is_own: bool = False
) -> RateCard:
    prices = rates or ModelRates(Decimal("2.50"), Decimal("1.25"), Decimal("10.00"))
    return RateCard(UUID(int=version), version, "USD", effective_from, "a list", is_own, {"gpt-4o": prices})


prices = st.decimals(min_value=0, max_value=1_000_000, places=12, allow_nan=False)
tokens = st.integers(min_value=0, max_value=10**9)
books = st.builds(ModelRates, prices, prices, prices).map(card)


@pytest.mark.parametrize(
    ("input_tokens", "cached_tokens", "output_tokens", "micro"),
    [
        (1000, 0, 500, 7_500),
        (1000, 400, 500, 7_000),
        (1000, 1000, 0, 1_250),
        (0, 0, 0, 0),
        (1, 0, 0, 3),  # 2.5 micro, half up
        (3, 0, 0, 8),  # 7.5
        (1, 1, 0, 1),  # 1.25
        (3, 2, 0, 5),  # 2.5 + 2.5: rounded once, not each
        (10**9, 0, 10**9, 12_500_000_000),
    ],
)
def test_a_call_to_gpt_4o_costs(input_tokens: int, cached_tokens: int, output_tokens: int, micro: int) -> None:
    charge = rate(card(), "gpt-4o", input_tokens=input_tokens, cached_tokens=cached_tokens, output_tokens=output_tokens)

    assert charge.amount_micro == micro


def test_the_arithmetic_says_how() -> None:
    charge = rate(card(), "gpt-4o", input_tokens=1000, cached_tokens=400, output_tokens=1)

    assert charge.arithmetic == {
        "priceBook": {"id": str(UUID(int=1)), "version": 1, "currency": "USD", "owner": "installation"},
        "model": "gpt-4o",
        "lines": [
            {"tokens": "input", "count": 600, "perMillion": "2.50"},
            {"tokens": "cached", "count": 400, "perMillion": "1.25"},
            {"tokens": "output", "count": 1, "perMillion": "10.00"},
        ],
        "sum": "0.00201",
        "rounding": "half up to 0.000001",
        "charged": "0.00201",
    }


@given(books, tokens, tokens, tokens)
def test_a_charge_is_exact_until_it_is_rounded_once(book: RateCard, fresh: int, cached: int, output: int) -> None:
    charge = rate(book, "gpt-4o", input_tokens=fresh + cached, cached_tokens=cached, output_tokens=output)

    prices = book.models["gpt-4o"]
    exact = (
        fresh * Fraction(prices.input_per_million)
        + cached * Fraction(prices.cached_per_million)
        + output * Fraction(prices.output_per_million)
    )
    assert charge.amount_micro == int(exact + Fraction(1, 2))
    assert Fraction(charge.arithmetic["sum"]) * 1_000_000 == exact


@given(books, tokens, tokens, tokens)
def test_a_charge_is_found_again_from_its_arithmetic(book: RateCard, fresh: int, cached: int, output: int) -> None:
    charge = rate(book, "gpt-4o", input_tokens=fresh + cached, cached_tokens=cached, output_tokens=output)

    assert recompute(json.loads(json.dumps(charge.arithmetic))) == charge.amount_micro


@given(books, tokens, tokens, tokens, tokens)
def test_a_hold_for_the_most_covers_every_call(
    book: RateCard, fresh: int, cached: int, output: int, unused: int
) -> None:
    charge = rate(book, "gpt-4o", input_tokens=fresh + cached, cached_tokens=cached, output_tokens=output)

    assert charge.amount_micro <= most(book, "gpt-4o", input_tokens=fresh + cached, max_output_tokens=output + unused)


def test_the_tenants_own_book_goes_before_the_installations() -> None:
    own = card(version=7, is_own=True)

    assert card_at([own, card()], FIRST, currency="USD") is own


def test_a_book_is_in_force_from_its_instant_until_the_next_one() -> None:
    newer = card(version=2, effective_from=datetime(2026, 6, 1, tzinfo=UTC))
    older = card(version=1)

    assert card_at([newer, older], datetime(2026, 5, 31, 23, 59, 59, 999_999, tzinfo=UTC), currency="USD") is older
    assert card_at([newer, older], datetime(2026, 6, 1, tzinfo=UTC), currency="USD") is newer
    with pytest.raises(NoPriceBook):
        card_at([newer, older], datetime(2025, 12, 31, tzinfo=UTC), currency="USD")


def test_an_unknown_model_is_refused_with_the_book_that_lacks_it() -> None:
    with pytest.raises(UnknownModel, match="gpt-9 is not in the installation's price book, version 1 in USD"):
        check_model(card(), "gpt-9")
