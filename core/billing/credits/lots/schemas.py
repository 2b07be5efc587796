"""Bodies of credits with terms."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from core.billing.credits.schemas import LimitedAnswer
from core.foundation.fields import named
from core.foundation.schemas import Answer, Body, Credits, Instant, InstantInput, Key, Name, StrictInteger

AmountText = Annotated[str, Field(max_length=20, pattern=r"^[0-9]{1,12}(\.[0-9]{1,6})?$"), named("amount_invalid")]
"""Read by the route, which knows the field's name."""


class GrantWanted(Body):
    """Credits to give away, to the tenant itself or one of its customers."""

    customer_id: Annotated[Key | None, Field(description="A customer's id, ours or your own; made at first use.")] = (
        None
    )
    amount: Annotated[AmountText, Field(examples=["25"])]
    label: Annotated[Name, Field(max_length=100)] = "grant"
    priority: Annotated[StrictInteger, Field(ge=0, le=100, description="Lower is used first.")] = 50
    expires_at: InstantInput | None = None
    rollover: Annotated[AmountText | None, Field(description="The most that goes on at its end, once.")] = None
    rollover_days: Annotated[StrictInteger, Field(ge=0, le=3660)] = 0
    models: Annotated[
        list[Key], Field(max_length=50, description="Only for calls of these models, as the price book names them.")
    ] = []
    meters: Annotated[
        list[Key], Field(max_length=50, description="Only for lines of usage by these meters (their codes).")
    ] = []


class LotAnswer(Answer):
    """Credits that came in together, and what is left of them."""

    credit_lot_id: UUID
    kind: Literal["paid", "granted"]
    status: Literal["open", "spent", "expired"]
    label: str
    priority: int
    amount: Credits
    remaining: Credits
    expires_at: Instant | None
    rolled_from: UUID | None
    created_at: Instant
    models: list[str]
    meters: list[str]


class LotsAnswer(Answer):
    """A wallet lot by lot, in the order in which they are used. `owed` is what was taken beyond all of them.

    `balance`, `paid` and `granted` are what may be used for anything; `limited` is beside them, and lots with `models`
    or `meters` are of it: they are used first, for these.
    """

    customer_id: UUID
    currency: str
    balance: Credits
    paid: Credits
    granted: Credits
    owed: Credits
    held: Credits
    limited: list[LimitedAnswer]
    data: list[LotAnswer]
    closed: list[LotAnswer]
