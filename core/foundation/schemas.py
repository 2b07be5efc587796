"""Base of every body that goes in or out: camelCase JSON, unknown fields refused, no NUL in a text."""

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

from core.foundation.money import format_micro

Item = TypeVar("Item")


def _refuse_control_characters(text: str) -> str:
    if text.isprintable():
        return text
    if any(character < " " or character == "\x7f" for character in text):
        raise ValueError("must not contain control characters")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must be valid Unicode")
    return text


Text = Annotated[str, AfterValidator(_refuse_control_characters)]
"""A text without control characters; give it a max_length where it is used."""

Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_refuse_control_characters)]
Key = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_refuse_control_characters)]
"""An idempotency key or an external id of the caller's."""

StrictInteger = Annotated[int, Field(strict=True)]
"""JSON has one kind of number; 1.0, true or "1" for a count is a mistake at the caller's that we do not guess about."""

StrictBoolean = Annotated[bool, Field(strict=True)]
"""true or false; not 1, "yes" or "off"."""

Instant = Annotated[
    datetime, PlainSerializer(lambda at: at.astimezone(UTC).isoformat().replace("+00:00", "Z"), return_type=str)
]
"""An aware instant, shown in UTC with a Z."""


def _refuse_numbers(value: object) -> object:
    # Without this, 1700000000 and "1700000000" would be read as seconds since 1970.
    if not isinstance(value, str) or "-" not in value[1:]:
        raise ValueError("must be an instant such as 2026-01-31T12:00:00Z")
    return value


def _refuse_far_away(at: datetime) -> datetime:
    # Far from the ends of the calendar, so that any sum with an interval is still in it.
    if not 1970 <= at.year <= 2999:
        raise ValueError("must lie between the years 1970 and 2999")
    return at


InstantInput = Annotated[AwareDatetime, BeforeValidator(_refuse_numbers), AfterValidator(_refuse_far_away)]
"""An instant of a caller's: a text with its offset from UTC."""

Credits = Annotated[int, PlainSerializer(format_micro, return_type=str)]
"""Micro-units, shown as a decimal string in units of the currency."""


class Body(BaseModel):
    """What a caller sends."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class Answer(BaseModel):
    """What we answer."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


class Page(Answer, Generic[Item]):
    """A page of a list; `next_cursor` is null at the end."""

    data: list[Item]
    next_cursor: str | None = None


def dump(answer: BaseModel) -> dict[str, Any]:
    """The JSON form of an answer, as stored for a replay."""
    return answer.model_dump(mode="json", by_alias=True)
