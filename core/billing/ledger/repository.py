"""Accounts, transactions and entries: every SELECT of the ledger, and its one writer."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.ledger.models import LIMITED
from core.billing.ledger.posting import PARTS, LockedAccount, Plan, documents
from core.foundation.ids import new_id


async def lock_accounts(
    session: AsyncSession,
    tenant_id: UUID,
    *,
    customer_id: UUID,
    currency: str,
    kinds: Iterable[str],
    limited: bool = False,
) -> dict[str, LockedAccount]:
    """A customer's accounts by kind, locked in the order of their kinds until the transaction ends.

    Accounts that are missing are opened with a balance (and a floor) of zero. With `limited`, all accounts of limited
    credits too.
    """
    wanted = sorted(kinds)
    like = f"{LIMITED}%" if limited else ""
    where = {"tenant": tenant_id, "customer": customer_id, "currency": currency, "kinds": wanted, "like": like}
    locked = {row.kind: _locked(row) for row in await session.execute(_LOCK, where)}
    missing = [kind for kind in wanted if kind not in locked]
    if not missing:
        return locked
    await open_accounts(session, tenant_id, customer_id=customer_id, currency=currency, kinds=missing)
    return {row.kind: _locked(row) for row in await session.execute(_LOCK, where)}


async def open_accounts(
    session: AsyncSession, tenant_id: UUID, *, customer_id: UUID, currency: str, kinds: Iterable[str]
) -> None:
    """Opens a customer's accounts of these kinds where they are missing, with a balance and a floor of zero."""
    wanted = sorted(kinds)
    await session.execute(
        _OPEN,
        {
            "tenant": tenant_id,
            "customer": customer_id,
            "currency": currency,
            "kinds": wanted,
            "ids": [new_id() for _ in wanted],
        },
    )


async def find_transaction(session: AsyncSession, tenant_id: UUID, *, kind: str, reference: str) -> UUID | None:
    """The transaction that was posted for `reference`, or None."""
    return await session.scalar(_FIND_TRANSACTION, {"tenant": tenant_id, "kind": kind, "reference": reference})


async def amounts_by_kind(session: AsyncSession, tenant_id: UUID, transaction_id: UUID) -> dict[str, int]:
    """What a transaction moved, by the kind of account."""
    rows = await session.execute(_AMOUNTS, {"tenant": tenant_id, "transaction": transaction_id})
    return {row.kind: row.amount_micro for row in rows}


async def write(session: AsyncSession, *plans: Plan) -> None:
    """Writes what was planned. The transaction's tenant is afterwards that of the last plan."""
    await session.execute(_WRITE, dict(zip(PARTS, documents(plans), strict=True)))


def _locked(row: Row[tuple[UUID, UUID, str, str, int | None, int, int, int]]) -> LockedAccount:
    return LockedAccount(*row)


_LOCK = text("""
SELECT id, customer_id, kind, currency, floor_micro, balance_micro, held_micro, version
FROM accounts
WHERE tenant_id = :tenant AND customer_id = :customer AND currency = :currency
  AND (kind = ANY(:kinds) OR kind LIKE :like)
ORDER BY kind FOR NO KEY UPDATE
""")

_OPEN = text("""
INSERT INTO accounts (tenant_id, id, customer_id, kind, currency, floor_micro)
SELECT :tenant, account.id, :customer, account.kind, :currency,
       CASE WHEN account.kind = 'wallet' OR account.kind LIKE 'limited:%' THEN 0 END
FROM unnest(CAST(:ids AS uuid[]), CAST(:kinds AS text[])) AS account (id, kind)
ON CONFLICT (tenant_id, customer_id, kind, currency) DO NOTHING
""")

_FIND_TRANSACTION = text("""
SELECT id FROM ledger_transactions WHERE tenant_id = :tenant AND kind = :kind AND reference = :reference
  AND kind <> 'usage'
""")

_AMOUNTS = text("""
SELECT a.kind, e.amount_micro
FROM ledger_entries e JOIN accounts a ON a.tenant_id = e.tenant_id AND a.id = e.account_id
WHERE e.tenant_id = :tenant AND e.transaction_id = :transaction
""")

_WRITE = text(f"SELECT write_ledger({', '.join(f'CAST(:{part} AS json)' for part in PARTS)})")
