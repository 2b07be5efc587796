"""A payment provider in our words: what the payments room asks of it, and what it hears back.

Amounts are integers in the minor unit of an upper-case ISO 4217 currency. Instants are aware UTC of the provider's
wall clock, never a tenant's. Provider ids are opaque text, kept to find the thing again. Errors are those of
`errors.py`. Every method that changes something takes an idempotency key: the same key and input give the same
answer for at least a day, so a job may repeat its call after a crash.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from core.billing.payments.providers.saving import (
    AccountMovements,
    ChargeReference,
    ProviderCard,
    SavedCards,
    SetupReference,
)


class PaymentStatus(StrEnum):
    """Of a payment (an intent at the provider)."""

    PENDING = "pending"
    """Waits for a card: new, or the last one was declined."""
    REQUIRES_ACTION = "requires_action"
    """The payer must confirm with the bank."""
    PROCESSING = "processing"
    PAID = "paid"
    CANCELED = "canceled"


class CheckoutStatus(StrEnum):
    """Of a hosted payment page."""

    OPEN = "open"
    COMPLETE = "complete"
    EXPIRED = "expired"


class RefundStatus(StrEnum):
    """Of a refund; `failed` and `canceled` mean that the money stayed with us."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


class DisputeStatus(StrEnum):
    """Of a dispute; only `open` and `lost` have taken money from us."""

    INQUIRY = "inquiry"
    """The bank asks; no money has moved."""
    INQUIRY_CLOSED = "inquiry_closed"
    OPEN = "open"
    WON = "won"
    LOST = "lost"


class RefundReason(StrEnum):
    """Why we give money back."""

    REQUESTED = "requested"
    DUPLICATE = "duplicate"
    FRAUD = "fraud"


class ProviderEventKind(StrEnum):
    """What happened; `unknown` is stored and ignored."""

    PAYMENT_SUCCEEDED = "payment_succeeded"
    PAYMENT_FAILED = "payment_failed"
    PAYMENT_CANCELED = "payment_canceled"
    PAYMENT_REQUIRES_ACTION = "payment_requires_action"
    CHECKOUT_COMPLETED = "checkout_completed"
    CHECKOUT_EXPIRED = "checkout_expired"
    REFUND_UPDATED = "refund_updated"
    CHARGE_REFUNDED = "charge_refunded"
    DISPUTE_OPENED = "dispute_opened"
    DISPUTE_CLOSED = "dispute_closed"
    SETUP_SUCCEEDED = "setup_succeeded"
    SETUP_FAILED = "setup_failed"
    CARD_DETACHED = "card_detached"
    CARD_UPDATED = "card_updated"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class PurchaseReference:
    """Our ids, sent along and returned on every payment, Checkout and (where the provider copies them) event."""

    tenant_id: UUID
    purchase_id: UUID


@dataclass(frozen=True, kw_only=True)
class PaymentRequest:
    """A payment to prepare; the payer confirms it at the provider with the client secret."""

    reference: PurchaseReference
    amount_minor: int
    currency: str
    description: str
    customer_id: str | None = None
    """The provider's, where a saved card is to pay."""


@dataclass(frozen=True, kw_only=True)
class CheckoutRequest:
    """A hosted page to prepare. `expires_at` at least 30 minutes and at most 24 hours ahead; None is 24 hours."""

    reference: PurchaseReference
    amount_minor: int
    currency: str
    item_name: str
    success_url: str
    cancel_url: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class RefundRequest:
    """Money to give back. `amount_minor` None is all that is left. `refund_id` is ours, returned in events."""

    reference: PurchaseReference | ChargeReference
    payment_id: str
    refund_id: UUID
    amount_minor: int | None = None
    reason: RefundReason = RefundReason.REQUESTED


@dataclass(frozen=True, kw_only=True)
class ProviderPayment:
    """A payment as the provider has it. `failure_code` is of the last declined attempt."""

    payment_id: str
    status: PaymentStatus
    amount_minor: int
    amount_received_minor: int
    currency: str
    client_secret: str | None = field(repr=False)
    charge_id: str | None
    failure_code: str | None
    reference: PurchaseReference | None
    created_at: datetime
    charge: ChargeReference | None = None
    action_url: str | None = None
    """The bank's page, while it is waited for and a return address was given."""
    advice_code: str | None = None
    """What the card's network advises after a refusal (do_not_try_again, try_again_later, confirm_card_data)."""


@dataclass(frozen=True, kw_only=True)
class ProviderCheckout:
    """A hosted page. `payment_id` is known once the payer has begun; `paid` once the money is certain.

    Stripe leaves the currency out only where nothing is charged, which ours never do.
    """

    checkout_id: str
    status: CheckoutStatus
    paid: bool
    url: str | None
    payment_id: str | None
    amount_minor: int
    currency: str | None
    reference: PurchaseReference | None
    created_at: datetime
    expires_at: datetime
    setup_id: str | None = None
    """Of a page that saves a card instead of being paid."""


@dataclass(frozen=True, kw_only=True)
class ProviderRefund:
    """A refund. `refund_id` is ours, or None for one that was started at the provider's dashboard."""

    provider_refund_id: str
    status: RefundStatus
    amount_minor: int
    currency: str
    payment_id: str | None
    charge_id: str | None
    refund_id: UUID | None
    failure_reason: str | None
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class ProviderDispute:
    """A payer's objection through the bank."""

    dispute_id: str
    status: DisputeStatus
    amount_minor: int
    currency: str
    payment_id: str | None
    charge_id: str
    reason: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class ProviderEvent:
    """One thing that happened at the provider. May arrive late, twice and in any order.

    `amount_minor` by kind: payment_succeeded what was received; payment_*, checkout_* what is asked; refund_updated
    that refund; charge_refunded the *cumulative* total refunded on the charge; dispute_* what is disputed.
    `status` is the PaymentStatus, CheckoutStatus, RefundStatus or DisputeStatus value after the event, by its kind.
    `paid` is True for payment_succeeded and for a completed Checkout whose money is certain.
    `reference` is None where the provider does not copy our ids (disputes, refunds from its dashboard): find the
    purchase by `payment_id`. `refund_id` is our own id of a refund that we started.
    """

    event_id: str
    kind: ProviderEventKind
    provider_type: str
    created_at: datetime
    is_live: bool
    account_id: str | None = None
    reference: PurchaseReference | None = None
    amount_minor: int | None = None
    currency: str | None = None
    status: str | None = None
    paid: bool = False
    reason: str | None = None
    payment_id: str | None = None
    charge_id: str | None = None
    checkout_id: str | None = None
    provider_refund_id: str | None = None
    refund_id: UUID | None = None
    dispute_id: str | None = None
    charge: ChargeReference | None = None
    setup: SetupReference | None = None
    setup_id: str | None = None
    method_id: str | None = None
    card: ProviderCard | None = None
    advice: str | None = None


class PaymentProvider(SavedCards, AccountMovements, Protocol):
    """One account at one provider. Never call it with a database transaction open."""

    @property
    def name(self) -> str:
        """As stored with every payment: "stripe"."""
        ...

    @property
    def is_live(self) -> bool:
        """Whether real money moves; a test tenant must never reach such a provider."""
        ...

    async def get_account_id(self) -> str:
        """The account that payments go to, as stored with every payment. Asked once, then remembered."""
        ...

    async def create_payment(self, request: PaymentRequest, *, idempotency_key: str) -> ProviderPayment:
        """Prepares a payment; nothing is charged yet."""
        ...

    async def get_payment(self, payment_id: str) -> ProviderPayment: ...

    async def confirm_payment(
        self, payment_id: str, *, card: str, return_url: str | None = None, idempotency_key: str
    ) -> ProviderPayment:
        """Charges `card` (a provider id of a means of payment; a test card's in smoke runs). Raises CardDeclined."""
        ...

    async def cancel_payment(self, payment_id: str, *, idempotency_key: str) -> ProviderPayment:
        """Raises PaymentStateConflict where it is paid or canceled already. Not for a Checkout's: expire that."""
        ...

    async def create_checkout(self, request: CheckoutRequest, *, idempotency_key: str) -> ProviderCheckout: ...

    async def get_checkout(self, checkout_id: str) -> ProviderCheckout: ...

    async def expire_checkout(self, checkout_id: str, *, idempotency_key: str) -> ProviderCheckout:
        """Closes the page. Raises PaymentStateConflict where it is complete or expired already."""
        ...

    async def create_refund(self, request: RefundRequest, *, idempotency_key: str) -> ProviderRefund:
        """Raises RefundRefused where less than that is left."""
        ...

    async def get_refund(self, provider_refund_id: str) -> ProviderRefund: ...

    async def list_refunds(self, payment_id: str) -> list[ProviderRefund]:
        """All refunds of a payment, whoever started them, newest first."""
        ...

    async def get_dispute(self, dispute_id: str) -> ProviderDispute: ...

    def list_events(self, since: datetime) -> AsyncIterator[ProviderEvent]:
        """Everything the provider still remembers from `since` on (Stripe: 30 days), newest first, pages hidden."""
        ...

    def list_bodies(self, since: datetime) -> AsyncIterator[tuple[ProviderEvent, bytes]]:
        """The same as they would have come to a webhook: envelope (kind `unknown`) and body."""
        ...

    def verify_event(self, body: bytes, *, signature: str | None, now: datetime) -> ProviderEvent:
        """A webhook's raw body as an event. Raises InvalidSignature, MalformedProviderEvent. `now` is wall time."""
        ...

    def verify_envelope(self, body: bytes, *, signature: str | None, now: datetime) -> ProviderEvent:
        """The same without its contents (kind `unknown`), which may be damaged: enough to store it."""
        ...

    def parse_event(self, payload: Mapping[str, Any]) -> ProviderEvent:
        """A stored body, verified before, as an event. Raises MalformedProviderEvent."""
        ...

    async def aclose(self) -> None:
        """Closes the connections."""
        ...
