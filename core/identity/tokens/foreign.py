"""Tokens of one foreign issuer that the installation trusts: their `sub` is a customer of a configured tenant.

JWT_ISSUER and JWT_AUDIENCE must match, the key is JWT_PUBLIC_KEY (PEM) or one of JWT_JWKS_URL, and only algorithms
that fit the kind of the key are accepted: a shared secret never.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from core.foundation.errors import Unavailable
from core.foundation.settings import Settings, SettingsInvalid
from core.foundation.telemetry import log
from core.identity.errors import TokenExpired, TokenInvalid

_LOG = log("identity")
_FETCH_EVERY_SECONDS = 600
_FETCH_AT_MOST_EVERY_SECONDS = 10
_LONGEST_SUBJECT = 200


@dataclass(frozen=True, slots=True)
class ForeignClaims:
    """`subject` is the customer's external id; `expires_at` in seconds since the epoch."""

    subject: str
    expires_at: float


class ForeignIssuer:
    """The issuer named by the settings."""

    def __init__(self, *, issuer: str, audience: str, tenant: str, pem: str | None, jwks_url: str | None) -> None:
        self.issuer = issuer
        self.tenant = tenant
        self._audience = audience
        self._jwks_url = jwks_url
        self._keys: dict[str | None, Any] = {}
        self._fetched_at = float("-inf")
        self._fetching = asyncio.Lock()
        if pem is not None:
            try:
                self._keys[None] = load_pem_public_key(pem.replace("\\n", "\n").encode())
            except ValueError:
                raise SettingsInvalid("JWT_PUBLIC_KEY must be a public key in PEM form") from None
            if not _algorithms_of(self._keys[None]):
                raise SettingsInvalid("JWT_PUBLIC_KEY must be an RSA, elliptic curve or Ed25519 key")

    async def verify(self, token: str) -> ForeignClaims:
        """What the token says; raises TokenExpired, TokenInvalid, or Unavailable when its keys cannot be fetched."""
        try:
            header = jwt.get_unverified_header(token)
            key = await self._find_key(header.get("kid"))
            if key is None:
                raise TokenInvalid
            claims = jwt.decode(
                token,
                key,
                algorithms=_algorithms_of(key),
                audience=self._audience,
                issuer=self.issuer,
                options={"require": ["iss", "aud", "sub", "exp"], "verify_iat": False},
            )
            subject = claims["sub"]
            if not 0 < len(subject) <= _LONGEST_SUBJECT or not subject.isprintable():
                raise TokenInvalid
            return ForeignClaims(subject, float(claims["exp"]))
        except jwt.ExpiredSignatureError:
            raise TokenExpired from None
        except (jwt.InvalidTokenError, ValueError, TypeError):
            raise TokenInvalid from None

    async def _find_key(self, key_id: str | None) -> Any:
        if self._jwks_url is None:
            return self._keys[None]
        if key_id not in self._keys or time.monotonic() - self._fetched_at > _FETCH_EVERY_SECONDS:
            await self._fetch(self._jwks_url)
        found = self._keys.get(key_id)
        if found is None and key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return found

    async def _fetch(self, url: str) -> None:
        async with self._fetching:
            if time.monotonic() - self._fetched_at < _FETCH_AT_MOST_EVERY_SECONDS:
                return
            self._fetched_at = time.monotonic()
            try:
                async with httpx.AsyncClient(timeout=3, follow_redirects=False) as client:
                    answer = (await client.get(url)).raise_for_status()
                keys = jwt.PyJWKSet.from_dict(answer.json()).keys
            except (httpx.HTTPError, jwt.PyJWTError, ValueError) as error:
                _LOG.warning("foreign_keys_not_fetched", error=type(error).__name__)
                if not self._keys:
                    raise Unavailable("The issuer's keys cannot be fetched. Try again in a moment.") from None
                return
            self._keys = {key.key_id: key.key for key in keys if _algorithms_of(key.key)}


def foreign_issuer(settings: Settings) -> ForeignIssuer | None:
    """The issuer of the settings, or None; raises SettingsInvalid when it is half described."""
    parts = (settings.jwt_issuer, settings.jwt_audience, settings.jwt_tenant)
    keys = (settings.jwt_public_key, settings.jwt_jwks_url)
    if not any(parts) and not any(keys):
        return None
    if not (settings.jwt_issuer and settings.jwt_audience and settings.jwt_tenant) or all(keys) or not any(keys):
        raise SettingsInvalid(
            "A trusted issuer needs JWT_ISSUER, JWT_AUDIENCE, JWT_TENANT (the tenantId whose customers it names) and "
            "either JWT_PUBLIC_KEY or JWT_JWKS_URL"
        )
    if settings.jwt_issuer == settings.token_issuer:
        raise SettingsInvalid("JWT_ISSUER names the trusted foreign issuer and must differ from TOKEN_ISSUER, our own")
    return ForeignIssuer(
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        tenant=settings.jwt_tenant,
        pem=settings.jwt_public_key,
        jwks_url=settings.jwt_jwks_url,
    )


def _algorithms_of(key: Any) -> list[str]:
    if isinstance(key, RSAPublicKey):
        return ["RS256", "RS384", "RS512", "PS256"]
    if isinstance(key, EllipticCurvePublicKey):
        return ["ES256", "ES384"]
    return ["EdDSA"] if isinstance(key, Ed25519PublicKey) else []
