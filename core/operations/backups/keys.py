"""The keys of backups: age's X25519 keys that seal and open them, and the Ed25519 key that signs the catalogue.

They lie in `backup-keys` of CLOUDBILL_HOME, apart from the servers' secrets, so that `reset` leaves them. What writes
needs the public key only: with BACKUP_RECIPIENTS given, no private key is made here, and a restore is told where it is.
"""

import hashlib
import os
from dataclasses import dataclass
from typing import Any, cast

import pyrage  # pyright: ignore[reportMissingTypeStubs]  # it carries no types
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from core.foundation.crypto import read_or_create_secret
from core.foundation.settings import Settings, SettingsInvalid
from core.operations.backups.errors import KeyMissing

AGE = cast("Any", pyrage)


def name_of(public_key: str) -> str:
    """What a key is called in catalogue and messages: 16 hexadecimal digits."""
    return hashlib.sha256(public_key.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Opening:
    """A private key that opens backups."""

    identity: Any
    public_key: str

    @property
    def name(self) -> str:
        """What it is called."""
        return name_of(self.public_key)


class Keys:
    """The keys of this installation's backups."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.cloudbill_home.absolute() / "backup-keys"
        self.identity_path = settings.backup_identity_path or self.folder / "identity.txt"
        self._given = settings.backup_recipients

    def recipients(self) -> list[str]:
        """The public keys that backups are sealed to; our own is made at first use. Raises SettingsInvalid."""
        for given in self._given:
            try:
                AGE.x25519.Recipient.from_str(given)
            except Exception:
                raise SettingsInvalid(
                    f"BACKUP_RECIPIENTS: {given[:16]}… is no age public key: it must look like age1…, as "
                    "`cloudbill backup key` or `age-keygen` prints it"
                ) from None
        if self._given:
            return list(self._given)
        self._make()
        return [opening.public_key for opening in self.openings()[:1]]

    def openings(self) -> list[Opening]:
        """The private keys that are here. Raises KeyMissing, SettingsInvalid."""
        try:
            lines = self.identity_path.read_text(encoding="ascii").splitlines()
        except FileNotFoundError:
            raise KeyMissing(
                f"there is no private key in {self.identity_path}: put it there, or name its file with --identity "
                "or BACKUP_IDENTITY_PATH"
            ) from None
        except UnicodeDecodeError:
            lines = ["?"]
        found: list[Opening] = []
        for line in lines:
            if not line.strip() or line.startswith("#"):
                continue
            try:
                identity = AGE.x25519.Identity.from_str(line.strip())
            except Exception:
                raise SettingsInvalid(
                    f"{self.identity_path} holds no age private key: its lines must be AGE-SECRET-KEY-1…"
                ) from None
            found.append(Opening(identity, str(identity.to_public())))
        if not found:
            raise KeyMissing(f"{self.identity_path} is empty: put the private key of the backups there")
        return found

    def signer(self) -> Ed25519PrivateKey:
        """The key that signs the catalogue, made at first use."""
        secret = read_or_create_secret(self.folder / "signing.key", lambda: os.urandom(32).hex())
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret))

    def trusted(self) -> bytes | None:
        """The public half, by which catalogues are believed; None on a machine that never signed one."""
        return self.signer().public_key().public_bytes_raw() if (self.folder / "signing.key").exists() else None

    def _make(self) -> None:
        if self.identity_path.exists():
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

        def fresh() -> str:
            identity = AGE.x25519.Identity.generate()
            return f"# public key: {identity.to_public()}\n{identity}\n"

        read_or_create_secret(self.identity_path, fresh)


def recipient(public_key: str) -> Any:
    """As pyrage wants it."""
    return AGE.x25519.Recipient.from_str(public_key)


def signed_by(public_key: bytes, signature: bytes, content: bytes) -> bool:
    """Whether the signature is of that key over that content."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, content)
    except (InvalidSignature, ValueError):
        return False
    return True
