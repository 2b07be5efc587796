"""Customers whose invoices could not be made: set aside, so that nobody else waits for them, until somebody looked."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from prometheus_client import Counter
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.invoices.errors import BoundPassed, CustomerNotParked
from core.foundation.errors import CloudBillError
from core.foundation.ids import new_id
from core.foundation.jobs import describe

PARKED = Counter("cloudbill_invoice_customers_parked", "Customers set aside by the invoice run, by cause.", ["code"])


async def park(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    customer_id: UUID,
    error: BaseException,
    now: datetime,
    invoice_id: UUID | None = None,
) -> bool:
    """Sets a customer aside with what went wrong; False where it is set aside already."""
    code = error.bound if isinstance(error, BoundPassed) else getattr(error, "code", type(error).__name__)
    detail = error.detail if isinstance(error, CloudBillError) else describe(error)
    made = await session.scalar(
        _PARK,
        {
            "tenant": tenant_id,
            "id": new_id(),
            "customer": customer_id,
            "code": code,
            "detail": detail[:500],
            "invoice": invoice_id,
            "now": now,
        },
    )
    if made is not None:
        PARKED.labels(code).inc()
    return made is not None


async def let_go(
    session: AsyncSession, *, tenant_id: UUID, customer_id: UUID, by: UUID | None, allow: bool, now: datetime
) -> Row[Any]:
    """The run takes the customer up again. `allow`: this once past the bound that it was parked for.

    Raises CustomerNotParked.
    """
    row = (
        await session.execute(
            _LET_GO,
            {
                "tenant": tenant_id,
                "customer": customer_id,
                "by": by,
                "resolution": "allowed" if allow else "replayed",
                "now": now,
            },
        )
    ).one_or_none()
    if row is None:
        raise CustomerNotParked
    return row


async def allowed_customers(session: AsyncSession, tenant_id: UUID, customers: Sequence[UUID]) -> set[UUID]:
    """Those whose last parking ended with the leave to pass its bound, and who got no invoice since."""
    return set(await session.scalars(_ALLOWED, {"tenant": tenant_id, "customers": list(customers)}))


async def list_parked(
    session: AsyncSession, tenant_id: UUID, *, open_only: bool, before: UUID | None, limit: int
) -> Sequence[Row[Any]]:
    """Parked customers, newest first."""
    where = {"tenant": tenant_id, "open": open_only, "before": before, "limit": limit}
    return (await session.execute(_LIST, where)).all()


async def count_parked(session: AsyncSession) -> int:
    """How many wait for somebody, over all tenants; as the reading operator."""
    return await session.scalar(_COUNT) or 0


_PARK = text("""
INSERT INTO parked_customers (tenant_id, id, customer_id, code, detail, invoice_id, parked_at)
VALUES (:tenant, :id, :customer, :code, :detail, :invoice, :now)
ON CONFLICT (tenant_id, customer_id) WHERE resolved_at IS NULL DO NOTHING
RETURNING id
""")

_LET_GO = text("""
UPDATE parked_customers SET resolved_at = :now, resolved_by = :by, resolution = :resolution
WHERE tenant_id = :tenant AND customer_id = :customer AND resolved_at IS NULL
RETURNING id, customer_id, code, detail, invoice_id, parked_at, resolved_at, resolved_by, resolution
""")

_ALLOWED = text("""
SELECT p.customer_id FROM parked_customers p
WHERE p.tenant_id = :tenant AND p.customer_id = ANY(:customers) AND p.resolution = 'allowed'
  AND NOT EXISTS (SELECT FROM invoices i WHERE i.tenant_id = p.tenant_id AND i.customer_id = p.customer_id
                    AND i.drafted_at >= p.resolved_at AND i.number IS NOT NULL)
""")

_LIST = text("""
SELECT id, customer_id, code, detail, invoice_id, parked_at, resolved_at, resolved_by, resolution
FROM parked_customers
WHERE tenant_id = :tenant AND (NOT :open OR resolved_at IS NULL) AND (CAST(:before AS uuid) IS NULL OR id < :before)
ORDER BY id DESC LIMIT :limit
""")

_COUNT = text("SELECT count(*) FROM parked_customers WHERE resolved_at IS NULL")
