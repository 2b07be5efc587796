"""Tenants: making one, its members, its invitations."""

from datetime import datetime, timedelta
from typing import Protocol, cast
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.foundation.crypto import random_token, token_hash
from core.foundation.errors import Forbidden, NotFound
from core.foundation.ids import new_id
from core.foundation.outbox import tell
from core.identity.access import OWNER, Principal
from core.identity.errors import AlreadyMember, InvitationInvalid, LastOwner
from core.identity.tenants import repository
from core.identity.tenants.auditing import record
from core.identity.tenants.models import Customer, Invitation, Membership, Tenant, TenantClock

INVITATION_LIFE = timedelta(days=7)


async def create_tenant(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    slug: str,
    name: str,
    currency: str,
    owner_id: UUID,
    is_test: bool,
    is_probe: bool,
    clock: datetime | None,
    now: datetime,
) -> None:
    """A tenant with its owner and the customer that is itself; `now` is its time, `clock` where that stands still."""
    session.add(
        Tenant(
            id=tenant_id,
            slug=slug,
            name=name,
            currency=currency,
            is_test=is_test,
            is_probe=is_probe,
            created_at=now,
        )
    )
    await session.flush()
    if clock is not None:
        session.add(TenantClock(tenant_id=tenant_id, now_at=clock))
    session.add(
        Customer(
            tenant_id=tenant_id,
            id=new_id(),
            external_id="self",
            name=None,
            email=None,
            is_self=True,
            created_at=now,
        )
    )
    session.add(Membership(tenant_id=tenant_id, user_id=owner_id, role=OWNER))
    record(
        session,
        tenant_id=tenant_id,
        actor=Principal(kind="user", id=owner_id),
        action="tenant.created",
        occurred_at=now,
    )
    await session.flush()


async def invite(
    session: AsyncSession, *, tenant_id: UUID, email: str, role: str, actor: Principal, wall: datetime, now: datetime
) -> tuple[Invitation, str]:
    """An invitation and its token, which is shown once; holds for a week of the wall clock."""
    await require_still(session, tenant_id=tenant_id, actor=actor)
    token = random_token("cbi_")
    invitation = Invitation(
        tenant_id=tenant_id,
        id=new_id(),
        email=email,
        role=role,
        token_hash=token_hash(token),
        invited_by=actor.id,
        created_at=wall,
        expires_at=wall + INVITATION_LIFE,
    )
    session.add(invitation)
    record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action="invitation.created",
        subject=str(invitation.id),
        details={"role": role},
        occurred_at=now,
    )
    await session.flush()
    await _tell(session, invitation, wall=wall, now=now)
    return invitation, token


async def resend_invitation(
    session: AsyncSession, *, tenant_id: UUID, invitation_id: UUID, actor: Principal, wall: datetime, now: datetime
) -> Invitation:
    """Mails it again, at most once a minute, and lets it hold for a week from now. Raises NotFound."""
    await require_still(session, tenant_id=tenant_id, actor=actor)
    invitation = await repository.find_invitation(session, tenant_id=tenant_id, invitation_id=invitation_id)
    if invitation is None or invitation.accepted_at is not None or invitation.revoked_at is not None:
        raise NotFound("There is no open invitation by that id.")
    invitation.expires_at = wall + INVITATION_LIFE
    record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action="invitation.resent",
        subject=str(invitation.id),
        occurred_at=now,
    )
    await session.flush()
    await _tell(session, invitation, wall=wall, now=now)
    return invitation


async def _tell(session: AsyncSession, invitation: Invitation, *, wall: datetime, now: datetime) -> None:
    await tell(
        session,
        tenant_id=invitation.tenant_id,
        kind="invitation.created",
        subject_id=invitation.id,
        fact=wall.strftime("%Y-%m-%dT%H:%M"),
        occurred_at=now,
        document={
            "invitationId": str(invitation.id),
            "role": invitation.role,
            "expiresAt": invitation.expires_at.isoformat(),
        },
    )


async def withdraw_invitation(
    session: AsyncSession, *, tenant_id: UUID, invitation_id: UUID, actor: Principal, wall: datetime, now: datetime
) -> None:
    """The token holds no longer; withdrawing twice is fine."""
    await require_still(session, tenant_id=tenant_id, actor=actor)
    invitation = await repository.find_invitation(session, tenant_id=tenant_id, invitation_id=invitation_id)
    if invitation is None or invitation.accepted_at is not None:
        raise NotFound("There is no open invitation by that id.")
    if invitation.revoked_at is None:
        invitation.revoked_at = wall
        record(
            session,
            tenant_id=tenant_id,
            actor=actor,
            action="invitation.withdrawn",
            subject=str(invitation.id),
            occurred_at=now,
        )


async def accept_invitation(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    invitation_id: UUID,
    user_id: UUID,
    wall: datetime,
    now: datetime,
) -> str:
    """Makes the user a member; the role. Of two at once one wins."""
    invitation = await repository.find_invitation(session, tenant_id=tenant_id, invitation_id=invitation_id)
    if invitation is None or not is_open(cast("_Dated", invitation), wall):
        raise InvitationInvalid
    added = await session.execute(
        insert(Membership)
        .values(tenant_id=tenant_id, user_id=user_id, role=invitation.role)
        .on_conflict_do_nothing()
        .returning(Membership.user_id)
    )
    if added.one_or_none() is None:
        raise AlreadyMember
    invitation.accepted_at = wall
    record(
        session,
        tenant_id=tenant_id,
        actor=Principal(kind="user", id=user_id),
        action="member.joined",
        subject=str(user_id),
        details={"role": invitation.role, "invitation": str(invitation_id)},
        occurred_at=now,
    )
    return invitation.role


class _Dated(Protocol):
    @property
    def accepted_at(self) -> datetime | None: ...
    @property
    def revoked_at(self) -> datetime | None: ...
    @property
    def expires_at(self) -> datetime: ...


def is_open(invitation: _Dated, wall: datetime) -> bool:
    """Neither accepted, withdrawn nor expired; a row or the invitation itself."""
    return invitation.accepted_at is None and invitation.revoked_at is None and invitation.expires_at > wall


async def change_role(
    session: AsyncSession, *, tenant_id: UUID, user_id: UUID, role: str, actor: Principal, now: datetime
) -> None:
    """Gives a member another role; the last owner stays one."""
    await require_still(session, tenant_id=tenant_id, actor=actor)
    owners = await repository.lock_owners(session, tenant_id)
    member = await repository.find_membership(session, tenant_id=tenant_id, user_id=user_id, locked=True)
    if member is None:
        raise NotFound("The tenant has no such member.")
    if member.role == role:
        return
    if owners == {user_id}:
        raise LastOwner
    record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action="member.role_changed",
        subject=str(user_id),
        details={"from": member.role, "to": role},
        occurred_at=now,
    )
    member.role = role


async def remove_member(
    session: AsyncSession, *, tenant_id: UUID, user_id: UUID, actor: Principal, now: datetime
) -> None:
    """Takes the member's role away; access tokens already issued end within their 15 minutes."""
    await require_still(session, tenant_id=tenant_id, actor=actor)
    owners = await repository.lock_owners(session, tenant_id)
    member = await repository.find_membership(session, tenant_id=tenant_id, user_id=user_id, locked=True)
    if member is None:
        raise NotFound("The tenant has no such member.")
    if owners == {user_id}:
        raise LastOwner
    record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action="member.removed",
        subject=str(user_id),
        details={"role": member.role},
        occurred_at=now,
    )
    await session.delete(member)


async def require_still(session: AsyncSession, *, tenant_id: UUID, actor: Principal) -> None:
    """Refuses a user whose role was changed since the token was issued: rights over rights are not left to chance."""
    if actor.kind != "user" or actor.installation_role is not None:
        return
    member = await repository.find_membership(session, tenant_id=tenant_id, user_id=actor.id)
    if member is None or member.role != actor.role:
        raise Forbidden("Your role in the tenant has changed. Get a new access token with POST /auth/refresh.")
