"""The keys that sign access tokens (RS256), and their rotation.

A key signs until it is replaced and verifies until the last token it signed has expired, so a rotation signs nobody
out. Every process reads the keys anew from time to time; between a rotation and the end of the old key's signing lies
more than that time, so that no process signs with a key that others take for finished.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import jwt.algorithms
import psycopg
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from core.foundation.clock import wall_now
from core.foundation.crypto import Sealer, base64url, digest
from core.foundation.database import Database
from core.foundation.errors import Unavailable
from core.identity.tokens import repository

OLD_KEY_SIGNS_FOR = timedelta(minutes=2)
_READ_EVERY_SECONDS = 30
_READ_AT_MOST_EVERY_SECONDS = 1
_MARGIN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair as this process uses it; `signs_until` and `verifies_until` are None for the newest."""

    id: str
    public: RSAPublicKey
    private_pem_encrypted: bytes
    signs_until: datetime | None
    verifies_until: datetime | None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key pair as it is stored; the private half is encrypted under ENCRYPTION_KEY."""

    id: str
    public_pem: str
    private_pem_encrypted: bytes


def generate_key(sealer: Sealer) -> NewKey:
    """A new RSA key of 2048 bits; takes up to a second."""
    private = generate_private_key(public_exponent=65537, key_size=2048)
    public = private.public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return NewKey(
        id=base64url(digest(der))[:16],
        public_pem=public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        private_pem_encrypted=sealer.seal(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())),
    )


class KeyRing:
    """The signing keys as this process knows them."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer
        self._keys: dict[str, SigningKey] = {}
        self._private: dict[str, RSAPrivateKey] = {}
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def open(self) -> None:
        """Reads the keys; makes the first one where there is none."""
        await self._read(younger_than=0)
        if await self._find_signing(wall_now()) is None:
            made = await asyncio.to_thread(generate_key, self._sealer)
            async with self._database.nobody() as session:
                await repository.create_first_signing_key(
                    session,
                    key_id=made.id,
                    public_pem=made.public_pem,
                    private_pem_encrypted=made.private_pem_encrypted,
                )
            await self._read(younger_than=0)
        await self.signing(wall_now())

    async def signing(self, now: datetime) -> tuple[str, RSAPrivateKey]:
        """Id and private half of the newest key."""
        await self._read(younger_than=_READ_EVERY_SECONDS)
        key = await self._find_signing(now)
        if key is None:
            raise Unavailable("No key signs tokens. Run `cloudbill keys rotate`.")
        private = self._private.get(key.id)
        if private is None:
            pem = self._sealer.open(key.private_pem_encrypted)
            private = self._private[key.id] = cast("RSAPrivateKey", load_pem_private_key(pem, None))
        return key.id, private

    async def find_verifying(self, key_id: str, now: datetime) -> RSAPublicKey | None:
        """The public half of a key whose tokens still hold; an unknown id may be another process's new key."""
        key = self._keys.get(key_id)
        if key is None:
            await self._read(younger_than=_READ_AT_MOST_EVERY_SECONDS)
            key = self._keys.get(key_id)
        if key is None or (key.verifies_until is not None and key.verifies_until <= now):
            return None
        return key.public

    async def published(self, now: datetime) -> list[dict[str, Any]]:
        """The public halves as a JWK set's keys (RFC 7517), newest first."""
        await self._read(younger_than=_READ_AT_MOST_EVERY_SECONDS)
        return [
            {
                **jwt.algorithms.RSAAlgorithm.to_jwk(key.public, as_dict=True),
                "kid": key.id,
                "use": "sig",
                "alg": "RS256",
                "key_ops": ["verify"],
            }
            for key in self._keys.values()
            if key.verifies_until is None or key.verifies_until > now
        ]

    async def _find_signing(self, now: datetime) -> SigningKey | None:
        return next((key for key in self._keys.values() if key.signs_until is None or key.signs_until > now), None)

    async def _read(self, *, younger_than: float) -> None:
        if time.monotonic() - self._read_at < younger_than:
            return
        async with self._reading:
            if time.monotonic() - self._read_at < younger_than:
                return
            async with self._database.nobody() as session:
                rows = await repository.list_signing_keys(session)
            self._keys = {
                row.id: SigningKey(
                    row.id,
                    cast("RSAPublicKey", load_pem_public_key(row.public_pem.encode())),
                    row.private_pem_encrypted,
                    row.signs_until,
                    row.verifies_until,
                )
                for row in rows
            }
            self._private = {key_id: key for key_id, key in self._private.items() if key_id in self._keys}
            self._read_at = time.monotonic()


def rotate(owner_url: str, sealer: Sealer, *, now: datetime, access_token_life: timedelta) -> str:
    """Adds a key as the owner and lets the former ones end; the new key's id. Keys long finished are deleted."""
    made = generate_key(sealer)
    signs_until = now + OLD_KEY_SIGNS_FOR
    with psycopg.connect(owner_url, connect_timeout=10) as connection:
        connection.execute(
            "UPDATE signing_keys SET signs_until = %s, verifies_until = %s WHERE signs_until IS NULL",
            [signs_until, signs_until + access_token_life + _MARGIN],
        )
        connection.execute(
            "INSERT INTO signing_keys (id, public_pem, private_pem_encrypted, created_at) VALUES (%s, %s, %s, %s)",
            [made.id, made.public_pem, made.private_pem_encrypted, now],
        )
        connection.execute("DELETE FROM signing_keys WHERE verifies_until < %s", [now - timedelta(days=1)])
    return made.id
