"""Price books: what a token costs, by model and version. Published once, never edited."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from core.foundation.tables import Table, TenantRow


class PriceBook(TenantRow, Table):
    """A version of the list, in force from `effective_from` until the next one is."""

    __tablename__ = "price_books"
    __table_args__ = (UniqueConstraint("tenant_id", "currency", "version"),)

    version: Mapped[int]
    currency: Mapped[str]
    effective_from: Mapped[datetime]
    source: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ModelPrice(Table):
    """A model's unit prices in units of the currency per million tokens, exact decimals."""

    __tablename__ = "model_prices"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "price_book_id"], ["price_books.tenant_id", "price_books.id"]),
        # Also refuses NaN and infinity, which numeric knows.
        CheckConstraint(
            "input_per_million BETWEEN 0 AND 1000000 AND cached_per_million BETWEEN 0 AND 1000000 "
            "AND output_per_million BETWEEN 0 AND 1000000",
            name="range",
        ),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    price_book_id: Mapped[UUID] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    input_per_million: Mapped[Decimal]
    cached_per_million: Mapped[Decimal]
    output_per_million: Mapped[Decimal]
