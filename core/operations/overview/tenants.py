"""Tenants as the installation's users list them: searched, sorted, paged."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Row, Text, column, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine

from core.foundation.ids import INSTALLATION_ID
from core.foundation.sorting import Sort, Sorts

_KEYS: dict[str, TypeEngine[Any]] = {
    "name": Text(collation="C"),
    "createdAt": BigInteger(),
    "balance": BigInteger(),
    "available": BigInteger(),
    "receivable": BigInteger(),
    "invoicesOpen": BigInteger(),
    "usage30d": BigInteger(),
    "lastUsedAt": BigInteger(),
    "members": BigInteger(),
}


async def list_tenants(
    session: AsyncSession, *, search: str, sort: Sort, cursor: str | None, limit: int
) -> Sequence[Row[Any]]:
    """Rows with their `sort_key`, from after `cursor` on."""
    statement = sort.apply(select(_LISTED), then=_LISTED.c.slug, cursor=cursor, limit=limit)
    return (await session.execute(statement, _parameters(search=search))).all()


async def count_tenants(session: AsyncSession, *, search: str) -> int:
    """How many there are in all pages."""
    return await session.scalar(_COUNT, _parameters(search=search)) or 0


async def find_tenant(session: AsyncSession, slug: str) -> Row[Any] | None:
    """One tenant's row, and what only its own page shows."""
    statement = select(_LISTED).where(_LISTED.c.slug == slug)
    return (await session.execute(statement, _parameters(search=""))).one_or_none()


async def find_plan(session: AsyncSession, tenant_id: UUID) -> str | None:
    """The code of the plan that the tenant itself has subscribed to last."""
    return await session.scalar(_PLAN, {"tenant": tenant_id})


def _parameters(*, search: str) -> dict[str, Any]:
    escaped = search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return {"installation": INSTALLATION_ID, "search": f"%{escaped}%"}


_SHOWN = (
    "id",
    "slug",
    "name",
    "created_at",
    "is_test",
    "is_probe",
    "currency",
    "now_at",
    "balance_micro",
    "available_micro",
    "receivable_micro",
    "open_minor",
    "overdue_minor",
    "charged_micro",
    "last_used_at",
    "members",
)

_TENANTS = text("""
SELECT t.id, t.slug COLLATE "C" AS slug, t.name, t.created_at, t.is_test, t.is_probe, t.currency, c.now_at,
       coalesce(w.balance_micro, 0) AS balance_micro,
       coalesce(w.balance_micro - w.held_micro, 0) AS available_micro,
       coalesce(-r.balance_micro, 0) AS receivable_micro,
       o.open_minor, o.overdue_minor, u.charged_micro, l.last_used_at, m.members,
       lower(t.name) COLLATE "C" AS "by_name",
       (extract(epoch FROM t.created_at) * 1000000)::bigint AS "by_createdAt",
       coalesce(w.balance_micro, 0) AS "by_balance",
       coalesce(w.balance_micro - w.held_micro, 0) AS "by_available",
       coalesce(-r.balance_micro, 0) AS "by_receivable",
       o.open_minor AS "by_invoicesOpen",
       u.charged_micro AS "by_usage30d",
       (extract(epoch FROM coalesce(l.last_used_at, 'epoch')) * 1000000)::bigint AS "by_lastUsedAt",
       m.members AS "by_members"
FROM tenants t
JOIN customers s ON s.tenant_id = t.id AND s.is_self
LEFT JOIN tenant_clocks c ON c.tenant_id = t.id
LEFT JOIN accounts w ON w.tenant_id = t.id AND w.customer_id = s.id AND w.kind = 'wallet' AND w.currency = t.currency
LEFT JOIN accounts r ON r.tenant_id = t.id AND r.customer_id = s.id AND r.kind = 'receivable'
                    AND r.currency = t.currency
CROSS JOIN LATERAL (
    SELECT coalesce(sum(e.amount_micro), 0)::bigint AS charged_micro FROM usage_events e
    WHERE e.tenant_id = t.id AND e.outcome = 'settled'
      AND e.occurred_at >= date_trunc('day', coalesce(c.now_at, now()), 'UTC') - interval '29 days'
) AS u
LEFT JOIN LATERAL (
    SELECT e.occurred_at AS last_used_at FROM usage_events e
    WHERE e.tenant_id = t.id AND e.outcome <> 'metered'
    ORDER BY e.occurred_at DESC LIMIT 1
) AS l ON true
CROSS JOIN LATERAL (
    SELECT coalesce(sum(i.open_minor), 0)::bigint AS open_minor,
           coalesce(sum(i.open_minor) FILTER (WHERE i.due_at < coalesce(c.now_at, now())), 0)::bigint AS overdue_minor
    FROM invoices i
    WHERE i.tenant_id = t.id AND i.customer_id = s.id AND i.state = 'open' AND i.currency = t.currency
) AS o
CROSS JOIN LATERAL (SELECT count(*) AS members FROM memberships b WHERE b.tenant_id = t.id) AS m
WHERE t.id <> :installation AND (t.name ILIKE :search OR t.slug ILIKE :search)
""").columns(*map(column, _SHOWN), *(column(f"by_{name}", kind) for name, kind in _KEYS.items()))
_LISTED = _TENANTS.subquery("listed")
SORTS: Sorts = {name: _LISTED.c[f"by_{name}"] for name in _KEYS}
"""What a list may be sorted by."""

_COUNT = text("""
SELECT count(*) FROM tenants WHERE id <> :installation AND (name ILIKE :search OR slug ILIKE :search)
""")

_PLAN = text("""
SELECT l.code FROM subscriptions b
JOIN customers s ON s.tenant_id = b.tenant_id AND s.id = b.customer_id AND s.is_self
JOIN plans l ON l.tenant_id = b.plan_tenant_id AND l.id = b.plan_id
WHERE b.tenant_id = :tenant AND b.state <> 'canceled' ORDER BY b.id DESC LIMIT 1
""")
