"""Meters on the wire."""

from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from core.foundation.schemas import Answer, Body, Instant, InstantInput, Name, Text

Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
Property = Annotated[Text, Field(min_length=1, max_length=100)]
Value = (
    Annotated[bool, Field(strict=True)]
    | Annotated[int, Field(strict=True, ge=-(2**53), le=2**53)]
    | Annotated[float, Field(strict=True, allow_inf_nan=False)]
    | Annotated[Text, Field(max_length=200)]
)


class FilterInput(Body):
    """A condition on a property: `equals` one value, `in` several, or `exists`. Values have types: 1 is not "1"."""

    property: Property
    operator: Literal["equals", "in", "exists"]
    values: Annotated[list[Value], Field(max_length=100)] = []

    @model_validator(mode="after")
    def _as_many_values_as_needed(self) -> Self:
        least, most = {"equals": (1, 1), "in": (1, 100), "exists": (0, 0)}[self.operator]
        if not least <= len(self.values) <= most:
            raise ValueError(f"values must be {'one' if most == 1 else 'none' if most == 0 else '1 to 100'} for it")
        for value in self.values:
            if isinstance(value, float) and len(Decimal(repr(value)).as_tuple().digits) > 15:
                raise ValueError("numbers must have at most 15 digits")
        return self

    def document(self) -> dict[str, Any]:
        """As it is stored, numbers by their digits."""
        values = [{"number": repr(one)} if isinstance(one, float) else one for one in self.values]
        return {"property": self.property, "operator": self.operator, "values": values}


class MeterChange(Body):
    """A new version of what is counted; what is left out stays as it was. Aggregation and code never change."""

    name: Name | None = None
    event_name: Annotated[Text, Field(min_length=1, max_length=100)] | None = None
    property: Property | None = None
    filters: Annotated[list[FilterInput], Field(max_length=10)] | None = None
    dimensions: Annotated[list[Property], Field(max_length=5)] | None = None
    effective_from: Annotated[
        InstantInput | None, Field(description="Now or later; the tenant's now when left out.")
    ] = None

    @model_validator(mode="after")
    def _dimensions_are_distinct(self) -> Self:
        if self.dimensions is not None and len(set(self.dimensions)) < len(self.dimensions):
            raise ValueError("dimensions must be distinct")
        return self


class NewMeter(Body):
    """What is counted of a tenant's events.

    `property` is what `sum`, `max` and `latest` add up (the event's `quantity` without it, 1 without that) and what
    `unique` tells apart; `count` takes none.
    """

    code: Code
    name: Name
    aggregation: Literal["count", "sum", "max", "unique", "latest"]
    event_name: Annotated[Text, Field(min_length=1, max_length=100)]
    property: Property | None = None
    filters: Annotated[list[FilterInput], Field(max_length=10)] = []
    dimensions: Annotated[list[Property], Field(max_length=5)] = []
    counts_from: Annotated[
        InstantInput | None,
        Field(
            description="An instant in the past: events that occurred since then are counted, stored ones too. "
            "When left out 35 days ago, as far back as late events are taken; now where more than 200,000 are stored "
            "since then."
        ),
    ] = None

    @model_validator(mode="after")
    def _property_fits(self) -> Self:
        if self.aggregation == "count" and self.property is not None:
            raise ValueError("count takes no property")
        if self.aggregation == "unique" and self.property is None:
            raise ValueError("unique needs a property whose values it tells apart")
        if len(set(self.dimensions)) < len(self.dimensions):
            raise ValueError("dimensions must be distinct")
        return self


class FilterAnswer(Answer):
    """A condition; a number with a fraction is shown as it is."""

    property: str
    operator: str
    values: list[Any]


class VersionAnswer(Answer):
    """A definition, in force for events that occurred from `effectiveFrom` until the next version's."""

    version: int
    event_name: str
    property: str | None
    filters: list[FilterAnswer]
    dimensions: list[str]
    effective_from: Instant


class MeterAnswer(Answer):
    """A meter with its newest definition."""

    meter_id: UUID
    code: str
    name: str
    aggregation: str
    created_at: Instant
    archived_at: Instant | None
    version: VersionAnswer


class MeterDetail(MeterAnswer):
    """With all its versions, the first one first."""

    versions: list[VersionAnswer]
