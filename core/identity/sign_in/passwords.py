"""Changing a password: who knows the old one sets a new one, every sign-in ends, and a mail says so."""

from datetime import datetime

from core.foundation.clock import tenant_now
from core.foundation.database import Database
from core.foundation.ids import INSTALLATION_ID
from core.foundation.outbox import tell
from core.foundation.settings import Settings
from core.identity.access import Principal
from core.identity.errors import InvalidCredentials, PasswordRefused
from core.identity.sign_in import service
from core.identity.sign_in.schemas import NewPassword
from core.identity.sign_in.slowdown import Slowdown
from core.identity.tenants import auditing
from core.identity.tokens.service import SignedIn
from core.identity.users import repository as users
from core.identity.users.passwords import check_password, hash_password, verify_password


async def change_password(
    database: Database,
    slowdown: Slowdown,
    settings: Settings,
    caller: Principal,
    body: NewPassword,
    *,
    address: str,
    now: datetime,
) -> SignedIn:
    """A new sign-in, the only one. Raises InvalidCredentials, SignInSlowed, PasswordRefused."""
    async with database.nobody() as session:
        known = await users.find_user(session, caller.id)
    if known is None:
        raise InvalidCredentials
    user = await service.check_credentials(
        database, slowdown, email=known.email, password=body.current_password, address=address
    )
    about = tuple(text for text in (user.email, caller.tenant_slug) if text)
    check_password(body.new_password, about=about)
    if await verify_password(body.new_password, user.password_hash):
        raise PasswordRefused("is the one that you have; choose another")
    new_hash = await hash_password(body.new_password)
    tenant_id = caller.tenant_id or INSTALLATION_ID
    async with database.tenant(tenant_id) as session:
        changed = await users.change_password(
            session, user_id=user.id, old_hash=user.password_hash, new_hash=new_hash, now=now
        )
        if not changed:  # somebody was faster, or it was hashed anew this moment
            raise InvalidCredentials
        at = now if caller.tenant_id is None else await tenant_now(session, tenant_id)
        pending = auditing.begin(session, origin=address, route=None)
        auditing.record(
            session,
            tenant_id=tenant_id,
            actor=caller,
            action="user.password_changed",
            subject=str(user.id),
            occurred_at=at,
        )
        await auditing.complete(session, pending, tenant_id=tenant_id, actor=caller, now=at)
        if caller.tenant_id is not None:  # the installation's own users have nobody who would tell them
            await tell(
                session,
                tenant_id=tenant_id,
                kind="security.password_changed",
                subject_id=user.id,
                fact=now.isoformat(),
                occurred_at=at,
                document={"userId": str(user.id)},
            )
    tenant = None if caller.installation_role is not None else caller.tenant_slug
    return await service.enter(database, user, tenant=tenant, life=settings.jwt_refresh_expiration, now=now)
