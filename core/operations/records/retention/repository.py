"""Terms of tenants, and the narrow functions that remove."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession


async def read_terms(session: AsyncSession, tenant_id: UUID) -> dict[str, int]:
    """Days by kind, where the tenant has its own."""
    rows = await session.execute(_TERMS, {"tenant": tenant_id})
    return {row.kind: row.days for row in rows}


async def keep_terms(session: AsyncSession, tenant_id: UUID, terms: Mapping[str, int], *, now: datetime) -> None:
    """These and no others."""
    await session.execute(_FORGET, {"tenant": tenant_id})
    for kind, days in terms.items():
        await session.execute(_KEEP, {"tenant": tenant_id, "kind": kind, "days": days, "now": now})


async def list_tenants(session: AsyncSession) -> Sequence[Row[Any]]:
    """id and slug of all tenants, as the reading operator."""
    return (await session.execute(_TENANTS)).all()


async def remove(session: AsyncSession, kind: str, *, before: datetime, most: int) -> int:
    """How many records of a kind were removed or emptied: of the session's tenant, or of none."""
    return int(await session.scalar(_REMOVE, {"kind": kind, "before": before, "most": most}) or 0)


async def forget_answers(session: AsyncSession, before: datetime) -> int:
    """Remembered answers of all tenants."""
    return int(await session.scalar(text("SELECT forget_idempotency_keys(:before)"), {"before": before}) or 0)


async def forget_sign_ins(session: AsyncSession, before: datetime) -> int:
    """Sign-ins whose last refresh token expired before then."""
    return int(await session.scalar(text("SELECT forget_sign_ins(:before)"), {"before": before}) or 0)


_TERMS = text("SELECT kind, days FROM retention_terms WHERE tenant_id = :tenant")
_FORGET = text("DELETE FROM retention_terms WHERE tenant_id = :tenant")
_KEEP = text("INSERT INTO retention_terms (tenant_id, kind, days, changed_at) VALUES (:tenant, :kind, :days, :now)")
_TENANTS = text("SELECT id, slug FROM tenants ORDER BY slug")
_REMOVE = text("SELECT remove_over_time(:kind, :before, :most)")
