"""Users of the installation. Read before a tenant is known, hence through functions only (migrations/sql)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from core.foundation.tables import Table, one_of

INSTALLATION_ROLES = ("operator", "finance")


class User(Table):
    """One person in an installation; `email` is unique and case-folded."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("email = lower(email)", name="email_folded"),
        CheckConstraint(one_of("installation_role", INSTALLATION_ROLES), name="installation_role"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str | None]
    password_hash: Mapped[str]
    installation_role: Mapped[str | None]
    last_tenant_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    disabled_at: Mapped[datetime | None]
