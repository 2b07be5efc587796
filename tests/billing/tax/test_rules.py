"""Which tax a line bears and how much: the cases that tax offices ask about, the sums to the cent."""

from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.billing.tax.errors import TaxRateMissing
from core.billing.tax.rules import Buyer, Rate, Seller, TaxedLine, tax_of
from core.foundation.ids import INSTALLATION_ID

OWN = UUID(int=7)


def rate(
    country: str, percent: str, since: str, *, code: str = "standard", region: str = "", own: bool = False
) -> Rate:
    return Rate(
        tenant_id=OWN if own else INSTALLATION_ID,
        id=UUID(int=hash((country, percent, since, code, region, own)) & (2**100 - 1)),
        country=country,
        region=region,
        code=code,
        name="VAT",
        percent=Decimal(percent),
        effective_from=date.fromisoformat(since),
    )


RATES = [
    rate("DE", "19", "2007-01-01"),
    rate("DE", "16", "2020-07-01"),
    rate("DE", "19", "2021-01-01"),
    rate("DE", "7", "2007-01-01", code="reduced"),
    rate("FR", "20", "2014-01-01"),
    rate("CH", "8.1", "2024-01-01"),
    rate("US", "8.875", "2020-01-01", region="NY", own=True),
]
TODAY = date(2026, 3, 1)
GERMAN = Seller(country="DE", tax_ids={"DE": "DE136695976"})
WITH_OSS = Seller(country="DE", tax_ids={"DE": "DE136695976"}, one_stop_shop=True)
AMERICAN = Seller(country="US", tax_ids={"US": "911144442"})


@pytest.mark.parametrize(
    ("seller", "buyer", "category", "percent", "amount"),
    [
        (GERMAN, Buyer(country="DE"), "S", "19", 1900),
        (GERMAN, Buyer(country=None), "S", "19", 1900),  # nobody knows better: the seller's
        (GERMAN, Buyer(country="DE", tax_id="DE129273398"), "S", "19", 1900),
        (GERMAN, Buyer(country="FR", tax_id="FR61954506077"), "AE", "0", 0),
        (GERMAN, Buyer(country="FR"), "S", "19", 1900),  # a consumer, below the threshold
        (WITH_OSS, Buyer(country="FR"), "S", "20", 2000),
        (WITH_OSS, Buyer(country="FR", tax_id="FR61954506077"), "AE", "0", 0),
        (WITH_OSS, Buyer(country="FR", tax_id="DE129273398"), "S", "19", 1900),  # buys as a German business
        (GERMAN, Buyer(country="CH", tax_id="CHE100155212MWST"), "O", "0", 0),
        (GERMAN, Buyer(country="US"), "O", "0", 0),
        (Seller(country="DE", tax_ids={"DE": "DE136695976", "CH": "CHE1"}), Buyer(country="CH"), "S", "8.1", 810),
        (GERMAN, Buyer(country="GB", tax_id="XI980780684"), "O", "0", 0),  # services know no Northern Ireland
        (GERMAN, Buyer(country="DE", treatment="exempt", exempt_reason="Embassy"), "E", "0", 0),
        (GERMAN, Buyer(country="CH", treatment="reverse_charge"), "AE", "0", 0),
        (Seller(country="DE"), Buyer(country="DE"), "O", "0", 0),  # charges no tax at all
        (AMERICAN, Buyer(country="US", region="NY"), "S", "8.875", 888),
        (AMERICAN, Buyer(country="DE", tax_id="DE136695976"), "O", "0", 0),
    ],
)  # fmt: skip
def test_who_buys_where_decides_which_tax_there_is(
    seller: Seller, buyer: Buyer, category: str, percent: str, amount: int
) -> None:
    (found,) = tax_of([TaxedLine(amount_minor=10_000)], seller=seller, buyer=buyer, at=TODAY, rates=RATES)
    assert (found.category, found.percent, found.amount_minor) == (category, Decimal(percent), amount)
    assert (found.category == "S") == (found.rate_id is not None) == (found.reason is None)


def test_goods_leave_the_country_by_rules_of_their_own() -> None:
    goods = [TaxedLine(amount_minor=10_000, is_goods=True)]
    to_france = tax_of(goods, seller=GERMAN, buyer=Buyer(country="FR", tax_id="FR61954506077"), at=TODAY, rates=RATES)
    abroad = tax_of(goods, seller=GERMAN, buyer=Buyer(country="US"), at=TODAY, rates=RATES)
    assert [(one[0].category, one[0].reason_code) for one in (to_france, abroad)] == [
        ("K", "VATEX-EU-IC"),
        ("G", "VATEX-EU-G"),
    ]


def test_the_rate_of_the_day_of_supply_holds_when_a_rate_changes_in_between() -> None:
    lines = [
        TaxedLine(amount_minor=10_000, supplied_on=date(2020, 6, 30)),
        TaxedLine(amount_minor=10_000, supplied_on=date(2020, 7, 1)),
        TaxedLine(amount_minor=10_000, supplied_on=date(2020, 12, 31)),
        TaxedLine(amount_minor=10_000),
        TaxedLine(amount_minor=10_000, code="reduced"),
    ]
    found = tax_of(lines, seller=GERMAN, buyer=Buyer(country="DE"), at=date(2021, 1, 1), rates=RATES)
    assert [line.amount_minor for line in found] == [1900, 1600, 1600, 1900, 700]


def test_the_tenants_own_rate_holds_before_the_installations() -> None:
    own = rate("DE", "5", "2000-01-01", own=True)
    found = tax_of(
        [TaxedLine(amount_minor=100)], seller=GERMAN, buyer=Buyer(country="DE"), at=TODAY, rates=[*RATES, own]
    )
    assert found[0].rate_id == own.id


def test_a_rate_that_nobody_gave_is_asked_for_and_not_guessed() -> None:
    with pytest.raises(TaxRateMissing, match="'books' of DE on 2026-03-01"):
        tax_of(
            [TaxedLine(amount_minor=1, code="books")], seller=GERMAN, buyer=Buyer(country="DE"), at=TODAY, rates=RATES
        )
    with pytest.raises(TaxRateMissing):
        tax_of([TaxedLine(amount_minor=1)], seller=AMERICAN, buyer=Buyer(country="US"), at=TODAY, rates=RATES)


def test_tax_is_rounded_once_a_rate_or_once_a_line_as_the_tenant_chose() -> None:
    # 19 % of 0.13 is 0.0247: three lines are 0.0741 together, and 0.02 each.
    lines = [TaxedLine(amount_minor=13)] * 3
    by_rate = tax_of(lines, seller=GERMAN, buyer=Buyer(country="DE"), at=TODAY, rates=RATES)
    by_line = tax_of(
        lines, seller=Seller(country="DE", tax_ids={"DE": "x"}, rounding="line"), buyer=Buyer(country="DE"), at=TODAY,
        rates=RATES,
    )  # fmt: skip
    assert [line.amount_minor for line in by_rate] == [2, 3, 2]
    assert [line.amount_minor for line in by_line] == [2, 2, 2]


def test_what_comes_back_to_who_has_a_number_by_now_is_rounded_with_the_rest_of_its_rate() -> None:
    business, before = Buyer(country="DE", tax_id="DE129273398"), Buyer(country="DE")
    lines = [TaxedLine(amount_minor=26), TaxedLine(amount_minor=-13, buyer=before)]
    # 19 % of 0.13 is 0.0247, though 0.26 by themselves bear 0.05 and 0.13 bear 0.02.
    found = tax_of(lines, seller=GERMAN, buyer=business, at=TODAY, rates=RATES)
    assert [line.amount_minor for line in found] == [5, -3]
    abroad = Buyer(country="FR", tax_id="FR61954506077")
    assert [line.category for line in tax_of(lines, seller=GERMAN, buyer=abroad, at=TODAY, rates=RATES)] == ["AE", "S"]


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=40))
def test_the_lines_of_a_rate_sum_to_its_tax_and_none_is_off_by_a_minor_unit(amounts: list[int]) -> None:
    lines = [TaxedLine(amount_minor=amount) for amount in amounts]
    found = tax_of(lines, seller=GERMAN, buyer=Buyer(country="DE"), at=TODAY, rates=RATES)
    exact = Decimal(sum(amounts)) * 19 / 100
    assert abs(sum(line.amount_minor for line in found) - exact) <= Decimal("0.5")
    for line, amount in zip(found, amounts, strict=True):
        assert abs(line.amount_minor - Decimal(amount) * 19 / 100) <= 1
