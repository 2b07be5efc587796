"""Packages and plans, as they are offered and as they are added."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from core.billing.catalog.payable import MOST_MINOR
from core.foundation.errors import InvalidInput
from core.foundation.fields import CurrencyCode, named
from core.foundation.money import MAX_MICRO, MAX_WALLET_MICRO, minor_to_micro, parse_amount
from core.foundation.schemas import Answer, Body, Credits, Name, StrictBoolean, StrictInteger, Text


def _no_id(code: str) -> str:
    # Where an id or a code may be given, it is read as an id first.
    try:
        UUID(code)
    except ValueError:
        return code
    raise InvalidInput("code", "must not look like a UUID: an id and a code could be mistaken for each other")


Code = Annotated[
    str,
    Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Lower-case letters, digits, hyphens; no UUID."),
    AfterValidator(_no_id),
]
Currency = CurrencyCode
Flag = StrictBoolean
AmountMinor = Annotated[StrictInteger, Field(gt=0, le=MOST_MINOR), named("amount_invalid")]


class PackageAnswer(Answer):
    """Credits at a price; `credits` is a decimal string in units of the currency."""

    package_code: str
    name: str
    amount_minor: int
    currency: str
    credits: Credits
    owner: Literal["tenant", "installation"]


class NewPackage(Body):
    """A package of the tenant's own for its customers. Without `credits` it brings what it costs."""

    package_code: Code
    name: Name
    amount_minor: AmountMinor
    currency: Currency | None = None
    credits: Annotated[Text, Field(max_length=20)] | None = None

    def credits_micro(self) -> int | None:
        """`credits` in micro-units. Raises InvalidInput."""
        return None if self.credits is None else parse_amount(self.credits, "credits")


class PlanAnswer(Answer):
    """A plan at the price in force. `amountMinor` is the fixed part of a period, at quantity one, before usage."""

    plan_id: UUID
    code: str
    name: str
    amount_minor: int
    currency: str
    interval: str
    version: int
    owner: Literal["tenant", "installation"]


class PlanMade(PlanAnswer):
    """A plan as it was made, shown at its first price."""

    replayed: bool = False


# The largest package of every currency is one that a wallet can hold.
assert minor_to_micro(MOST_MINOR, "JPY") <= MAX_WALLET_MICRO <= MAX_MICRO
