"""Money for invoices as a list: what finance looks through."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession


async def list_all(
    session: AsyncSession,
    tenant_id: UUID,
    *,
    state: str | None,
    customer_id: UUID | None,
    search: str | None,
    before: UUID | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Payments of invoices, newest first; `search` is part of the invoice's number, the reference or the customer."""
    asked = {
        "tenant": tenant_id,
        "state": state,
        "customer": customer_id,
        "search": search or None,
        "before": before,
        "limit": limit,
    }
    return (await session.execute(_PAYMENTS, asked)).all()


_PAYMENTS = text("""
SELECT p.id, p.invoice_id, i.number, i.customer_id, p.means, p.state, p.amount_minor, p.currency, p.failure_code,
       p.reference, coalesce(p.received_at, p.created_at) AS at,
       (SELECT coalesce(sum(r.amount_minor), 0)::bigint FROM refunds r
        WHERE r.tenant_id = p.tenant_id AND r.payment_id = p.id AND r.state = 'succeeded') AS refunded_minor
FROM payments p
JOIN invoices i ON i.tenant_id = p.tenant_id AND i.id = p.invoice_id
WHERE p.tenant_id = :tenant
  AND (CAST(:state AS text) IS NULL OR p.state = :state)
  AND (CAST(:customer AS uuid) IS NULL OR i.customer_id = :customer)
  AND (CAST(:before AS uuid) IS NULL OR p.id < :before)
  AND (CAST(:search AS text) IS NULL OR strpos(lower(concat_ws(' ', i.number, p.reference)), lower(:search)) > 0
       OR EXISTS (SELECT FROM customers c WHERE c.tenant_id = i.tenant_id AND c.id = i.customer_id
                    AND strpos(lower(concat_ws(' ', c.name, c.email, c.external_id)), lower(:search)) > 0))
ORDER BY p.id DESC LIMIT :limit
""")
