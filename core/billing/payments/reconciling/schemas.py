"""The answer of reconciliation."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from core.foundation.schemas import Answer, Body, Instant, Text

MovementKind = Literal["charge", "refund", "dispute"]
Reason = Annotated[Text, Field(min_length=3, max_length=500, description="Whose it is, and why it is not ours.")]


class AcknowledgementWanted(Body):
    """A movement on the provider's account that is not ours."""

    kind: MovementKind
    provider_id: Annotated[Text, Field(min_length=1, max_length=200)]
    reason: Reason


class AcknowledgementAnswer(Answer):
    """What was said of it; `by` is a user of the installation, null for the command on its server."""

    reason: str
    by: UUID | None
    by_email: str | None
    at: Instant


class DifferenceAnswer(Answer):
    """One difference, with what each side says in minor units."""

    difference: Literal[
        "missing_here", "missing_there", "amount", "currency", "state", "ledger", "timing", "acknowledged"
    ]
    kind: str
    provider_id: str
    id: UUID | None
    tenant_id: UUID | None
    currency: str
    ours_minor: int | None
    theirs_minor: int | None
    detail: str
    acknowledgement: AcknowledgementAnswer | None


class AccountAnswer(Answer):
    """What moved on the provider's account in a currency; every part of it adds up to `net_minor`."""

    currency: str
    charged_minor: int
    refunded_minor: int
    disputed_minor: int
    fees_minor: int
    paid_out_minor: int
    other_minor: int
    net_minor: int
    ours_minor: int
    acknowledged_minor: int
    unexplained_minor: int


class ReconciliationAnswer(Answer):
    """What the provider says against what we say, from `since` on."""

    since: Instant
    compared: int
    differences: list[DifferenceAnswer]
    accounts: list[AccountAnswer]
