"""Every statement on API keys."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from core.identity.api_keys.models import ApiKey


async def find_api_key_by_prefix(session: AsyncSession, prefix: str) -> Row[Any] | None:
    """The key and its tenant; works before a tenant is set."""
    return (await session.execute(text("SELECT * FROM find_api_key(:prefix)"), {"prefix": prefix})).one_or_none()


async def find_api_key(session: AsyncSession, *, tenant_id: UUID, api_key_id: UUID) -> ApiKey | None:
    """One key of the tenant."""
    return (
        await session.scalars(select(ApiKey).where(ApiKey.tenant_id == tenant_id, ApiKey.id == api_key_id))
    ).one_or_none()


async def list_api_keys(session: AsyncSession, *, tenant_id: UUID, before: UUID | None, limit: int) -> Sequence[ApiKey]:
    """Those that are not revoked, newest first."""
    statement = select(ApiKey).where(ApiKey.tenant_id == tenant_id, ApiKey.revoked_at.is_(None))
    if before is not None:
        statement = statement.where(ApiKey.id < before)
    return (await session.scalars(statement.order_by(ApiKey.id.desc()).limit(limit))).all()


async def note_use(session: AsyncSession, *, tenant_id: UUID, api_key_id: UUID, at: datetime) -> None:
    """The key was used at `at`; of two that note it at once, the later stays."""
    await session.execute(
        update(ApiKey)
        .where(ApiKey.tenant_id == tenant_id, ApiKey.id == api_key_id)
        .where(ApiKey.last_used_at.is_(None) | (ApiKey.last_used_at < at))
        .values(last_used_at=at)
    )
