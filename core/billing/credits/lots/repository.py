"""Every statement on lots."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.credits.lots.models import CreditLot, CreditPosition, CreditUse
from core.billing.credits.lots.using import Moved

AT_ONCE = 10_000

_ENTRIES = text("""
    SELECT e.version, e.amount_micro, t.kind, t.reference, e.transaction_id, t.occurred_at
    FROM ledger_entries e JOIN ledger_transactions t ON t.tenant_id = e.tenant_id AND t.id = e.transaction_id
    WHERE e.tenant_id = :tenant AND e.account_id = :account AND e.version > :after
    ORDER BY e.version LIMIT :limit
""")
_NEXT = text(
    "SELECT min(look_at) FROM credit_lots WHERE tenant_id = :tenant AND state = 'open' AND look_at IS NOT NULL"
)
_DUE = text("""
    SELECT account_id, min(look_at) AS look_at FROM credit_lots
    WHERE tenant_id = :tenant AND state = 'open' AND look_at <= :now GROUP BY account_id ORDER BY 2, 1 LIMIT :limit
""")
_TENANTS = text("""
    SELECT DISTINCT l.tenant_id FROM credit_lots l LEFT JOIN tenant_clocks k ON k.tenant_id = l.tenant_id
    WHERE l.state = 'open' AND l.look_at <= coalesce(k.now_at, :now)
""")
_WALLET = text(
    "SELECT customer_id, currency, kind, balance_micro, version FROM accounts WHERE tenant_id = :tenant AND id = :id"
)
_ACCOUNT = text(
    "SELECT id FROM accounts WHERE tenant_id = :tenant AND customer_id = :customer AND currency = :currency "
    "AND kind = 'wallet'"
)
_HOLD_ENDS = text("""
    SELECT min(ends.expires_at) FROM (
        SELECT expires_at FROM holds WHERE tenant_id = :tenant AND account_id = :account AND state = 'open'
        UNION ALL
        SELECT h.expires_at FROM hold_shares s JOIN holds h ON h.tenant_id = s.tenant_id AND h.id = s.hold_id
        WHERE s.tenant_id = :tenant AND s.account_id = :account) ends
""")
_VERSION_OF = text(
    "SELECT version FROM ledger_entries WHERE tenant_id = :tenant AND account_id = :account "
    "AND transaction_id = :transaction AND amount_micro > 0"
)


_CLAIM = text("SELECT pg_advisory_xact_lock(hashtextextended(:claim, 1))")


async def list_entries(session: AsyncSession, tenant_id: UUID, account_id: UUID, *, after: int) -> list[Moved]:
    """A wallet's entries after a version, in order; at most AT_ONCE."""
    rows = await session.execute(
        _ENTRIES, {"tenant": tenant_id, "account": account_id, "after": after, "limit": AT_ONCE}
    )
    return [Moved(*row) for row in rows]


async def lock_position(session: AsyncSession, tenant_id: UUID, account_id: UUID) -> CreditPosition:
    """Up to where a wallet's lots are known, locked; made at first use."""
    await session.execute(
        insert(CreditPosition)
        .values(tenant_id=tenant_id, account_id=account_id, version=0, owed_micro=0)
        .on_conflict_do_nothing()
    )
    statement = select(CreditPosition).where(
        CreditPosition.tenant_id == tenant_id, CreditPosition.account_id == account_id
    )
    found = await session.scalar(statement.with_for_update().execution_options(populate_existing=True))
    assert found is not None, "it was made a moment ago"
    return found


async def find_position(session: AsyncSession, tenant_id: UUID, account_id: UUID) -> CreditPosition | None:
    return await session.scalar(
        select(CreditPosition).where(CreditPosition.tenant_id == tenant_id, CreditPosition.account_id == account_id)
    )


async def list_lots(session: AsyncSession, tenant_id: UUID, account_id: UUID) -> Sequence[CreditLot]:
    """All lots of a wallet that are open, or that entries to come will open."""
    return (
        await session.scalars(
            select(CreditLot)
            .where(CreditLot.tenant_id == tenant_id, CreditLot.account_id == account_id, CreditLot.state == "open")
            .execution_options(populate_existing=True)
        )
    ).all()


async def find_lot_of(session: AsyncSession, tenant_id: UUID, transaction_id: UUID) -> CreditLot | None:
    """The lot that a transaction brought."""
    return await session.scalar(
        select(CreditLot).where(
            CreditLot.tenant_id == tenant_id,
            CreditLot.transaction_id == transaction_id,
            CreditLot.rolled_from.is_(None),
        )
    )


async def claim(session: AsyncSession, tenant_id: UUID, key: str) -> None:
    """Grants of one key take turns until their transaction ends."""
    await session.execute(_CLAIM, {"claim": f"{tenant_id} grant {key}"})


async def list_closed(session: AsyncSession, tenant_id: UUID, account_id: UUID, *, limit: int) -> Sequence[CreditLot]:
    """The newest lots with nothing left."""
    return (
        await session.scalars(
            select(CreditLot)
            .where(CreditLot.tenant_id == tenant_id, CreditLot.account_id == account_id, CreditLot.state != "open")
            .order_by(CreditLot.id.desc())
            .limit(limit)
        )
    ).all()


async def add_use(session: AsyncSession, row: dict[str, Any]) -> None:
    await session.execute(insert(CreditUse).values(row))


async def list_uses(session: AsyncSession, tenant_id: UUID, lot_id: UUID) -> Sequence[CreditUse]:
    return (
        await session.scalars(
            select(CreditUse)
            .where(CreditUse.tenant_id == tenant_id, CreditUse.lot_id == lot_id)
            .order_by(CreditUse.first_version)
        )
    ).all()


async def find_wallet(session: AsyncSession, tenant_id: UUID, account_id: UUID) -> Row[Any]:
    return (await session.execute(_WALLET, {"tenant": tenant_id, "id": account_id})).one()


async def find_account(session: AsyncSession, tenant_id: UUID, *, customer_id: UUID, currency: str) -> UUID | None:
    """The wallet of a customer, if it has one."""
    return await session.scalar(_ACCOUNT, {"tenant": tenant_id, "customer": customer_id, "currency": currency})


async def version_of(session: AsyncSession, tenant_id: UUID, account_id: UUID, transaction_id: UUID) -> int:
    """The entry by which a transaction filled a wallet."""
    found = await session.scalar(
        _VERSION_OF, {"tenant": tenant_id, "account": account_id, "transaction": transaction_id}
    )
    assert found is not None, "the transaction filled this wallet"
    return found


async def next_hold_end(session: AsyncSession, tenant_id: UUID, account_id: UUID) -> datetime | None:
    """When the first open hold of a wallet ends by itself."""
    return await session.scalar(_HOLD_ENDS, {"tenant": tenant_id, "account": account_id})


async def next_look(session: AsyncSession, tenant_id: UUID) -> datetime | None:
    """When the next lot is looked at."""
    return await session.scalar(_NEXT, {"tenant": tenant_id})


async def list_due(session: AsyncSession, tenant_id: UUID, *, now: datetime, limit: int) -> list[UUID]:
    """Wallets with lots to look at."""
    rows = await session.execute(_DUE, {"tenant": tenant_id, "now": now, "limit": limit})
    return [row.account_id for row in rows]


async def list_tenants_due(session: AsyncSession, *, now: datetime) -> Sequence[UUID]:
    """Tenants with lots to look at by their own clock, or by `now`; for the operator."""
    return (await session.scalars(_TENANTS, {"now": now})).all()
