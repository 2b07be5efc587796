"""Erasing a user of the installation."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from core.foundation.database import Database
from core.foundation.errors import Conflict, NotFound
from core.foundation.ids import INSTALLATION_ID, new_id
from core.foundation.jobs import defer
from core.identity.access import Principal
from core.identity.tenants.auditing import audit_subject, record
from core.identity.tenants.subject_keys import destroy_key
from core.operations.records.erasing import find_erasure
from core.operations.records.models import Erasure


class LastOwnerNotErased(Conflict):
    """A tenant would be nobody's."""

    code = "last_owner"
    title = "The user is the last owner of a tenant"

    def __init__(self, slug: str) -> None:
        super().__init__(f"The user is the only owner of {slug!r}: make somebody else an owner first.", tenantId=slug)


async def erase_user(database: Database, *, user_id: UUID, actor: Principal, now: datetime) -> Erasure:
    """Erases a user; the second time changes nothing. Raises NotFound, LastOwnerNotErased."""
    async with database.reading() as session:
        if await session.scalar(text("SELECT id FROM users WHERE id = :user"), {"user": user_id}) is None:
            raise NotFound("There is no user by that id.")
        alone = await session.scalar(_ALONE, {"user": user_id})
        if alone is not None:
            raise LastOwnerNotErased(alone)
    await _destroy_keys(database, user_id, now=now)
    async with database.tenant(INSTALLATION_ID) as session:
        known = await find_erasure(session, INSTALLATION_ID, user_id)
        if known is not None:
            return known
        erasure = _tombstone(user_id, requested_by=actor.id, now=now)
        session.add(erasure)
        await session.execute(_ERASE, {"user": user_id, "now": now})
        record(
            session,
            tenant_id=INSTALLATION_ID,
            actor=actor,
            action="user.erased",
            subject=str(user_id),
            occurred_at=now,
        )
        await defer(
            session,
            "records:note_erasure",
            tenant_id=str(INSTALLATION_ID),
            subject_kind="user",
            subject_id=str(user_id),
        )
    return erasure


async def erase_user_again(database: Database, user_id: UUID, *, now: datetime, definer: Database) -> bool:
    """In a copy from before; whether it knows the user. `definer` may call the narrow function."""
    await _destroy_keys(database, user_id, now=now)
    async with definer.nobody() as session:
        if not await session.scalar(_ERASE, {"user": user_id, "now": now}):
            return False
    async with database.tenant(INSTALLATION_ID) as session:
        if await find_erasure(session, INSTALLATION_ID, user_id) is None:
            session.add(_tombstone(user_id, requested_by=INSTALLATION_ID, now=now))
    return True


async def _destroy_keys(database: Database, user_id: UUID, *, now: datetime) -> None:
    async with database.reading() as session:
        tenants = list((await session.scalars(_TENANTS, {"key": audit_subject(user_id)})).all())
    for tenant_id in tenants:
        async with database.tenant(tenant_id) as session:
            await destroy_key(session, tenant_id, audit_subject(user_id), now=now)


def _tombstone(user_id: UUID, *, requested_by: UUID, now: datetime) -> Erasure:
    return Erasure(
        tenant_id=INSTALLATION_ID,
        id=new_id(),
        subject_kind="user",
        subject_id=user_id,
        requested_by=requested_by,
        erased_at=now,
        keeps=[
            {
                "what": "audit log",
                "why": "What was done stays under the user's id, which names nobody; what was personal in it is "
                "sealed under a key that is destroyed.",
                "until": None,
            }
        ],
        kept_until=None,
        completed_at=now,
    )


_ALONE = text("""
SELECT t.slug FROM memberships m JOIN tenants t ON t.id = m.tenant_id
WHERE m.user_id = :user AND m.role = 'owner' AND NOT EXISTS (
    SELECT FROM memberships o WHERE o.tenant_id = m.tenant_id AND o.role = 'owner' AND o.user_id <> m.user_id)
LIMIT 1
""")
_TENANTS = text("SELECT tenant_id FROM subject_keys WHERE subject_id = :key AND destroyed_at IS NULL")
_ERASE = text("SELECT erase_user(:user, :now)")
