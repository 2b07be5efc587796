"""A month's bill beside the estimate, as the Costs page shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from console.costing import sentence, signed
from console.figures import MINUS, Moment, Money, moment, money

Json = Mapping[str, Any]


@dataclass
class Variance:
    """Estimated and billed."""

    name: str = ""
    category: str = ""
    estimated: Money = field(default_factory=Money)
    actual: Money = field(default_factory=Money)
    difference: str = ""
    percent: str = ""
    alert: bool = False


@dataclass
class Actual:
    """A month's bill beside the estimate."""

    month: str = ""
    months: list[str] = field(default_factory=list)
    source: str = ""
    imported: Moment = field(default_factory=Moment)
    total: Variance = field(default_factory=Variance)
    lines: list[Variance] = field(default_factory=list)
    apart: str = ""
    notes: list[str] = field(default_factory=list)
    alerts: int = 0


def actual(body: Json, now: datetime) -> Actual:
    """`GET /operations/costs/{stack}/actual`."""
    if not body["month"]:
        return Actual()
    currency = body["currency"]
    return Actual(
        month=body["month"],
        months=list(body["months"]),
        source=body["source"],
        imported=moment(body["importedAt"], now),
        total=_variance(body["total"], currency),
        lines=[
            _variance(entry, currency)
            for entry in sorted(body["lines"], key=lambda entry: -abs(Decimal(entry["difference"])))
        ],
        apart=", ".join(f"{money(amount, currency).short} of {name}" for name, amount in body["apart"].items()),
        notes=[sentence(note) for note in body["notes"]],
        alerts=sum(entry["alert"] for entry in body["lines"]),
    )


def _variance(entry: Json, currency: str) -> Variance:
    percent = entry["percent"]
    return Variance(
        name=sentence(entry["name"]),
        category=entry["category"],
        estimated=money(entry["estimated"], currency),
        actual=money(entry["actual"], currency),
        difference=signed(Decimal(entry["difference"])),
        percent="not estimated" if percent is None else f"{Decimal(percent):+.0f} %".replace("-", MINUS),
        alert=entry["alert"],
    )
