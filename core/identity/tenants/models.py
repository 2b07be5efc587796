"""Tenants, their clocks, members, invitations, audit rows and remembered answers."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

import core.identity.users.models  # noqa: F401  # pyright: ignore[reportUnusedImport]  # memberships refer to users
from core.foundation.tables import Table, TenantRow, one_of

CHARGE_POLICIES = ("refuse", "receivable")
TAX_TREATMENTS = ("automatic", "exempt", "reverse_charge")
TENANT_ROLES = ("owner", "finance", "developer", "read_only")


class Tenant(Table):
    """The isolation line. `slug` is the `tenantId` that callers use; a test tenant has a clock of its own."""

    __tablename__ = "tenants"
    __table_args__ = (
        CheckConstraint("slug ~ '^[a-z0-9][a-z0-9-]{1,62}$'", name="slug"),
        CheckConstraint(one_of("charge_policy", CHARGE_POLICIES), name="charge_policy"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    currency: Mapped[str]
    is_test: Mapped[bool]
    is_probe: Mapped[bool] = mapped_column(server_default="false")
    charge_policy: Mapped[str] = mapped_column(server_default="refuse")
    created_at: Mapped[datetime]


class TenantClock(Table):
    """The time of a test tenant: it stands still until it is moved, and moves forward only."""

    __tablename__ = "tenant_clocks"

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    now_at: Mapped[datetime]


class Membership(Table):
    """A user's role in a tenant."""

    __tablename__ = "memberships"
    __table_args__ = (CheckConstraint(one_of("role", TENANT_ROLES), name="role"), Index(None, "user_id"))

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    role: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Invitation(TenantRow, Table):
    """An invitation into a tenant; only the hash of its token is kept."""

    __tablename__ = "invitations"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        CheckConstraint(one_of("role", TENANT_ROLES), name="role"),
    )

    email: Mapped[str]
    role: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    invited_by: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class AuditEntry(TenantRow, Table):
    """Who did what to this tenant, and why; never changed. Our ids only, no names or e-mails."""

    __tablename__ = "audit_log"
    __table_args__ = (ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),)

    actor_id: Mapped[UUID | None]
    actor_kind: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str | None]
    reason: Mapped[str | None]
    details: Mapped[dict[str, Any]]
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    request_id: Mapped[str | None]
    origin: Mapped[bytes | None]
    """The address it came from, sealed under the actor's key."""
    change: Mapped[bytes | None]
    """What was and what is, sealed under the key of `sealed_for`."""
    sealed_for: Mapped[UUID | None]


class SubjectKey(Table):
    """The key of one person or customer: what immutable records carry of it is sealed under it, and gone with it."""

    __tablename__ = "subject_keys"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        CheckConstraint("(key IS NULL) = (destroyed_at IS NOT NULL)", name="destroyed"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    subject_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[bytes | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    destroyed_at: Mapped[datetime | None]


class IdempotencyKey(Table):
    """The first answer to a key of a tenant's at one door, kept with a hash of the input."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),)

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    door: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    input_hash: Mapped[bytes]
    status: Mapped[int]
    body: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Customer(TenantRow, Table):
    """Who pays the tenant. `is_self` is the tenant as the installation's customer: one from its first second."""

    __tablename__ = "customers"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        UniqueConstraint("tenant_id", "external_id"),
        Index("customers_self_key", "tenant_id", unique=True, postgresql_where="is_self"),
        CheckConstraint(one_of("tax_treatment", TAX_TREATMENTS), name="tax_treatment"),
        CheckConstraint("(tax_treatment = 'exempt') = (tax_exempt_reason IS NOT NULL)", name="tax_exempt"),
    )

    external_id: Mapped[str]
    name: Mapped[str | None]
    email: Mapped[str | None]
    is_self: Mapped[bool]
    created_at: Mapped[datetime]
    phone: Mapped[str | None]
    address: Mapped[dict[str, Any] | None]
    """line1, line2, city, postalCode, region, country (ISO 3166-1), each absent or a text."""
    tax_id: Mapped[str | None]
    tax_treatment: Mapped[str] = mapped_column(server_default="automatic")
    tax_exempt_reason: Mapped[str | None]
    language: Mapped[str | None]
    time_zone: Mapped[str] = mapped_column(server_default="UTC")
    """IANA, such as Europe/Berlin: where the customer's days and months begin."""
    currency: Mapped[str | None]
    changed_at: Mapped[datetime | None]
