"""Users: narrow functions only (migrations/sql/0001/identity.sql)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession


async def find_user_by_email(session: AsyncSession, email: str) -> Row[Any] | None:
    """id, email, name, password_hash, installation_role, last_tenant_id, disabled_at."""
    return (await session.execute(text("SELECT * FROM find_user_by_email(:email)"), {"email": email})).one_or_none()


async def find_user(session: AsyncSession, user_id: UUID) -> Row[Any] | None:
    """The same without the password's hash."""
    return (await session.execute(text("SELECT * FROM find_user(:id)"), {"id": user_id})).one_or_none()


async def create_user(
    session: AsyncSession, *, user_id: UUID, email: str, name: str | None, password_hash: str
) -> None:
    """A new user without any role."""
    await session.execute(
        text("SELECT create_user(:id, :email, :name, :hash)"),
        {"id": user_id, "email": email, "name": name, "hash": password_hash},
    )


async def change_password(session: AsyncSession, *, user_id: UUID, old_hash: str, new_hash: str, now: datetime) -> bool:
    """Replaces a hash by one of another password and ends all sign-ins; False where it is not the old one any more."""
    given = {"id": user_id, "old": old_hash, "new": new_hash, "now": now}
    return bool(await session.scalar(text("SELECT change_password(:id, :old, :new, :now)"), given))


async def rehash_password(session: AsyncSession, *, user_id: UUID, old_hash: str, new_hash: str) -> None:
    """Replaces a hash by one of the same password."""
    await session.execute(
        text("SELECT rehash_password(:id, :old, :new)"), {"id": user_id, "old": old_hash, "new": new_hash}
    )
