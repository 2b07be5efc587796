"""The Ed25519 key that signs the ledger's heads: LEDGER_SIGNING_KEY, or a file beside the heads, made at first use."""

import base64
import hashlib
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.foundation.crypto import read_or_create_secret
from core.foundation.settings import Settings, SettingsInvalid


def load_signing_keys(settings: Settings) -> list[Ed25519PrivateKey]:
    """The key that signs, then the former ones that are still believed.

    LEDGER_SIGNING_KEY: one or more comma-separated seeds of 32 bytes in URL-safe base64. Raises SettingsInvalid when
    one is malformed, or when heads exist whose key file is gone: a new key would not fit them.
    """
    if settings.ledger_signing_key is not None:
        return [_key(seed.strip()) for seed in settings.ledger_signing_key.get_secret_value().split(",")]
    path = signing_key_path(settings)
    if not path.exists() and any(settings.heads_path.glob("*.head")):
        raise SettingsInvalid(
            f"{path} is gone, and the heads in {settings.heads_path} were signed with it: restore it, "
            "or give the key as LEDGER_SIGNING_KEY"
        )
    return [_key(read_or_create_secret(path, _new_seed))]


def signing_key_path(settings: Settings) -> Path:
    """Where the key lies that we made ourselves: beside the folder of the heads, not in it."""
    return settings.heads_path.with_name(f"{settings.heads_path.name}.key")


def key_id(key: Ed25519PrivateKey) -> str:
    """The first 16 hexadecimal digits of the public key's SHA-256."""
    return hashlib.sha256(key.public_key().public_bytes_raw()).hexdigest()[:16]


def _new_seed() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def _key(seed: str) -> Ed25519PrivateKey:
    try:
        return Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(seed + "=" * (-len(seed) % 4)))
    except ValueError:
        raise SettingsInvalid("LEDGER_SIGNING_KEY must be 32 random bytes in URL-safe base64") from None
