"""What a call costs: pure arithmetic over a price book, exact until it is rounded once.

A price per million tokens in units of the currency is, as a number, the price of one token in micro-units. The exact
sum of counts times prices is rounded half up to a whole micro-unit. The arithmetic is kept with each charge, and
`recompute` finds the charge again from nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal
from typing import Any
from uuid import UUID

from core.foundation.money import format_micro, round_to_micro

Arithmetic = dict[str, Any]
"""JSON: `priceBook`, `lines` of token counts and unit prices, the exact `sum`, `rounding` and what was `charged`."""

ROUNDING = "half up to 0.000001"
_EXACT = Context(prec=60)  # ten digits of tokens times any price a book may hold fit many times


@dataclass(frozen=True, slots=True)
class ModelRates:
    """A model's prices in units of the currency per million tokens."""

    input_per_million: Decimal
    cached_per_million: Decimal
    output_per_million: Decimal


@dataclass(frozen=True, slots=True)
class RateCard:
    """A version of a price book as it is used. `is_own`: the tenant's own book, not the installation's."""

    id: UUID
    version: int
    currency: str
    effective_from: datetime
    source: str
    is_own: bool
    models: Mapping[str, ModelRates]


@dataclass(frozen=True, slots=True)
class Charge:
    """What a call costs, and how that was found."""

    amount_micro: int
    arithmetic: Arithmetic


def rate(card: RateCard, model: str, *, input_tokens: int, cached_tokens: int, output_tokens: int) -> Charge:
    """The charge of a call; `cached_tokens` is a part of `input_tokens`. Raises KeyError for an unknown model."""
    rates = card.models[model]
    fresh_tokens = input_tokens - cached_tokens
    exact = _sum(
        (fresh_tokens, rates.input_per_million),
        (cached_tokens, rates.cached_per_million),
        (output_tokens, rates.output_per_million),
    )
    amount_micro = round_to_micro(exact)
    lines = [_line("input", fresh_tokens, rates.input_per_million)]
    if cached_tokens:
        lines.append(_line("cached", cached_tokens, rates.cached_per_million))
    lines.append(_line("output", output_tokens, rates.output_per_million))
    arithmetic: Arithmetic = {
        "priceBook": {
            "id": str(card.id),
            "version": card.version,
            "currency": card.currency,
            "owner": "tenant" if card.is_own else "installation",
        },
        "model": model,
        "lines": lines,
        "sum": f"{exact.normalize(_EXACT):f}",
        "rounding": ROUNDING,
        "charged": format_micro(amount_micro),
    }
    return Charge(amount_micro, arithmetic)


def most(card: RateCard, model: str, *, input_tokens: int, max_output_tokens: int) -> int:
    """The most a call may cost, in micro-units: no token is cheaper for being cached. Raises KeyError."""
    rates = card.models[model]
    dearest_input = max(rates.input_per_million, rates.cached_per_million)
    return round_to_micro(_sum((input_tokens, dearest_input), (max_output_tokens, rates.output_per_million)))


def recompute(arithmetic: Arithmetic) -> int:
    """The charge in micro-units, found from the kept arithmetic alone."""
    return round_to_micro(_sum(*((line["count"], Decimal(line["perMillion"])) for line in arithmetic["lines"])))


def _sum(*lines: tuple[int, Decimal]) -> Decimal:
    """The exact sum of counts times prices, in units of the currency."""
    total = Decimal(0)
    for count, per_million in lines:
        total = _EXACT.fma(count, per_million, total)
    return _EXACT.scaleb(total, -6)


def _line(tokens: str, count: int, per_million: Decimal) -> dict[str, Any]:
    return {"tokens": tokens, "count": count, "perMillion": str(per_million)}
