"""What a meter counts: pure rules that say of an event whether it is counted, in which group, and as how much.

One definition serves all that counts: ingestion as events come in, and every count anew from the stored events. Values
have the type they had in JSON: 1 and "1" are two values, 1 and 1.0 are one, true is no number.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Context, Decimal
from typing import Any, Literal, cast
from uuid import UUID

import orjson

Aggregation = Literal["count", "sum", "max", "unique", "latest"]
Operator = Literal["equals", "in", "exists"]
Scalar = str | int | float | bool | Decimal | None
"""A float only of at most 15 digits, which it holds exactly as they were written."""

LARGEST = Decimal(10) ** 26
DECIMALS = 12
ONE = Decimal(1)
LONGEST_VALUE = 200
MOST_GROUPS = 10_000
EXACT = Context(prec=80)
"""For sums of quantities: nothing is ever rounded."""

_QUANTITY = re.compile(r"[0-9]{1,26}(?:\.[0-9]{1,12})?", re.ASCII).fullmatch


class Uncountable(Exception):
    """An event that its meter wants and cannot count: `code` and `message` say why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on a property; `values` are typed as in JSON."""

    property: str
    operator: Operator
    values: tuple[Any, ...] = ()
    texts: frozenset[str] = frozenset()
    """Those of the values that are texts."""

    def accepts(self, properties: Mapping[str, Scalar]) -> bool:
        """Whether an event with these properties passes. A property that is null does not exist."""
        value = properties.get(self.property)
        if value is None:
            return False
        if type(value) is str:
            return value in self.texts or self.operator == "exists"
        return self.operator == "exists" or typed(value) in self.values


@dataclass(frozen=True, slots=True)
class Definition:
    """A version of a meter, in force for events that occurred from `since` until before `until` (None: no end)."""

    meter_id: UUID
    code: str
    aggregation: Aggregation
    version: int
    event_name: str
    property: str | None
    filters: tuple[Filter, ...]
    dimensions: tuple[str, ...]
    since: datetime
    until: datetime | None = None
    groups: dict[tuple[Any, ...], str] = field(default_factory=lambda: dict[tuple[Any, ...], str](), compare=False)
    """Groups of texts that were met before."""
    meter: str = field(init=False, compare=False)
    """`meter_id` as text."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "meter", str(self.meter_id))

    def written(self) -> list[Any]:
        """All that what it counts follows from, as JSON."""
        filters = [[one.property, one.operator, [repr(value) for value in one.values]] for one in self.filters]
        since = self.since.astimezone(UTC).isoformat()
        return [self.aggregation, self.version, self.event_name, self.property, filters, since]

    def counts(self, event_name: str, occurred_at: datetime, properties: Mapping[str, Scalar]) -> bool:
        """Whether it counts such an event."""
        if (
            event_name != self.event_name
            or occurred_at < self.since
            or (self.until is not None and occurred_at >= self.until)
        ):
            return False
        for one in self.filters:  # noqa: SIM110 - a generator costs more than the filters
            if not one.accepts(properties):
                return False
        return True

    def group(self, properties: Mapping[str, Scalar]) -> str:
        """The values of its dimensions as a JSON list; a property that is missing is null."""
        if not self.dimensions:
            return "[]"
        if len(self.dimensions) == 1:
            alone = properties.get(self.dimensions[0])
            if type(alone) is str and (known := self.groups.get((alone,))) is not None:
                return known
        values = tuple([properties.get(name) for name in self.dimensions])
        known = self.groups.get(values)
        if known is not None:
            return known
        for name, value in zip(self.dimensions, values, strict=True):
            if isinstance(value, str) and len(value) > LONGEST_VALUE:
                raise Uncountable(
                    "usage_value_too_long",
                    f"properties.{name} must have at most {LONGEST_VALUE} characters: {self.code} groups by it",
                )
        group = orjson.dumps([plain(value) for value in values]).decode()
        if len(self.groups) < MOST_GROUPS and all(type(value) is str for value in values):
            self.groups[values] = group
        return group

    def amount(self, properties: Mapping[str, Scalar], quantity: Decimal | None) -> Decimal | str:
        """How much the event is: a quantity, or for a meter of unique values the value. Raises Uncountable."""
        if self.aggregation == "count":
            return ONE
        if self.property is None:
            return ONE if quantity is None else quantity
        value = properties.get(self.property)
        if value is None:
            raise Uncountable(
                "usage_property_missing", f"properties.{self.property} must be given: the meter {self.code} needs it"
            )
        if self.aggregation == "unique":
            if isinstance(value, str) and len(value) > LONGEST_VALUE:
                raise Uncountable(
                    "usage_value_too_long",
                    f"properties.{self.property} must have at most {LONGEST_VALUE} characters: the meter {self.code} "
                    "tells its values apart",
                )
            return orjson.dumps(plain(value)).decode()
        return read_quantity(value, f"properties.{self.property}", f": the meter {self.code} counts it")


@dataclass(slots=True)
class Definitions:
    """A tenant's definitions by the name of the events that they count."""

    all: Sequence[Definition]
    by_event: dict[str, list[Definition]] = field(init=False)

    def __post_init__(self) -> None:
        self.by_event = {}
        for definition in self.all:
            self.by_event.setdefault(definition.event_name, []).append(definition)


def read_quantity(value: Any, name: str, why: str = "") -> Decimal:
    """A quantity given as a JSON number or as a decimal text, exactly. Raises Uncountable."""
    kind = cast("type[Any]", type(value))
    if kind is int:
        found = Decimal(value)
        if 0 <= value < 2**63:
            return found
    elif kind is Decimal:
        found = cast("Decimal", value)
    elif kind is float:
        found = Decimal(repr(value))
    elif kind is str and _QUANTITY(value):
        found = Decimal(value)
    else:
        raise Uncountable("usage_quantity_invalid", f'{name} must be a number such as 3 or a text such as "0.25"{why}')
    exponent = found.as_tuple().exponent
    if not (isinstance(exponent, int) and exponent >= -DECIMALS and 0 <= found < LARGEST):
        raise Uncountable(
            "usage_quantity_out_of_range",
            f"{name} must be 0 or more, with at most 26 digits before and {DECIMALS} after the point{why}",
        )
    return found


def typed(value: Scalar) -> tuple[str, Any]:
    """A value with its JSON type, so that 1, "1" and true are three values and 1 and 1.0 one."""
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, str):
        return "text", value
    if isinstance(value, float):
        return "number", Decimal(repr(value))
    return "number", value if value is None else Decimal(value)


def plain(value: Scalar) -> Any:
    """A value as JSON shows it, numbers in one form only and with all their digits."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else orjson.Fragment(str(value))
    number = Decimal(repr(value)) if isinstance(value, float) else value
    return orjson.Fragment(format(number.normalize(EXACT), "f"))


def read_definitions(rows: Iterable[Sequence[Any]]) -> Definitions:
    """From rows of (meter id, code, aggregation, version, event name, property, filters, dimensions, effective from,
    archived at), each meter's versions in order; ids and instants as texts or as what they are."""
    found: list[Definition] = []
    following: dict[UUID, datetime] = {}
    for row in sorted(rows, key=lambda one: (str(one[0]), one[3]), reverse=True):
        meter_id, code, aggregation, version, event_name, on, filters, dimensions, since, archived_at = row
        key, begins = _id(meter_id), _instant(since)
        assert begins is not None, "a version has a beginning"
        ends = [at for at in (following.get(key), _instant(archived_at)) if at is not None]
        following[key] = begins
        found.append(
            Definition(
                meter_id=key,
                code=code,
                aggregation=aggregation,
                version=version,
                event_name=event_name,
                property=on,
                filters=tuple(read_filter(one) for one in filters),
                dimensions=tuple(dimensions),
                since=begins,
                until=min(ends, default=None),
            )
        )
    found.reverse()
    return Definitions(found)


def read_filter(document: Mapping[str, Any]) -> Filter:
    """A filter as it is stored: property, operator, values."""
    values = tuple(typed(_stored(value)) for value in document.get("values", ()))
    texts = frozenset(value for kind, value in values if kind == "text")
    return Filter(document["property"], document["operator"], values, texts)


def _stored(value: Any) -> Any:
    # A number with a fraction is stored as {"number": "0.25"}: JSON readers would make a float of it.
    return Decimal(cast("dict[str, str]", value)["number"]) if isinstance(value, dict) else value


def _id(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)


def _instant(value: Any) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value
