"""A sign-in that a browser has begun: what is remembered of it lies sealed in the browser's own cookie."""

from typing import Literal
from urllib.parse import urlsplit

import orjson
from oauthlib.oauth2 import WebApplicationClient
from pydantic import BaseModel, ConfigDict, ValidationError

from core.foundation.crypto import Sealer, random_token, same
from core.foundation.settings import Settings
from core.identity.oauth.errors import ReturnNotAllowed, StateInvalid

LIFE_SECONDS = 600
Purpose = Literal["sign-in", "register", "link"]


class Begun(BaseModel):
    """`state` ties the answer to this browser, `nonce` the identity token to it, `verifier` the code to us."""

    model_config = ConfigDict(frozen=True)

    provider: str
    purpose: Purpose
    return_to: str
    state: str
    nonce: str
    verifier: str
    tenant_id: str | None = None
    currency: str = "USD"
    invitation_token: str | None = None

    @property
    def challenge(self) -> str:
        """Of the verifier, by S256."""
        return WebApplicationClient("").create_code_challenge(self.verifier, "S256")

    def sealed(self, sealer: Sealer) -> str:
        """For the cookie."""
        return sealer.seal(self.model_dump_json().encode()).decode()


def begin(
    provider: str,
    purpose: Purpose,
    return_to: str,
    *,
    tenant_id: str | None = None,
    currency: str = "USD",
    invitation_token: str | None = None,
) -> Begun:
    """A new one."""
    return Begun(
        provider=provider,
        purpose=purpose,
        return_to=return_to,
        state=random_token(""),
        nonce=random_token(""),
        verifier=random_token("", 48),
        tenant_id=tenant_id,
        currency=currency,
        invitation_token=invitation_token,
    )


def begun(cookie: str | None, state: str | None, *, provider: str, sealer: Sealer) -> Begun:
    """The one that this browser began and the answer belongs to. Raises StateInvalid."""
    content = sealer.open_fresh((cookie or "").encode(), within_seconds=LIFE_SECONDS)
    try:
        found = Begun.model_validate(orjson.loads(content)) if content else None
    except (ValidationError, ValueError):
        found = None
    if found is None or found.provider != provider or not same(found.state.encode(), (state or "").encode()):
        raise StateInvalid
    return found


def allowed_return(address: str | None, settings: Settings) -> str:
    """The address, if scheme, host and path are on the allow-list; a query may be its own. Raises ReturnNotAllowed.

    Without an address it is the first of the list; the console's is always on it.
    """
    allowed = (*settings.oauth_return_urls, f"{settings.public_console_url}/session/oauth")
    if address is None:
        return allowed[0]
    parts = urlsplit(address)
    if parts.fragment or parts.username is not None or "\\" in address or not address.isprintable():
        raise ReturnNotAllowed
    if parts._replace(query="").geturl() not in allowed:
        raise ReturnNotAllowed
    return address
