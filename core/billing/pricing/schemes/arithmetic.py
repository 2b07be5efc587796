"""How an amount was found: rows of quantity times unit price, their exact sum, and one rounding. Kept with the line.

A line for a part of a period takes that part of the sum before it is rounded; a credit is a negative part.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from core.billing.pricing.schemes.errors import PriceInvalid
from core.foundation.money import Rounding, add, format_decimal, minor_digits, multiply, round_to_whole

WHOLE = Fraction(1)

Arithmetic = dict[str, Any]
"""JSON: `schema`, `model`, `currency`, `rows`, the exact `sum`, `part`, `rounding` and `amountMinor`."""


@dataclass(frozen=True, slots=True)
class Row:
    """A step: `amount` is `quantity` times `unit_price`, exact. `tier` counts from 1.

    `kind`: flat, unit, included, package, tier, tier_fee, percentage, fixed, least, most, true_up.
    """

    kind: str
    quantity: Decimal
    unit_price: Decimal
    tier: int | None = None

    @property
    def amount(self) -> Decimal:
        """In units of the currency, before rounding."""
        return multiply(self.quantity, self.unit_price)

    def as_json(self) -> dict[str, Any]:
        """Decimals as strings."""
        return {
            "kind": self.kind,
            "tier": self.tier,
            "quantity": format_decimal(self.quantity),
            "unitPrice": format_decimal(self.unit_price),
            "amount": format_decimal(self.amount),
        }


@dataclass(frozen=True, slots=True)
class Rated:
    """An amount and its arithmetic: `exact` is the sum of the rows, `amount_minor` the `part` of it, rounded once."""

    model: str
    currency: str
    rows: tuple[Row, ...]
    rounding: Rounding
    exact: Decimal
    amount_minor: int
    part: Fraction = WHOLE

    @property
    def arithmetic(self) -> Arithmetic:
        """The JSON that is kept; `recompute` finds the amount from it alone."""
        return {
            "schema": 1,
            "model": self.model,
            "currency": self.currency,
            "rows": [row.as_json() for row in self.rows],
            "sum": format_decimal(self.exact),
            "part": str(self.part),
            "rounding": self.rounding.value,
            "amountMinor": self.amount_minor,
        }


def settle(model: str, rows: Iterable[Row], *, currency: str, rounding: Rounding, part: Fraction = WHOLE) -> Rated:
    """The rows summed exactly, and the part of it rounded once. Raises AmountOutOfRange."""
    kept = tuple(rows)
    exact = add(row.amount for row in kept)
    return Rated(model, currency, kept, rounding, exact, _rounded(exact, part, currency, rounding), part)


def part_of(rated: Rated, part: Fraction) -> Rated:
    """The same line for a part of its period, rounded anew from the exact sum; a negative part is a credit."""
    return settle(rated.model, rated.rows, currency=rated.currency, rounding=rated.rounding, part=part)


def recompute(arithmetic: Arithmetic) -> int:
    """The amount in minor units from quantities and unit prices alone.

    Raises PriceInvalid naming the row or the sum that does not follow from them.
    """
    if arithmetic.get("schema") != 1:
        raise PriceInvalid("schema", f"{arithmetic.get('schema')!r} of an arithmetic is not known")
    try:
        rows: Sequence[dict[str, Any]] = arithmetic["rows"]
        amounts: list[Decimal] = []
        for place, row in enumerate(rows):
            amounts.append(multiply(Decimal(row["quantity"]), Decimal(row["unitPrice"])))
            if amounts[-1] != Decimal(row["amount"]):
                raise PriceInvalid(f"rows[{place}].amount", f"is {row['amount']}, but comes to {amounts[-1]}")
        exact = add(amounts)
        if exact != Decimal(arithmetic["sum"]):
            raise PriceInvalid("sum", f"is {arithmetic['sum']}, but comes to {exact}")
        part = Fraction(arithmetic["part"])
        return _rounded(exact, part, arithmetic["currency"], Rounding(arithmetic["rounding"]))
    except (KeyError, TypeError, ValueError, InvalidOperation, ZeroDivisionError) as broken:
        raise PriceInvalid("arithmetic", f"cannot be read: {broken!r}") from None


def _rounded(exact: Decimal, part: Fraction, currency: str, rounding: Rounding) -> int:
    return round_to_whole(Fraction(exact) * 10 ** minor_digits(currency) * part, rounding)
