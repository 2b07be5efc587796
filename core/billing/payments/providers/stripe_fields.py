"""Fields of Stripe's objects, each checked for its kind: TypeError, KeyError or ValueError, which callers name."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

StripeObject = Mapping[str, Any]


def mapping(value: object) -> StripeObject:
    if not isinstance(value, Mapping):
        raise TypeError("an object is expected")
    return cast(StripeObject, value)


def text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("a text is expected")
    return value


def integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("an integer is expected")
    return value


def found_id(value: object) -> str | None:
    """The id of a reference, which Stripe sends as the text or, expanded, as the object."""
    if value is None:
        return None
    return value if isinstance(value, str) else text(mapping(value)["id"])


def currency(found: StripeObject) -> str:
    return text(found["currency"]).upper()


def instant(seconds: object) -> datetime:
    return datetime.fromtimestamp(integer(seconds), tz=UTC)


def metadata(found: StripeObject) -> StripeObject:
    return mapping(found.get("metadata") or {})


def uuid(value: object) -> UUID | None:
    try:
        return UUID(text(value))
    except (TypeError, ValueError):
        return None


def failure_code(error: object) -> str | None:
    """Why the last try failed: what the bank said, else what Stripe calls it."""
    if not error:
        return None
    failure = mapping(error)
    return failure.get("decline_code") or failure.get("code")


def action_url(intent: StripeObject) -> str | None:
    """The page on which the payer confirms with the bank."""
    action = intent.get("next_action")
    redirect = mapping(action).get("redirect_to_url") if action else None
    return mapping(redirect).get("url") if redirect else None
