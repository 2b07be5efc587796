"""Purchases of credits, payments for them and for invoices, refunds and disputes."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from core.foundation.tables import Table, TenantRow, one_of

PURCHASE_STATES = ("pending", "paid", "failed", "canceled", "refunded")
PAYMENT_MEANS = ("intent", "checkout", "by_hand")
BY_HAND = "by_hand"
"""Money that came past the provider (a bank transfer): its means, and its account."""
PURCHASE_MEANS = ("intent", "checkout")
PAYMENT_STATES = ("pending", "succeeded", "failed", "canceled")
REFUND_ORIGINS = ("requested", "reported", "duplicate")
"""Asked for by the tenant; seen at the provider; our own answer to a purchase that was paid twice."""
REFUND_STATES = ("pending", "succeeded", "failed", "canceled")
DISPUTE_STATES = ("open", "won", "lost")


class Purchase(TenantRow, Table):
    """Credits being bought. May be paid by intent or by Checkout; whichever succeeds first settles it."""

    __tablename__ = "purchases"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "customer_id"], ["customers.tenant_id", "customers.id"]),
        UniqueConstraint("tenant_id", "idempotency_key"),
        CheckConstraint(one_of("state", PURCHASE_STATES), name="state"),
        CheckConstraint(one_of("paid_by", PURCHASE_MEANS), name="paid_by"),
        CheckConstraint("(paid_by IS NULL) = (paid_at IS NULL)", name="paid"),
        CheckConstraint("amount_minor > 0 AND credits_micro > 0", name="amount"),
        CheckConstraint("refunded_minor BETWEEN 0 AND amount_minor", name="refunded"),
        Index("purchases_open_idx", "recorded_at", postgresql_where="state IN ('pending', 'failed')"),
    )

    customer_id: Mapped[UUID]
    package_code: Mapped[str]
    package_name: Mapped[str]
    state: Mapped[str]
    amount_minor: Mapped[int]
    credits_micro: Mapped[int]
    refunded_minor: Mapped[int] = mapped_column(server_default="0")
    currency: Mapped[str]
    idempotency_key: Mapped[str | None]
    input_hash: Mapped[bytes]
    success_url: Mapped[str]
    cancel_url: Mapped[str]
    created_at: Mapped[datetime]
    paid_by: Mapped[str | None]
    """The means whose payment settled it; a success of the other one is refunded."""
    paid_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    """Wall time until which one request or job alone prepares its payments at the provider."""
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Payment(TenantRow, Table):
    """One way a purchase may be paid, or what is open of an invoice: one intent at a time, so that it is paid once.

    Known to the provider by `provider_id` once it answered.
    """

    __tablename__ = "payments"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "purchase_id"], ["purchases.tenant_id", "purchases.id"]),
        ForeignKeyConstraint(["tenant_id", "invoice_id"], ["invoices.tenant_id", "invoices.id"]),
        UniqueConstraint("tenant_id", "purchase_id", "means"),
        CheckConstraint("num_nonnulls(purchase_id, invoice_id) = 1", name="of"),
        CheckConstraint("means <> CASE WHEN invoice_id IS NULL THEN 'by_hand' ELSE 'checkout' END", name="of_invoice"),
        CheckConstraint("(means = 'by_hand') = (reference IS NOT NULL)", name="reference"),
        Index("payments_invoice_idx", "tenant_id", "invoice_id", postgresql_where="invoice_id IS NOT NULL"),
        Index(
            "payments_reference_key",
            "tenant_id",
            "invoice_id",
            "reference",
            unique=True,
            postgresql_where="reference IS NOT NULL AND state <> 'canceled'",
        ),
        Index(
            "payments_invoice_open_key",
            "tenant_id",
            "invoice_id",
            unique=True,
            postgresql_where="invoice_id IS NOT NULL AND state IN ('pending', 'failed')",
        ),
        CheckConstraint(one_of("means", PAYMENT_MEANS), name="means"),
        CheckConstraint(one_of("state", PAYMENT_STATES), name="state"),
        Index("payments_provider_key", "provider_account_id", "provider_id", unique=True),
        Index("payments_intent_idx", "provider_account_id", "provider_intent_id"),
    )

    purchase_id: Mapped[UUID | None]
    invoice_id: Mapped[UUID | None]
    means: Mapped[str]
    state: Mapped[str]
    amount_minor: Mapped[int]
    currency: Mapped[str]
    provider_account_id: Mapped[str]
    provider_id: Mapped[str | None]
    provider_intent_id: Mapped[str | None]
    """The provider's payment behind a Checkout; for means `intent` the same as `provider_id`."""
    failure_code: Mapped[str | None]
    reference: Mapped[str | None]
    """What money that came by hand is known by, such as the bank's number of the transfer."""
    received_at: Mapped[datetime | None]
    recorded_by: Mapped[UUID | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Refund(TenantRow, Table):
    """Money going back, started by us (`requested_by`) or reported by the provider."""

    __tablename__ = "refunds"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "purchase_id"], ["purchases.tenant_id", "purchases.id"]),
        ForeignKeyConstraint(["tenant_id", "payment_id"], ["payments.tenant_id", "payments.id"]),
        ForeignKeyConstraint(["tenant_id", "invoice_id"], ["invoices.tenant_id", "invoices.id"]),
        ForeignKeyConstraint(["tenant_id", "credit_note_id"], ["credit_notes.tenant_id", "credit_notes.id"]),
        CheckConstraint("num_nonnulls(purchase_id, invoice_id) = 1", name="of"),
        Index(
            "refunds_credit_note_key",
            "tenant_id",
            "credit_note_id",
            "payment_id",
            unique=True,
            postgresql_where="credit_note_id IS NOT NULL AND state IN ('pending', 'succeeded')",
        ),
        Index("refunds_payment_idx", "tenant_id", "payment_id"),
        Index("refunds_provider_key", "provider_account_id", "provider_id", unique=True),
        UniqueConstraint("tenant_id", "idempotency_key"),
        CheckConstraint(one_of("state", REFUND_STATES), name="state"),
        Index("refunds_open_idx", "updated_at", postgresql_where="state = 'pending'"),
        CheckConstraint(one_of("origin", REFUND_ORIGINS), name="origin"),
        CheckConstraint("amount_minor > 0 AND credits_micro >= 0", name="amount"),
        CheckConstraint("settled_minor BETWEEN 0 AND amount_minor", name="settled"),
    )

    purchase_id: Mapped[UUID | None]
    invoice_id: Mapped[UUID | None]
    payment_id: Mapped[UUID]
    credit_note_id: Mapped[UUID | None]
    """The note that it executes."""
    origin: Mapped[str]
    state: Mapped[str]
    amount_minor: Mapped[int]
    settled_minor: Mapped[int] = mapped_column(server_default="0", default=0)
    """Of one that was refused: what was given back in its place, by a refund made at the provider or as credits."""
    credits_micro: Mapped[int]
    """What it took from the customer: of a purchase its credits, of an invoice what went beyond its payment."""
    currency: Mapped[str]
    reason: Mapped[str | None]
    requested_by: Mapped[UUID | None]
    idempotency_key: Mapped[str | None]
    input_hash: Mapped[bytes | None]
    provider_account_id: Mapped[str]
    provider_id: Mapped[str | None]
    failure_code: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Dispute(TenantRow, Table):
    """A payer's complaint at the provider: the money is gone while it is open, and comes back if it is won."""

    __tablename__ = "disputes"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "purchase_id"], ["purchases.tenant_id", "purchases.id"]),
        ForeignKeyConstraint(["tenant_id", "payment_id"], ["payments.tenant_id", "payments.id"]),
        ForeignKeyConstraint(["tenant_id", "invoice_id"], ["invoices.tenant_id", "invoices.id"]),
        CheckConstraint("num_nonnulls(purchase_id, invoice_id) = 1", name="of"),
        Index("disputes_provider_key", "provider_account_id", "provider_id", unique=True),
        CheckConstraint(one_of("state", DISPUTE_STATES), name="state"),
    )

    purchase_id: Mapped[UUID | None]
    invoice_id: Mapped[UUID | None]
    payment_id: Mapped[UUID]
    state: Mapped[str]
    amount_minor: Mapped[int]
    credits_micro: Mapped[int]
    currency: Mapped[str]
    provider_account_id: Mapped[str]
    provider_id: Mapped[str]
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
