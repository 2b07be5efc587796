"""Subscriptions."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped

from core.foundation.ids import INSTALLATION_ID
from core.foundation.tables import Table, TenantRow, one_of

SUBSCRIPTION_STATES = ("incomplete", "trialing", "active", "past_due", "paused", "canceled")


class Subscription(TenantRow, Table):
    """A customer's agreement to one version of a plan, of the tenant's own or of the installation's."""

    __tablename__ = "subscriptions"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "customer_id"], ["customers.tenant_id", "customers.id"]),
        ForeignKeyConstraint(["plan_tenant_id", "plan_id"], ["plans.tenant_id", "plans.id"]),
        ForeignKeyConstraint(["plan_tenant_id", "price_id"], ["prices.tenant_id", "prices.id"]),
        CheckConstraint(one_of("state", SUBSCRIPTION_STATES), name="state"),
        CheckConstraint("current_period_end > current_period_start", name="period"),
        Index("subscriptions_customer_idx", "tenant_id", "customer_id"),
        # A foreign key looks past row security: without this, a tenant could subscribe to another tenant's plan.
        CheckConstraint(f"plan_tenant_id IN (tenant_id, '{INSTALLATION_ID}')", name="plan_tenant"),
    )

    customer_id: Mapped[UUID]
    plan_tenant_id: Mapped[UUID]
    plan_id: Mapped[UUID]
    price_id: Mapped[UUID]
    state: Mapped[str]
    currency: Mapped[str]
    current_period_start: Mapped[datetime]
    current_period_end: Mapped[datetime]
    created_at: Mapped[datetime]
    canceled_at: Mapped[datetime | None]
