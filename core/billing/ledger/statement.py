"""The postings of wallets as their owner reads them, newest first."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession


async def list_postings(
    session: AsyncSession,
    tenant_id: UUID,
    *,
    customer_id: UUID | None,
    kind: str | None,
    before: UUID | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Transactions with what they did to a wallet, before the transaction `before`."""
    where = {"tenant": tenant_id, "customer": customer_id, "kind": kind, "before": before, "limit": limit}
    if customer_id is not None:
        wallets = (await session.scalars(_WALLETS, where)).all()
        if len(wallets) == 1:
            return (await session.execute(_OF_WALLET, {**where, "wallet": wallets[0]})).all()
    return (await session.execute(_OF_TENANT, where)).all()


_WALLETS = text("SELECT id FROM accounts WHERE tenant_id = :tenant AND customer_id = :customer AND kind = 'wallet'")

_SHOWN = """
SELECT t.id, t.kind, t.reference, t.occurred_at, t.recorded_at, e.amount_micro, e.balance_after_micro, e.currency,
       a.customer_id, coalesce(-beside.owed_micro, 0)::bigint AS receivable_micro,
       coalesce(beside.limited_micro, 0)::bigint AS limited_micro, k.event_id, u.model, u.input_tokens,
       u.output_tokens
"""

_DETAILS = """
LEFT JOIN LATERAL (
    SELECT sum(o.amount_micro) FILTER (WHERE r.kind = 'receivable') AS owed_micro,
           sum(o.amount_micro) FILTER (WHERE r.kind LIKE 'limited:%') AS limited_micro
    FROM ledger_entries o JOIN accounts r ON r.tenant_id = o.tenant_id AND r.id = o.account_id
    WHERE o.tenant_id = t.tenant_id AND o.transaction_id = t.id
) beside ON true
LEFT JOIN usage_keys k ON k.tenant_id = t.tenant_id AND k.transaction_id = t.id
LEFT JOIN usage_events u ON u.tenant_id = k.tenant_id AND u.id = k.event_id AND u.occurred_at = k.event_occurred_at
"""


def _select(joined: str, wanted: str) -> TextClause:
    return text("\n".join((_SHOWN, joined, _DETAILS, wanted)))


_OF_TENANT = _select(
    """
FROM ledger_transactions t
JOIN ledger_entries e ON e.tenant_id = t.tenant_id AND e.transaction_id = t.id
JOIN accounts a ON a.tenant_id = e.tenant_id AND a.id = e.account_id AND a.kind = 'wallet'
""",
    """
WHERE t.tenant_id = :tenant AND (CAST(:before AS uuid) IS NULL OR t.id < :before)
  AND (CAST(:kind AS text) IS NULL OR t.kind = :kind)
  AND (CAST(:customer AS uuid) IS NULL OR a.customer_id = :customer)
ORDER BY t.id DESC LIMIT :limit
""",
)

# A wallet's entries are numbered: one with a million of them is read from its newest end.
_OF_WALLET = _select(
    """
FROM accounts a
JOIN ledger_entries e ON e.tenant_id = a.tenant_id AND e.account_id = a.id
JOIN ledger_transactions t ON t.tenant_id = e.tenant_id AND t.id = e.transaction_id
""",
    """
WHERE a.tenant_id = :tenant AND a.id = :wallet
  AND (CAST(:before AS uuid) IS NULL
       OR e.version < (SELECT b.version FROM ledger_entries b
                       WHERE b.tenant_id = :tenant AND b.account_id = :wallet AND b.transaction_id = :before))
  AND (CAST(:kind AS text) IS NULL OR t.kind = :kind)
ORDER BY e.version DESC LIMIT :limit
""",
)
