"""Estimates as they were made when a graph was stored, and what the clouds' bills said."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from core.foundation.tables import Table, one_of

USAGES = ("small", "base", "large")


class CostEstimate(Table):
    """A deployment's month by one usage profile, with the prices of its day."""

    __tablename__ = "cost_estimates"
    __table_args__ = (CheckConstraint(one_of("usage", USAGES), name="usage"),)

    deployment_id: Mapped[UUID] = mapped_column(ForeignKey("deployments.id"), primary_key=True)
    usage: Mapped[str] = mapped_column(primary_key=True)
    region: Mapped[str]
    currency: Mapped[str]
    monthly: Mapped[Decimal]
    by_category: Mapped[dict[str, Any]]
    lines: Mapped[dict[str, Any]]
    warnings: Mapped[dict[str, Any]]


class ActualCost(Table):
    """An imported bill of a stack's month; the newest import of a month counts."""

    __tablename__ = "actual_costs"
    __table_args__ = (Index("actual_costs_month_idx", "stack", "month", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    stack: Mapped[str]
    month: Mapped[date]
    source: Mapped[str]
    currency: Mapped[str]
    total: Mapped[Decimal]
    lines: Mapped[dict[str, Any]]
    imported_at: Mapped[datetime]
    imported_by: Mapped[UUID]
