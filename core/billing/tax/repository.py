"""Tax rates: every SELECT."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.foundation.ids import INSTALLATION_ID


async def list_rates(
    session: AsyncSession,
    tenant_id: UUID,
    *,
    country: str | None = None,
    before: UUID | None = None,
    limit: int = 10000,
) -> Sequence[Row[Any]]:
    """The tenant's own rates and the installation's, newest rows first."""
    where = {
        "owners": [tenant_id, INSTALLATION_ID],
        "country": country,
        "before": before,
        "limit": limit,
    }
    return (await session.execute(_RATES, where)).all()


async def find_rate(session: AsyncSession, tenant_id: UUID, rate_id: UUID) -> Row[Any] | None:
    """One of the tenant's own."""
    return (await session.execute(_RATE, {"tenant": tenant_id, "id": rate_id})).one_or_none()


_RATE = text("SELECT id, code, effective_from FROM tax_rates WHERE tenant_id = :tenant AND id = :id")

_RATES = text("""
SELECT tenant_id, id, country, region, code, name, percent, effective_from, created_at FROM tax_rates
WHERE tenant_id = ANY(:owners) AND (CAST(:country AS text) IS NULL OR country = :country)
  AND (CAST(:before AS uuid) IS NULL OR id < :before)
ORDER BY id DESC LIMIT :limit
""")
