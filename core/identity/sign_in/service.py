"""Signing in: by password, by registering, and what a caller is told about itself."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row

from core.foundation.database import Database
from core.foundation.settings import Settings
from core.foundation.telemetry import SIGN_INS
from core.identity.errors import InvalidCredentials, NoTenant, TenantForbidden
from core.identity.sign_in.slowdown import Slowdown
from core.identity.tenants import repository as tenants
from core.identity.tokens import service as tokens
from core.identity.tokens.service import SignedIn
from core.identity.users import repository as users
from core.identity.users.emails import fold_email
from core.identity.users.passwords import hash_password, is_outdated, verify_password


async def check_credentials(
    database: Database, slowdown: Slowdown, *, email: str, password: str, address: str
) -> Row[Any]:
    """The user by e-mail and password; raises InvalidCredentials, or SignInSlowed after failures.

    An unknown e-mail costs the same work as a wrong password and is answered in the same words.
    """
    async with slowdown.attempt(email, address) as attempt:
        async with database.nobody() as session:
            user = await users.find_user_by_email(session, email)
        if not await verify_password(password, user.password_hash if user else None) or user is None:
            await attempt.failed("credentials")
            raise InvalidCredentials
        if user.disabled_at is not None:
            await attempt.failed("disabled")
            raise InvalidCredentials
        await attempt.succeeded()
    if is_outdated(user.password_hash):
        renewed = await hash_password(password)
        async with database.nobody() as session:
            await users.rehash_password(session, user_id=user.id, old_hash=user.password_hash, new_hash=renewed)
    return user


async def login(
    database: Database,
    slowdown: Slowdown,
    settings: Settings,
    *,
    email: str,
    password: str,
    tenant: str | None,
    address: str,
    now: datetime,
) -> SignedIn:
    """Into `tenant`, or the only one, or the one last used. Raises TenantForbidden for somebody else's."""
    try:
        folded = fold_email(email)
    except ValueError:
        folded = email.strip().lower()  # nobody has it; judged like any unknown e-mail
    user = await check_credentials(database, slowdown, email=folded, password=password, address=address)
    return await enter(database, user, tenant=tenant, life=settings.jwt_refresh_expiration, now=now)


async def enter(database: Database, user: Row[Any], *, tenant: str | None, life: timedelta, now: datetime) -> SignedIn:
    """A new sign-in of a user who has proved who he is; `life` is that of its first refresh token."""
    async with database.nobody() as session:
        chosen = None
        if user.installation_role is None:
            own = await tenants.list_tenants_of_user(session, user.id)
            chosen = _choose(own, wanted=tenant, last=user.last_tenant_id)
        elif tenant is not None:
            raise TenantForbidden
        token = await tokens.start_sign_in(
            session,
            user_id=user.id,
            tenant_id=chosen.id if chosen else None,
            now=now,
            life=life,
        )
    SIGN_INS.inc()
    return SignedIn(
        user_id=user.id,
        tenant=chosen.slug if chosen else None,
        role=chosen.role if chosen else None,
        installation_role=user.installation_role,
        refresh_token=token,
    )


def _choose(own: Any, *, wanted: str | None, last: Any) -> Row[Any]:
    if wanted is not None:
        found = next((tenant for tenant in own if tenant.slug == wanted), None)
        if found is None:
            raise TenantForbidden
        return found
    if not own:
        raise NoTenant
    return next((tenant for tenant in own if tenant.id == last), own[0])
