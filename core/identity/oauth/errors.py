"""What signing in with an account elsewhere refuses.

Forbidden       ├── IdentityUnknown 403 identity_unknown      ├── EmailNotVerified 403 email_not_verified
                └── ReturnNotAllowed 403 return_not_allowed
Conflict        ├── EmailTaken 409 identity_email_taken       ├── IdentityTaken 409 identity_taken
                └── OnlyIdentity 409 identity_only
InvalidInput    └── StateInvalid 422 oauth_state_invalid
NotFound        └── ProviderUnknown 404 provider_unknown
CloudBillError  ├── ProviderRefused 403 provider_refused      └── ProviderUnavailable 503 provider_unavailable
"""

from core.foundation.errors import Conflict, Forbidden, InvalidInput, NotFound, Unavailable


class ProviderUnknown(NotFound):
    """No such provider, or this installation has no client there."""

    code = "provider_unknown"
    title = "Nobody signs in that way here"

    def __init__(self, provider: str) -> None:
        super().__init__(f"This installation does not sign in with {provider!r}: GET /auth/providers lists the ways.")


class ReturnNotAllowed(Forbidden):
    """The address to return to is not on the allow-list."""

    code = "return_not_allowed"
    title = "This address is not allowed"

    def __init__(self) -> None:
        super().__init__("returnTo is not among the addresses of OAUTH_RETURN_URLS: ask the operator to add it there.")


class StateInvalid(InvalidInput):
    """The answer does not belong to a sign-in that this browser began in the last ten minutes."""

    code = "oauth_state_invalid"
    title = "This sign-in was not begun here"

    def __init__(self) -> None:
        super().__init__(
            "state", "does not belong to a sign-in that this browser began in the last ten minutes: begin it again"
        )


class ProviderRefused(Forbidden):
    """The person said no there, or the provider did not accept what we sent."""

    code = "provider_refused"
    title = "The provider did not sign you in"


class ProviderUnavailable(Unavailable):
    """It does not answer, or not as it should."""

    code = "provider_unavailable"
    title = "The provider does not answer"


class EmailNotVerified(Forbidden):
    """The provider does not vouch for the e-mail."""

    code = "email_not_verified"
    title = "The e-mail is not verified"

    def __init__(self, provider: str) -> None:
        super().__init__(f"{provider} does not vouch for an e-mail of that account: verify one there, then try again.")


class IdentityUnknown(Forbidden):
    """Nobody here is linked with that account."""

    code = "identity_unknown"
    title = "Nobody here is linked with this account"

    def __init__(self, provider: str) -> None:
        super().__init__(
            f"Nobody here is linked with that {provider} account. Register with it (a tenantId or an invitation is "
            "needed), or sign in with your password and link it."
        )


class EmailTaken(Conflict):
    """Whoever registered that e-mail here may not be who signs in there: only a signed-in user links accounts."""

    code = "identity_email_taken"
    title = "The e-mail has a password here"

    def __init__(self, provider: str) -> None:
        super().__init__(
            f"A user with that e-mail exists already. Sign in with the password, then link the {provider} account."
        )


class IdentityTaken(Conflict):
    """Linked with somebody else, or the user has another account there."""

    code = "identity_taken"
    title = "The account is linked otherwise"


class OnlyIdentity(Conflict):
    """The user knows no password and has no other identity."""

    code = "identity_only"
    title = "It is the only way to sign in"

    def __init__(self) -> None:
        super().__init__("There would be no way left to sign in. Link another account first.")
