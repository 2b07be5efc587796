"""What can be bought: credit packages, plans and their prices. Rows of tenant zero belong to the installation."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from core.foundation.tables import Table, TenantRow, one_of

INTERVALS = ("month", "year")


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


class Plan(TenantRow, Table):
    """What one subscribes to; its terms are its versions' prices."""

    __tablename__ = "plans"
    __table_args__ = (UniqueConstraint("tenant_id", "code"),)

    code: Mapped[str]
    name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    archived_at: Mapped[datetime | None]


class Price(TenantRow, Table):
    """A price of one version of a plan. A change of terms is a new version; what was agreed keeps its own."""

    __tablename__ = "prices"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "plan_id"], ["plans.tenant_id", "plans.id"]),
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
