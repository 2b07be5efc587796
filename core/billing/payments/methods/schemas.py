"""Bodies of saved means of payment."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from core.billing.payments.schemas import WebAddress
from core.foundation.schemas import Answer, Body, Instant, Key

SetupMeans = Literal["page", "intent"]
SetupStatus = Literal["pending", "succeeded", "failed", "canceled"]
MethodStatus = Literal["active", "detached"]


class SetupWanted(Body):
    """A card to save, for the tenant itself or one of its customers."""

    customer_id: Annotated[Key | None, Field(description="A customer's id, ours or your own; made at first use.")] = (
        None
    )
    means: Annotated[
        SetupMeans, Field(description="`page`: the provider's own page. `intent`: a form of yours, by a client secret.")
    ] = "page"
    make_default: Annotated[bool, Field(strict=True, description="The first card always becomes the default.")] = True
    success_url: Annotated[WebAddress | None, Field(description="Where the page leads after saving.")] = None
    cancel_url: Annotated[WebAddress | None, Field(description="Where the page leads otherwise.")] = None


class MethodAnswer(Answer):
    """A saved card, as it may be shown."""

    payment_method_id: UUID
    customer_id: UUID
    status: MethodStatus
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    country: str | None
    is_default: bool
    created_at: Instant
    detached_at: Instant | None


class SetupAnswer(Answer):
    """A card being saved. `failure_code` is why the last try was refused."""

    setup_id: UUID
    customer_id: UUID
    means: SetupMeans
    status: SetupStatus
    payment_method_id: UUID | None
    failure_code: str | None
    created_at: Instant


class SetupStarted(SetupAnswer):
    """What is needed to save it: the provider's page, or the intent's client secret."""

    page_url: str | None
    client_secret: str | None
    setup_intent_id: str | None
    replayed: bool


class MethodChange(Body):
    """What may change of a saved card."""

    is_default: Annotated[Literal[True], Field(description="Make another one the default to take it away.")]
