"""Rates of tax, as they are added and shown."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from core.billing.catalog.schemas import Code
from core.foundation.countries import Country
from core.foundation.errors import InvalidInput
from core.foundation.money import format_decimal
from core.foundation.schemas import Answer, Body, Name, Text


def _percent(value: object) -> Decimal:
    head, point, tail = value.partition(".") if isinstance(value, str) else ("", "", "")
    if not (head.isascii() and head.isdigit() and len(head) <= 3) or (
        point and not (tail.isascii() and tail.isdigit() and len(tail) <= 4)
    ):
        raise InvalidInput("percent", 'must be a decimal string such as "19" or "8.1", with at most 4 decimals')
    percent = Decimal(f"{head}.{tail or 0}")
    if percent > 100:
        raise InvalidInput("percent", "must be at most 100")
    return percent


def _day(value: object) -> object:
    if not isinstance(value, str) or len(value) != 10:
        raise ValueError("must be a day such as 2026-01-31")
    return value


def _not_far(day: date) -> date:
    if not 1970 <= day.year <= 2999:
        raise ValueError("must lie between the years 1970 and 2999")
    return day


TaxPercent = Annotated[
    Decimal,
    BeforeValidator(_percent),
    PlainSerializer(format_decimal, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,4})?$", "examples": ["19"]}),
]
Day = Annotated[date, BeforeValidator(_day), AfterValidator(_not_far)]


class NewTaxRate(Body):
    """A percentage from a day on, until the next one of the same country, region and code."""

    country: Country
    region: Annotated[Text, Field(min_length=1, max_length=60)] | None = None
    code: Code = "standard"
    name: Name
    percent: TaxPercent
    effective_from: Day


class TaxRateAnswer(Answer):
    """A rate of tax. The tenant's own hold before the installation's."""

    tax_rate_id: UUID
    country: str
    region: str | None
    code: str
    name: str
    percent: Annotated[Decimal, PlainSerializer(format_decimal, return_type=str)]
    effective_from: date
    owner: Literal["tenant", "installation"]
    replayed: bool = False
