"""Which tax a line bears, and how much. Pure.

What is sold are services, taxed where the buyer is (goods only where a line says so): at home at the seller's rate;
within the Union a business with a VAT number owes the tax itself (reverse charge), and anybody else pays the rate of
their country where the seller is registered there or uses the One Stop Shop, else the seller's; elsewhere the rate of
a country where the seller is registered, and none where it is not.

Rounding, by the tenant's choice: once a rate, on the sum of its lines, each line bearing the step of the running sum
(so that lines sum to the tax exactly and none is off by a minor unit or more), or once a line. A half is rounded away
from zero.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Literal
from uuid import UUID

from core.billing.customers.tax_ids import country_of
from core.billing.tax.errors import TaxRateMissing
from core.foundation.countries import EU
from core.foundation.ids import INSTALLATION_ID
from core.foundation.money import round_to_whole

Category = Literal["S", "Z", "E", "AE", "O", "G", "K"]
Reason = Literal["exempt", "reverse_charge", "outside_scope", "export", "intra_community", "not_registered"]
VATEX: Mapping[Reason, str] = {
    "reverse_charge": "VATEX-EU-AE",
    "outside_scope": "VATEX-EU-O",
    "not_registered": "VATEX-EU-O",
    "export": "VATEX-EU-G",
    "intra_community": "VATEX-EU-IC",
}
"""Codes of the list that EN 16931 names; an exemption is said in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seller:
    """Where the seller is and where it charges tax: `tax_ids` by country."""

    country: str | None
    region: str | None = None
    tax_ids: Mapping[str, str] = field(default_factory=dict[str, str])
    one_stop_shop: bool = False
    rounding: Literal["rate", "line"] = "rate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Buyer:
    """Who buys; `treatment` of the customer overrules what follows from the countries."""

    country: str | None
    region: str | None = None
    tax_id: str | None = None
    treatment: str = "automatic"
    exempt_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxedLine:
    """`amount_minor` is net, after discounts. `supplied_on`: the day whose rate holds; without it the document's.

    `buyer`: who bore the tax of what comes back, where the document's buyer is another to the tax by now.
    """

    amount_minor: int
    code: str = "standard"
    is_goods: bool = False
    supplied_on: date | None = None
    buyer: Buyer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A row of the rate table; `region` is empty for the whole country."""

    tenant_id: UUID
    id: UUID
    country: str
    region: str
    code: str
    name: str
    percent: Decimal
    effective_from: date
    created_at: datetime = datetime.min.replace(tzinfo=UTC)
    """By the server's clock: what was computed before knows nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineTax:
    """What one line bears. `rate_id` is None where no rate was looked up."""

    category: Category
    percent: Decimal
    amount_minor: int
    country: str | None
    name: str
    rate_id: UUID | None = None
    reason: Reason | None = None
    reason_text: str | None = None
    """In the tenant's words, of an exemption."""

    @property
    def reason_code(self) -> str | None:
        """Of the VATEX list."""
        return VATEX.get(self.reason) if self.reason else None


_NONE = Decimal(0)


def tax_of(
    lines: Sequence[TaxedLine], *, seller: Seller, buyer: Buyer, at: date, rates: Sequence[Rate]
) -> tuple[LineTax, ...]:
    """The tax of each line, in their order. Raises TaxRateMissing."""
    kinds = [_kind(line, seller, line.buyer or buyer, at, rates) for line in lines]
    running: dict[tuple[str, Decimal], tuple[int, int]] = {}
    found: list[LineTax] = []
    for line, kind in zip(lines, kinds, strict=True):
        if seller.rounding == "line":
            amount = _share(line.amount_minor, kind.percent)
        else:
            basis, tax = running.get((kind.category, kind.percent), (0, 0))
            total = _share(basis + line.amount_minor, kind.percent)
            running[kind.category, kind.percent] = (basis + line.amount_minor, total)
            amount = total - tax
        found.append(
            LineTax(
                category=kind.category,
                percent=kind.percent,
                amount_minor=amount,
                country=kind.country,
                name=kind.name,
                rate_id=kind.rate_id,
                reason=kind.reason,
                reason_text=kind.reason_text,
            )
        )
    return tuple(found)


def _share(amount_minor: int, percent: Decimal) -> int:
    return round_to_whole(amount_minor * Fraction(percent) / 100)


def _kind(line: TaxedLine, seller: Seller, buyer: Buyer, at: date, rates: Sequence[Rate]) -> LineTax:
    on = line.supplied_on or at
    if not seller.tax_ids:
        return _none("O", "not_registered", seller.country)
    if buyer.treatment == "exempt":
        return _none("E", "exempt", buyer.country, text=buyer.exempt_reason)
    if buyer.treatment == "reverse_charge":
        return _none("AE", "reverse_charge", buyer.country)
    home, place = seller.country, buyer.country or seller.country
    if place == home or place is None:
        return _charged(line, home, seller.region if buyer.region is None else buyer.region, seller, on, rates)
    number = country_of(buyer.tax_id) if buyer.tax_id else None
    if home in EU and place in EU:
        if number in EU and number != home:
            return _none("K", "intra_community", place) if line.is_goods else _none("AE", "reverse_charge", place)
        if number == home or not (seller.one_stop_shop or place in seller.tax_ids):
            return _charged(line, home, seller.region, seller, on, rates)
        return _looked_up(line, place, buyer.region, on, rates)
    if number in EU and number not in (home, None) and any(country in EU for country in seller.tax_ids):
        return _none("AE", "reverse_charge", place)
    if place in seller.tax_ids:
        return _looked_up(line, place, buyer.region, on, rates)
    return _none("G", "export", place) if line.is_goods else _none("O", "outside_scope", place)


def _charged(
    line: TaxedLine, country: str | None, region: str | None, seller: Seller, on: date, rates: Sequence[Rate]
) -> LineTax:
    if country is None or country not in seller.tax_ids:
        return _none("O", "not_registered", country)
    return _looked_up(line, country, region, on, rates)


def _looked_up(line: TaxedLine, country: str, region: str | None, on: date, rates: Sequence[Rate]) -> LineTax:
    rate = find_rate(rates, country=country, region=region, code=line.code, on=on)
    if rate is None:
        raise TaxRateMissing(country, line.code, on)
    return LineTax(
        category="S" if rate.percent else "Z",
        percent=rate.percent,
        amount_minor=0,
        country=country,
        name=rate.name,
        rate_id=rate.id,
    )


def find_rate(rates: Sequence[Rate], *, country: str, region: str | None, code: str, on: date) -> Rate | None:
    """The rate in force: a region's before its country's, the tenant's own before the installation's, then the last."""
    fitting = [
        rate
        for rate in rates
        if rate.country == country and rate.code == code and rate.region in ("", region) and rate.effective_from <= on
    ]
    return max(
        fitting,
        key=lambda rate: (rate.region != "", rate.tenant_id != INSTALLATION_ID, rate.effective_from),
        default=None,
    )


def _none(category: Category, reason: Reason, country: str | None, *, text: str | None = None) -> LineTax:
    return LineTax(
        category=category, percent=_NONE, amount_minor=0, country=country, name="", reason=reason, reason_text=text
    )
