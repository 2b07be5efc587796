"""Invoices, their lines, taxes and inputs, credit notes, what was paid, and customers whose run failed.

A draft becomes final once: its lines, amounts and number never change after that; state and what is paid do.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from core.billing.subscriptions.models import InvoiceItem
from core.foundation.tables import Table, TenantRow, one_of

INVOICE_STATES = ("draft", "open", "paid", "void", "uncollectible")
ORIGINS = ("run", "manual")
COLLECTIONS = ("automatic", "send_invoice")
NUMBER_KINDS = ("invoice", "credit_note", "skipped")
GROUPINGS = ("subscription", "customer")
CREDIT_REASONS = ("requested", "late_usage", "duplicate", "void")


class InvoiceSeries(Table):
    """The next number of a series; its row is locked by whoever makes a document final."""

    __tablename__ = "invoice_series"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        CheckConstraint("next_sequence >= 1", name="next_sequence"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    series: Mapped[str] = mapped_column(primary_key=True)
    next_sequence: Mapped[int]


class InvoiceNumber(Table):
    """A number given out, or skipped with a reason; each has the one before it."""

    __tablename__ = "invoice_numbers"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "series"], ["invoice_series.tenant_id", "invoice_series.series"]),
        CheckConstraint(one_of("kind", NUMBER_KINDS), name="kind"),
        CheckConstraint("(kind = 'skipped') = (document_id IS NULL)", name="document"),
        CheckConstraint("(kind = 'skipped') = (reason IS NOT NULL)", name="reason"),
        Index(
            "invoice_numbers_document_key",
            "tenant_id",
            "document_id",
            unique=True,
            postgresql_where="document_id IS NOT NULL",
        ),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    series: Mapped[str] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    document_id: Mapped[UUID | None]
    reason: Mapped[str | None]
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Invoice(TenantRow, Table):
    """What a customer owes for a period. A draft's amounts are those of the moment it was made."""

    __tablename__ = "invoices"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "customer_id"], ["customers.tenant_id", "customers.id"]),
        ForeignKeyConstraint(["tenant_id", "subscription_id"], ["subscriptions.tenant_id", "subscriptions.id"]),
        ForeignKeyConstraint(
            ["tenant_id", "series", "sequence"],
            ["invoice_numbers.tenant_id", "invoice_numbers.series", "invoice_numbers.sequence"],
        ),
        CheckConstraint(one_of("state", INVOICE_STATES), name="state"),
        CheckConstraint(one_of("origin", ORIGINS), name="origin"),
        CheckConstraint(one_of("collection", COLLECTIONS), name="collection"),
        CheckConstraint(
            "(number IS NULL) = (sequence IS NULL) AND (number IS NULL) = (series IS NULL) "
            "AND (number IS NULL) = (finalized_at IS NULL)",
            name="number",
        ),
        CheckConstraint(
            "CASE state WHEN 'draft' THEN number IS NULL WHEN 'void' THEN true ELSE number IS NOT NULL END",
            name="final",
        ),
        CheckConstraint("total_minor = subtotal_minor - discount_minor + tax_minor", name="total"),
        CheckConstraint("open_minor = total_minor - applied_minor - paid_minor - credited_minor", name="open"),
        CheckConstraint(
            "(state = 'paid') = (paid_at IS NOT NULL) AND (state <> 'paid' OR open_minor <= 0)", name="paid"
        ),
        CheckConstraint("state NOT IN ('open', 'uncollectible') OR open_minor > 0", name="owed"),
        CheckConstraint("(state = 'void') = (voided_at IS NOT NULL)", name="void"),
        CheckConstraint(
            "state <> 'draft' OR paid_minor = 0 AND credited_minor = 0 AND applied_minor = 0", name="draft"
        ),
        CheckConstraint("lines >= 0 AND credited_minor >= 0 AND paid_minor >= 0", name="amounts"),
        Index("invoices_due_idx", "tenant_id", "finalize_at", "id", postgresql_where="state = 'draft'"),
        Index("invoices_open_idx", "tenant_id", "due_at", postgresql_where="state = 'open'"),
        Index(
            "invoices_automatic_idx",
            "tenant_id",
            "finalized_at",
            postgresql_where="state = 'open' AND collection = 'automatic'",
        ),
        Index("invoices_customer_idx", "tenant_id", "customer_id", "id"),
        Index("invoices_subscription_idx", "tenant_id", "subscription_id", "id"),
        Index("invoices_number_key", "tenant_id", "number", unique=True, postgresql_where="number IS NOT NULL"),
    )

    customer_id: Mapped[UUID]
    subscription_id: Mapped[UUID | None]
    currency: Mapped[str]
    state: Mapped[str]
    origin: Mapped[str]
    collection: Mapped[str]
    bill_at: Mapped[datetime]
    drafted_at: Mapped[datetime]
    finalize_at: Mapped[datetime | None]
    """When its grace is over; NULL: it waits for somebody to make it final."""
    series: Mapped[str | None]
    sequence: Mapped[int | None]
    number: Mapped[str | None]
    finalized_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    period_start: Mapped[datetime | None]
    period_end: Mapped[datetime | None]
    lines: Mapped[int]
    subtotal_minor: Mapped[int]
    discount_minor: Mapped[int]
    tax_minor: Mapped[int]
    total_minor: Mapped[int]
    applied_minor: Mapped[int] = mapped_column(server_default="0")
    """Credits of the wallet that were used on it; negative where a negative total went to the wallet."""
    paid_minor: Mapped[int] = mapped_column(server_default="0")
    credited_minor: Mapped[int] = mapped_column(server_default="0")
    """What credit notes took off what was open."""
    open_minor: Mapped[int]
    memo: Mapped[str | None]
    paid_at: Mapped[datetime | None]
    voided_at: Mapped[datetime | None]
    uncollectible_at: Mapped[datetime | None]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class InvoiceLine(TenantRow, Table):
    """A line of a final invoice; never changed. `net_minor` is what is taxed: the amount less its coupons' shares."""

    __tablename__ = "invoice_lines"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "invoice_id"], ["invoices.tenant_id", "invoices.id"]),
        ForeignKeyConstraint(["tenant_id", "item_id"], ["invoice_items.tenant_id", "invoice_items.id"]),
        ForeignKeyConstraint(["tenant_id", "subscription_id"], ["subscriptions.tenant_id", "subscriptions.id"]),
        CheckConstraint("net_minor = amount_minor - discount_minor", name="net"),
        Index("invoice_lines_invoice_idx", "tenant_id", "invoice_id", "position"),
        Index("invoice_lines_item_key", "tenant_id", "item_id", unique=True, postgresql_where="item_id IS NOT NULL"),
    )

    invoice_id: Mapped[UUID]
    position: Mapped[int]
    item_id: Mapped[UUID | None]
    """What was to be billed; NULL for what follows from the others (a minimum, a commitment)."""
    subscription_id: Mapped[UUID | None]
    kind: Mapped[str]
    code: Mapped[str]
    description: Mapped[str]
    period_start: Mapped[datetime | None]
    period_end: Mapped[datetime | None]
    quantity: Mapped[Decimal | None]
    amount_minor: Mapped[int]
    discount_minor: Mapped[int]
    net_minor: Mapped[int]
    tax_category: Mapped[str]
    tax_rate: Mapped[Decimal]
    tax_reason: Mapped[str | None]
    tax_minor: Mapped[int]
    arithmetic: Mapped[dict[str, Any] | None]
    discounts: Mapped[dict[str, Any]]
    """Shares of coupons, by code."""


class InvoiceTax(Table):
    """What one rate of one category comes to on an invoice; never changed."""

    __tablename__ = "invoice_taxes"
    __table_args__ = (ForeignKeyConstraint(["tenant_id", "invoice_id"], ["invoices.tenant_id", "invoices.id"]),)

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    invoice_id: Mapped[UUID] = mapped_column(primary_key=True)
    category: Mapped[str] = mapped_column(primary_key=True)
    rate: Mapped[Decimal] = mapped_column(primary_key=True)
    taxable_minor: Mapped[int]
    tax_minor: Mapped[int]
    reason: Mapped[str | None]


class InvoiceInputs(Table):
    """What a final invoice was computed from, and its parties, sealed under the customer's key; never changed."""

    __tablename__ = "invoice_inputs"
    __table_args__ = (ForeignKeyConstraint(["tenant_id", "invoice_id"], ["invoices.tenant_id", "invoices.id"]),)

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    invoice_id: Mapped[UUID] = mapped_column(primary_key=True)
    as_of: Mapped[datetime]
    """Wall time: usage and its amendments recorded until then count."""
    computed_at: Mapped[datetime]
    """The tenant's time."""
    inputs: Mapped[dict[str, Any]]
    digest: Mapped[bytes]
    parties: Mapped[bytes]


class InvoicePayment(TenantRow, Table):
    """Money allocated to an invoice, negative when it went back; never changed."""

    __tablename__ = "invoice_payments"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "invoice_id"], ["invoices.tenant_id", "invoices.id"]),
        UniqueConstraint("tenant_id", "invoice_id", "cause_id"),
        CheckConstraint("amount_minor <> 0", name="amount"),
    )

    invoice_id: Mapped[UUID]
    cause_id: Mapped[UUID]
    """The payment, refund or dispute: each counts once."""
    amount_minor: Mapped[int]
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class CreditNote(TenantRow, Table):
    """Takes back what an invoice charged, wholly or in part; numbered and never changed.

    Its total goes off what is open, into the customer's wallet, or back by the payment provider.
    """

    __tablename__ = "credit_notes"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "invoice_id"], ["invoices.tenant_id", "invoices.id"]),
        ForeignKeyConstraint(["tenant_id", "customer_id"], ["customers.tenant_id", "customers.id"]),
        ForeignKeyConstraint(
            ["tenant_id", "series", "sequence"],
            ["invoice_numbers.tenant_id", "invoice_numbers.series", "invoice_numbers.sequence"],
        ),
        UniqueConstraint("tenant_id", "number"),
        CheckConstraint(one_of("reason", CREDIT_REASONS), name="reason"),
        CheckConstraint("total_minor = net_minor + tax_minor AND total_minor > 0", name="total"),
        CheckConstraint(
            "total_minor = to_open_minor + to_wallet_minor + to_refund_minor "
            "AND to_open_minor >= 0 AND to_wallet_minor >= 0 AND to_refund_minor >= 0",
            name="goes",
        ),
        Index("credit_notes_invoice_idx", "tenant_id", "invoice_id", "id"),
    )

    invoice_id: Mapped[UUID]
    customer_id: Mapped[UUID]
    currency: Mapped[str]
    series: Mapped[str]
    sequence: Mapped[int]
    number: Mapped[str]
    reason: Mapped[str]
    memo: Mapped[str | None]
    net_minor: Mapped[int]
    tax_minor: Mapped[int]
    total_minor: Mapped[int]
    to_open_minor: Mapped[int]
    to_wallet_minor: Mapped[int]
    to_refund_minor: Mapped[int]
    issued_at: Mapped[datetime]
    created_by: Mapped[UUID | None]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class CreditNoteLine(TenantRow, Table):
    """What is taken back of one line; never changed. All of a line's never come to more than the line."""

    __tablename__ = "credit_note_lines"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "credit_note_id"], ["credit_notes.tenant_id", "credit_notes.id"]),
        ForeignKeyConstraint(["tenant_id", "invoice_line_id"], ["invoice_lines.tenant_id", "invoice_lines.id"]),
        UniqueConstraint("tenant_id", "credit_note_id", "invoice_line_id"),
        Index("credit_note_lines_line_idx", "tenant_id", "invoice_line_id"),
    )

    credit_note_id: Mapped[UUID]
    invoice_line_id: Mapped[UUID]
    net_minor: Mapped[int]
    tax_minor: Mapped[int]


class ParkedCustomer(TenantRow, Table):
    """A customer whose invoices could not be made, or would have passed a safety bound: nothing more is billed to it
    until somebody has looked.
    """

    __tablename__ = "parked_customers"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "customer_id"], ["customers.tenant_id", "customers.id"]),
        ForeignKeyConstraint(["tenant_id", "invoice_id"], ["invoices.tenant_id", "invoices.id"]),
        CheckConstraint("(resolved_at IS NULL) = (resolution IS NULL)", name="resolved"),
        CheckConstraint(one_of("resolution", ("replayed", "allowed")), name="resolution"),
        Index(
            "parked_customers_open_key", "tenant_id", "customer_id", unique=True, postgresql_where="resolved_at IS NULL"
        ),
    )

    customer_id: Mapped[UUID]
    code: Mapped[str]
    detail: Mapped[str]
    invoice_id: Mapped[UUID | None]
    parked_at: Mapped[datetime]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[UUID | None]
    resolution: Mapped[str | None]


class InvoicingRules(Table):
    """How a tenant's run makes invoices, and its safety bounds; without a row the defaults of rules.py hold."""

    __tablename__ = "invoicing_rules"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        CheckConstraint(one_of("one_invoice_per", GROUPINGS), name="one_invoice_per"),
        CheckConstraint("lines_a_day BETWEEN 1 AND 1000000", name="lines_a_day"),
        CheckConstraint("months_ahead BETWEEN 0 AND 120", name="months_ahead"),
        CheckConstraint("times_history BETWEEN 2 AND 1000000", name="times_history"),
        CheckConstraint("free_below_minor >= 0", name="free_below"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    one_invoice_per: Mapped[str]
    applies_credits: Mapped[bool]
    lines_a_day: Mapped[int]
    months_ahead: Mapped[int]
    times_history: Mapped[int]
    free_below_minor: Mapped[int]
    changed_at: Mapped[datetime]


# The items' own room comes before this one and knows no invoices: the way back is told here.
InvoiceItem.__table__.append_constraint(  # type: ignore[attr-defined]  (a table, which SQLAlchemy types as any clause)
    ForeignKeyConstraint(["tenant_id", "invoice_id"], ["invoices.tenant_id", "invoices.id"])
)
