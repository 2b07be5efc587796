"""Saved means of payment and what moved on the account: the other half of what is asked of a provider.

Of a card only what may be shown is ever read: brand, last four digits, expiry, country, and the provider's id of it.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

if TYPE_CHECKING:
    from core.billing.payments.providers.base import ProviderCheckout, ProviderPayment


class SetupStatus(StrEnum):
    """Of a card being saved."""

    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"
    """The payer must confirm with the bank."""
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"


class MovementKind(StrEnum):
    """What moved on the account; `other` is the provider's own (a fee, an adjustment by hand)."""

    CHARGE = "charge"
    REFUND = "refund"
    REFUND_FAILURE = "refund_failure"
    DISPUTE = "dispute"
    DISPUTE_REVERSAL = "dispute_reversal"
    PAYOUT = "payout"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class ChargeReference:
    """Our ids on a payment of an invoice. With the invoice's, a payment that a restore has lost is known again."""

    tenant_id: UUID
    payment_id: UUID
    invoice_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class SetupReference:
    """Our ids on a card being saved."""

    tenant_id: UUID
    setup_id: UUID


@dataclass(frozen=True, kw_only=True)
class CustomerReference:
    """Our ids on a customer; nothing else of it goes to the provider."""

    tenant_id: UUID
    customer_id: UUID


@dataclass(frozen=True, kw_only=True)
class ChargeRequest:
    """A payment by a customer who may be away. Nothing is charged before it is confirmed."""

    reference: ChargeReference
    customer_id: str
    """The provider's."""
    amount_minor: int
    currency: str
    description: str


@dataclass(frozen=True, kw_only=True)
class SetupPageRequest:
    """A hosted page on which a customer saves a card."""

    reference: SetupReference
    customer_id: str
    currency: str
    success_url: str
    cancel_url: str | None = None


@dataclass(frozen=True, kw_only=True)
class ProviderCard:
    """A saved card as it may be shown. `customer_id` None: it is saved for nobody."""

    method_id: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    country: str | None
    customer_id: str | None


@dataclass(frozen=True, kw_only=True)
class ProviderSetup:
    """A card being saved. `failure_code` is of the last refused try."""

    setup_id: str
    status: SetupStatus
    method_id: str | None
    client_secret: str | None = field(repr=False)
    action_url: str | None
    """The bank's page, while it is waited for."""
    failure_code: str | None
    reference: SetupReference | None


@dataclass(frozen=True, kw_only=True)
class ProviderMovement:
    """One movement on the account. `amount_minor` is before `fee_minor`, negative when it left."""

    movement_id: str
    kind: MovementKind
    amount_minor: int
    fee_minor: int
    currency: str
    source_id: str | None
    """The charge, refund, dispute or payout."""
    payment_id: str | None
    """The payment behind a charge, refund or dispute, where the provider says it."""
    provider_type: str
    created_at: datetime

    @property
    def net_minor(self) -> int:
        """What it changed on the account."""
        return self.amount_minor - self.fee_minor


@dataclass(frozen=True, kw_only=True)
class ProviderPayout:
    """Money sent to the installation's bank."""

    payout_id: str
    status: str
    amount_minor: int
    currency: str
    arrives_at: datetime
    created_at: datetime


class SavedCards(Protocol):
    """Saving cards and charging them later. The rules are those of PaymentProvider."""

    async def create_customer(
        self, reference: CustomerReference, *, clock_id: str | None = None, idempotency_key: str
    ) -> str:
        """The provider's id of a customer, who lives in a test clock's time where one is given."""
        ...

    async def create_clock(self, at: datetime, *, idempotency_key: str) -> str: ...

    async def advance_clock(self, clock_id: str, to: datetime) -> None:
        """Does nothing where the clock is there already; waits until the provider has followed."""
        ...

    async def create_setup(
        self, reference: SetupReference, *, customer_id: str, idempotency_key: str
    ) -> ProviderSetup: ...

    async def get_setup(self, setup_id: str) -> ProviderSetup: ...

    async def cancel_setup(self, setup_id: str, *, idempotency_key: str) -> ProviderSetup: ...

    async def create_setup_page(self, request: SetupPageRequest, *, idempotency_key: str) -> "ProviderCheckout": ...

    async def get_card(self, method_id: str) -> ProviderCard: ...

    async def detach_card(self, method_id: str, *, idempotency_key: str) -> None:
        """Does nothing where it is detached already."""
        ...

    async def create_charge(self, request: ChargeRequest, *, idempotency_key: str) -> "ProviderPayment": ...

    async def charge_away(self, payment_id: str, *, method_id: str, idempotency_key: str) -> "ProviderPayment":
        """Confirms with a saved card while the payer is away. Raises CardDeclined (authentication_required too)."""
        ...


class AccountMovements(Protocol):
    """What moved on the account, for reconciliation."""

    def list_movements(self, since: datetime) -> AsyncIterator[ProviderMovement]:
        """Newest first, pages hidden."""
        ...

    def list_payouts(self, since: datetime) -> AsyncIterator[ProviderPayout]: ...
