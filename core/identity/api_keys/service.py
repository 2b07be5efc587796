"""API keys: made, listed, revoked. Only the hash of a key is kept; its prefix finds it."""

import secrets
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.foundation.crypto import token_hash
from core.foundation.errors import Forbidden, InvalidInput, NotFound
from core.foundation.ids import new_id
from core.foundation.outbox import tell
from core.identity.access import OPERATOR, SCOPES, SCOPES_OF_ROLE, Principal
from core.identity.api_keys import repository
from core.identity.api_keys.models import ApiKey
from core.identity.tenants.auditing import record
from core.identity.tenants.service import require_still


async def create_api_key(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    name: str,
    scopes: list[str],
    rate_limit: int | None,
    expires_at: datetime | None,
    actor: Principal,
    wall: datetime,
    now: datetime,
) -> tuple[ApiKey, str]:
    """The key's row and the key itself, `cbk_<prefix>_<secret>`. A key makes keys with its own scopes at most."""
    await require_still(session, tenant_id=tenant_id, actor=actor)
    if not _grantable(actor).issuperset(scopes):
        raise Forbidden("You can only give a key what you may do yourself; leave the other scopes out.")
    if actor.rate_limit is not None and (rate_limit is None or rate_limit > actor.rate_limit):
        raise Forbidden("A key can only make keys with a rate limit up to its own.")
    if expires_at is not None and expires_at <= wall:
        raise InvalidInput("expiresAt", "must lie in the future")
    prefix = secrets.token_hex(6)
    key = f"cbk_{prefix}_{secrets.token_urlsafe(32)}"
    row = ApiKey(
        tenant_id=tenant_id,
        id=new_id(),
        name=name,
        prefix=prefix,
        key_hash=token_hash(key),
        scopes=scopes,
        rate_limit=rate_limit,
        created_by=actor.id,
        created_at=wall,
        expires_at=expires_at,
    )
    session.add(row)
    record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action="api_key.created",
        subject=str(row.id),
        details={"scopes": scopes, "rateLimit": rate_limit},
        occurred_at=now,
    )
    await session.flush()
    await tell(
        session,
        tenant_id=tenant_id,
        kind="security.api_key_created",
        subject_id=row.id,
        occurred_at=now,
        document={"apiKeyId": str(row.id), "prefix": f"cbk_{prefix}", "scopes": scopes, "createdBy": str(actor.id)},
    )
    return row, key


async def revoke_api_key(
    session: AsyncSession, *, tenant_id: UUID, api_key_id: UUID, actor: Principal, wall: datetime, now: datetime
) -> None:
    """The key holds no longer, within seconds; revoking twice is fine."""
    await require_still(session, tenant_id=tenant_id, actor=actor)
    row = await repository.find_api_key(session, tenant_id=tenant_id, api_key_id=api_key_id)
    if row is None:
        raise NotFound("The tenant has no such API key.")
    if row.revoked_at is None:
        row.revoked_at = wall
        record(
            session,
            tenant_id=tenant_id,
            actor=actor,
            action="api_key.revoked",
            subject=str(row.id),
            occurred_at=now,
        )


def _grantable(actor: Principal) -> frozenset[str]:
    if actor.scopes is not None:
        return actor.scopes
    if actor.installation_role == OPERATOR:
        return frozenset(SCOPES)
    return SCOPES_OF_ROLE.get(actor.role or "", frozenset[str]())
