"""What can be bought: credit packages, products, plans and their prices, coupons.

Rows of tenant zero belong to the installation. What was agreed is never changed: a change of terms is a new version.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, UniqueConstraint, false, func
from sqlalchemy.orm import Mapped, mapped_column

from core.foundation.tables import Table, TenantRow, one_of

INTERVALS = ("day", "week", "month", "quarter", "year")
CYCLES = ("anniversary", "calendar")
PRORATIONS = ("second", "day")
APPLIES = ("new", "renewal")
COMPONENT_KINDS = ("recurring", "usage", "one_time")
DURATIONS = ("once", "repeating", "forever")


class CreditPackage(TenantRow, Table):
    """Credits at a price: `amount_minor` is paid, `credits_micro` is what the wallet gains."""

    __tablename__ = "credit_packages"
    __table_args__ = (
        UniqueConstraint("tenant_id", "code", "currency"),
        CheckConstraint("amount_minor > 0 AND credits_micro > 0", name="positive"),
    )

    code: Mapped[str]
    name: Mapped[str]
    currency: Mapped[str]
    amount_minor: Mapped[int]
    credits_micro: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    archived_at: Mapped[datetime | None]


class Product(TenantRow, Table):
    """What is sold, in one plan or several."""

    __tablename__ = "products"
    __table_args__ = (UniqueConstraint("tenant_id", "code"),)

    code: Mapped[str]
    name: Mapped[str]
    description: Mapped[str | None]
    tax_code: Mapped[str | None]
    """Which rates it bears; None: the standard ones. Never changed, nor is the next."""
    is_goods: Mapped[bool] = mapped_column(server_default=false())
    created_at: Mapped[datetime]
    archived_at: Mapped[datetime | None]


class Plan(TenantRow, Table):
    """What one subscribes to; its terms are its versions' prices."""

    __tablename__ = "plans"
    __table_args__ = (
        UniqueConstraint("tenant_id", "code"),
        ForeignKeyConstraint(["tenant_id", "product_id"], ["products.tenant_id", "products.id"]),
    )

    code: Mapped[str]
    name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    archived_at: Mapped[datetime | None]
    product_id: Mapped[UUID | None]
    description: Mapped[str | None]


class PlanVersion(Table):
    """Terms from `effective_from` on; of those in force the highest version is sold.

    `applies`: to new subscriptions only, or to those there are at their next renewal, too.
    """

    __tablename__ = "plan_versions"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "plan_id"], ["plans.tenant_id", "plans.id"]),
        CheckConstraint(one_of("interval", INTERVALS), name="interval"),
        CheckConstraint("interval_count BETWEEN 1 AND 365", name="interval_count"),
        CheckConstraint(one_of("cycle", CYCLES), name="cycle"),
        CheckConstraint(one_of("proration", PRORATIONS), name="proration"),
        CheckConstraint(one_of("applies", APPLIES), name="applies"),
        CheckConstraint("trial_days BETWEEN 1 AND 730", name="trial_days"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    plan_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    effective_from: Mapped[datetime]
    interval: Mapped[str]
    interval_count: Mapped[int]
    cycle: Mapped[str]
    proration: Mapped[str]
    applies: Mapped[str]
    trial_days: Mapped[int | None]
    trial_until: Mapped[datetime | None]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Price(TenantRow, Table):
    """What a version of a plan costs in a currency. `amount_minor`: the fixed part of a period, at quantity one."""

    __tablename__ = "prices"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "plan_id"], ["plans.tenant_id", "plans.id"]),
        ForeignKeyConstraint(
            ["tenant_id", "plan_id", "version"],
            ["plan_versions.tenant_id", "plan_versions.plan_id", "plan_versions.version"],
        ),
        UniqueConstraint("tenant_id", "plan_id", "version", "currency"),
        CheckConstraint(one_of("interval", INTERVALS), name="interval"),
        CheckConstraint("amount_minor >= 0", name="amount"),
    )

    plan_id: Mapped[UUID]
    version: Mapped[int]
    currency: Mapped[str]
    amount_minor: Mapped[int]
    interval: Mapped[str]
    effective_from: Mapped[datetime]
    minimum: Mapped[dict[str, Any] | None]
    commitment: Mapped[dict[str, Any] | None]


class PriceComponent(TenantRow, Table):
    """A part of a price: `recurring` is paid ahead, `usage` by its meter afterwards, `one_time` at the start."""

    __tablename__ = "price_components"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "price_id"], ["prices.tenant_id", "prices.id"]),
        ForeignKeyConstraint(["tenant_id", "meter_id"], ["meters.tenant_id", "meters.id"]),
        UniqueConstraint("tenant_id", "price_id", "code"),
        CheckConstraint(one_of("kind", COMPONENT_KINDS), name="kind"),
        CheckConstraint("(kind = 'usage') = (meter_id IS NOT NULL)", name="meter"),
    )

    price_id: Mapped[UUID]
    position: Mapped[int]
    code: Mapped[str]
    name: Mapped[str]
    kind: Mapped[str]
    is_add_on: Mapped[bool]
    meter_id: Mapped[UUID | None]
    definition: Mapped[dict[str, Any]]


class CouponRow(TenantRow, Table):
    """What a tenant takes off for its customers; `redeemed` counts, and the database holds it to its limit."""

    __tablename__ = "coupons"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        UniqueConstraint("tenant_id", "code"),
        CheckConstraint(one_of("duration", DURATIONS), name="duration"),
        CheckConstraint(
            "(percent IS NULL) <> (amount_minor IS NULL) AND (amount_minor IS NULL) = (currency IS NULL)", name="takes"
        ),
        CheckConstraint(
            "(percent > 0 AND percent <= 100) IS NOT FALSE AND (amount_minor > 0) IS NOT FALSE", name="range"
        ),
        CheckConstraint("(duration = 'repeating') = (periods IS NOT NULL)", name="periods"),
        CheckConstraint("redeemed >= 0 AND (redeemed <= max_redemptions) IS NOT FALSE", name="redeemed"),
    )

    code: Mapped[str]
    name: Mapped[str]
    percent: Mapped[Decimal | None]
    amount_minor: Mapped[int | None]
    currency: Mapped[str | None]
    duration: Mapped[str]
    periods: Mapped[int | None]
    redeem_by: Mapped[datetime | None]
    max_redemptions: Mapped[int | None]
    redeemed: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[datetime]
    archived_at: Mapped[datetime | None]


class CouponPlan(Table):
    """A plan that a coupon is restricted to."""

    __tablename__ = "coupon_plans"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "coupon_id"], ["coupons.tenant_id", "coupons.id"]),
        ForeignKeyConstraint(["tenant_id", "plan_id"], ["plans.tenant_id", "plans.id"]),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    coupon_id: Mapped[UUID] = mapped_column(primary_key=True)
    plan_id: Mapped[UUID] = mapped_column(primary_key=True)


class CouponProduct(Table):
    """A product that a coupon is restricted to."""

    __tablename__ = "coupon_products"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "coupon_id"], ["coupons.tenant_id", "coupons.id"]),
        ForeignKeyConstraint(["tenant_id", "product_id"], ["products.tenant_id", "products.id"]),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    coupon_id: Mapped[UUID] = mapped_column(primary_key=True)
    product_id: Mapped[UUID] = mapped_column(primary_key=True)
