"""Documents that somebody else is to believe: signed with the ledger's key, checkable with its public half alone."""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from core.billing.ledger.signing import key_id, load_signing_keys, signing_key_path
from core.foundation.settings import Settings
from core.operations.transfer.errors import SetDamaged, SetForeign

_TAG = b"cloudbill transfer 1\n"


def sign(document: dict[str, Any], key: Ed25519PrivateKey) -> bytes:
    """The document as JSON, one line, its signature inside. Floats have no place in it."""
    content = _canonical(document)
    signature = {
        "key": key_id(key),
        "publicKey": key.public_key().public_bytes_raw().hex(),
        "signature": key.sign(_TAG + content).hex(),
    }
    return _canonical({**document, "signature": signature}) + b"\n"


def read_signed(content: bytes, *, name: str, believed: Iterable[str]) -> dict[str, Any]:
    """The document without its signature, which must be of one of these public keys (64 hexadecimal digits).

    Raises SetDamaged for what was altered, SetForeign for what somebody else signed.
    """
    believed = list(believed)
    try:
        document: dict[str, Any] = orjson.loads(content)
        seal: dict[str, str] = document.pop("signature")
        public, signature = bytes.fromhex(seal["publicKey"]), bytes.fromhex(seal["signature"])
        Ed25519PublicKey.from_public_bytes(public).verify(signature, _TAG + _canonical(document))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SetDamaged(f"{name} is not a signed document: it was cut off, or is something else") from None
    except InvalidSignature:
        raise SetDamaged(f"{name} was altered after it was signed") from None
    if public.hex() not in believed:
        names = ", ".join(public_key_id(one) for one in believed) or "none"
        raise SetForeign(
            f"{name} is signed by the ledger key {public_key_id(public.hex())} ({public.hex()}), which is not believed "
            f"here ({names}): give that installation's LEDGER_SIGNING_KEY to this one, or say with --public-key that "
            "you trust it"
        )
    return document


def own_public_keys(settings: Settings) -> list[str]:
    """Of the ledger's keys that are here; none is made."""
    if settings.ledger_signing_key is None and not signing_key_path(settings).exists():
        return []
    return [key.public_key().public_bytes_raw().hex() for key in load_signing_keys(settings)]


def public_key_id(public_key: str) -> str:
    """What the ledger calls a key: 16 hexadecimal digits."""
    return sha256(bytes.fromhex(public_key)).hexdigest()[:16]


def parse_public_key(text: str) -> str:
    """64 hexadecimal digits, or a file that holds them. Raises ValueError."""
    given = Path(text).read_text(encoding="ascii").strip() if Path(text).is_file() else text.strip()
    if len(bytes.fromhex(given)) != 32:
        raise ValueError(f"{text} is no public key: 64 hexadecimal digits, or a file with them")
    return given.lower()


def _canonical(document: dict[str, Any]) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)
