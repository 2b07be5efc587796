"""Rates of tax, by country, from a day on. A rate is never changed: another one follows it."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from core.foundation.tables import Table, TenantRow


class TaxRate(TenantRow, Table):
    """A percentage from `effective_from` on, until the next of the same country, region and code.

    Those of tenant zero are the installation's. `region` is empty for the whole country.
    """

    __tablename__ = "tax_rates"
    __table_args__ = (
        UniqueConstraint("tenant_id", "country", "region", "code", "effective_from"),
        CheckConstraint("percent >= 0 AND percent <= 100", name="percent"),
        CheckConstraint("country ~ '^[A-Z]{2}$'", name="country"),
    )

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"), primary_key=True, sort_order=-2)
    country: Mapped[str]
    region: Mapped[str] = mapped_column(server_default="")
    code: Mapped[str]
    name: Mapped[str]
    percent: Mapped[Decimal]
    effective_from: Mapped[date]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
