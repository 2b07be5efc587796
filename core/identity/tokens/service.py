"""Sign-ins: a family of refresh tokens, each used once. The transaction is the caller's, but for `refresh`."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from core.foundation.crypto import random_token, token_hash
from core.foundation.database import Database
from core.foundation.ids import new_id
from core.identity.errors import RefreshTokenExpired, RefreshTokenInvalid, RefreshTokenReused, TenantForbidden
from core.identity.tenants import repository as tenants
from core.identity.tokens import repository
from core.identity.users import repository as users

PREFIX = "cbr_"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """Who is signed in where; `refresh_token` is shown once."""

    user_id: UUID
    tenant: str | None
    role: str | None
    installation_role: str | None
    refresh_token: str


async def start_sign_in(
    session: AsyncSession, *, user_id: UUID, tenant_id: UUID | None, now: datetime, life: timedelta
) -> str:
    """A new family; its first refresh token."""
    token = random_token(PREFIX)
    await repository.create_sign_in(
        session,
        sign_in_id=new_id(),
        user_id=user_id,
        tenant_id=tenant_id,
        token_id=new_id(),
        token_hash=token_hash(token),
        now=now,
        expires_at=now + life,
    )
    return token


async def refresh(
    database: Database, refresh_token: str, *, tenant: str | None, now: datetime, life: timedelta
) -> SignedIn:
    """Uses the token and gives its successor, for `tenant` if that is given.

    A token used before ends its sign-in: that is committed before the refusal is raised. A tenant that is not the
    user's leaves the token unused.
    """
    successor = random_token(PREFIX)
    async with database.nobody() as session:
        row = await repository.rotate_refresh_token(
            session,
            old_hash=token_hash(refresh_token),
            token_id=new_id(),
            new_hash=token_hash(successor),
            now=now,
            expires_at=now + life,
        )
        if row.outcome == "rotated":
            return await _signed_in(session, row, successor, tenant)
    if row.outcome == "reused":
        raise RefreshTokenReused
    raise RefreshTokenExpired if row.outcome == "expired" else RefreshTokenInvalid


async def _signed_in(session: AsyncSession, row: Row[Any], successor: str, wanted: str | None) -> SignedIn:
    user = await users.find_user(session, row.user_id)
    if user is None or user.disabled_at is not None:
        raise RefreshTokenInvalid
    if user.installation_role is not None:
        if wanted is not None:
            raise TenantForbidden
        return SignedIn(
            user_id=user.id,
            tenant=None,
            role=None,
            installation_role=user.installation_role,
            refresh_token=successor,
        )
    own = await tenants.list_tenants_of_user(session, user.id)
    if wanted is not None:
        chosen = next((tenant for tenant in own if tenant.slug == wanted), None)
        if chosen is None:
            raise TenantForbidden
        if chosen.id != row.tenant_id:
            await repository.move_sign_in(session, sign_in_id=row.sign_in_id, tenant_id=chosen.id)
    else:
        chosen = next((tenant for tenant in own if tenant.id == row.tenant_id), None)
        if chosen is None:
            raise RefreshTokenInvalid
    return SignedIn(
        user_id=user.id, tenant=chosen.slug, role=chosen.role, installation_role=None, refresh_token=successor
    )
