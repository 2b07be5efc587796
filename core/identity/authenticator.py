"""From the header's credential to a verified caller: our access tokens, API keys, and the trusted issuer's tokens.

What was verified once is remembered by the credential's hash: a token until it expires, an API key for a few seconds,
which is how long a revoked key may still be used. Verifying RS256 for each request would cost a fifth of a core's time.
"""

import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta

import jwt

from core.foundation.clock import tenant_now, wall_now
from core.foundation.crypto import same, token_hash
from core.foundation.database import Database
from core.foundation.errors import Unauthenticated
from core.foundation.remembered import Asked
from core.identity.access import FOREIGN_SCOPES, Principal
from core.identity.api_keys import repository as api_keys
from core.identity.errors import ApiKeyInvalid, TokenInvalid
from core.identity.tenants.customers import ensure_customer
from core.identity.tenants.directory import Directory
from core.identity.tokens.access_tokens import AccessTokens
from core.identity.tokens.foreign import ForeignIssuer

API_KEY = "cbk_"
API_KEY_REMEMBERED_SECONDS = 3.0
FOREIGN_REMEMBERED_SECONDS = 300.0
_USE_NOTED_EVERY = timedelta(hours=1)  # often enough to find forgotten keys, and no write for each request
_REMEMBERED = 20_000
_LONGEST_CREDENTIAL = 8192


@dataclass(slots=True)
class _Entry:
    principal: Principal
    until: float
    """Seconds since the epoch: the end of the credential, or of our trust in what we know of it."""
    asked_again: bool = False


class Authenticator:
    """Knows every kind of credential."""

    def __init__(
        self,
        *,
        database: Database,
        directory: Directory,
        tokens: AccessTokens,
        foreign: ForeignIssuer | None,
    ) -> None:
        self._database = database
        self._directory = directory
        self._tokens = tokens
        self._foreign = foreign
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._asked: Asked[bytes, tuple[Principal, float]] = Asked()

    def remembered(self, credential: str) -> Principal | None:
        """The caller, if the credential was verified before and still holds; no waiting."""
        entry = self._entries.get(hashlib.sha256(credential.encode()).digest())
        if entry is None:
            return None
        left = entry.until - time.time()
        if left <= 0:
            return None
        if left < 1 and not entry.asked_again and credential.startswith(API_KEY):
            # One request asks the database again before the end, so that the others need not wait for it.
            entry.asked_again = True
            return None
        return entry.principal

    async def authenticate(self, credential: str) -> Principal:
        """The caller; raises TokenExpired, TokenInvalid, ApiKeyInvalid, or Unavailable when it cannot be found out."""
        if len(credential) > _LONGEST_CREDENTIAL:
            raise TokenInvalid
        key = hashlib.sha256(credential.encode()).digest()
        try:
            principal, until = await self._asked.ask(key, lambda: self._verify(credential))
        except Unauthenticated:
            self._entries.pop(key, None)
            raise
        self._entries[key] = _Entry(principal, until)
        self._entries.move_to_end(key)
        if len(self._entries) > _REMEMBERED:
            self._entries.popitem(last=False)
        return principal

    async def _verify(self, credential: str) -> tuple[Principal, float]:
        if credential.startswith(API_KEY):
            return await self._of_api_key(credential)
        if self._foreign is not None and _issuer_of(credential) == self._foreign.issuer:
            return await self._of_foreign(credential, self._foreign)
        return await self._of_user(credential)

    async def _of_user(self, token: str) -> tuple[Principal, float]:
        claims = await self._tokens.verify(token)
        if claims.tenant is None:
            of_installation = Principal(kind="user", id=claims.user_id, installation_role=claims.installation_role)
            return of_installation, claims.expires_at
        tenant = await self._directory.find(claims.tenant)
        if tenant is None:
            raise TokenInvalid
        principal = Principal(
            kind="user",
            id=claims.user_id,
            tenant_id=tenant.id,
            tenant_slug=tenant.slug,
            tenant_is_test=tenant.is_test,
            role=claims.role,
        )
        return principal, claims.expires_at

    async def _of_api_key(self, key: str) -> tuple[Principal, float]:
        parts = key.split("_", 2)
        if len(parts) != 3 or not parts[1].isalnum():
            raise ApiKeyInvalid
        async with self._database.nobody() as session:
            row = await api_keys.find_api_key_by_prefix(session, parts[1])
        now = wall_now()
        if (
            row is None
            or not same(row.key_hash, token_hash(key))
            or row.revoked_at is not None
            or (row.expires_at is not None and row.expires_at <= now)
        ):
            raise ApiKeyInvalid
        if row.last_used_at is None or row.last_used_at <= now - _USE_NOTED_EVERY:
            async with self._database.tenant(row.tenant_id) as session:
                await api_keys.note_use(session, tenant_id=row.tenant_id, api_key_id=row.id, at=now)
        principal = Principal(
            kind="api_key",
            id=row.id,
            tenant_id=row.tenant_id,
            tenant_slug=row.slug,
            tenant_is_test=row.is_test,
            scopes=frozenset(row.scopes),
            rate_limit=row.rate_limit,
        )
        until = now.timestamp() + API_KEY_REMEMBERED_SECONDS
        return principal, until if row.expires_at is None else min(until, row.expires_at.timestamp())

    async def _of_foreign(self, token: str, issuer: ForeignIssuer) -> tuple[Principal, float]:
        claims = await issuer.verify(token)
        tenant = await self._directory.find(issuer.tenant)
        if tenant is None:
            raise TokenInvalid
        async with self._database.tenant(tenant.id) as session:
            now = await tenant_now(session, tenant.id)
            customer = await ensure_customer(session, tenant_id=tenant.id, external_id=claims.subject, now=now)
        if customer.is_self:
            raise TokenInvalid  # the tenant itself is nobody's token subject
        principal = Principal(
            kind="foreign",
            id=customer.id,
            tenant_id=tenant.id,
            tenant_slug=tenant.slug,
            tenant_is_test=tenant.is_test,
            scopes=FOREIGN_SCOPES,
            customer_id=customer.id,
            customer_external_id=customer.external_id,
        )
        return principal, min(claims.expires_at, time.time() + FOREIGN_REMEMBERED_SECONDS)


def _issuer_of(token: str) -> str | None:
    # Only says whose keys to try; the claim is verified with them.
    try:
        issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
    except jwt.InvalidTokenError:
        return None
    return issuer if isinstance(issuer, str) else None
