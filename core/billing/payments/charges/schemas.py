"""Bodies of charging invoices."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from core.billing.payments.schemas import WebAddress
from core.foundation.schemas import Answer, Body, Instant, StrictInteger

AttemptStatus = Literal["pending", "action_required", "succeeded", "failed", "canceled"]
AttemptOrigin = Literal["collection", "tenant", "customer"]
PaymentStatus = Literal["pending", "succeeded", "failed", "canceled"]


class ChargeWanted(Body):
    """What to charge an invoice by: its customer's default card and all that is open, unless said otherwise."""

    payment_method_id: UUID | None = None
    amount_minor: Annotated[StrictInteger | None, Field(gt=0, le=10**12)] = None


class AttemptAnswer(Answer):
    """One try. `failure_code` is the bank's or the provider's."""

    attempt_id: UUID
    payment_id: UUID
    invoice_id: UUID
    number: int
    origin: AttemptOrigin
    status: AttemptStatus
    payment_method_id: UUID
    failure_code: str | None
    created_at: Instant
    concluded_at: Instant | None


class PaymentOfInvoice(Answer):
    """Money for an invoice, and what went back of it."""

    payment_id: UUID
    status: PaymentStatus
    amount_minor: int
    currency: str
    refunded_minor: int
    failure_code: str | None
    attempts: list[AttemptAnswer]


class PaymentsOfInvoice(Answer):
    """Every payment of an invoice, oldest first."""

    data: list[PaymentOfInvoice]


class LinkAnswer(Answer):
    """Where a customer pays without signing in."""

    token: str
    url: str
    valid_days: int


class PayPage(Answer):
    """What the page behind a link shows: nothing of the customer but the end of its card."""

    number: str | None
    invoice_status: str
    currency: str
    total_minor: int
    open_minor: int
    due_at: Instant | None
    brand: str | None
    last4: str | None
    last_status: AttemptStatus | None
    is_test: bool


class PayWanted(Body):
    """Where the bank's page leads back to."""

    return_url: Annotated[WebAddress | None, Field()] = None


class PayAnswer(Answer):
    """How it went; with `action_url` the customer goes there, and is led back."""

    status: AttemptStatus
    action_url: str | None


class CardPage(Answer):
    """The provider's page on which another card is saved; the invoice is charged by it at once."""

    page_url: str | None
