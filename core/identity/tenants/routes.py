"""/auth/members and /auth/invitations."""

from uuid import UUID

from fastapi import APIRouter, Response

from core.foundation.clock import wall_now
from core.foundation.errors import NotFound
from core.foundation.refusals import refusals
from core.foundation.schemas import Page
from core.identity.errors import LastOwner
from core.identity.scope import Reading, Writing
from core.identity.tenants import repository, service
from core.identity.tenants.models import Invitation
from core.identity.tenants.schemas import ChangeRole, InvitationAnswer, Invite, Member, NewInvitation

router = APIRouter(prefix="/auth", tags=["auth"])


@router.get("/members", operation_id="list_members")
async def list_members(scope: Reading) -> Page[Member]:
    """The tenant's members, in the order they joined. Never more than a page."""
    async with scope.reading() as unit:
        if scope.principal.installation_role is None:
            rows = await repository.list_members(unit.session)
        else:
            rows = await repository.list_members_as_operator(unit.session, unit.tenant_id)
    return Page(
        data=[
            Member(user_id=row.user_id, email=row.email, name=row.name, role=row.role, created_at=row.created_at)
            for row in rows
        ]
    )


@router.patch(
    "/members/{user_id}",
    operation_id="change_member",
    status_code=204,
    response_class=Response,
    responses=refusals(NotFound, LastOwner),
)
async def change_member(scope: Writing, user_id: UUID, body: ChangeRole) -> None:
    """Give a member another role; the last owner stays one. Holds from the member's next token on."""
    async with scope.writing() as unit:
        await service.change_role(
            unit.session, tenant_id=unit.tenant_id, user_id=user_id, role=body.role, actor=unit.actor, now=unit.now
        )


@router.delete(
    "/members/{user_id}",
    operation_id="remove_member",
    status_code=204,
    response_class=Response,
    responses=refusals(NotFound, LastOwner),
)
async def remove_member(scope: Writing, user_id: UUID) -> None:
    """Take a member's role away; the last owner stays."""
    async with scope.writing() as unit:
        await service.remove_member(
            unit.session, tenant_id=unit.tenant_id, user_id=user_id, actor=unit.actor, now=unit.now
        )


@router.post("/invitations", operation_id="invite", status_code=201)
async def invite(scope: Writing, body: Invite) -> NewInvitation:
    """Invite somebody: a mail leads them to the console. The token, shown this once, does the same where you hand it
    over: it registers that e-mail with that role, within a week.
    """
    async with scope.writing() as unit:
        invitation, token = await service.invite(
            unit.session,
            tenant_id=unit.tenant_id,
            email=body.email,
            role=body.role,
            actor=unit.actor,
            wall=wall_now(),
            now=unit.now,
        )
    return NewInvitation(**_shown(invitation).model_dump(), token=token)


@router.get("/invitations", operation_id="list_invitations")
async def list_invitations(scope: Reading) -> Page[InvitationAnswer]:
    """Open invitations, newest first."""
    async with scope.reading() as unit:
        found = await repository.list_open_invitations(unit.session, tenant_id=unit.tenant_id, now=wall_now())
    return Page(data=[_shown(invitation) for invitation in found])


@router.post(
    "/invitations/{invitation_id}/resend",
    operation_id="resend_invitation",
    status_code=202,
    responses=refusals(NotFound),
)
async def resend_invitation(scope: Writing, invitation_id: UUID) -> InvitationAnswer:
    """Mail an invitation again, also one that has run out; it holds for a week from now."""
    async with scope.writing() as unit:
        invitation = await service.resend_invitation(
            unit.session,
            tenant_id=unit.tenant_id,
            invitation_id=invitation_id,
            actor=unit.actor,
            wall=wall_now(),
            now=unit.now,
        )
    return _shown(invitation)


@router.delete(
    "/invitations/{invitation_id}", operation_id="withdraw_invitation", status_code=204, response_class=Response
)
async def withdraw_invitation(scope: Writing, invitation_id: UUID) -> None:
    """Withdraw an open invitation."""
    async with scope.writing() as unit:
        await service.withdraw_invitation(
            unit.session,
            tenant_id=unit.tenant_id,
            invitation_id=invitation_id,
            actor=unit.actor,
            wall=wall_now(),
            now=unit.now,
        )


def _shown(invitation: Invitation) -> InvitationAnswer:
    return InvitationAnswer.model_validate(
        {
            "invitation_id": invitation.id,
            "email": invitation.email,
            "role": invitation.role,
            "created_at": invitation.created_at,
            "expires_at": invitation.expires_at,
        }
    )
