"""Packages and plans: every SELECT of the catalogue. A tenant's own goes before the installation's of the same code."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.foundation.ids import INSTALLATION_ID


@dataclass(frozen=True, slots=True)
class Package:
    """Credits at a price. `tenant_id` is who sells them: the tenant or the installation."""

    tenant_id: UUID
    id: UUID
    code: str
    name: str
    currency: str
    amount_minor: int
    credits_micro: int


@dataclass(frozen=True, slots=True)
class Offer:
    """A plan at the price in force. `tenant_id` is who sells it: the tenant or the installation."""

    tenant_id: UUID
    plan_id: UUID
    price_id: UUID
    code: str
    name: str
    version: int
    currency: str
    amount_minor: int
    interval: str


async def get_currency(session: AsyncSession, tenant_id: UUID) -> str | None:
    """What the catalogue is shown in; None, that is all, for the installation, which sells in several."""
    if tenant_id == INSTALLATION_ID:
        return None
    return await session.scalar(text("SELECT currency FROM tenants WHERE id = :tenant"), {"tenant": tenant_id})


async def list_packages(
    session: AsyncSession, tenant_id: UUID, *, currency: str | None, after: Sequence[Any] | None, limit: int
) -> list[Package]:
    """By price, from the smallest; `after` is (amount_minor, id as text) of the row before."""
    rows = await session.execute(
        _PACKAGES,
        {**_parties(tenant_id), "currency": currency, "limit": limit, **_after(after)},
    )
    return [Package(*row) for row in rows]


async def list_offers(
    session: AsyncSession,
    tenant_id: UUID,
    *,
    currency: str | None,
    now: datetime,
    archived: bool = False,
    after: Sequence[Any] | None = None,
    limit: int = 200,
) -> list[Offer]:
    """By price, from the smallest; `after` is (amount_minor, price id as text) of the row before."""
    rows = await session.execute(
        _OFFERS,
        {
            **_parties(tenant_id),
            "currency": currency,
            "now": now,
            "archived": archived,
            "limit": limit,
            **_after(after),
        },
    )
    return [Offer(*row) for row in rows]


async def find_plan(
    session: AsyncSession, tenant_id: UUID, *, plan_id: UUID | None = None, code: str | None = None
) -> Row[Any] | None:
    """tenant_id, id, code and name of a plan that is not archived, by its id or its code."""
    where = {**_parties(tenant_id), "id": plan_id, "code": code}
    return (await session.execute(_PLAN, where)).one_or_none()


async def find_price(
    session: AsyncSession, *, seller_id: UUID, plan_id: UUID, currency: str, now: datetime
) -> Row[Any] | None:
    """id, version, amount_minor and interval of the plan's price in force."""
    where = {"seller": seller_id, "plan": plan_id, "currency": currency, "now": now}
    return (await session.execute(_PRICE, where)).one_or_none()


def _parties(tenant_id: UUID) -> dict[str, UUID]:
    return {"tenant": tenant_id, "installation": INSTALLATION_ID}


def _after(after: Sequence[Any] | None) -> dict[str, Any]:
    amount_minor, row_id = after or (None, None)
    return {"after_amount": amount_minor, "after_id": row_id}


_PACKAGES = text("""
SELECT tenant_id, id, code, name, currency, amount_minor, credits_micro
FROM (
    SELECT DISTINCT ON (code, currency) tenant_id, id, code, name, currency, amount_minor, credits_micro
    FROM credit_packages
    WHERE tenant_id IN (:tenant, :installation) AND archived_at IS NULL
      AND (CAST(:currency AS text) IS NULL OR currency = :currency)
    ORDER BY code, currency, (tenant_id = :tenant) DESC
) AS offered
WHERE CAST(:after_amount AS bigint) IS NULL
   OR (amount_minor, id) > (CAST(:after_amount AS bigint), CAST(CAST(:after_id AS text) AS uuid))
ORDER BY amount_minor, id LIMIT :limit
""")

_OFFERS = text("""
SELECT tenant_id, plan_id, price_id, code, name, version, currency, amount_minor, interval
FROM (
    SELECT DISTINCT ON (l.code, r.currency)
           l.tenant_id, l.id AS plan_id, r.id AS price_id, l.code, l.name, r.version, r.currency, r.amount_minor,
           r.interval
    FROM plans l
    JOIN LATERAL (SELECT v.version FROM plan_versions v
                  WHERE v.tenant_id = l.tenant_id AND v.plan_id = l.id AND v.effective_from <= :now
                  ORDER BY v.version DESC LIMIT 1) AS sold ON true
    JOIN prices r ON r.tenant_id = l.tenant_id AND r.plan_id = l.id AND r.version = sold.version
    WHERE l.tenant_id IN (:tenant, :installation) AND (l.archived_at IS NOT NULL) = :archived
      AND (CAST(:currency AS text) IS NULL OR r.currency = :currency)
    ORDER BY l.code, r.currency, (l.tenant_id = :tenant) DESC
) AS offered
WHERE CAST(:after_amount AS bigint) IS NULL
   OR (amount_minor, price_id) > (CAST(:after_amount AS bigint), CAST(CAST(:after_id AS text) AS uuid))
ORDER BY amount_minor, price_id LIMIT :limit
""")

_PLAN = text("""
SELECT tenant_id, id, code, name FROM plans
WHERE tenant_id IN (:tenant, :installation) AND archived_at IS NULL
  AND (id = CAST(:id AS uuid) OR code = CAST(:code AS text))
ORDER BY (tenant_id = :tenant) DESC LIMIT 1
""")

_PRICE = text("""
SELECT id, version, amount_minor, interval FROM prices
WHERE tenant_id = :seller AND plan_id = :plan AND currency = :currency
  AND version = (SELECT max(v.version) FROM plan_versions v
                 WHERE v.tenant_id = :seller AND v.plan_id = :plan AND v.effective_from <= :now)
""")
