"""Where people have accounts: Google by OpenID Connect, GitHub by its own two questions. Both with PKCE (RFC 7636).

oauthlib knows the protocol; the requests are ours.
"""

import time
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import httpx
import jwt
import orjson
from oauthlib.oauth2 import OAuth2Error, WebApplicationClient
from oauthlib.oauth2.rfc6749.utils import is_secure_transport

from core.foundation.settings import Settings, SettingsInvalid
from core.foundation.telemetry import log
from core.identity.errors import TokenInvalid
from core.identity.oauth.errors import EmailNotVerified, ProviderRefused, ProviderUnavailable
from core.identity.tokens.remote_keys import RemoteKeys, algorithms_of

_LOG = log("identity")
_TIMEOUT = httpx.Timeout(10, connect=5)
_KNOWN_FOR_SECONDS = 3600


@dataclass(frozen=True, kw_only=True)
class Account:
    """Somebody's account elsewhere; the provider vouches for the e-mail."""

    provider: str
    subject: str
    email: str
    name: str | None


@dataclass(frozen=True, kw_only=True)
class Registered:
    """This installation as a provider knows it."""

    client_id: str
    client_secret: str = field(repr=False)
    callback_url: str


class Provider(Protocol):
    """One of them."""

    name: str
    """As people know it."""

    async def question(self, *, state: str, nonce: str, challenge: str) -> str:
        """The address to send the browser to. Raises ProviderUnavailable."""
        ...

    async def account(self, code: str, *, nonce: str, verifier: str) -> Account:
        """Whose code it is. Raises ProviderRefused, ProviderUnavailable, EmailNotVerified."""
        ...


class Google:
    """Any issuer that speaks OpenID Connect with discovery would do."""

    name = "Google"

    def __init__(self, registered: Registered, issuer: str) -> None:
        self._registered, self._issuer = registered, issuer
        self._client: Any = WebApplicationClient(registered.client_id)
        self._about: dict[str, Any] = {}
        self._about_until = float("-inf")
        self._keys: RemoteKeys | None = None

    async def question(self, *, state: str, nonce: str, challenge: str) -> str:
        """With a nonce, which the identity token must carry."""
        about = await self._discover()
        return self._client.prepare_request_uri(
            about["authorization_endpoint"],
            redirect_uri=self._registered.callback_url,
            scope=["openid", "email", "profile"],
            state=state,
            nonce=nonce,
            code_challenge=challenge,
            code_challenge_method="S256",
        )

    async def account(self, code: str, *, nonce: str, verifier: str) -> Account:
        """By the identity token, verified with the issuer's published keys."""
        about = await self._discover()
        tokens = await _exchange(self.name, self._registered, about["token_endpoint"], code, verifier)
        claims = await self._verified(str(tokens.get("id_token") or ""), nonce)
        if claims.get("email_verified") is not True or not claims.get("email"):
            raise EmailNotVerified(self.name)
        return Account(provider="google", subject=claims["sub"], email=claims["email"], name=claims.get("name"))

    async def _verified(self, token: str, nonce: str) -> dict[str, Any]:
        assert self._keys is not None
        try:
            key = await self._keys.find(jwt.get_unverified_header(token).get("kid"))
            if key is None:
                raise TokenInvalid
            claims = jwt.decode(
                token,
                key,
                algorithms=algorithms_of(key),
                audience=self._registered.client_id,
                issuer=self._issuer,
                leeway=30,
                options={"require": ["iss", "aud", "sub", "exp", "iat"]},
            )
            if claims.get("nonce") != nonce:
                raise TokenInvalid
        except (jwt.InvalidTokenError, TokenInvalid, ValueError, TypeError) as error:
            _LOG.warning("identity_token_refused", provider=self.name, error=type(error).__name__)
            raise ProviderRefused(f"{self.name} sent an identity token that does not hold. Begin again.") from None
        return claims

    async def _discover(self) -> dict[str, Any]:
        if time.monotonic() >= self._about_until:
            async with httpx.AsyncClient(timeout=_TIMEOUT) as client:
                about = await _ask(self.name, client, "GET", f"{self._issuer}/.well-known/openid-configuration")
            if about.get("issuer") != self._issuer or not all(
                isinstance(about.get(key), str) for key in ("authorization_endpoint", "token_endpoint", "jwks_uri")
            ):
                raise ProviderUnavailable(f"{self.name} describes itself otherwise than expected. Try again later.")
            if self._keys is None or self._about.get("jwks_uri") != about["jwks_uri"]:
                self._keys = RemoteKeys(about["jwks_uri"])
            self._about, self._about_until = about, time.monotonic() + _KNOWN_FOR_SECONDS
        return self._about


class GitHub:
    """OAuth 2 without identity tokens: who it is says the API."""

    name = "GitHub"

    def __init__(self, registered: Registered, url: str, api_url: str) -> None:
        self._registered, self._url, self._api_url = registered, url, api_url
        self._client: Any = WebApplicationClient(registered.client_id)

    async def question(self, *, state: str, nonce: str, challenge: str) -> str:
        """GitHub knows no nonce: what is told here comes from its API, not through the browser."""
        return self._client.prepare_request_uri(
            f"{self._url}/login/oauth/authorize",
            redirect_uri=self._registered.callback_url,
            scope=["read:user", "user:email"],
            state=state,
            code_challenge=challenge,
            code_challenge_method="S256",
        )

    async def account(self, code: str, *, nonce: str, verifier: str) -> Account:
        """The primary e-mail, if it is verified."""
        url = f"{self._url}/login/oauth/access_token"
        tokens = await _exchange(self.name, self._registered, url, code, verifier)
        headers = {
            "authorization": f"Bearer {tokens.get('access_token', '')}",
            "x-github-api-version": "2022-11-28",
        }
        async with httpx.AsyncClient(timeout=_TIMEOUT, headers=headers) as client:
            user = await _ask(self.name, client, "GET", f"{self._api_url}/user")
            emails = await _ask(self.name, client, "GET", f"{self._api_url}/user/emails?per_page=100")
        if not isinstance(user.get("id"), int) or not isinstance(emails, list):
            raise ProviderUnavailable("GitHub answered otherwise than expected. Try again later.")
        known = [cast("dict[str, Any]", email) for email in cast("list[Any]", emails) if isinstance(email, dict)]
        primary = next((email for email in known if email.get("primary") and email.get("verified")), None)
        if primary is None:
            raise EmailNotVerified(self.name)
        return Account(
            provider="github",
            subject=str(user["id"]),
            email=str(primary["email"]),
            name=user.get("name") or user.get("login"),
        )


def providers(settings: Settings) -> dict[str, Provider]:
    """Those that this installation has a client with. Raises SettingsInvalid for half of one, or one without TLS."""
    for key, url in (
        ("GOOGLE_ISSUER", settings.google_issuer),
        ("GITHUB_URL", settings.github_url),
        ("GITHUB_API_URL", settings.github_api_url),
    ):
        if not is_secure_transport(url):
            raise SettingsInvalid(f"{key} must begin with https://")
    found: dict[str, Provider] = {}
    if google := _registered(settings, "google", settings.google_client_id, settings.google_client_secret):
        found["google"] = Google(google, settings.google_issuer)
    if github := _registered(settings, "github", settings.github_client_id, settings.github_client_secret):
        found["github"] = GitHub(github, settings.github_url, settings.github_api_url)
    return found


def _registered(settings: Settings, provider: str, client_id: str | None, secret: Any) -> Registered | None:
    if client_id is None and secret is None:
        return None
    if client_id is None or secret is None:
        name = provider.upper()
        raise SettingsInvalid(f"{name}_CLIENT_ID and {name}_CLIENT_SECRET belong together: give both, or neither")
    given = settings.google_callback_url if provider == "google" else settings.github_callback_url
    path = f"/auth/{provider}/callback"
    if given is not None and not given.endswith(path):
        raise SettingsInvalid(f"{provider.upper()}_CALLBACK_URL must end with {path}, where this API takes the answer")
    return Registered(
        client_id=client_id,
        client_secret=secret.get_secret_value(),
        callback_url=given or settings.public_api_url + path,
    )


async def _exchange(name: str, registered: Registered, url: str, code: str, verifier: str) -> dict[str, Any]:
    client: Any = WebApplicationClient(registered.client_id)
    body = client.prepare_request_body(
        code=code,
        redirect_uri=registered.callback_url,
        code_verifier=verifier,
        client_secret=registered.client_secret,
    )
    async with httpx.AsyncClient(timeout=_TIMEOUT) as asking:
        try:
            answer = await asking.post(
                url,
                content=body,
                headers={"content-type": "application/x-www-form-urlencoded", "accept": "application/json"},
            )
        except httpx.HTTPError as error:
            raise _unavailable(name, error) from None
    if answer.status_code >= 500:
        raise _unavailable(name, answer.status_code)
    try:
        return client.parse_request_body_response(answer.text)
    except OAuth2Error as error:
        _LOG.warning("provider_refused_code", provider=name, error=error.error)
        raise ProviderRefused(f"{name} did not accept the answer ({error.error}). Begin again.") from None
    except (ValueError, TypeError) as error:
        raise _unavailable(name, error) from None


async def _ask(name: str, client: httpx.AsyncClient, method: str, url: str) -> Any:
    try:
        answer = await client.request(method, url, headers={"accept": "application/json"})
        if answer.status_code in (401, 403):
            raise ProviderRefused(f"{name} does not tell us who you are ({answer.status_code}). Begin again.")
        return orjson.loads(answer.raise_for_status().content)
    except (httpx.HTTPError, ValueError) as error:
        raise _unavailable(name, error) from None


def _unavailable(name: str, why: object) -> ProviderUnavailable:
    _LOG.warning("provider_unavailable", provider=name, error=type(why).__name__ if isinstance(why, Exception) else why)
    return ProviderUnavailable(f"{name} does not answer as it should. Try again in a moment.")
