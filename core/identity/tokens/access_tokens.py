"""Access tokens: RS256, 15 minutes, one tenant. Only RS256 is ever accepted, whatever a token's header says."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import jwt

from core.foundation.clock import wall_now
from core.foundation.ids import new_id
from core.foundation.settings import Settings
from core.identity.errors import TokenExpired, TokenInvalid
from core.identity.tokens.signing_keys import KeyRing

_REQUIRED = ["iss", "aud", "sub", "jti", "iat", "exp"]
_ALGORITHM = "RS256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What an access token says about its user; `tenant` is the slug."""

    user_id: UUID
    tenant: str | None
    role: str | None
    installation_role: str | None
    expires_at: float
    """Seconds since the epoch."""


class AccessTokens:
    """Issues and verifies our own tokens."""

    def __init__(self, settings: Settings, keys: KeyRing) -> None:
        self._issuer = settings.token_issuer
        self._audience = settings.token_audience
        self._keys = keys
        self.life: timedelta = settings.jwt_expiration

    async def issue(
        self, *, user_id: UUID, tenant: str | None, role: str | None, installation_role: str | None, now: datetime
    ) -> str:
        """A signed token for this user in this tenant."""
        key_id, private = await self._keys.signing(now)
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(user_id),
            "tenant": tenant,
            "role": role,
            "jti": str(new_id()),
            "iat": now,
            "exp": now + self.life,
        }
        if installation_role is not None:
            claims["installationRole"] = installation_role
        return jwt.encode(claims, private, algorithm=_ALGORITHM, headers={"kid": key_id})

    async def verify(self, token: str) -> Claims:
        """What the token says; raises TokenExpired or TokenInvalid."""
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            raise TokenInvalid from None
        key_id = header.get("kid")
        if header.get("alg") != _ALGORITHM or not isinstance(key_id, str):
            raise TokenInvalid
        public = await self._keys.find_verifying(key_id, wall_now())
        if public is None:
            raise TokenInvalid
        try:
            claims = jwt.decode(
                token,
                public,
                algorithms=[_ALGORITHM],
                audience=self._audience,
                issuer=self._issuer,
                options={"require": _REQUIRED, "verify_iat": False, "strict_aud": True},
            )
            return Claims(
                user_id=UUID(claims["sub"]),
                tenant=claims.get("tenant"),
                role=claims.get("role"),
                installation_role=claims.get("installationRole"),
                expires_at=float(claims["exp"]),
            )
        except jwt.ExpiredSignatureError:
            raise TokenExpired from None
        except (jwt.InvalidTokenError, ValueError, TypeError):
            raise TokenInvalid from None
