"""Prices: refused by name when nobody could be charged by them, exact until one rounding, found again from rows."""

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.billing.pricing.schemes import errors
from core.billing.pricing.schemes.arithmetic import recompute
from core.billing.pricing.schemes.commitments import check_floor, parse_floor
from core.billing.pricing.schemes.definitions import dump, parse
from core.billing.pricing.schemes.rating import Measured, check_currency, rate
from core.foundation.money import MINOR_DIGITS, AmountOutOfRange, Rounding

CURRENCIES = st.sampled_from(["USD", "JPY", "KRW", "KWD", "BHD"])
amounts = st.decimals(min_value=0, max_value=10**6, places=12).map(lambda amount: f"{amount:f}")
quantities = st.decimals(min_value=0, max_value=10**9, places=6)
roundings = st.sampled_from(list(Rounding))


def tier(first: int, last: int | None, price: str = "1", fee: str = "0") -> dict[str, Any]:
    return {"firstUnit": first, "lastUnit": last, "unitPrice": price, "flatFee": fee}


def tiered(*tiers: dict[str, Any], model: str = "graduated") -> dict[str, Any]:
    return {"model": model, "schema": 1, "tiers": list(tiers)}


@pytest.mark.parametrize("model", ["graduated", "volume"])
@pytest.mark.parametrize(
    ("tiers", "error"),
    [
        ([tier(1, 10), tier(10, None)], errors.TiersOverlap),
        ([tier(1, 10), tier(5, None)], errors.TiersOverlap),
        ([tier(1, None), tier(11, None)], errors.TiersOverlap),
        ([tier(1, 10), tier(12, None)], errors.TiersGap),
        ([tier(2, None)], errors.TiersGap),
        ([tier(11, None), tier(1, 10)], errors.TiersGap),
        ([tier(1, 10), tier(21, None), tier(11, 20)], errors.TiersGap),
        ([tier(1, 10), tier(11, 20), tier(11, None)], errors.TiersUnordered),
        ([tier(1, 10), tier(1, None)], errors.TiersUnordered),
        ([tier(1, 10), tier(11, 10), tier(11, None)], errors.TiersUnordered),
        ([tier(1, 10)], errors.TiersClosed),
        ([tier(1, 10), tier(11, 20)], errors.TiersClosed),
        ([], errors.PriceInvalid),
        ([tier(0, None)], errors.PriceInvalid),
        ([tier(1, 10), tier(11, None)] * 101, errors.PriceInvalid),
    ],
)
def test_tiers_that_leave_a_unit_without_one_price_are_refused_by_name(
    tiers: list[dict[str, Any]], error: type[Exception], model: str
) -> None:
    with pytest.raises(error) as refused:
        parse(tiered(*tiers, model=model))
    assert type(refused.value) is error


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({}, "price_model_unknown"),
        ({"model": "free", "schema": 1}, "price_model_unknown"),
        ({"model": ["flat"], "schema": 1}, "price_model_unknown"),
        ({"model": "flat", "amount": "5"}, "price_schema_unknown"),
        ({"model": "flat", "schema": 2, "amount": "5"}, "price_schema_unknown"),
        ({"model": "flat", "schema": True, "amount": "5"}, "price_schema_unknown"),
        ({"model": "flat", "schema": 1}, "price_invalid"),
        ({"model": "flat", "schema": 1, "amount": 5}, "price_invalid"),
        ({"model": "flat", "schema": 1, "amount": 5.5}, "price_invalid"),
        ({"model": "flat", "schema": 1, "amount": "-5"}, "price_invalid"),
        ({"model": "flat", "schema": 1, "amount": "1e3"}, "price_invalid"),
        ({"model": "flat", "schema": 1, "amount": "NaN"}, "price_invalid"),
        ({"model": "flat", "schema": 1, "amount": "5\n"}, "price_invalid"),
        ({"model": "flat", "schema": 1, "amount": "٥"}, "price_invalid"),
        ({"model": "flat", "schema": 1, "amount": "0.0000000000001"}, "price_invalid"),
        ({"model": "flat", "schema": 1, "amount": "1000000000000"}, "price_invalid"),
        ({"model": "flat", "schema": 1, "amount": "5", "unitPrice": "5"}, "price_invalid"),
        ({"model": "flat", "schema": 1, "amount": "5", "rounding": "up_a_bit"}, "price_invalid"),
        ({"model": "per_unit", "schema": 1, "unit_price": "5"}, "price_invalid"),
        ({"model": "package", "schema": 1, "packageSize": "0", "packagePrice": "5"}, "price_invalid"),
        ({"model": "percentage", "schema": 1, "rate": "100.1"}, "price_invalid"),
        ({"model": "percentage", "schema": 1, "rate": "1", "minimum": "2", "maximum": "1"}, "price_invalid"),
    ],
)
def test_what_is_not_exactly_a_definition_is_refused(document: dict[str, Any], code: str) -> None:
    with pytest.raises(errors.PriceInvalid) as refused:
        parse(document)
    assert refused.value.code == code


def test_a_flat_amount_fits_its_currency() -> None:
    price = parse({"model": "flat", "schema": 1, "amount": "9.995"})
    check_currency(price, "KWD")
    for currency in ("USD", "JPY"):
        with pytest.raises(errors.PriceInvalid, match=f"more decimals than {currency} has"):
            check_currency(price, currency)
    with pytest.raises(errors.PriceInvalid):
        check_floor(parse_floor({"model": "minimum", "schema": 1, "amount": "0.001"}), "USD")
    with pytest.raises(errors.PriceInvalid):
        check_floor(parse_floor({"model": "minimum", "schema": 1, "amount": "0"}), "USD")


@pytest.mark.parametrize("quantity", ["-1", "NaN", "Infinity", "1E+26", "1E-13", f"{10**25}.1234567890123"])
def test_a_quantity_that_cannot_be_kept_is_refused(quantity: str) -> None:
    price = parse({"model": "per_unit", "schema": 1, "unitPrice": "1"})
    with pytest.raises(errors.QuantityInvalid):
        rate(price, Measured(Decimal(quantity)), currency="USD")
    with pytest.raises(errors.QuantityInvalid):
        rate(price, Measured(transactions=[Decimal(quantity)]), currency="USD")


def test_a_line_that_no_invoice_can_hold_is_refused() -> None:
    price = parse({"model": "per_unit", "schema": 1, "unitPrice": "1000000"})
    assert rate(price, Measured(Decimal(10**7)), currency="USD").amount_minor == 10**15
    with pytest.raises(AmountOutOfRange):
        rate(price, Measured(Decimal("10000000.0000001")), currency="USD")


tiers_of = st.lists(st.tuples(st.integers(1, 1000), amounts, amounts), min_size=1, max_size=6)


@st.composite
def definitions(draw: st.DrawFn) -> dict[str, Any]:
    model = draw(st.sampled_from(["flat", "per_unit", "package", "graduated", "volume", "percentage"]))
    fields: dict[str, Any] = {}
    if model in ("graduated", "volume"):
        first, tiers = 1, []
        drawn = draw(tiers_of)
        for place, (width, price, fee) in enumerate(drawn):
            last = None if place == len(drawn) - 1 else first + width - 1
            tiers.append(tier(first, last, price, fee))
            first += width
        fields["tiers"] = tiers
    elif model == "flat":
        fields["amount"] = draw(amounts)
    elif model == "percentage":
        fields |= {"rate": f"{draw(st.decimals(0, 100, places=6)):f}", "fixed": draw(amounts)}
    elif model == "package":
        size = f"{draw(st.decimals('0.000001', 10**6, places=6)):f}"
        fields |= {"packageSize": size, "packagePrice": draw(amounts), "included": draw(amounts)}
    else:
        fields |= {"unitPrice": draw(amounts), "included": draw(amounts)}
    return {"model": model, "schema": 1, "rounding": draw(roundings).value, **fields}


@given(definitions(), quantities, CURRENCIES)
def test_a_line_is_exact_until_it_is_rounded_once_and_is_found_again_from_its_rows(
    document: dict[str, Any], quantity: Decimal, currency: str
) -> None:
    scheme = parse(document)
    try:
        rated = rate(scheme, Measured(quantity), currency=currency)
    except AmountOutOfRange:
        return
    exact = sum((Fraction(row.quantity) * Fraction(row.unit_price) for row in rated.rows), Fraction(0))
    minor = exact * 10 ** MINOR_DIGITS[currency]
    assert Fraction(rated.exact) == exact
    assert abs(rated.amount_minor - minor) < 1 if document["rounding"] in ("up", "down") else True
    assert abs(rated.amount_minor - minor) <= Fraction(1, 2) or document["rounding"] in ("up", "down")
    assert recompute(json.loads(json.dumps(rated.arithmetic))) == rated.amount_minor
    assert parse(json.loads(json.dumps(dump(scheme)))) == scheme


@given(definitions().filter(lambda price: price["model"] == "graduated"), quantities, quantities)
def test_graduated_prices_sum_over_the_units_whatever_is_asked_in_between(
    document: dict[str, Any], one: Decimal, other: Decimal
) -> None:
    # Without fees, f(b) - f(a) is what the units between a and b cost: no unit is priced twice or not at all.
    scheme = parse({**document, "tiers": [{**step, "flatFee": "0"} for step in document["tiers"]]})
    low, high = sorted((one, other))
    cost = Fraction(0)
    for step in document["tiers"]:
        first, last = Fraction(step["firstUnit"] - 1), step["lastUnit"]
        top = min(Fraction(high), Fraction(last)) if last else Fraction(high)
        cost += max(Fraction(0), top - max(first, Fraction(low))) * Fraction(step["unitPrice"])
    try:
        below, above = (rate(scheme, Measured(quantity), currency="KWD") for quantity in (low, high))
    except AmountOutOfRange:
        return
    assert Fraction(above.exact) - Fraction(below.exact) == cost


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda kept: kept["rows"][0].update(unitPrice="6"), "rows[0].amount"),
        (lambda kept: kept["rows"].pop(), "sum"),
        (lambda kept: kept.update(sum="1"), "sum"),
        (lambda kept: kept.update(schema=2), "schema"),
        (lambda kept: kept["rows"][0].update(quantity="many"), "arithmetic"),
        (lambda kept: kept.pop("rounding"), "arithmetic"),
    ],
)
def test_an_altered_arithmetic_is_named(change: Any, problem: str) -> None:
    kept = rate(parse(tiered(tier(1, 10, "5"), tier(11, None, "4"))), Measured(Decimal(12)), currency="USD").arithmetic
    assert recompute(kept) == 5800
    change(kept)
    with pytest.raises(errors.PriceInvalid) as refused:
        recompute(kept)
    assert refused.value.extra["errors"][0]["field"] == problem
