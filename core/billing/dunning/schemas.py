"""Bodies of dunning."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from core.billing.dunning.models import MOST_RETRIES
from core.foundation.schemas import Answer, Body, Instant, StrictInteger

FinalAction = Literal["pause", "cancel", "uncollectible", "leave"]
CollectionStatus = Literal["trying", "waiting", "ended"]

Day = Annotated[StrictInteger, Field(ge=1, le=179)]


class TermsWanted(Body):
    """When a failed charge is tried again, and what happens in the end."""

    retry_days: Annotated[
        list[Day], Field(max_length=MOST_RETRIES, description="Days after the first failure; each at most once.")
    ] = [3, 7, 14]
    final_days: Annotated[StrictInteger, Field(ge=1, le=180, description="The day on which it ends.")] = 21
    final_action: Annotated[
        FinalAction,
        Field(
            description="`pause` or `cancel` the subscription, both leave the invoice open; `uncollectible` cancels "
            "and gives the invoice up; `leave` does nothing."
        ),
    ] = "cancel"
    overdue_action: Annotated[
        FinalAction,
        Field(description="The same for invoices that are sent (`send_invoice`), counted from the day they are due."),
    ] = "leave"


class TermsAnswer(Answer):
    """The schedule in force."""

    retry_days: list[int]
    final_days: int
    final_action: FinalAction
    overdue_action: FinalAction


class CollectionAnswer(Answer):
    """An open invoice being collected. `next_step` is what the last refusal means for the next try."""

    collection_id: UUID
    invoice_id: UUID
    customer_id: UUID
    subscription_id: UUID | None
    status: CollectionStatus
    charges: bool
    tries: int
    notices: int
    last_code: str | None
    next_step: str | None
    first_failed_at: Instant | None
    next_at: Instant | None
    outcome: str | None
    started_at: Instant
    ended_at: Instant | None
    fault: str | None
    postponed_to: Instant | None
