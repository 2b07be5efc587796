"""Sign-ins, refresh tokens and signing keys: narrow functions only (migrations/sql/0001/identity.sql)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession


async def create_sign_in(
    session: AsyncSession,
    *,
    sign_in_id: UUID,
    user_id: UUID,
    tenant_id: UUID | None,
    token_id: UUID,
    token_hash: bytes,
    now: datetime,
    expires_at: datetime,
) -> None:
    """A new family of refresh tokens, with its first."""
    await session.execute(
        text("SELECT create_sign_in(:sign_in, :user, :tenant, :token, :hash, :now, :expires)"),
        {
            "sign_in": sign_in_id,
            "user": user_id,
            "tenant": tenant_id,
            "token": token_id,
            "hash": token_hash,
            "now": now,
            "expires": expires_at,
        },
    )


async def rotate_refresh_token(
    session: AsyncSession, *, old_hash: bytes, token_id: UUID, new_hash: bytes, now: datetime, expires_at: datetime
) -> Row[Any]:
    """outcome (rotated, reused, revoked, expired, unknown), sign_in_id, user_id, tenant_id."""
    statement = text("SELECT * FROM rotate_refresh_token(:old, :token, :new, :now, :expires)")
    values = {"old": old_hash, "token": token_id, "new": new_hash, "now": now, "expires": expires_at}
    return (await session.execute(statement, values)).one()


async def move_sign_in(session: AsyncSession, *, sign_in_id: UUID, tenant_id: UUID) -> None:
    """The sign-in is for another tenant from now on."""
    await session.execute(text("SELECT move_sign_in(:sign_in, :tenant)"), {"sign_in": sign_in_id, "tenant": tenant_id})


async def end_sign_in(session: AsyncSession, *, token_hash: bytes, now: datetime) -> None:
    """Ends the sign-in of a refresh token; an unknown one is nobody's."""
    await session.execute(text("SELECT end_sign_in(:hash, :now)"), {"hash": token_hash, "now": now})


async def list_signing_keys(session: AsyncSession) -> Sequence[Row[Any]]:
    """Newest first."""
    return (await session.execute(text("SELECT * FROM list_signing_keys()"))).all()


async def create_first_signing_key(
    session: AsyncSession, *, key_id: str, public_pem: str, private_pem_encrypted: bytes
) -> None:
    """Stores the key unless there is one that signs."""
    await session.execute(
        text("SELECT create_first_signing_key(:id, :public, :private)"),
        {"id": key_id, "public": public_pem, "private": private_pem_encrypted},
    )
