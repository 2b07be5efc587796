"""What is owed at least: a minimum of each period, a commitment over several; what is missing is one true-up row.

A minimum counts what the period's charges come to before coupons and tax. For a part of a period (a start, a change,
a cancellation in the middle) the minimum is that part of itself, rounded once with its line. A commitment is settled
once, at the end of its last period or when the subscription ends earlier: the whole of it is owed.
"""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from core.billing.pricing.schemes.arithmetic import WHOLE, Rated, Row, settle
from core.billing.pricing.schemes.definitions import Amount, Definition
from core.billing.pricing.schemes.errors import PriceInvalid
from core.foundation.money import (
    Rounding,
    fits_minor,
    minor_digits,
    minor_to_units,
    round_to_minor,
    round_to_whole,
)
from core.foundation.schemas import StrictInteger


class Minimum(Definition):
    """Each period comes to at least this."""

    model: Literal["minimum"]
    amount: Amount


class Commitment(Definition):
    """`periods` periods together come to at least this."""

    model: Literal["commitment"]
    amount: Amount
    periods: Annotated[StrictInteger, Field(ge=1, le=120)]


def parse_floor(document: Mapping[str, Any]) -> Minimum | Commitment:
    """A stored minimum or commitment. Raises PriceInvalid."""
    kind = {"minimum": Minimum, "commitment": Commitment}.get(str(document.get("model")))
    if kind is None or document.get("schema") != 1 or isinstance(document.get("schema"), bool):
        raise PriceInvalid("model", "must be minimum or commitment, of schema 1")
    try:
        return kind.model_validate(dict(document), by_alias=True, by_name=False)
    except ValidationError as invalid:
        first = invalid.errors()[0]
        raise PriceInvalid(".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")) from None


def check_floor(floor: Minimum | Commitment, currency: str) -> None:
    """Raises PriceInvalid where it is nothing, or has more decimals than the currency."""
    if not floor.amount or not fits_minor(floor.amount, currency):
        raise PriceInvalid("amount", f"must be more than 0, with at most the decimals that {currency} has")


def true_up(floor: Minimum | Commitment, charged_minor: int, *, currency: str, part: Fraction = WHOLE) -> Rated | None:
    """What is missing after `charged_minor`, or None. `part` is the share of the period that a minimum is for."""
    if isinstance(floor, Commitment) or part == WHOLE:
        owed_minor = round_to_minor(floor.amount, currency, floor.rounding)
    else:
        owed_minor = round_to_whole(Fraction(floor.amount) * 10 ** minor_digits(currency) * part, floor.rounding)
    if charged_minor >= owed_minor:
        return None
    missing = minor_to_units(owed_minor - charged_minor, currency)
    return settle(floor.model, [Row("true_up", Decimal(1), missing)], currency=currency, rounding=Rounding.HALF_UP)
