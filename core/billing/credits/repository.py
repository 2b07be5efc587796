"""Wallets and holds: every SELECT of the credits room, but for what the desk reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.credits.planning import LockedHold
from core.billing.credits.standing import Standing, TenantTerms, read_standing

ChargePolicy = Literal["refuse", "receivable"]


@dataclass(frozen=True, slots=True)
class Wallet:
    """A customer's prepaid credits in one currency, all in micro-units. `receivable_micro` is what is owed, >= 0."""

    customer_id: UUID
    currency: str
    balance_micro: int
    held_micro: int
    available_micro: int
    receivable_micro: int
    floor_micro: int


async def get_terms(session: AsyncSession, tenant_id: UUID) -> TenantTerms:
    """The tenant's currency and the customer that is the tenant itself."""
    row = (await session.execute(_TERMS, {"tenant": tenant_id})).one()
    return TenantTerms(self_id=row.self_id, currency=row.currency)


async def get_charge_policy(session: AsyncSession, tenant_id: UUID) -> ChargePolicy:
    """What a charge without a hold does beyond the floor."""
    return (await session.execute(_POLICY, {"tenant": tenant_id})).scalar_one()


async def lock_standing(
    session: AsyncSession,
    tenant_id: UUID,
    *,
    terms: TenantTerms,
    customers: Sequence[UUID],
    currency: str,
    now: datetime,
) -> Standing:
    """Locks the accounts that calls of `customers` are charged to, and reads them with the holds that have expired.

    A customer without a wallet of its own is charged to the tenant's.
    """
    wanted: dict[str, Any] = {
        "tenant_id": tenant_id,
        "now": now,
        "currency": currency,
        "self_id": terms.self_id,
        "self_pays": False,
        "customers": customers,
    }
    answer: str = (await session.execute(_READ, {"requests": orjson.dumps([wanted]).decode()})).scalar_one()
    return read_standing(orjson.loads(answer)[0])


async def find_wallet(
    session: AsyncSession, tenant_id: UUID, *, customer_id: UUID, currency: str, now: datetime | None = None
) -> Wallet | None:
    """The customer's wallet, or None when it has none yet. With `now`, expired holds count as released."""
    where = {"tenant": tenant_id, "customer": customer_id, "currency": currency, "now": now}
    row = (await session.execute(_WALLET, where)).mappings().one_or_none()
    return Wallet(**row) if row else None


async def list_wallets(
    session: AsyncSession, tenant_id: UUID, *, now: datetime, after: tuple[UUID, str] | None, limit: int
) -> list[Wallet]:
    """Wallets by customer and currency."""
    customer_id, currency = after or (None, None)
    where = {"tenant": tenant_id, "now": now, "customer": customer_id, "currency": currency, "limit": limit}
    return [Wallet(**row) for row in (await session.execute(_WALLETS, where)).mappings()]


async def customer_exists(session: AsyncSession, tenant_id: UUID, customer_id: UUID) -> bool:
    """Whether the tenant has that customer."""
    return bool(await session.scalar(_CUSTOMER_EXISTS, {"tenant": tenant_id, "customer": customer_id}))


async def find_hold(session: AsyncSession, tenant_id: UUID, hold_id: UUID) -> Row[Any] | None:
    """A hold as it is shown."""
    return (await session.execute(_HOLD, {"tenant": tenant_id, "hold": hold_id})).one_or_none()


async def list_holds(
    session: AsyncSession, tenant_id: UUID, *, state: str | None, now: datetime, before: UUID | None, limit: int
) -> Sequence[Row[Any]]:
    """Holds, newest first. An open one whose time is over counts as expired."""
    where = {"tenant": tenant_id, "state": state, "now": now, "before": before, "limit": limit}
    return (await session.execute(_HOLDS, where)).all()


async def list_expired_holds(
    session: AsyncSession, tenant_id: UUID, *, account_id: UUID, now: datetime
) -> list[LockedHold]:
    """The open holds of a wallet whose time is over; the wallet is locked."""
    where = {"tenant": tenant_id, "account": account_id, "now": now}
    holds = [LockedHold(*row) for row in await session.execute(_EXPIRED_HOLDS, where)]
    by_id = {hold.id: hold for hold in holds}
    if holds:
        for hold_id, limited_id, share_micro in await session.execute(_SHARES, {**where, "holds": list(by_id)}):
            by_id[hold_id].shares[limited_id] = share_micro
    return holds


async def next_expiry(session: AsyncSession, tenant_id: UUID) -> datetime | None:
    """When the first open hold expires."""
    return await session.scalar(_NEXT_EXPIRY, {"tenant": tenant_id})


async def list_payers_with_expired_holds(
    session: AsyncSession, tenant_id: UUID, *, now: datetime, limit: int
) -> Sequence[Row[Any]]:
    """customer_id and currency of wallets with holds to expire."""
    return (await session.execute(_EXPIRED, {"tenant": tenant_id, "now": now, "limit": limit})).all()


async def list_tenants_with_expired_holds(session: AsyncSession, *, now: datetime) -> Sequence[UUID]:
    """Tenants with holds to expire by their own clock, or by `now` where they have none; for the operator."""
    return (await session.scalars(_TENANTS_EXPIRED, {"now": now})).all()


_READ = text("SELECT read_charges(CAST(:requests AS json))::text")

_TERMS = text("""
SELECT c.id AS self_id, t.currency FROM tenants t JOIN customers c ON c.tenant_id = t.id AND c.is_self
WHERE t.id = :tenant
""")

_POLICY = text("SELECT charge_policy FROM tenants WHERE id = :tenant")

_WALLET_COLUMNS = """
SELECT w.customer_id, w.currency, w.balance_micro, w.held_micro - expired.micro AS held_micro,
       w.balance_micro - w.held_micro + expired.micro AS available_micro,
       coalesce(-r.balance_micro, 0) AS receivable_micro, w.floor_micro
FROM accounts w
LEFT JOIN accounts r ON r.tenant_id = w.tenant_id AND r.customer_id = w.customer_id AND r.currency = w.currency
                    AND r.kind = 'receivable'
CROSS JOIN LATERAL (
    SELECT coalesce(sum(h.amount_micro - h.limited_micro), 0)::bigint AS micro FROM holds h
    WHERE h.tenant_id = w.tenant_id AND h.account_id = w.id AND h.state = 'open'
      AND h.expires_at <= CAST(:now AS timestamptz)
) expired
WHERE w.tenant_id = :tenant AND w.kind = 'wallet'
"""

_WALLET = text(f"{_WALLET_COLUMNS} AND w.customer_id = :customer AND w.currency = :currency")

_WALLETS = text(f"""
{_WALLET_COLUMNS}
AND (CAST(:customer AS uuid) IS NULL OR (w.customer_id, w.currency) > (:customer, CAST(:currency AS text)))
ORDER BY w.customer_id, w.currency LIMIT :limit
""")

_CUSTOMER_EXISTS = text("SELECT EXISTS (SELECT FROM customers WHERE tenant_id = :tenant AND id = :customer)")

_HOLD_COLUMNS = """
SELECT id, customer_id, amount_micro, currency, state, idempotency_key, created_at, expires_at, closed_at,
       transaction_id
FROM holds WHERE tenant_id = :tenant
"""

_HOLD = text(f"{_HOLD_COLUMNS} AND id = :hold")

_HOLDS = text(f"""
{_HOLD_COLUMNS} AND (CAST(:before AS uuid) IS NULL OR id < :before)
AND (CAST(:state AS text) IS NULL
     OR :state = CASE WHEN state = 'open' AND expires_at <= CAST(:now AS timestamptz) THEN 'expired' ELSE state END)
ORDER BY id DESC LIMIT :limit
""")

_EXPIRED_HOLDS = text("""
SELECT id, account_id, customer_id, amount_micro, state, expires_at FROM holds
WHERE tenant_id = :tenant AND account_id = :account AND state = 'open' AND expires_at <= :now
""")

_SHARES = text(
    "SELECT hold_id, account_id, amount_micro FROM hold_shares WHERE tenant_id = :tenant AND hold_id = ANY(:holds)"
)

_NEXT_EXPIRY = text("SELECT min(expires_at) FROM holds WHERE tenant_id = :tenant AND state = 'open'")

_EXPIRED = text("""
SELECT DISTINCT a.customer_id, a.currency
FROM holds h JOIN accounts a ON a.tenant_id = h.tenant_id AND a.id = h.account_id
WHERE h.tenant_id = :tenant AND h.state = 'open' AND h.expires_at <= :now LIMIT :limit
""")

_TENANTS_EXPIRED = text("""
SELECT DISTINCT h.tenant_id FROM holds h LEFT JOIN tenant_clocks c ON c.tenant_id = h.tenant_id
WHERE h.state = 'open' AND h.expires_at <= coalesce(c.now_at, :now)
""")
