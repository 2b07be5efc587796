"""Renewals that others hear of once they are settled: by the invoice that bills them, or at once where none does.

The end of a trial is one of them: the first, told as `subscription.activated`.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.subscriptions.keeping import shown
from core.billing.subscriptions.transitions import begun_fact
from core.foundation.outbox import Fact, tell_many


async def tell_settled(session: AsyncSession, invoices: Collection[UUID], *, tenant_id: UUID, now: datetime) -> None:
    """Tells the renewals that these invoices bill, each once; the terms are those that it was renewed at."""
    found = await session.execute(_BILLED_BY, {"tenant": tenant_id, "invoices": list(invoices)})
    await tell_many(session, [_fact(row, now=now) for row in found], tenant_id=tenant_id)


def _fact(row: Row[Any], *, now: datetime) -> Fact:
    agreed = row.details
    return Fact(
        kind=begun_fact(agreed["renewal"]),
        subject_id=row.subscription_id,
        occurred_at=now,
        customer_id=row.customer_id,
        fact=str(agreed["renewal"]),
        document={
            "subscriptionId": str(row.subscription_id),
            "customerId": str(row.customer_id),
            "planCode": agreed["plan"],
            "planVersion": agreed["version"],
            "status": row.state,
            "currency": row.currency,
            "currentPeriodStart": shown(datetime.fromisoformat(agreed["currentPeriodStart"])),
            "currentPeriodEnd": shown(datetime.fromisoformat(agreed["currentPeriodEnd"])),
            "trialEnd": shown(row.trial_end),
            "cancelAt": shown(row.cancel_at),
            "canceledAt": shown(row.canceled_at),
            "cancelReason": row.cancel_reason,
        },
    )


_BILLED_BY = text("""
SELECT DISTINCT ON (c.id) c.subscription_id, c.details, s.customer_id, s.currency, s.state, s.trial_end, s.cancel_at,
       s.canceled_at, s.cancel_reason
FROM invoice_items i
JOIN subscription_changes c ON c.tenant_id = i.tenant_id AND c.subscription_id = i.subscription_id
  AND c.kind = 'renewed' AND c.occurred_at = i.bill_at AND c.details -> 'renewal' IS NOT NULL
JOIN subscriptions s ON s.tenant_id = i.tenant_id AND s.id = i.subscription_id
WHERE i.tenant_id = :tenant AND i.invoice_id = ANY(CAST(:invoices AS uuid[])) ORDER BY c.id
""")
