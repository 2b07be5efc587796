"""Tokens of one foreign issuer that the installation trusts: their `sub` is a customer of a configured tenant.

JWT_ISSUER and JWT_AUDIENCE must match, the key is JWT_PUBLIC_KEY (PEM) or one of JWT_JWKS_URL, and only algorithms
that fit the kind of the key are accepted: a shared secret never.
"""

from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from core.foundation.settings import Settings, SettingsInvalid
from core.identity.errors import TokenExpired, TokenInvalid
from core.identity.tokens.remote_keys import RemoteKeys, algorithms_of

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
        self._published = RemoteKeys(jwks_url) if jwks_url else None
        self._key: Any = None
        if pem is not None:
            try:
                self._key = load_pem_public_key(pem.replace("\\n", "\n").encode())
            except ValueError:
                raise SettingsInvalid("JWT_PUBLIC_KEY must be a public key in PEM form") from None
            if not algorithms_of(self._key):
                raise SettingsInvalid("JWT_PUBLIC_KEY must be an RSA, elliptic curve or Ed25519 key")

    async def verify(self, token: str) -> ForeignClaims:
        """What the token says; raises TokenExpired, TokenInvalid, or Unavailable when its keys cannot be fetched."""
        try:
            header = jwt.get_unverified_header(token)
            key = await self._published.find(header.get("kid")) if self._published else self._key
            if key is None:
                raise TokenInvalid
            claims = jwt.decode(
                token,
                key,
                algorithms=algorithms_of(key),
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
