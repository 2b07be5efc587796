"""The notice after a rollout: one signed POST, in the form of Standard Webhooks (standardwebhooks.com)."""

import base64
import hashlib
import hmac
from datetime import datetime
from typing import Any

import httpx
import orjson
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential, wait_random

from core.foundation.addresses import is_local
from core.operations.rollouts.errors import InvalidRollout, NotTold

ATTEMPTS = 4


class _TryAgain(Exception):
    """An answer that another attempt may better."""


def secret_given(text: str) -> bytes:
    """The key of a `whsec_...` secret, or of any other text, its bytes. Raises InvalidRollout."""
    if not text.startswith("whsec_"):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except ValueError:
        raise InvalidRollout(
            "CLOUDBILL_NOTIFY_SECRET is no base64 after whsec_: take it anew from the receiver"
        ) from None


def signature(key: bytes, *, message_id: str, at: int, body: bytes) -> str:
    """What `webhook-signature` has to be."""
    signed = f"{message_id}.{at}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def tell(
    url: str, *, message_id: str, notice: dict[str, Any], key: bytes | None, now: datetime, wait: float = 1
) -> None:
    """Tries again on no answer, 429 and 5xx; a receiver knows a repeated one by `webhook-id`. Raises NotTold."""
    body, at = orjson.dumps(notice), int(now.timestamp())
    headers = {"content-type": "application/json", "webhook-id": message_id, "webhook-timestamp": str(at)}
    if key is not None:
        headers["webhook-signature"] = signature(key, message_id=message_id, at=at, body=body)

    def post() -> None:
        # A proxy of the environment's leads away from this machine.
        with httpx.Client(timeout=10, trust_env=not is_local(url)) as client:
            answer = client.post(url, content=body, headers=headers)
        if answer.status_code == 429 or answer.status_code >= 500:
            raise _TryAgain(f"it answered {answer.status_code}")
        if not answer.is_success:
            raise NotTold(
                f"the webhook answered {answer.status_code} and will not be asked again: is its address right?"
            )

    try:
        Retrying(
            retry=retry_if_exception_type((_TryAgain, httpx.TransportError)),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential(multiplier=wait, max=20 * wait) + wait_random(0, wait),
            reraise=True,
        )(post)
    except (_TryAgain, httpx.TransportError) as error:
        raise NotTold(f"the webhook did not take the notice in {ATTEMPTS} attempts: {error}") from None
