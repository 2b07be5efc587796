"""Signatures as Standard Webhooks says: HMAC-SHA256 over id, time and body, under each secret that holds now."""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime

_PREFIX = "whsec_"


def new_secret() -> str:
    """A fresh secret: 32 random bytes, in the form that Standard Webhooks' libraries read."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def headers(message_id: str, body: bytes, *, at: datetime, keys: Sequence[str]) -> dict[str, str]:
    """The three headers of a call; several secrets give several signatures, of which one has to fit."""
    seconds = str(int(at.timestamp()))
    signed = b".".join((message_id.encode(), seconds.encode(), body))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": seconds,
        "webhook-signature": " ".join(f"v1,{_sign(key, signed)}" for key in keys),
    }


def _sign(secret: str, signed: bytes) -> str:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("a secret that we did not make") from None
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
