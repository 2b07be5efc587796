"""The audit log and erasures: every SELECT."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession


async def count_bills(session: AsyncSession, tenant_id: UUID, customer_id: UUID) -> int:
    """How many invoices, subscriptions and lines to bill name a customer."""
    return await session.scalar(_BILLS, {"tenant": tenant_id, "customer": customer_id}) or 0


async def list_entries(
    session: AsyncSession,
    *,
    tenant_id: UUID | None,
    action: str | None,
    actor: UUID | None,
    subject: str | None,
    since: datetime | None,
    until: datetime | None,
    before: UUID | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Rows, newest first, of one tenant or (as the reading operator) of all."""
    where = {
        "tenant": tenant_id,
        "action": action,
        "actor": actor,
        "subject": subject,
        "since": since,
        "until": until,
        "before": before,
        "limit": limit,
    }
    return (await session.execute(_ENTRIES, where)).all()


async def list_unsealed(session: AsyncSession, tenant_id: UUID, *, until: UUID, limit: int) -> Sequence[Row[Any]]:
    """Committed rows that no block lists, oldest first."""
    return (await session.execute(_UNSEALED, {"tenant": tenant_id, "until": until, "limit": limit})).all()


async def list_blocks(session: AsyncSession, tenant_id: UUID, *, after: int, limit: int) -> Sequence[Row[Any]]:
    """Blocks in their order."""
    return (await session.execute(_BLOCKS, {"tenant": tenant_id, "after": after, "limit": limit})).all()


async def find_last_block(session: AsyncSession, tenant_id: UUID) -> Row[Any] | None:
    """Number and hash of the newest block."""
    return (await session.execute(_LAST, {"tenant": tenant_id})).one_or_none()


async def read_rows(session: AsyncSession, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """These rows; those that do not exist are missing."""
    rows = await session.execute(_ROWS, {"tenant": tenant_id, "ids": list(ids)})
    return {row.id: row for row in rows}


async def list_tenants(session: AsyncSession) -> list[UUID]:
    """All tenants, as the reading operator."""
    return list((await session.scalars(text("SELECT id FROM tenants ORDER BY id"))).all())


async def try_lock_chain(session: AsyncSession, tenant_id: UUID) -> bool:
    """Whether nobody else seals this tenant's audit log until the end of the transaction."""
    return bool(await session.scalar(_LOCK, {"name": f"audit {tenant_id}"}))


_BILLS = text("""
SELECT (SELECT count(*) FROM invoices WHERE tenant_id = :tenant AND customer_id = :customer)
     + (SELECT count(*) FROM subscriptions WHERE tenant_id = :tenant AND customer_id = :customer)
     + (SELECT count(*) FROM invoice_items WHERE tenant_id = :tenant AND customer_id = :customer)
""")

_LOCK = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 7))")
_ENTRIES = text("""
SELECT a.tenant_id, t.slug, a.id, a.actor_id, a.actor_kind, a.action, a.subject, a.reason, a.details, a.occurred_at,
       a.recorded_at, a.request_id, a.origin, a.change, a.sealed_for
FROM audit_log a JOIN tenants t ON t.id = a.tenant_id
WHERE (CAST(:tenant AS uuid) IS NULL OR a.tenant_id = :tenant)
  AND (CAST(:action AS text) IS NULL OR a.action = :action OR starts_with(a.action, :action || '.'))
  AND (CAST(:actor AS uuid) IS NULL OR a.actor_id = :actor)
  AND (CAST(:subject AS text) IS NULL OR a.subject = :subject)
  AND (CAST(:since AS timestamptz) IS NULL OR a.recorded_at >= :since)
  AND (CAST(:until AS timestamptz) IS NULL OR a.recorded_at < :until)
  AND (CAST(:before AS uuid) IS NULL OR a.id < :before)
ORDER BY a.id DESC LIMIT :limit
""")
_UNSEALED = text("""
SELECT id, actor_id, actor_kind, action, subject, reason, details, occurred_at, recorded_at, request_id, origin, change,
       sealed_for
FROM audit_log
WHERE tenant_id = :tenant AND id < :until AND id IN (
    SELECT id FROM audit_log WHERE tenant_id = :tenant AND id < :until
    EXCEPT
    SELECT unnest(entry_ids) FROM audit_blocks WHERE tenant_id = :tenant
    ORDER BY id LIMIT :limit)
ORDER BY id
""")
_BLOCKS = text("""
SELECT number, previous_hash, hash, entry_ids, digests, sealed_at FROM audit_blocks
WHERE tenant_id = :tenant AND number > :after ORDER BY number LIMIT :limit
""")
_LAST = text("""
SELECT number, hash, (SELECT sum(cardinality(entry_ids)) FROM audit_blocks WHERE tenant_id = :tenant) AS entries
FROM audit_blocks WHERE tenant_id = :tenant ORDER BY number DESC LIMIT 1
""")
_ROWS = text("""
SELECT id, actor_id, actor_kind, action, subject, reason, details, occurred_at, recorded_at, request_id, origin, change,
       sealed_for
FROM audit_log WHERE tenant_id = :tenant AND id = ANY(:ids)
""")
