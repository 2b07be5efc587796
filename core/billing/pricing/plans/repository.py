"""Plans, versions and the parts of their prices: every SELECT."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.foundation.ids import INSTALLATION_ID


@dataclass(frozen=True, slots=True)
class FoundPrice:
    """A version's price in a currency, with its parts in order: code, name, kind, add-on, meter, definition."""

    id: UUID
    currency: str
    amount_minor: int
    minimum: dict[str, Any] | None
    commitment: dict[str, Any] | None
    components: Sequence[Row[Any]]


async def find_plan(
    session: AsyncSession, tenant_id: UUID, *, plan_id: UUID | None, code: str | None
) -> Row[Any] | None:
    """A plan by id or code, archived or not: the tenant's own before the installation's."""
    where = {"tenant": tenant_id, "installation": INSTALLATION_ID, "id": plan_id, "code": code}
    return (await session.execute(_PLAN, where)).one_or_none()


async def lock_plan(session: AsyncSession, tenant_id: UUID, plan_id: UUID) -> int:
    """The highest version, which nobody adds to until the end of the transaction."""
    where = {"tenant": tenant_id, "plan": plan_id}
    await session.execute(_LOCK, where)
    return await session.scalar(_HIGHEST, where) or 0


async def find_version(
    session: AsyncSession, seller_id: UUID, plan_id: UUID, *, version: int | None = None, at: datetime | None = None
) -> Row[Any] | None:
    """A version by its number, or the one in force at an instant."""
    where = {"seller": seller_id, "plan": plan_id, "version": version, "at": at}
    return (await session.execute(_VERSION, where)).one_or_none()


async def find_scheduled(session: AsyncSession, seller_id: UUID, plan_id: UUID, *, now: datetime) -> Row[Any] | None:
    """The version that takes over next: the first to begin that is higher than the one in force."""
    return (await session.execute(_SCHEDULED, {"seller": seller_id, "plan": plan_id, "now": now})).first()


async def list_versions(
    session: AsyncSession, seller_id: UUID, plan_id: UUID, *, before: int | None, limit: int
) -> Sequence[Row[Any]]:
    """Versions, newest first."""
    where = {"seller": seller_id, "plan": plan_id, "before": before, "limit": limit}
    return (await session.execute(_VERSIONS, where)).all()


async def list_prices(
    session: AsyncSession, seller_id: UUID, plan_id: UUID, versions: Sequence[int]
) -> dict[int, list[FoundPrice]]:
    """The prices of some versions, with their parts, by version and currency."""
    where = {"seller": seller_id, "plan": plan_id, "versions": list(versions)}
    components: dict[UUID, list[Row[Any]]] = {}
    for row in await session.execute(_COMPONENTS, where):
        components.setdefault(row.price_id, []).append(row)
    found: dict[int, list[FoundPrice]] = {version: [] for version in versions}
    for row in await session.execute(_PRICES, where):
        found[row.version].append(
            FoundPrice(
                id=row.id,
                currency=row.currency,
                amount_minor=row.amount_minor,
                minimum=row.minimum,
                commitment=row.commitment,
                components=components.get(row.id, []),
            )
        )
    return found


async def count_subscriptions(session: AsyncSession, plan_id: UUID) -> int:
    """How many subscriptions there ever were to a plan of the tenant's, of the installation's in all tenants."""
    return await session.scalar(_SUBSCRIPTIONS, {"plan": plan_id}) or 0


async def find_meters(session: AsyncSession, tenant_id: UUID, names: Sequence[str]) -> dict[str, UUID]:
    """The ids of meters that are not archived, by id and by code."""
    rows = await session.execute(_METERS, {"tenant": tenant_id, "names": list(names)})
    found: dict[str, UUID] = {}
    for row in rows:
        found |= {row.code: row.id, str(row.id): row.id}
    return found


_PLAN = text("""
SELECT tenant_id, id, code, name, description, product_id, archived_at FROM plans
WHERE tenant_id IN (:tenant, :installation) AND (id = CAST(:id AS uuid) OR code = CAST(:code AS text))
ORDER BY (tenant_id = :tenant) DESC LIMIT 1
""")

_LOCK = text("SELECT 1 FROM plans WHERE tenant_id = :tenant AND id = :plan FOR UPDATE")
_HIGHEST = text("SELECT max(version) FROM plan_versions WHERE tenant_id = :tenant AND plan_id = :plan")

_COLUMNS = """plan_id, version, effective_from, applies, interval, interval_count, cycle, proration, trial_days,
       trial_until"""

_VERSION = text(f"""
SELECT {_COLUMNS} FROM plan_versions
WHERE tenant_id = :seller AND plan_id = :plan
  AND (CAST(:version AS bigint) IS NULL OR version = :version)
  AND (CAST(:at AS timestamptz) IS NULL OR effective_from <= :at)
ORDER BY version DESC LIMIT 1
""")  # noqa: S608 - a constant of this module

_SCHEDULED = text(f"""
SELECT {_COLUMNS} FROM plan_versions AS v
WHERE tenant_id = :seller AND plan_id = :plan AND effective_from > :now
  AND NOT EXISTS (SELECT FROM plan_versions AS higher
                  WHERE higher.tenant_id = v.tenant_id AND higher.plan_id = v.plan_id AND higher.version > v.version
                    AND higher.effective_from <= v.effective_from)
ORDER BY effective_from, version DESC LIMIT 1
""")  # noqa: S608 - a constant of this module

_VERSIONS = text(f"""
SELECT {_COLUMNS} FROM plan_versions
WHERE tenant_id = :seller AND plan_id = :plan AND (CAST(:before AS bigint) IS NULL OR version < :before)
ORDER BY version DESC LIMIT :limit
""")  # noqa: S608 - a constant of this module

_PRICES = text("""
SELECT id, version, currency, amount_minor, minimum, commitment FROM prices
WHERE tenant_id = :seller AND plan_id = :plan AND version = ANY(CAST(:versions AS bigint[]))
ORDER BY version, currency
""")

_COMPONENTS = text("""
SELECT c.price_id, c.id, c.code, c.name, c.kind, c.is_add_on, c.meter_id, c.definition
FROM price_components c JOIN prices r ON r.tenant_id = c.tenant_id AND r.id = c.price_id
WHERE c.tenant_id = :seller AND r.plan_id = :plan AND r.version = ANY(CAST(:versions AS bigint[]))
ORDER BY c.price_id, c.position
""")

_SUBSCRIPTIONS = text("SELECT count_plan_subscriptions(:plan)")

_METERS = text("""
SELECT id, code FROM meters
WHERE tenant_id = :tenant AND archived_at IS NULL AND (code = ANY(:names) OR CAST(id AS text) = ANY(:names))
""")
