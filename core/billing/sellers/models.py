"""The tenant as it stands on its invoices, and how they are made."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.foundation.tables import Table, one_of

TAX_ROUNDINGS = ("rate", "line")
LATE_USAGE = ("next_invoice", "credit_note")


class InvoiceSettings(Table):
    """One row a tenant, from its first change on; before, what `sellers.service.settings_of` says holds."""

    __tablename__ = "invoice_settings"
    __table_args__ = (
        CheckConstraint(one_of("tax_rounding", TAX_ROUNDINGS), name="tax_rounding"),
        CheckConstraint(one_of("late_usage", LATE_USAGE), name="late_usage"),
        CheckConstraint("number_digits BETWEEN 1 AND 12", name="number_digits"),
        CheckConstraint("net_days BETWEEN 0 AND 365", name="net_days"),
        CheckConstraint("grace_hours BETWEEN 0 AND 720", name="grace_hours"),
        CheckConstraint("(logo IS NULL) = (logo_type IS NULL)", name="logo"),
        CheckConstraint("number_prefix <> credit_note_prefix", name="prefix"),
    )

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    legal_name: Mapped[str | None]
    address: Mapped[dict[str, Any] | None]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    website: Mapped[str | None]
    tax_ids: Mapped[dict[str, str]] = mapped_column(JSONB)
    """VAT numbers by the country that gave them out: where the seller charges tax."""
    registration: Mapped[str | None]
    tax_number: Mapped[str | None]
    one_stop_shop: Mapped[bool]
    tax_rounding: Mapped[str]
    logo: Mapped[bytes | None]
    logo_type: Mapped[str | None]
    accent_color: Mapped[str]
    language: Mapped[str]
    number_prefix: Mapped[str]
    credit_note_prefix: Mapped[str]
    number_digits: Mapped[int]
    net_days: Mapped[int]
    grace_hours: Mapped[int]
    late_usage: Mapped[str]
    bank: Mapped[dict[str, str] | None] = mapped_column(JSONB)
    footer: Mapped[str | None]
    changed_at: Mapped[datetime]
