"""What a move takes before it begins: hours, egress of the source's cloud, and both stacks running side by side."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from core.foundation.money import minor_to_units, round_to_minor
from core.operations.costs.graphs import find_graph
from infra.costs.estimate import estimate
from infra.costs.prices import price_list

STATED_BYTES_A_SECOND = 20_000_000
"""Where no rate was measured: what two cores copied, with indexes built and both sides compared (docs/moving.md)."""
SETTLING_HOURS = Decimal(24)
"""How long the old side is kept after the switch, unless said otherwise."""
HOURS_A_MONTH = Decimal(730)


@dataclass(frozen=True, kw_only=True)
class Preview:
    """In the currency of the price lists."""

    gigabytes: Decimal
    hours: Decimal
    rate_note: str
    egress: Decimal | None
    egress_note: str
    running: Decimal | None
    running_note: str

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "gigabytes": str(self.gigabytes),
            "hours": str(self.hours),
            "rate": self.rate_note,
            "egress": str(self.egress) if self.egress is not None else None,
            "egressNote": self.egress_note,
            "doubleRunning": str(self.running) if self.running is not None else None,
            "doubleRunningNote": self.running_note,
        }

    def lines(self) -> list[str]:
        """For people."""
        return [
            f"{self.gigabytes} GB, about {self.hours} h until the switch ({self.rate_note})",
            f"egress: {self.egress_note}",
            f"running both: {self.running_note}",
        ]


def preview(
    size: int, *, from_stack: str | None, to_stack: str | None, keep_hours: Decimal = SETTLING_HOURS, today: date
) -> Preview:
    """From the source's size and, where they are named, the two stacks. Raises GraphUnavailable."""
    gigabytes = round(Decimal(size) / 10**9, 2)
    hours = max(round(Decimal(size) / STATED_BYTES_A_SECOND / 3600, 2), Decimal("0.01"))
    egress, egress_note = None, "nothing is charged on one machine; name the stack with --from-stack to price it"
    running, running_note = None, "name both stacks (--from-stack, --to-stack) to price it"
    monthly, currency = Decimal(0), "USD"
    for name in filter(None, (from_stack, to_stack)):
        graph = find_graph(name)
        made = estimate(graph, today=today)
        monthly, currency = monthly + made.monthly, made.currency
        if name == from_stack:
            price = price_list(made.cloud, made.region).get("egress/internet/data")
            # The free part of a month is taken as used up: it is the dearer, and the likelier, case.
            egress = _cents(gigabytes * price.unit_price, made.currency)
            egress_note = (
                f"{egress} for the first copy at {price.unit_price} a {price.unit} ({price.source}, {price.date}); "
                "changes while it runs come on top"
            )
    if from_stack and to_stack:
        share = (hours + keep_hours) / HOURS_A_MONTH
        running = _cents(monthly * share, currency)
        running_note = f"{running} for {hours + keep_hours} h of both ({_cents(monthly, currency)} a month)"
    return Preview(
        gigabytes=gigabytes,
        hours=hours,
        rate_note=f"at {STATED_BYTES_A_SECOND // 10**6} MB a second, stated, not measured here",
        egress=egress,
        egress_note=egress_note,
        running=running,
        running_note=running_note,
    )


def _cents(amount: Decimal, currency: str) -> Decimal:
    return minor_to_units(round_to_minor(amount, currency), currency)
