"""Saved means of payment. Of a card only what may be shown is kept: brand, last four digits, expiry, country."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.foundation.tables import Table, TenantRow, one_of

METHOD_STATES = ("active", "detached")
SETUP_MEANS = ("page", "intent")
SETUP_STATES = ("pending", "succeeded", "failed", "canceled")


class ProviderCustomer(TenantRow, Table):
    """A customer as the provider knows it: by our ids alone. `clock_id` is a test tenant's, whose time it follows."""

    __tablename__ = "provider_customers"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "customer_id"], ["customers.tenant_id", "customers.id"]),
        UniqueConstraint("tenant_id", "customer_id", "provider_account_id", name="provider_customers_customer_key"),
        Index("provider_customers_provider_key", "provider_account_id", "provider_id", unique=True),
    )

    customer_id: Mapped[UUID]
    provider_account_id: Mapped[str]
    provider_id: Mapped[str]
    clock_id: Mapped[str | None]
    created_at: Mapped[datetime]


class PaymentMethod(TenantRow, Table):
    """A card that its owner has saved with the provider; at most one of a customer's is the default."""

    __tablename__ = "payment_methods"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "customer_id"], ["customers.tenant_id", "customers.id"]),
        Index("payment_methods_provider_key", "provider_account_id", "provider_id", unique=True),
        Index("payment_methods_default_key", "tenant_id", "customer_id", unique=True, postgresql_where="is_default"),
        Index("payment_methods_customer_idx", "tenant_id", "customer_id"),
        CheckConstraint(one_of("state", METHOD_STATES), name="state"),
        CheckConstraint("last4 ~ '^[0-9]{4}$'", name="last4"),
        CheckConstraint("exp_month BETWEEN 1 AND 12 AND exp_year BETWEEN 2000 AND 2200", name="expiry"),
        CheckConstraint("char_length(brand) <= 30 AND char_length(country) <= 2", name="shown"),
        CheckConstraint("(state = 'detached') = (detached_at IS NOT NULL)", name="detached"),
        CheckConstraint(
            "(state = 'active' OR NOT is_default) AND is_default = (default_since IS NOT NULL)", name="default"
        ),
    )

    customer_id: Mapped[UUID]
    provider_account_id: Mapped[str]
    provider_id: Mapped[str]
    brand: Mapped[str]
    last4: Mapped[str]
    exp_month: Mapped[int]
    exp_year: Mapped[int]
    country: Mapped[str | None]
    state: Mapped[str]
    is_default: Mapped[bool] = mapped_column(server_default="false")
    default_since: Mapped[datetime | None]
    """Since when (the tenant's time) its customer is charged by it."""
    created_at: Mapped[datetime]
    detached_at: Mapped[datetime | None]


class PaymentSetup(TenantRow, Table):
    """A card being saved: on the provider's page, or in a form of one's own by an intent."""

    __tablename__ = "payment_setups"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "customer_id"], ["customers.tenant_id", "customers.id"]),
        ForeignKeyConstraint(["tenant_id", "payment_method_id"], ["payment_methods.tenant_id", "payment_methods.id"]),
        UniqueConstraint("tenant_id", "idempotency_key"),
        Index("payment_setups_provider_key", "provider_account_id", "provider_id", unique=True),
        CheckConstraint(one_of("means", SETUP_MEANS), name="means"),
        CheckConstraint(one_of("state", SETUP_STATES), name="state"),
        CheckConstraint("(state = 'succeeded') = (payment_method_id IS NOT NULL)", name="saved"),
    )

    customer_id: Mapped[UUID]
    means: Mapped[str]
    state: Mapped[str]
    makes_default: Mapped[bool]
    currency: Mapped[str]
    success_url: Mapped[str]
    cancel_url: Mapped[str]
    idempotency_key: Mapped[str | None]
    input_hash: Mapped[bytes]
    provider_account_id: Mapped[str]
    provider_id: Mapped[str | None]
    """The provider's intent of saving."""
    provider_page_id: Mapped[str | None]
    payment_method_id: Mapped[UUID | None]
    failure_code: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    """Wall time."""
