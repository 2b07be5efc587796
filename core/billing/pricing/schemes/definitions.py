"""What a price is: one strict, versioned JSON document a price, the same in the database and in the API.

Every document says its `model` and its `schema`. A schema once stored is read for ever: a change of meaning is a new
schema beside the old one. Decimals are strings in units of the currency, never JSON numbers, and never negative.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, TypeAdapter, ValidationError, WithJsonSchema

from core.billing.pricing.schemes.errors import (
    PriceInvalid,
    PriceModelUnknown,
    PriceSchemaUnknown,
    TiersClosed,
    TiersGap,
    TiersOverlap,
    TiersUnordered,
)
from core.foundation.fields import named
from core.foundation.money import Rounding, format_decimal
from core.foundation.schemas import Body, StrictInteger

_PATTERN = r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,12})?$"
MOST_TIERS = 200
MOST_UNIT = 10**15


def _decimal(value: object) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str) or not re.fullmatch(_PATTERN.replace("$", ""), value):
        raise ValueError('must be a decimal string such as "0.05": 12 digits before and 12 after the point at most')
    return Decimal(value)


Amount = Annotated[
    Decimal,
    BeforeValidator(_decimal),
    PlainSerializer(format_decimal, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _PATTERN, "examples": ["0.05"]}),
    named("price_invalid"),
]
"""Zero or more, in units of the currency (of a quantity: in units of the quantity)."""

Unit = Annotated[StrictInteger, Field(ge=1, le=MOST_UNIT)]
Schema = Annotated[Literal[1], Field(alias="schema", description="Version of this document's form.")]


class Definition(Body):
    """What all prices have. `rounding` is how the line becomes minor units, once."""

    schema_version: Schema = 1
    rounding: Rounding = Rounding.HALF_UP


class Flat(Definition):
    """The same for every period, whatever is used."""

    model: Literal["flat"]
    amount: Amount


class PerUnit(Definition):
    """Each unit (a seat, a gigabyte) at one price; the first `included` units cost nothing."""

    model: Literal["per_unit"]
    unit_price: Amount
    included: Amount = Decimal(0)


class Package(Definition):
    """Units in packages of a size: a package begun is a package paid. `included` units cost nothing."""

    model: Literal["package"]
    package_size: Amount
    package_price: Amount
    included: Amount = Decimal(0)

    def model_post_init(self, context: Any, /) -> None:
        """A package of nothing has no number of packages."""
        if not self.package_size:
            raise PriceInvalid("packageSize", "must be more than 0")


class Tier(Body):
    """Units `first_unit` to `last_unit`, both included; the last tier is open (`lastUnit` null).

    `flat_fee` is owed once when any unit falls into the tier.
    """

    first_unit: Unit
    last_unit: Unit | None
    unit_price: Amount
    flat_fee: Amount = Decimal(0)


class Tiered(Definition):
    """Tiers from unit 1 upwards, without gap or overlap, the last one open."""

    tiers: Annotated[tuple[Tier, ...], Field(min_length=1, max_length=MOST_TIERS)]

    def model_post_init(self, context: Any, /) -> None:
        """Refuses tiers under which a unit has no price, or two."""
        for place, tier in enumerate(self.tiers):
            field, former = f"tiers[{place}]", self.tiers[place - 1] if place else None
            if tier.last_unit is not None and tier.last_unit < tier.first_unit:
                raise TiersUnordered(field, f"ends at unit {tier.last_unit}, before its first unit {tier.first_unit}")
            if former is None:
                if tier.first_unit != 1:
                    raise TiersGap(field, f"must begin at unit 1: units below {tier.first_unit} have no price")
            elif tier.first_unit <= former.first_unit:
                raise TiersUnordered(
                    field, f"begins at unit {tier.first_unit}, after a tier from {former.first_unit}: list them upwards"
                )
            elif former.last_unit is None or tier.first_unit <= former.last_unit:
                end = "that is open" if former.last_unit is None else f"up to unit {former.last_unit}"
                raise TiersOverlap(field, f"begins at unit {tier.first_unit}, within the tier before it {end}")
            elif tier.first_unit > former.last_unit + 1:
                raise TiersGap(
                    field, f"begins at unit {tier.first_unit}: units from {former.last_unit + 1} have no price"
                )
        if self.tiers[-1].last_unit is not None:
            raise TiersClosed(
                f"tiers[{len(self.tiers) - 1}]",
                f"must be open (lastUnit null): units above {self.tiers[-1].last_unit} have no price",
            )


class Graduated(Tiered):
    """Each unit at the price of the tier it lies in."""

    model: Literal["graduated"]


class Volume(Tiered):
    """All units at the price of the tier that the quantity reaches."""

    model: Literal["volume"]


class Percentage(Definition):
    """`rate` percent of each transaction's amount plus `fixed`, at least `minimum` and at most `maximum` of each."""

    model: Literal["percentage"]
    rate: Amount
    fixed: Amount = Decimal(0)
    minimum: Amount | None = None
    maximum: Amount | None = None

    def model_post_init(self, context: Any, /) -> None:
        """A rate above 100 % is a slip; a minimum above the maximum has no answer."""
        if self.rate > 100:
            raise PriceInvalid("rate", "must be at most 100 (percent)")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise PriceInvalid("minimum", "must not be more than the maximum")


Scheme = Flat | PerUnit | Package | Graduated | Volume | Percentage
SchemeBody = Annotated[Scheme, Field(discriminator="model")]

# Every definition that was ever stored: (model, schema). None is ever taken away.
_READERS: dict[tuple[str, int], TypeAdapter[Scheme]] = {
    ("flat", 1): TypeAdapter(Flat),
    ("per_unit", 1): TypeAdapter(PerUnit),
    ("package", 1): TypeAdapter(Package),
    ("graduated", 1): TypeAdapter(Graduated),
    ("volume", 1): TypeAdapter(Volume),
    ("percentage", 1): TypeAdapter(Percentage),
}
MODELS = tuple(dict.fromkeys(model for model, _ in _READERS))


def parse(document: Mapping[str, Any]) -> Scheme:
    """A stored definition. Raises PriceInvalid, by name and field, for whatever is not exactly one."""
    model, schema = document.get("model"), document.get("schema")
    if not isinstance(model, str) or model not in MODELS:
        raise PriceModelUnknown("model", f"must be one of {', '.join(MODELS)}")
    if isinstance(schema, bool) or not isinstance(schema, int) or (model, schema) not in _READERS:
        raise PriceSchemaUnknown("schema", f"{schema!r} of {model} is not known; this program reads 1")
    try:
        return _READERS[model, schema].validate_python(dict(document), by_alias=True, by_name=False)
    except ValidationError as invalid:
        first = invalid.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "price"
        raise PriceInvalid(field, first["msg"].removeprefix("Value error, ")) from None


def dump(scheme: Definition) -> dict[str, Any]:
    """The definition as it is stored."""
    return scheme.model_dump(mode="json", by_alias=True)
