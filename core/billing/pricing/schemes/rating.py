"""What a quantity costs under a price: pure, exact until it is rounded once.

Boundaries: tiers name whole units, both ends included. The part of a quantity above n whole units belongs to unit
n + 1, so tier 11 to 20 prices what lies above 10 and up to 20. At a quantity of zero no tier is reached, no package is
begun and no fee is owed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from core.billing.pricing.schemes.arithmetic import Rated, Row, settle
from core.billing.pricing.schemes.definitions import (
    Flat,
    Graduated,
    Package,
    Percentage,
    PerUnit,
    Scheme,
    Tier,
    Volume,
)
from core.billing.pricing.schemes.errors import PriceInvalid, QuantityInvalid
from core.foundation.money import add, decimals, fits_minor, multiply, percent, round_up_to_steps, subtract

ONE = Decimal(1)
MOST_QUANTITY = Decimal(10) ** 26
MOST_DECIMALS = 12
"""What numeric(38, 12), in which quantities are stored, holds."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was used in a period: a quantity, and for percentages the amounts of the transactions one by one.

    Without `transactions` a percentage takes the quantity as the amount of one transaction, and zero as none.
    """

    quantity: Decimal = ONE
    transactions: Sequence[Decimal] | None = None


def rate(scheme: Scheme, measured: Measured, *, currency: str) -> Rated:
    """The amount and its rows. Raises QuantityInvalid for what cannot be priced, AmountOutOfRange."""
    for quantity in (measured.quantity, *(measured.transactions or ())):
        check_quantity(quantity)
    return settle(scheme.model, _rows(scheme, measured), currency=currency, rounding=scheme.rounding)


def check_quantity(quantity: Decimal, field: str = "quantity") -> None:
    """Raises QuantityInvalid unless it is finite, not negative, and fits numeric(38, 12)."""
    if not quantity.is_finite() or quantity < 0 or quantity >= MOST_QUANTITY:
        raise QuantityInvalid(field, "must be from 0 to less than 10^26")
    if decimals(quantity) > MOST_DECIMALS:
        raise QuantityInvalid(field, f"must have at most {MOST_DECIMALS} decimals")


def check_currency(scheme: Scheme, currency: str) -> None:
    """Raises PriceInvalid for a flat amount that cannot be paid in whole minor units of the currency."""
    if isinstance(scheme, Flat) and not fits_minor(scheme.amount, currency):
        raise PriceInvalid("amount", f"has more decimals than {currency} has")


def _rows(scheme: Scheme, measured: Measured) -> Iterator[Row]:
    if isinstance(scheme, Flat):
        return iter((Row("flat", ONE, scheme.amount),))
    if isinstance(scheme, PerUnit):
        return _per_unit(scheme, measured.quantity)
    if isinstance(scheme, Package):
        return _packages(scheme, measured.quantity)
    if isinstance(scheme, Graduated):
        return _graduated(scheme, measured.quantity)
    if isinstance(scheme, Volume):
        return _volume(scheme, measured.quantity)
    if measured.transactions is not None:
        return _percentage(scheme, measured.transactions)
    return _percentage(scheme, (measured.quantity,) if measured.quantity else ())


def _included(quantity: Decimal, included: Decimal) -> tuple[Decimal, list[Row]]:
    """What is left to pay for, and the row that says what was not."""
    free = min(quantity, included)
    return subtract(quantity, free), [Row("included", free, Decimal(0))] if free else []


def _per_unit(scheme: PerUnit, quantity: Decimal) -> Iterator[Row]:
    charged, free = _included(quantity, scheme.included)
    yield from free
    yield Row("unit", charged, scheme.unit_price)


def _packages(scheme: Package, quantity: Decimal) -> Iterator[Row]:
    charged, free = _included(quantity, scheme.included)
    yield from free
    yield Row("package", Decimal(round_up_to_steps(charged, scheme.package_size)), scheme.package_price)


def _graduated(scheme: Graduated, quantity: Decimal) -> Iterator[Row]:
    for number, tier in enumerate(scheme.tiers, start=1):
        below = Decimal(tier.first_unit - 1)
        if quantity <= below:
            return
        top = quantity if tier.last_unit is None else min(quantity, Decimal(tier.last_unit))
        yield from _tier(tier, number, subtract(top, below))


def _volume(scheme: Volume, quantity: Decimal) -> Iterator[Row]:
    if not quantity:
        return
    for number, tier in enumerate(scheme.tiers, start=1):
        if tier.last_unit is None or quantity <= tier.last_unit:
            yield from _tier(tier, number, quantity)
            return


def _tier(tier: Tier, number: int, quantity: Decimal) -> Iterator[Row]:
    yield Row("tier", quantity, tier.unit_price, number)
    if tier.flat_fee:
        yield Row("tier_fee", ONE, tier.flat_fee, number)


def _percentage(scheme: Percentage, transactions: Sequence[Decimal]) -> Iterator[Row]:
    """Transactions alike are one row: those at the rate, those lifted to the minimum, those held at the maximum."""
    factor = percent(scheme.rate)
    at_rate: list[Decimal] = []
    lifted = held = 0
    for amount in transactions:
        fee = add((multiply(amount, factor), scheme.fixed))
        if scheme.minimum is not None and fee < scheme.minimum:
            lifted += 1
        elif scheme.maximum is not None and fee > scheme.maximum:
            held += 1
        else:
            at_rate.append(amount)
    if at_rate:
        yield Row("percentage", add(at_rate), factor)
        if scheme.fixed:
            yield Row("fixed", Decimal(len(at_rate)), scheme.fixed)
    if lifted and scheme.minimum is not None:
        yield Row("least", Decimal(lifted), scheme.minimum)
    if held and scheme.maximum is not None:
        yield Row("most", Decimal(held), scheme.maximum)
