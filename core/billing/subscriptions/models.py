"""Subscriptions, what held in them from when until when, and what is to be billed."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Numeric, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

# What foreign keys here name is known wherever these are written.
import core.billing.metering.models  # noqa: F401  # pyright: ignore[reportUnusedImport]  (the meters of items)
from core.billing.catalog.models import COMPONENT_KINDS, CYCLES, INTERVALS, PRORATIONS
from core.foundation.ids import INSTALLATION_ID
from core.foundation.tables import Table, TenantRow, one_of

SUBSCRIPTION_STATES = ("incomplete", "trialing", "active", "past_due", "paused", "canceled")
COLLECTIONS = ("automatic", "send_invoice")
ITEM_KINDS = (
    "recurring",
    "usage",
    "one_time",
    "unused",
    "remaining",
    "minimum",
    "commitment",
    "one_off",
    "correction",
)
WITHOUT_SUBSCRIPTION = ("one_off", "correction")
RATED_LATER = ("usage", "minimum", "commitment")
_QUANTITY = Numeric(38, 12)
# A foreign key looks past row security: without this, a tenant could subscribe to another tenant's plan.
_SELLER = f"plan_tenant_id IN (tenant_id, '{INSTALLATION_ID}')"


class Subscription(TenantRow, Table):
    """A customer's agreement to one version of a plan, of the tenant's own or of the installation's.

    `ordinal` counts the periods that were begun, from 0 (a trial is none); `period_number` is the cycle's own, counted
    from its anchor. What is paid ahead is charged up to `paid_through`. `due_at` is when something is to be done next.
    """

    __tablename__ = "subscriptions"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "customer_id"], ["customers.tenant_id", "customers.id"]),
        ForeignKeyConstraint(["plan_tenant_id", "plan_id"], ["plans.tenant_id", "plans.id"]),
        ForeignKeyConstraint(["plan_tenant_id", "price_id"], ["prices.tenant_id", "prices.id"]),
        CheckConstraint(one_of("state", SUBSCRIPTION_STATES), name="state"),
        CheckConstraint("current_period_end > current_period_start", name="period"),
        CheckConstraint(one_of("interval", INTERVALS), name="interval"),
        CheckConstraint(one_of("cycle", CYCLES), name="cycle"),
        CheckConstraint(one_of("proration", PRORATIONS), name="proration"),
        CheckConstraint(one_of("collection", COLLECTIONS), name="collection"),
        CheckConstraint("interval_count BETWEEN 1 AND 365 AND anchor_day BETWEEN 1 AND 31", name="cycle_range"),
        CheckConstraint("(state = 'canceled') = (canceled_at IS NOT NULL)", name="canceled"),
        CheckConstraint("(state = 'paused') = (paused_at IS NOT NULL)", name="paused"),
        CheckConstraint("state <> 'canceled' OR (due_at IS NULL AND pending IS NULL)", name="ended"),
        CheckConstraint(
            "num_nulls(commitment, commitment_from, commitment_left) IN (0, 3)",
            name="commitment",
        ),
        CheckConstraint("(parked_at IS NULL) = (parked_error IS NULL)", name="parked"),
        Index("subscriptions_customer_idx", "tenant_id", "customer_id"),
        Index("subscriptions_due_idx", "tenant_id", "due_at", postgresql_where="due_at IS NOT NULL"),
        Index("subscriptions_never_paid_idx", "tenant_id", "id", postgresql_where="cancel_reason = 'never_paid'"),
        CheckConstraint(_SELLER, name="plan_tenant"),
    )

    customer_id: Mapped[UUID]
    plan_tenant_id: Mapped[UUID]
    plan_id: Mapped[UUID]
    version: Mapped[int]
    price_id: Mapped[UUID]
    state: Mapped[str]
    currency: Mapped[str]
    collection: Mapped[str]
    interval: Mapped[str]
    interval_count: Mapped[int]
    cycle: Mapped[str]
    proration: Mapped[str]
    anchor: Mapped[datetime]
    anchor_day: Mapped[int | None]
    zone: Mapped[str]
    period_number: Mapped[int]
    ordinal: Mapped[int]
    current_period_start: Mapped[datetime]
    current_period_end: Mapped[datetime]
    paid_through: Mapped[datetime]
    trial_end: Mapped[datetime | None]
    trial_notice_at: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    resume_at: Mapped[datetime | None]
    cancel_at: Mapped[datetime | None]
    pending: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    commitment: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    commitment_from: Mapped[datetime | None]
    commitment_left: Mapped[int | None]
    due_at: Mapped[datetime | None]
    parked_at: Mapped[datetime | None]
    parked_error: Mapped[str | None]
    created_at: Mapped[datetime]
    canceled_at: Mapped[datetime | None]
    cancel_reason: Mapped[str | None]


class SubscriptionTerms(TenantRow, Table):
    """Which version of which plan held, half-open; the open row says what holds now."""

    __tablename__ = "subscription_terms"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "subscription_id"], ["subscriptions.tenant_id", "subscriptions.id"]),
        ForeignKeyConstraint(["plan_tenant_id", "plan_id"], ["plans.tenant_id", "plans.id"]),
        ForeignKeyConstraint(["plan_tenant_id", "price_id"], ["prices.tenant_id", "prices.id"]),
        CheckConstraint(_SELLER, name="plan_tenant"),
        CheckConstraint("effective_to >= effective_from", name="effective"),
        Index("subscription_terms_of_idx", "tenant_id", "subscription_id"),
        Index(
            "subscription_terms_open_key",
            "tenant_id",
            "subscription_id",
            unique=True,
            postgresql_where="effective_to IS NULL",
        ),
    )

    subscription_id: Mapped[UUID]
    plan_tenant_id: Mapped[UUID]
    plan_id: Mapped[UUID]
    version: Mapped[int]
    price_id: Mapped[UUID]
    effective_from: Mapped[datetime]
    effective_to: Mapped[datetime | None]


class SubscriptionItem(TenantRow, Table):
    """A part of the plan as it is taken, half-open in time: a quantity, or usage by its meter (then without one)."""

    __tablename__ = "subscription_items"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "subscription_id"], ["subscriptions.tenant_id", "subscriptions.id"]),
        ForeignKeyConstraint(["plan_tenant_id", "component_id"], ["price_components.tenant_id", "price_components.id"]),
        CheckConstraint(_SELLER, name="plan_tenant"),
        CheckConstraint(one_of("kind", COMPONENT_KINDS), name="kind"),
        CheckConstraint("(kind = 'usage') = (quantity IS NULL)", name="usage"),
        CheckConstraint("quantity >= 0", name="quantity"),
        CheckConstraint("effective_to >= effective_from", name="effective"),
        Index("subscription_items_of_idx", "tenant_id", "subscription_id"),
        Index(
            "subscription_items_open_key",
            "tenant_id",
            "subscription_id",
            "code",
            unique=True,
            postgresql_where="effective_to IS NULL",
        ),
    )

    subscription_id: Mapped[UUID]
    plan_tenant_id: Mapped[UUID]
    component_id: Mapped[UUID]
    code: Mapped[str]
    kind: Mapped[str]
    quantity: Mapped[Decimal | None] = mapped_column(_QUANTITY)
    effective_from: Mapped[datetime]
    effective_to: Mapped[datetime | None]


class SubscriptionChange(TenantRow, Table):
    """The trail: what happened to a subscription, by whom and when on the tenant's clock; never changed."""

    __tablename__ = "subscription_changes"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "subscription_id"], ["subscriptions.tenant_id", "subscriptions.id"]),
        Index("subscription_changes_of_idx", "tenant_id", "subscription_id", "id"),
    )

    subscription_id: Mapped[UUID]
    kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    actor_kind: Mapped[str]
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    details: Mapped[dict[str, Any]]


class CouponRedemption(TenantRow, Table):
    """A coupon that a subscription redeemed: from period `first_ordinal` on, as its terms say, or to `last_ordinal`."""

    __tablename__ = "coupon_redemptions"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "coupon_id"], ["coupons.tenant_id", "coupons.id"]),
        ForeignKeyConstraint(["tenant_id", "subscription_id"], ["subscriptions.tenant_id", "subscriptions.id"]),
        UniqueConstraint("tenant_id", "subscription_id", "coupon_id"),
        CheckConstraint("first_ordinal >= 0", name="ordinal"),
    )

    coupon_id: Mapped[UUID]
    subscription_id: Mapped[UUID]
    redeemed_at: Mapped[datetime]
    first_ordinal: Mapped[int]
    last_ordinal: Mapped[int | None]


class InvoiceItem(TenantRow, Table):
    """What is to be billed: one row a line, written once; what one bill takes of a subscription has one `bill_at`.

    `basis` holds what the amount follows from. Usage, minimums and commitments have no amount here: they are rated
    when the invoice is worked out. `ordinal` is the subscription's period that the line belongs to.
    """

    __tablename__ = "invoice_items"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "customer_id"], ["customers.tenant_id", "customers.id"]),
        ForeignKeyConstraint(["tenant_id", "subscription_id"], ["subscriptions.tenant_id", "subscriptions.id"]),
        ForeignKeyConstraint(["tenant_id", "meter_id"], ["meters.tenant_id", "meters.id"]),
        CheckConstraint(one_of("kind", ITEM_KINDS), name="kind"),
        CheckConstraint(f"{one_of('kind', RATED_LATER)} = (amount_minor IS NULL)", name="amount"),
        CheckConstraint(f"subscription_id IS NOT NULL OR {one_of('kind', WITHOUT_SUBSCRIPTION)}", name="subscription"),
        CheckConstraint("(subscription_id IS NULL) = (ordinal IS NULL)", name="ordinal"),
        CheckConstraint("(kind = 'usage') = (meter_id IS NOT NULL)", name="meter"),
        CheckConstraint("num_nulls(period_start, period_end) IN (0, 2) AND period_end >= period_start", name="period"),
        CheckConstraint("period_start IS NOT NULL OR subscription_id IS NULL", name="dated"),
        CheckConstraint("abs(amount_minor) <= 1000000000000000", name="range"),
        # A period is charged once, however often its renewal is tried.
        Index(
            "invoice_items_once_key",
            "tenant_id",
            "subscription_id",
            "ordinal",
            "kind",
            "code",
            unique=True,
            postgresql_where="kind IN ('recurring', 'one_time', 'minimum', 'commitment')",
        ),
        Index("invoice_items_usage_idx", "tenant_id", "customer_id", "meter_id", postgresql_where="kind = 'usage'"),
        Index(
            "invoice_items_billed_usage_idx",
            "tenant_id",
            "customer_id",
            "period_end",
            postgresql_where="kind = 'usage' AND invoice_id IS NOT NULL",
        ),
        Index("invoice_items_waiting_idx", "tenant_id", "bill_at", postgresql_where="invoice_id IS NULL"),
        Index("invoice_items_of_idx", "tenant_id", "subscription_id", "ordinal"),
        Index("invoice_items_invoice_idx", "tenant_id", "invoice_id"),
    )

    customer_id: Mapped[UUID]
    currency: Mapped[str]
    subscription_id: Mapped[UUID | None]
    ordinal: Mapped[int | None]
    kind: Mapped[str]
    code: Mapped[str]
    description: Mapped[str]
    period_start: Mapped[datetime | None]
    period_end: Mapped[datetime | None]
    quantity: Mapped[Decimal | None] = mapped_column(_QUANTITY)
    meter_id: Mapped[UUID | None]
    basis: Mapped[dict[str, Any]]
    amount_minor: Mapped[int | None]
    bill_at: Mapped[datetime]
    invoice_id: Mapped[UUID | None]
    reverses_line_id: Mapped[UUID | None]
    created_at: Mapped[datetime]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
