"""Identities: narrow functions only."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession


async def find_user_by_identity(session: AsyncSession, provider: str, subject: str) -> Row[Any] | None:
    """id, email, name, installation_role, last_tenant_id, disabled_at."""
    found = await session.execute(
        text("SELECT * FROM find_user_by_identity(:provider, :subject)"), {"provider": provider, "subject": subject}
    )
    return found.one_or_none()


async def list_identities(session: AsyncSession, user_id: UUID) -> Sequence[Row[Any]]:
    """provider, registered, created_at."""
    return (await session.execute(text("SELECT * FROM list_identities(:user)"), {"user": user_id})).all()


async def link_identity(session: AsyncSession, *, user_id: UUID, provider: str, subject: str, registered: bool) -> str:
    """linked, same (it was), taken (by somebody else) or other (the user has another one there)."""
    outcome: str = await session.scalar(
        text("SELECT link_identity(:user, :provider, :subject, :registered)"),
        {"user": user_id, "provider": provider, "subject": subject, "registered": registered},
    )
    return outcome


async def unlink_identity(session: AsyncSession, user_id: UUID, provider: str) -> str:
    """unlinked, unknown, or only (no other way to sign in would be left)."""
    outcome: str = await session.scalar(
        text("SELECT unlink_identity(:user, :provider)"), {"user": user_id, "provider": provider}
    )
    return outcome
