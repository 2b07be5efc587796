"""Bodies of charging invoices."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from core.billing.payments.schemas import RefundOrigin, RefundStatus, WebAddress
from core.foundation.fields import named
from core.foundation.schemas import Answer, Body, Instant, InstantInput, StrictInteger, Text

AttemptStatus = Literal["pending", "action_required", "succeeded", "failed", "canceled"]
AttemptOrigin = Literal["collection", "tenant", "customer"]
PaymentMeans = Literal["intent", "by_hand"]
PaymentStatus = Literal["pending", "succeeded", "failed", "canceled"]


class ChargeWanted(Body):
    """What to charge an invoice by: its customer's default card and all that is open, unless said otherwise."""

    payment_method_id: UUID | None = None
    amount_minor: Annotated[StrictInteger | None, Field(gt=0, le=10**12), named("amount_invalid")] = None


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


class PaymentByHand(Body):
    """Money that came past the provider."""

    amount_minor: Annotated[StrictInteger, Field(gt=0, le=10**12), named("amount_invalid")]
    reference: Annotated[
        Text,
        Field(
            min_length=1,
            max_length=140,
            pattern=r"\S",
            description="What the transfer is known by at the bank. The same again is the same money.",
        ),
    ]
    received_at: Annotated[InstantInput | None, Field(description="The tenant's now, unless said otherwise.")] = None


class RefundOfInvoice(Answer):
    """Money that goes back; `credit_note_id` where a credit note asked for it. What failed is given back by hand, but
    for `settled_minor`, given back in its place by a refund made at the provider, or as credits. One that was made
    there (`origin` is `reported`) is not tried again here."""

    refund_id: UUID
    status: RefundStatus
    origin: RefundOrigin
    amount_minor: int
    settled_minor: int
    credit_note_id: UUID | None
    failure_code: str | None


class PaymentOfInvoice(Answer):
    """Money for an invoice, and what went back of it. `reference` is of money that came by hand."""

    payment_id: UUID
    means: PaymentMeans
    status: PaymentStatus
    amount_minor: int
    currency: str
    refunded_minor: int
    failure_code: str | None
    reference: str | None
    received_at: Instant | None
    attempts: list[AttemptAnswer]
    refunds: list[RefundOfInvoice]


class InvoicePayment(Answer):
    """A payment in the list of all; `at` is when it came, or was begun, on the tenant's clock."""

    payment_id: UUID
    invoice_id: UUID
    invoice_number: str | None
    customer_id: UUID
    means: PaymentMeans
    status: PaymentStatus
    amount_minor: int
    currency: str
    refunded_minor: int
    failure_code: str | None
    reference: str | None
    at: Instant


class PaymentsOfInvoice(Answer):
    """Every payment of an invoice, oldest first."""

    data: list[PaymentOfInvoice]
    give_back_by_hand_minor: int
    """What credit notes promised back and no card can be given: it came by hand, or the provider refused."""


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
