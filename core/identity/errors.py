"""What identity refuses.

Unauthenticated ├── TokenExpired 401 token_expired        ├── TokenInvalid 401 token_invalid
                ├── ApiKeyInvalid 401 api_key_invalid     ├── InvalidCredentials 401 invalid_credentials
                ├── RefreshTokenInvalid 401 refresh_token_invalid
                ├── RefreshTokenExpired 401 refresh_token_expired
                └── RefreshTokenReused 401 refresh_token_reused
Forbidden       ├── TenantForbidden 403 tenant_forbidden  ├── RegistrationClosed 403 registration_closed
                ├── CustomerForbidden 403 customer_forbidden   ├── NoTenant 403 no_tenant
                └── InvitationInvalid 403 invitation_invalid
Conflict        ├── TenantExists 409 tenant_exists        ├── AlreadyMember 409 already_member
                └── LastOwner 409 last_owner
CloudBillError  ├── TenantRequired 400 tenant_required    └── ReasonRequired 400 reason_required
InvalidInput    └── PasswordRefused 422 password_refused
TooManyRequests └── SignInSlowed 429 sign_in_slowed
"""

from core.foundation.errors import (
    CloudBillError,
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    TooManyRequests,
    Unauthenticated,
)


class TokenExpired(Unauthenticated):
    """The access token was good and is over."""

    code = "token_expired"
    title = "The access token has expired"

    def __init__(self) -> None:
        super().__init__("The access token has expired. Get a new one with POST /auth/refresh.")


class TokenInvalid(Unauthenticated):
    """The access token is not one of ours, nor of the trusted issuer."""

    code = "token_invalid"
    title = "The access token is not valid"

    def __init__(self) -> None:
        super().__init__("The access token is not valid here. Sign in with POST /auth/login.")


class ApiKeyInvalid(Unauthenticated):
    """Unknown, revoked or expired."""

    code = "api_key_invalid"
    title = "The API key is not valid"

    def __init__(self) -> None:
        super().__init__("The API key is unknown, revoked or expired. Create a new one with POST /auth/api-keys.")


class InvalidCredentials(Unauthenticated):
    """E-mail or password is wrong; which one is not said."""

    code = "invalid_credentials"
    title = "E-mail or password is wrong"

    def __init__(self) -> None:
        super().__init__("The e-mail or the password is wrong.")


class RefreshTokenInvalid(Unauthenticated):
    """Unknown, or its sign-in was ended."""

    code = "refresh_token_invalid"
    title = "The refresh token is not valid"

    def __init__(self) -> None:
        super().__init__("The refresh token is unknown or its sign-in has ended. Sign in again.")


class RefreshTokenExpired(Unauthenticated):
    """Not used for too long."""

    code = "refresh_token_expired"
    title = "The refresh token has expired"

    def __init__(self) -> None:
        super().__init__("The refresh token has expired. Sign in again.")


class RefreshTokenReused(Unauthenticated):
    """Used twice: it may have been stolen, so the whole sign-in has ended."""

    code = "refresh_token_reused"
    title = "The refresh token was used before"

    def __init__(self) -> None:
        super().__init__("The refresh token was used before, so its sign-in has been ended. Sign in again.")


class TenantForbidden(Forbidden):
    """The caller belongs to another tenant."""

    code = "tenant_forbidden"
    title = "Not your tenant"

    def __init__(self) -> None:
        super().__init__("The credential belongs to another tenant. Leave tenantId out or give your own.")


class CustomerForbidden(Forbidden):
    """A foreign token acts for the customer that it names, and no other."""

    code = "customer_forbidden"
    title = "Not your customer"

    def __init__(self) -> None:
        super().__init__("The token acts for the customer it was issued to. Leave userId and customerId out.")


class TenantRequired(CloudBillError):
    """Installation users say which tenant they mean."""

    status = 400
    code = "tenant_required"
    title = "Which tenant?"

    def __init__(self) -> None:
        super().__init__("Say which tenant you mean with ?tenantId=.")


class ReasonRequired(CloudBillError):
    """An operator who enters a tenant says why."""

    status = 400
    code = "reason_required"
    title = "Say why you enter the tenant"

    def __init__(self) -> None:
        super().__init__(
            "Give the reason in the header X-Tenant-Reason, 3 to 500 characters; it is kept in the audit log."
        )


class TenantNotFound(NotFound):
    """No tenant by that name."""

    code = "tenant_not_found"
    title = "No such tenant"

    def __init__(self) -> None:
        super().__init__("There is no tenant by that tenantId.")


class TenantExists(Conflict):
    """Registering with a taken name needs an invitation."""

    code = "tenant_exists"
    title = "The tenant exists"

    def __init__(self) -> None:
        super().__init__(
            "A tenant by that tenantId exists. Choose another, or ask one of its owners for an invitation and register "
            "with its invitationToken."
        )


class NoTenant(Forbidden):
    """The user has no role anywhere."""

    code = "no_tenant"
    title = "No tenant to sign in to"

    def __init__(self) -> None:
        super().__init__("You are a member of no tenant any more. Ask an owner for an invitation.")


class RegistrationClosed(Forbidden):
    """REGISTRATION=invited."""

    code = "registration_closed"
    title = "Registration needs an invitation"

    def __init__(self) -> None:
        super().__init__("This installation takes no new tenants by itself. Register with an invitationToken.")


class InvitationInvalid(Forbidden):
    """Unknown, used, withdrawn, expired, or made for another e-mail or tenant."""

    code = "invitation_invalid"
    title = "The invitation does not hold"

    def __init__(self) -> None:
        super().__init__(
            "The invitation is unknown, used, withdrawn or expired, or it is for another e-mail or tenant. Ask an "
            "owner of the tenant for a new one."
        )


class AlreadyMember(Conflict):
    """The user has a role in the tenant already."""

    code = "already_member"
    title = "Already a member"

    def __init__(self) -> None:
        super().__init__("The user is a member of the tenant already. Change the role with PATCH /auth/members.")


class LastOwner(Conflict):
    """A tenant keeps at least one owner."""

    code = "last_owner"
    title = "The tenant needs an owner"

    def __init__(self) -> None:
        super().__init__("The tenant would be left without an owner. Make another member an owner first.")


class PasswordRefused(InvalidInput):
    """Too short, too common or too easily guessed."""

    code = "password_refused"
    title = "Choose another password"

    def __init__(self, message: str) -> None:
        super().__init__("password", message)


class SignInSlowed(TooManyRequests):
    """Too many failed sign-ins for this account from this address."""

    code = "sign_in_slowed"
    title = "Too many failed sign-ins"

    def __init__(self, *, retry_after: int) -> None:
        super().__init__("Too many failed sign-ins for this e-mail. Wait and try again.", retry_after=retry_after)
