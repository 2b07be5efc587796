"""Sums over all tenants, read as the operator.

A day is counted back from each tenant's own today: a test tenant's figures lie on the same 30 days as everyone else's,
whatever its clock says. Revenue is what tenants paid for their own credits less what went back; usage is what was
charged to anyone. Probes are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.foundation.ids import INSTALLATION_ID

DAYS = 30


@dataclass(frozen=True, slots=True)
class Asked:
    """Which tenants, and until when: `now` is the wall clock."""

    currency: str
    with_test_tenants: bool
    now: datetime

    @property
    def since(self) -> datetime:
        """Midnight of the first of the days."""
        midnight = self.now.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight - timedelta(days=DAYS - 1)

    @property
    def days(self) -> list[date]:
        """The days, oldest first; the last one is today."""
        return [self.since.date() + timedelta(days=number) for number in range(DAYS)]

    def parameters(self) -> dict[str, Any]:
        """For every query below."""
        return {
            "currency": self.currency,
            "test": self.with_test_tenants,
            "now": self.now,
            "since": self.since,
            "installation": INSTALLATION_ID,
        }


@dataclass(frozen=True, slots=True)
class Usage:
    """Settled calls and what was charged for them, in micro-units: by day, model and tenant."""

    by_day: dict[date, tuple[int, int]]
    by_model: list[tuple[str, int, int]]
    by_tenant: dict[UUID, int]


@dataclass(frozen=True, slots=True)
class Standing:
    """The tenants' own wallets and receivables, in micro-units."""

    tenants: int
    test_tenants: int
    credits_micro: int
    receivable_micro: int


async def list_currencies(session: AsyncSession, *, with_test_tenants: bool) -> list[str]:
    """Currencies of the tenants there are, the most used one first."""
    rows = await session.execute(_CURRENCIES, {"test": with_test_tenants, "installation": INSTALLATION_ID})
    return list(rows.scalars())


async def sum_revenue(session: AsyncSession, asked: Asked) -> dict[date, int]:
    """Minor units by day; what went back counts on the day it did."""
    rows = await session.execute(_REVENUE, asked.parameters())
    return {row.day: int(row.amount_minor) for row in rows}


async def sum_usage(session: AsyncSession, asked: Asked) -> Usage:
    """One scan of the days' usage events, whichever way they are summed."""
    usage = Usage({}, [], {})
    for row in await session.execute(_USAGE, asked.parameters()):
        if row.day is not None:
            usage.by_day[row.day] = (row.calls, int(row.amount_micro))
        elif row.model is not None:
            usage.by_model.append((row.model, row.calls, int(row.amount_micro)))
        else:
            usage.by_tenant[row.tenant_id] = int(row.amount_micro)
    usage.by_model.sort(key=lambda model: (-model[2], model[0]))
    return usage


async def sum_standing(session: AsyncSession, asked: Asked) -> Standing:
    """What tenants have prepaid and what they owe."""
    row = (await session.execute(_STANDING, asked.parameters())).one()
    return Standing(row.tenants, row.test_tenants, int(row.credits_micro), int(row.receivable_micro))


async def name_tenants(session: AsyncSession, tenant_ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """id, slug and name."""
    rows = await session.execute(_NAMES, {"ids": list(tenant_ids)})
    return {row.id: row for row in rows}


# `shift` moves a tenant's days to where they would be if its today were ours. Whole days: so its figures here are
# those of its own pages, and none of them changes as the hours of ours go by.
_REVENUE = text("""
WITH sold_to AS (
    SELECT t.id, s.id AS self_id, date_trunc('day', CAST(:now AS timestamptz), 'UTC')
                   - date_trunc('day', coalesce(c.now_at, :now), 'UTC') AS shift
    FROM tenants t
    JOIN customers s ON s.tenant_id = t.id AND s.is_self
    LEFT JOIN tenant_clocks c ON c.tenant_id = t.id
    WHERE t.currency = :currency AND t.id <> :installation AND NOT t.is_probe AND (:test OR NOT t.is_test)
), moved AS (
    SELECT p.paid_at + o.shift AS at, p.amount_minor
    FROM sold_to o
    JOIN purchases p ON p.tenant_id = o.id AND p.customer_id = o.self_id AND p.currency = :currency
    WHERE p.paid_at + o.shift >= :since
    UNION ALL
    SELECT r.created_at + o.shift, -r.amount_minor
    FROM sold_to o
    JOIN purchases p ON p.tenant_id = o.id AND p.customer_id = o.self_id AND p.currency = :currency
    -- A second payment that was sent back was never counted.
    JOIN refunds r ON r.tenant_id = p.tenant_id AND r.purchase_id = p.id AND r.state IN ('pending', 'succeeded')
                  AND r.origin <> 'duplicate'
    WHERE r.created_at + o.shift >= :since
    UNION ALL
    SELECT d.created_at + o.shift, -d.amount_minor
    FROM sold_to o
    JOIN purchases p ON p.tenant_id = o.id AND p.customer_id = o.self_id AND p.currency = :currency
    JOIN disputes d ON d.tenant_id = p.tenant_id AND d.purchase_id = p.id AND d.state <> 'won'
    WHERE d.created_at + o.shift >= :since
)
SELECT CAST(at AT TIME ZONE 'UTC' AS date) AS day, sum(amount_minor) AS amount_minor FROM moved GROUP BY 1
""")

_USAGE = text("""
WITH sold_to AS (
    SELECT t.id, date_trunc('day', CAST(:now AS timestamptz), 'UTC')
                   - date_trunc('day', coalesce(c.now_at, :now), 'UTC') AS shift
    FROM tenants t LEFT JOIN tenant_clocks c ON c.tenant_id = t.id
    WHERE t.currency = :currency AND t.id <> :installation AND NOT t.is_probe AND (:test OR NOT t.is_test)
)
SELECT day, model, tenant_id, count(*) AS calls, sum(amount_micro) AS amount_micro
FROM (
    SELECT CAST((e.occurred_at + o.shift) AT TIME ZONE 'UTC' AS date) AS day, e.model, e.tenant_id, e.amount_micro
    FROM sold_to o
    JOIN usage_events e ON e.tenant_id = o.id AND e.outcome = 'settled' AND e.currency = :currency
                       AND e.occurred_at >= :since - o.shift
) AS used
GROUP BY GROUPING SETS ((day), (model), (tenant_id))
""")

_STANDING = text("""
SELECT count(DISTINCT t.id) AS tenants, count(DISTINCT t.id) FILTER (WHERE t.is_test) AS test_tenants,
       coalesce(sum(a.balance_micro) FILTER (WHERE a.kind <> 'receivable'), 0) AS credits_micro,
       coalesce(-sum(a.balance_micro) FILTER (WHERE a.kind = 'receivable'), 0) AS receivable_micro
FROM tenants t
JOIN customers s ON s.tenant_id = t.id AND s.is_self
LEFT JOIN accounts a ON a.tenant_id = s.tenant_id AND a.customer_id = s.id AND a.currency = :currency
                    AND (a.kind IN ('wallet', 'receivable') OR a.kind LIKE 'limited:%')
WHERE t.currency = :currency AND t.id <> :installation AND NOT t.is_probe AND (:test OR NOT t.is_test)
""")

_CURRENCIES = text("""
SELECT currency FROM tenants
WHERE id <> :installation AND NOT is_probe AND (:test OR NOT is_test)
GROUP BY currency ORDER BY count(*) DESC, currency
""")

_NAMES = text("SELECT id, slug, name FROM tenants WHERE id = ANY(:ids)")
