"""Bodies of members and invitations."""

from typing import Literal
from uuid import UUID

from core.foundation.schemas import Answer, Body, Instant
from core.identity.users.emails import Email

Role = Literal["owner", "finance", "developer", "read_only"]


class Invite(Body):
    """Who may join the tenant, with which role."""

    email: Email
    role: Role


class ChangeRole(Body):
    """The member's new role."""

    role: Role


class InvitationAnswer(Answer):
    """An open invitation."""

    invitation_id: UUID
    email: str
    role: Role
    created_at: Instant
    expires_at: Instant


class NewInvitation(InvitationAnswer):
    """An invitation with its token, which is shown this once."""

    token: str


class Member(Answer):
    """A user with a role in the tenant."""

    user_id: UUID
    email: str
    name: str | None
    role: Role
    created_at: Instant
