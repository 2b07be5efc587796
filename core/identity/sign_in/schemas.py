"""Bodies of register, login, refresh, logout and me."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from core.foundation.fields import CurrencyCode
from core.foundation.schemas import Answer, Body, InstantInput, Name, StrictBoolean, Text
from core.identity.users.emails import Email
from core.identity.users.passwords import LONGEST

_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def _within_reason(at: datetime) -> datetime:
    if not _EARLIEST <= at <= _LATEST:
        raise ValueError("must lie between 2000-01-01 and 2100-01-01")
    return at.astimezone(UTC)


Slug = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9-]{1,62}$",
        description="2 to 63 of a-z, 0-9 and hyphen, not starting with a hyphen.",
        examples=["acme"],
    ),
]
Password = Annotated[str, Field(min_length=1, max_length=LONGEST, examples=["Test123!"])]
ClockStart = Annotated[InstantInput, AfterValidator(_within_reason)]
Token = Annotated[str, Field(min_length=1, max_length=500)]


class NewMember(Body):
    """A new tenant with somebody as its owner, or, with an invitation, as a member of an existing one."""

    email: Email
    tenant_id: Slug
    name: Name | None = Field(None, description="Your name.")
    tenant_name: Name | None = Field(None, description="What the tenant is called; its tenantId if left out.")
    invitation_token: Token | None = None
    currency: CurrencyCode = "USD"
    test_tenant: StrictBoolean = Field(
        False, description="A test tenant has a clock of its own and never pays with a live key."
    )
    test_clock: ClockStart | None = Field(None, description="Start of the tenant's clock; makes it a test tenant.")
    probe: StrictBoolean = Field(
        False, description="Marks a tenant made by a check of the installation, kept out of figures."
    )


class Register(NewMember):
    """A new tenant with you as owner, or, with `invitationToken`, you as a member of an existing one."""

    password: Password


class Login(Body):
    """Sign in; into `tenantId` if given, else into the only or the last used tenant."""

    email: Annotated[Text, Field(min_length=1, max_length=254, examples=["ada@example.com"])]
    password: Password
    tenant_id: Annotated[str, Field(max_length=63)] | None = None


class NewPassword(Body):
    """Another password, by whoever knows the one of now."""

    current_password: Password
    new_password: Password


class Refresh(Body):
    """The newest refresh token of the sign-in; `tenantId` switches to another tenant of yours."""

    refresh_token: Token
    tenant_id: Annotated[str, Field(max_length=63)] | None = None


class Logout(Body):
    """Any refresh token of the sign-in."""

    refresh_token: Token


class Tokens(Answer):
    """A sign-in. `expiresIn` is the access token's life in seconds; installation users have no tenant."""

    access_token: str
    refresh_token: str
    expires_in: int
    token_type: Literal["Bearer"] = "Bearer"
    tenant_id: str | None
    role: str | None
    installation_role: str | None
    user_id: UUID


class OwnTenant(Answer):
    """A tenant of the user's."""

    tenant_id: str
    name: str
    role: str


class Me(Answer):
    """The caller. `scopes` are those of an API key or a foreign token; null for a user."""

    user_id: UUID | None
    email: str | None
    name: str | None
    tenant_id: str | None
    role: str | None
    installation_role: str | None
    scopes: list[str] | None
    tenants: list[OwnTenant]
