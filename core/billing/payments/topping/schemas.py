"""Bodies of watched wallets."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from core.foundation.fields import named
from core.foundation.schemas import Answer, Body, Credits, Instant, Name, StrictInteger

AmountText = Annotated[str, Field(max_length=20, pattern=r"^[0-9]{1,12}(\.[0-9]{1,6})?$"), named("amount_invalid")]
"""Read by the route, which knows the field's name."""


class TopUpWanted(Body):
    """A package to buy by the default card whenever the wallet has less than `below`."""

    package_code: Annotated[Name, Field(max_length=100)]
    below: AmountText
    monthly_limit_minor: Annotated[
        StrictInteger,
        Field(gt=0, le=10**12, description="The most that top-ups may cost in a calendar month (UTC)."),
        named("amount_invalid"),
    ]


class WatchWanted(Body):
    """What is watched of a wallet from now on; what is left out is watched no more."""

    alert_below: AmountText | None = None
    top_up: TopUpWanted | None = None


class TopUpAnswer(Answer):
    """The standing order. `failed_code`: it stopped, until there is another card or it is set anew."""

    package_code: str
    below: Credits
    monthly_limit_minor: int
    purchase_id: UUID | None
    made: int
    blocked_until: Instant | None
    failed_code: str | None


class WatchAnswer(Answer):
    """What is watched of a wallet."""

    customer_id: UUID
    currency: str
    alert_below: Credits | None
    is_low: bool
    top_up: TopUpAnswer | None
