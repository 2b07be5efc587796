"""Hashes, random tokens and the key that encrypts what must be readable again."""

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Any

import orjson
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from core.foundation.settings import Settings, SettingsInvalid


def digest(content: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(content).digest()


def input_hash(document: Any) -> bytes:
    """SHA-256 of a JSON document with sorted keys: equal inputs have equal hashes."""
    return digest(orjson.dumps(document, option=orjson.OPT_SORT_KEYS))


def random_token(prefix: str, nbytes: int = 32) -> str:
    """An unguessable token that can be recognized by its prefix."""
    return f"{prefix}{secrets.token_urlsafe(nbytes)}"


def token_hash(token: str) -> bytes:
    """What is stored of a random token: it has too much entropy to be guessed from its hash."""
    return digest(token.encode())


def same(first: bytes, second: bytes) -> bool:
    """Equality in constant time."""
    return hmac.compare_digest(first, second)


def new_encryption_key() -> str:
    """A fresh key for ENCRYPTION_KEY."""
    return Fernet.generate_key().decode()


class Sealer:
    """Encrypts and decrypts under ENCRYPTION_KEY; the first of several comma-separated keys encrypts (rotation)."""

    def __init__(self, settings: Settings) -> None:
        if settings.encryption_key is None:
            raise SettingsInvalid("ENCRYPTION_KEY is not set: give the output of `cloudbill keys generate`")
        try:
            keys = [Fernet(key.strip()) for key in settings.encryption_key.get_secret_value().split(",")]
        except ValueError:
            raise SettingsInvalid("ENCRYPTION_KEY must be 32 random bytes in URL-safe base64") from None
        self._fernet = MultiFernet(keys)

    def seal(self, content: bytes) -> bytes:
        """Encrypted and authenticated."""
        return self._fernet.encrypt(content)

    def open(self, sealed: bytes) -> bytes:
        """The content; raises SettingsInvalid when no known key fits."""
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            raise SettingsInvalid("ENCRYPTION_KEY does not fit what the database holds; add the former key") from None

    def open_if_ours(self, sealed: bytes) -> bytes | None:
        """What we sealed and somebody else kept; None for anything else."""
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            return None

    def open_fresh(self, sealed: bytes, *, within_seconds: int) -> bytes | None:
        """What we sealed that short a time ago and somebody else kept; None for anything else."""
        try:
            return self._fernet.decrypt(sealed, ttl=within_seconds)
        except InvalidToken:
            return None


def read_or_create_secret(path: Path, make: Any) -> str:
    """A secret kept in a file of mode 0600, made at first use; one of two racing starts wins and both read it."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(make())
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
        return path.read_text().strip()


def base64url(content: bytes) -> str:
    """Unpadded URL-safe base64."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
