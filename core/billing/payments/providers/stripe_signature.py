"""Stripe's webhook signature: HMAC-SHA256 over "timestamp.body", in the header `Stripe-Signature: t=...,v1=...`.

Source: docs.stripe.com/webhooks#verify-manually. Our own instead of the library's, which asks the clock itself and
takes one secret only; while a secret is rolled, two are valid.
"""

import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta

from core.billing.payments.providers.errors import InvalidSignature

TOLERANCE = timedelta(minutes=5)
"""How old a signature may be. A replay within it is harmless: an event is stored once."""

_MAX_SIGNATURES = 16


def sign(body: bytes, *, secret: str, at: datetime) -> str:
    """The header's value for `body` at the instant `at` (whole seconds)."""
    seconds = int(at.timestamp())
    return f"t={seconds},v1={_digest(body, secret=secret, seconds=str(seconds))}"


def verify(body: bytes, *, header: str | None, secrets: Sequence[str], now: datetime) -> None:
    """Raises InvalidSignature unless one of `secrets` signed exactly these bytes within the tolerance before `now`."""
    if not header:
        raise InvalidSignature("The Stripe-Signature header is missing.")
    usable = [secret for secret in secrets if secret.strip()]
    if not usable:
        raise InvalidSignature("No webhook secret is set: give STRIPE_WEBHOOK_SECRET.")
    seconds, signatures = _read(header)
    matches = False
    for secret in usable:
        expected = _digest(body, secret=secret, seconds=seconds)
        for signature in signatures:
            matches |= hmac.compare_digest(expected.encode(), signature.encode())
    if not matches:
        raise InvalidSignature("No signature matches the body. Is STRIPE_WEBHOOK_SECRET that of this endpoint?")
    if int(seconds) < now.timestamp() - TOLERANCE.total_seconds():
        raise InvalidSignature("The signature is older than five minutes.")


def _read(header: str) -> tuple[str, list[str]]:
    seconds: str | None = None
    signatures: list[str] = []
    for part in header.split(","):
        scheme, _, value = part.strip().partition("=")
        if scheme == "t":
            seconds = value
        elif scheme == "v1":
            signatures.append(value)
    # The timestamp goes into the signed text as it stands: only the form that Stripe writes is taken.
    if seconds is None or not (seconds.isascii() and seconds.isdigit() and len(seconds) <= 12) or not signatures:
        raise InvalidSignature("The Stripe-Signature header cannot be read.")
    return seconds, signatures[:_MAX_SIGNATURES]


def _digest(body: bytes, *, secret: str, seconds: str) -> str:
    return hmac.digest(secret.encode(), seconds.encode() + b"." + body, "sha256").hex()
