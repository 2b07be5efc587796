"""An issuer's published keys (JWKS), fetched when one is asked for that is not known, and now and then."""

import asyncio
import time
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from core.foundation.errors import Unavailable
from core.foundation.telemetry import log

_LOG = log("identity")
_FETCH_EVERY_SECONDS = 600
_FETCH_AT_MOST_EVERY_SECONDS = 10


class RemoteKeys:
    """The keys at one address."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str | None, Any] = {}
        self._fetched_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def find(self, key_id: str | None) -> Any:
        """The key of that id, or the only one where a token names none; None for an unknown one. Raises Unavailable."""
        if key_id not in self._keys or time.monotonic() - self._fetched_at > _FETCH_EVERY_SECONDS:
            await self._fetch()
        found = self._keys.get(key_id)
        if found is None and key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return found

    async def _fetch(self) -> None:
        async with self._fetching:
            if time.monotonic() - self._fetched_at < _FETCH_AT_MOST_EVERY_SECONDS:
                return
            self._fetched_at = time.monotonic()
            try:
                async with httpx.AsyncClient(timeout=3, follow_redirects=False) as client:
                    answer = (await client.get(self._url)).raise_for_status()
                keys = jwt.PyJWKSet.from_dict(answer.json()).keys
            except (httpx.HTTPError, jwt.PyJWTError, ValueError) as error:
                _LOG.warning("foreign_keys_not_fetched", error=type(error).__name__)
                if not self._keys:
                    raise Unavailable("The issuer's keys cannot be fetched. Try again in a moment.") from None
                return
            self._keys = {key.key_id: key.key for key in keys if algorithms_of(key.key)}


def algorithms_of(key: Any) -> list[str]:
    """Those that fit the kind of the key: a shared secret never."""
    if isinstance(key, RSAPublicKey):
        return ["RS256", "RS384", "RS512", "PS256"]
    if isinstance(key, EllipticCurvePublicKey):
        return ["ES256", "ES384"]
    return ["EdDSA"] if isinstance(key, Ed25519PublicKey) else []
