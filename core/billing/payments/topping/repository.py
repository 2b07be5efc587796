"""Every statement on watched wallets."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.payments.topping.models import WalletWatch

_FROM = """
    FROM wallet_watches w
    LEFT JOIN accounts a ON a.tenant_id = w.tenant_id AND a.customer_id = w.customer_id
                        AND a.kind = 'wallet' AND a.currency = w.currency
    LEFT JOIN purchases p ON p.tenant_id = w.tenant_id AND p.id = w.purchase_id
    LEFT JOIN payment_methods m ON m.tenant_id = w.tenant_id AND m.customer_id = w.customer_id AND m.is_default
    CROSS JOIN LATERAL (SELECT coalesce(a.balance_micro - a.held_micro, 0) AS available_micro) wallet
    WHERE ((w.alert_below_micro IS NOT NULL AND (wallet.available_micro < w.alert_below_micro) <> w.is_low)
        OR (w.package_code IS NOT NULL AND w.purchase_id IS NULL AND w.failed_code IS NULL
            AND wallet.available_micro < w.top_up_below_micro)
        OR p.state IN ('paid', 'failed', 'canceled', 'refunded')
        OR (w.failed_code IS NOT NULL AND m.default_since > w.failed_at))
"""
# Blocked by the month's limit is due when the block ends; everything else is due since it was set.
_DUE_AT = """
    CASE WHEN w.blocked_until IS NOT NULL AND w.purchase_id IS NULL AND w.failed_code IS NULL
              AND (w.alert_below_micro IS NULL OR (wallet.available_micro < w.alert_below_micro) = w.is_low)
         THEN w.blocked_until ELSE w.changed_at END
"""
_NEXT = text(f"SELECT min({_DUE_AT}) {_FROM} AND w.tenant_id = :tenant")
_LIST = text(f"SELECT w.id {_FROM} AND w.tenant_id = :tenant AND {_DUE_AT} <= :now ORDER BY w.id LIMIT :limit")
_TENANTS = text(
    f"SELECT DISTINCT due.tenant_id FROM (SELECT w.tenant_id, {_DUE_AT} AS due_at {_FROM}) due "  # noqa: S608
    "LEFT JOIN tenant_clocks k ON k.tenant_id = due.tenant_id WHERE due.due_at <= coalesce(k.now_at, :now)"
)
_AVAILABLE = text(
    "SELECT balance_micro - held_micro FROM accounts WHERE tenant_id = :tenant AND customer_id = :customer "
    "AND currency = :currency AND kind = 'wallet'"
)
_SPENT = text(
    "SELECT coalesce(sum(amount_minor), 0) FROM purchases WHERE tenant_id = :tenant AND customer_id = :customer "
    "AND idempotency_key LIKE :keys AND created_at >= :since AND state IN ('pending', 'paid', 'refunded')"
)
_OPEN = text(
    "SELECT w.purchase_id FROM wallet_watches w JOIN purchases p ON p.tenant_id = w.tenant_id AND p.id = w.purchase_id "
    "WHERE w.tenant_id = :tenant AND p.state = 'pending' ORDER BY w.id"
)


async def next_due(session: AsyncSession, tenant_id: UUID) -> datetime | None:
    return await session.scalar(_NEXT, {"tenant": tenant_id})


async def list_due(session: AsyncSession, tenant_id: UUID, *, now: datetime, limit: int) -> Sequence[UUID]:
    return (await session.scalars(_LIST, {"tenant": tenant_id, "now": now, "limit": limit})).all()


async def list_tenants_due(session: AsyncSession, *, now: datetime) -> Sequence[UUID]:
    """For the operator."""
    return (await session.scalars(_TENANTS, {"now": now})).all()


async def lock(session: AsyncSession, tenant_id: UUID, watch_id: UUID) -> WalletWatch | None:
    """A watch; two who would fire take turns."""
    return await session.scalar(
        select(WalletWatch)
        .where(WalletWatch.tenant_id == tenant_id, WalletWatch.id == watch_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


async def find(
    session: AsyncSession, tenant_id: UUID, *, customer_id: UUID, currency: str, locked: bool = False
) -> WalletWatch | None:
    statement = select(WalletWatch).where(
        WalletWatch.tenant_id == tenant_id, WalletWatch.customer_id == customer_id, WalletWatch.currency == currency
    )
    return await session.scalar(statement.with_for_update() if locked else statement)


async def available(session: AsyncSession, watch: WalletWatch) -> int:
    """What the wallet has that no hold keeps, in micro-units."""
    found = await session.scalar(
        _AVAILABLE, {"tenant": watch.tenant_id, "customer": watch.customer_id, "currency": watch.currency}
    )
    return found or 0


async def spent_since(session: AsyncSession, watch: WalletWatch, *, since: datetime) -> int:
    """What its top-ups cost from an instant on, those under way included, in minor units."""
    given = {
        "tenant": watch.tenant_id,
        "customer": watch.customer_id,
        "keys": f"auto-top-up:{watch.id}:%",
        "since": since,
    }
    return int(await session.scalar(_SPENT, given) or 0)


async def list_open_purchases(session: AsyncSession, tenant_id: UUID) -> Sequence[UUID]:
    """Top-ups that have not ended."""
    return (await session.scalars(_OPEN, {"tenant": tenant_id})).all()
