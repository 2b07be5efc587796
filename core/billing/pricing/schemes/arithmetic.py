"""How an amount was found: rows of quantity times unit price, their exact sum, and one rounding. Kept with the line."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from core.billing.pricing.schemes.errors import PriceInvalid
from core.foundation.money import Rounding, add, format_decimal, multiply, round_to_minor

Arithmetic = dict[str, Any]
"""JSON: `schema`, `model`, `currency`, `rows`, the exact `sum`, `rounding` and `amountMinor`."""


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
    """An amount and its arithmetic."""

    model: str
    currency: str
    rows: tuple[Row, ...]
    rounding: Rounding
    exact: Decimal
    amount_minor: int

    @property
    def arithmetic(self) -> Arithmetic:
        """The JSON that is kept; `recompute` finds the amount from it alone."""
        return {
            "schema": 1,
            "model": self.model,
            "currency": self.currency,
            "rows": [row.as_json() for row in self.rows],
            "sum": format_decimal(self.exact),
            "rounding": self.rounding.value,
            "amountMinor": self.amount_minor,
        }


def settle(model: str, rows: Iterable[Row], *, currency: str, rounding: Rounding) -> Rated:
    """The rows summed exactly and rounded once. Raises AmountOutOfRange."""
    kept = tuple(rows)
    exact = add(row.amount for row in kept)
    return Rated(model, currency, kept, rounding, exact, round_to_minor(exact, currency, rounding))


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
        return round_to_minor(exact, arithmetic["currency"], Rounding(arithmetic["rounding"]))
    except (KeyError, TypeError, ValueError, InvalidOperation) as broken:
        raise PriceInvalid("arithmetic", f"cannot be read: {broken!r}") from None
