"""A batch of events as it was sent, read in one pass: each event is either fit to be stored or refused by itself.

Numbers are taken by their digits: a batch with a fraction in it is read again by a parser that makes no floats.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, cast
from uuid import UUID

import orjson

from core.billing.metering.meters.definitions import EXACT, Uncountable, read_quantity
from core.foundation.errors import InvalidInput

LONGEST_KEY = 200
LONGEST_NAME = 100
MOST_PROPERTIES = 50
LONGEST_TEXT = 1_000
LARGEST_PROPERTIES = 8_000
"""Bytes of one event's properties as JSON."""
MOST_DIGITS = 60

_MEMBERS = frozenset(
    {"idempotencyKey", "eventName", "customerId", "externalId", "occurredAt", "quantity", "properties"}
)


class _Fraction(Exception):
    """The batch has a number with a fraction, which was read as a float."""


@dataclass(slots=True)
class Event:
    """An event that is well formed. `customer` is our id, the tenant's own for it, or None for the tenant itself."""

    index: int
    key: str
    name: str
    customer: UUID | str | None
    occurred_at: datetime | None
    quantity: Decimal | None
    properties: dict[str, Any]
    properties_json: str
    at: str
    """`occurred_at` as PostgreSQL reads it; empty without one."""
    input_hash: str
    """In hexadecimal."""


@dataclass(slots=True)
class Refusal:
    """An event that is not stored, and why."""

    index: int
    key: str | None
    code: str
    message: str


def read_batch(body: bytes, events: Sequence[Any]) -> list[Event | Refusal]:
    """Each event of a batch, in order. `body` is the whole request as it was sent. Raises InvalidInput."""
    try:
        return [_read(index, raw) for index, raw in enumerate(events)]
    except _Fraction:
        return [_read(index, raw) for index, raw in enumerate(read_exactly(body, "events"))]


def read_exactly(body: bytes, member: str) -> Any:
    """A member of a request, its numbers by their digits. Raises InvalidInput."""
    try:
        return json.loads(body, parse_float=Decimal, parse_int=_integer)[member]
    except (ValueError, ArithmeticError):
        raise InvalidInput(member, "must hold numbers of at most 60 digits") from None
    except RecursionError:  # the usual parser goes a little deeper
        raise InvalidInput(member, "must not be nested so deep") from None


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= MOST_DIGITS else Decimal(digits)


def _read(index: int, raw: Any) -> Event | Refusal:
    """The usual event in one go; whatever is unusual about it is looked at member by member."""
    try:
        key, name, external, at = raw["idempotencyKey"], raw["eventName"], raw["externalId"], raw["occurredAt"]
        properties = raw["properties"]
        if (
            len(raw) == 5
            and type(key) is str
            and 0 < len(key) <= LONGEST_KEY
            and key.isprintable()
            and type(name) is str
            and 0 < len(name) <= LONGEST_NAME
            and name.isprintable()
            and type(external) is str
            and 0 < len(external) <= LONGEST_KEY
            and external.isprintable()
        ):
            occurred_at = _instant(at)
            at = _written(at, occurred_at)
            written = _usual(properties)
            if written is None:
                properties, written = _properties(properties)
            said = f"{name}\0{external}\0{at}\0None\0{written}"
            hashed = sha256(said.encode()).hexdigest()
            return Event(index, key, name, external, occurred_at, None, properties, written, at, hashed)
    except (KeyError, TypeError, Uncountable):
        pass
    return _read_by_member(index, raw)


def _read_by_member(index: int, raw: Any) -> Event | Refusal:
    key = None
    try:
        if type(raw) is not dict:
            raise Uncountable("invalid_input", "an event must be an object")
        event = cast("dict[str, Any]", raw)
        if not _MEMBERS.issuperset(event):
            unknown = next(iter(event.keys() - _MEMBERS))
            raise Uncountable("invalid_input", f"{_shown(unknown)} is not a member of an event")
        key = _text(event.get("idempotencyKey"), "idempotencyKey", LONGEST_KEY)
        name = _text(event.get("eventName"), "eventName", LONGEST_NAME)
        customer = _customer(event)
        at = event.get("occurredAt")
        occurred_at = None if at is None else _instant(at)
        given = event.get("quantity")
        if type(given) is float:
            raise _Fraction
        quantity = None if given is None else read_quantity(given, "quantity")
        properties, written = _properties(event.get("properties"))
    except Uncountable as refused:
        return Refusal(index, key, refused.code, refused.message)
    said = f"{name}\0{customer}\0{occurred_at}\0{quantity and quantity.normalize(EXACT)}\0{written}"
    hashed = sha256(said.encode()).hexdigest()
    written_at = "" if occurred_at is None else str(occurred_at)
    return Event(index, key, name, customer, occurred_at, quantity, properties, written, written_at, hashed)


def _text(value: Any, member: str, longest: int) -> str:
    if type(value) is not str or not 0 < len(value) <= longest:
        raise Uncountable("invalid_input", f"{member} must be a text of 1 to {longest} characters")
    if not value.isprintable() and any(one < " " or one == "\x7f" for one in value):
        raise Uncountable("invalid_input", f"{member} must not contain control characters")
    return value


def _customer(event: dict[str, Any]) -> UUID | str | None:
    external = event.get("externalId")
    ours = event.get("customerId")
    if external is not None:
        if ours is not None:
            raise Uncountable("invalid_input", "give customerId or externalId, not both")
        return _text(external, "externalId", LONGEST_KEY)
    if ours is None:
        return None
    try:
        if type(ours) is not str or len(ours) != 36:
            raise ValueError
        return UUID(ours)
    except ValueError:
        raise Uncountable("invalid_input", "customerId must be a UUID") from None


def _instant(value: Any) -> datetime:
    try:
        if type(value) is not str or not 20 <= len(value) <= 40 or value[4] != "-" or value[10] not in "Tt ":
            raise ValueError
        at = datetime.fromisoformat(value)
        if at.tzinfo is None or not 1970 <= at.year <= 2999:
            raise ValueError
    except ValueError:
        raise Uncountable(
            "invalid_input", "occurredAt must be an instant such as 2026-01-31T12:00:00Z, from 1970 to 2999"
        ) from None
    return at if at.tzinfo is UTC else at.astimezone(UTC)


_SHORT = frozenset((str, int, bool, type(None)))


def _usual(given: Any) -> str | None:
    """The text of short properties without fractions, where nothing can be too long; None: look at each of them."""
    if type(given) is not dict:
        return None
    properties = cast("dict[str, Any]", given)
    if len(properties) > MOST_PROPERTIES or "" in properties or not _SHORT.issuperset(map(type, properties.values())):
        return None
    try:
        written = orjson.dumps(properties, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # an integer of more than 64 bits
        return None
    # In bytes nothing is shorter than in characters.
    if len(written) > LONGEST_TEXT or b"\\u0000" in written:
        return None
    if len(written) > LONGEST_NAME and len(max(properties, key=len)) > LONGEST_NAME:
        return None
    return written.decode()


def _written(given: str, at: datetime) -> str:
    """`str(at)`, which costs more than all else that is done about an instant: nearly always it was given so."""
    length = len(given)
    if (
        given[-1] == "Z"
        and (length == 20 or (length == 27 and given[19] == "." and at.microsecond))
        and given[5] != "W"
        and given[13] == given[16] == ":"
        and given[11:13] != "24"
    ):
        return f"{given[:10]} {given[11:-1]}+00:00"
    return str(at)


def _properties(given: Any) -> tuple[dict[str, Any], str]:
    if given is None:
        return {}, "{}"
    if type(given) is not dict:
        raise Uncountable("invalid_input", "properties must be an object")
    properties = cast("dict[str, Any]", given)
    if len(properties) > MOST_PROPERTIES:
        raise Uncountable("invalid_input", f"properties must have at most {MOST_PROPERTIES} members")
    writable = properties
    for name, value in properties.items():
        kind = cast("type[Any]", type(value))
        if kind is str:
            if len(value) > LONGEST_TEXT:
                raise Uncountable(
                    "invalid_input", f"properties.{_shown(name)} must have at most {LONGEST_TEXT} characters"
                )
        elif kind is float:
            raise _Fraction
        elif kind is Decimal:
            if writable is properties:
                writable = dict(properties)
            writable[name] = _digits(name, value)
        elif kind is int:
            if not -(10**MOST_DIGITS) < value < 10**MOST_DIGITS:
                raise Uncountable("invalid_input", f"properties.{_shown(name)} must have at most {MOST_DIGITS} digits")
            if not -(2**63) <= value < 2**63:
                if writable is properties:
                    writable = dict(properties)
                writable[name] = orjson.Fragment(str(value))
        elif kind is not bool and value is not None:
            raise Uncountable(
                "invalid_input", f"properties.{_shown(name)} must be a text, a number, true, false or null"
            )
        if not 0 < len(name) <= LONGEST_NAME:
            raise Uncountable("invalid_input", f"names of properties must have 1 to {LONGEST_NAME} characters")
    written = orjson.dumps(writable, option=orjson.OPT_SORT_KEYS)
    if len(written) > LARGEST_PROPERTIES:
        raise Uncountable("invalid_input", f"properties must have at most {LARGEST_PROPERTIES} bytes")
    if b"\\u0000" in written:
        raise Uncountable("invalid_input", "properties must not contain the character NUL")
    return properties, written.decode()


def _digits(name: str, value: Decimal) -> orjson.Fragment:
    parts = value.as_tuple()
    exponent = parts.exponent
    if not isinstance(exponent, int) or len(parts.digits) > MOST_DIGITS or not -MOST_DIGITS <= exponent <= MOST_DIGITS:
        raise Uncountable("invalid_input", f"properties.{_shown(name)} must have at most {MOST_DIGITS} digits")
    return orjson.Fragment(format(value, "f"))


def _shown(name: str) -> str:
    return name if len(name) <= 60 else f"{name[:60]}…"
