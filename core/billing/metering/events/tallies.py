"""Events added up by meter, customer, hour and group: pure, and the same for what comes in and for what is stored."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any

from core.billing.metering.meters.definitions import EXACT, Definition, Definitions

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BEFORE_ALL = datetime.min.replace(tzinfo=UTC)
_FIRST_DAY = EPOCH.toordinal()

TallyKey = tuple[str, str, int, int, str]
"""Meter, customer, hour since 1970 (UTC), version, group."""


@dataclass(slots=True)
class Tally:
    """What is known of one group in one hour; of `total`, `peak` and `last` what the aggregation needs."""

    events: int = 0
    total: Decimal | None = None
    peak: Decimal | None = None
    last: Decimal | None = None
    last_at: datetime | None = None
    last_event_id: str | None = None
    values: set[str] | None = None

    def add(self, aggregation: str, amount: Any, occurred_at: datetime, event_id: str) -> None:
        """One more event."""
        self.events += 1
        if aggregation == "sum":
            self.total = amount if self.total is None else self.total + amount
        elif aggregation == "max":
            self.peak = amount if self.peak is None or amount > self.peak else self.peak
        elif aggregation == "unique":
            if self.values is None:
                self.values = set()
            self.values.add(amount)
        elif aggregation == "latest" and (
            self.last_at is None or (occurred_at, event_id) > (self.last_at, self.last_event_id or "")
        ):
            self.last, self.last_at, self.last_event_id = amount, occurred_at, event_id


@dataclass(slots=True)
class Counted:
    """Tallies by key, how many events at least one meter counted, and how many countings there were in all."""

    tallies: dict[TallyKey, Tally] = field(default_factory=lambda: dict[TallyKey, Tally]())
    metered: int = 0
    countings: int = 0


Fact = tuple[str, str, str, datetime, Any, Decimal | None]
"""An event: id, customer, name, when it occurred (UTC), properties, quantity."""


def hour_of(at: datetime) -> int:
    """Hours since 1970 of an instant in UTC."""
    return (at.toordinal() - _FIRST_DAY) * 24 + at.hour


def hour_begin(hour: int) -> datetime:
    """The instant at which an hour begins."""
    return EPOCH + timedelta(hours=hour)


def measure(definitions: Definitions, fact: Fact) -> list[tuple[Definition, str, Decimal | str]]:
    """By which definitions an event is counted, in which group and as how much. Raises Uncountable."""
    _, _, event_name, occurred_at, properties, quantity = fact
    found: list[tuple[Definition, str, Decimal | str]] = []
    for one in definitions.by_event.get(event_name, ()):
        if one.counts(event_name, occurred_at, properties):
            found.append((one, one.group(properties), one.amount(properties, quantity)))
    return found


def add_up(
    facts: Iterable[tuple[Fact, list[tuple[Definition, str, Decimal | str]]]], counted: Counted | None = None
) -> Counted:
    """The tallies of events that were measured, added to what was counted before."""
    counted = counted or Counted()
    tallies = counted.tallies
    with localcontext(EXACT):
        for (event_id, customer_id, _, occurred_at, _, _), measured in facts:
            if not measured:
                continue
            counted.metered += 1
            hour = hour_of(occurred_at)
            for definition, group, amount in measured:
                key = (definition.meter, customer_id, hour, definition.version, group)
                tally = tallies.get(key)
                if tally is None:
                    tally = tallies[key] = Tally()
                if definition.aggregation == "count":
                    tally.events += 1
                else:
                    tally.add(definition.aggregation, amount, occurred_at, event_id)
                counted.countings += 1
    return counted
