"""Price books: every SELECT of the pricing room."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.pricing.rating import ModelRates, RateCard
from core.foundation.ids import INSTALLATION_ID


async def list_rate_cards(
    session: AsyncSession, tenant_id: UUID, *, currency: str | None = None, starting_before: datetime | None = None
) -> list[RateCard]:
    """The price books that a tenant may be charged by, its own before the installation's, newest first."""
    rows = await session.execute(
        _CARDS,
        {"tenant": tenant_id, "installation": INSTALLATION_ID, "currency": currency, "before": starting_before},
    )
    return [
        RateCard(
            id=row.id,
            version=row.version,
            currency=row.currency,
            effective_from=row.effective_from,
            source=row.source,
            is_own=row.tenant_id == tenant_id,
            models=_models(row.prices),
        )
        for row in rows
    ]


def _models(prices: list[list[Any]]) -> dict[str, ModelRates]:
    return {model: ModelRates(*(Decimal(price) for price in rest)) for model, *rest in prices}


# Prices come as text inside the JSON: a JSON number would pass through a float.
_CARDS = text("""
SELECT b.tenant_id, b.id, b.version, b.currency, b.effective_from, b.source,
       coalesce((SELECT json_agg(json_build_array(p.model, p.input_per_million::text, p.cached_per_million::text,
                                                  p.output_per_million::text) ORDER BY p.model)
                 FROM model_prices p WHERE p.tenant_id = b.tenant_id AND p.price_book_id = b.id), '[]') AS prices
FROM price_books b
WHERE b.tenant_id IN (:tenant, :installation)
  AND (CAST(:currency AS text) IS NULL OR b.currency = :currency)
  AND (CAST(:before AS timestamptz) IS NULL OR b.effective_from <= :before)
ORDER BY (b.tenant_id = :tenant) DESC, b.effective_from DESC, b.version DESC
""")
