"""Sends webhooks, signed as Stripe signs them, in the background: retried until the endpoint answers with a 2xx."""

import asyncio
import json
import logging
import time
from contextlib import suppress
from datetime import UTC, datetime

import httpx

from core.billing.payments.providers.simulator import deliveries, endpoints
from core.billing.payments.providers.simulator.store import Json, Store
from core.billing.payments.providers.stripe_signature import sign

_LOG = logging.getLogger("cloudbill.stripe_simulator")
_TIMEOUT_SECONDS = 10.0
_IDLE_SECONDS = 1.0


class Sender:
    """Takes due deliveries from the store, in order for each endpoint, endpoints side by side."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._woken = asyncio.Event()
        self._sending = asyncio.Lock()
        self._client = httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False)

    def wake(self) -> None:
        """Something may be due."""
        self._woken.set()

    async def run(self) -> None:
        """Until canceled."""
        try:
            while True:
                self._woken.clear()
                try:
                    sent = await self._send_due()
                except Exception:
                    # A full disk, say: webhooks must go on once it is mended.
                    _LOG.exception("webhooks could not be sent")
                    await asyncio.sleep(_IDLE_SECONDS)
                    continue
                if not sent:
                    await self._wait()
        finally:
            await self._client.aclose()

    async def send_now(self, batch: list[Json]) -> list[Json]:
        """Sends these in just this order, one after the other, and tells what came back."""
        async with self._sending:
            return [await self._send(delivery) for delivery in batch]

    async def _send_due(self) -> int:
        async with self._sending:
            batch = deliveries.find_due(self._store, now=time.time())
            await asyncio.gather(*(self._send_in_order(group) for group in _by_endpoint(batch)))
            return len(batch)

    async def _wait(self) -> None:
        due = deliveries.next_due(self._store)
        pause = _IDLE_SECONDS if due is None else min(_IDLE_SECONDS, max(0.0, due - time.time()))
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), pause)

    async def _send_in_order(self, batch: list[Json]) -> None:
        for delivery in batch:
            await self._send(delivery)

    async def _send(self, delivery: Json) -> Json:
        event = self._store.find("event", delivery["event"])
        endpoint = self._store.find("webhook_endpoint", delivery["endpoint"])
        secret = endpoints.read_secret(self._store, delivery["endpoint"])
        status: int | None = None
        error: str | None = None
        if event is None or endpoint is None or secret is None:
            error = "the event or the endpoint is gone"
        else:
            status, error = await self._post(event, endpoint["url"], secret)
        if error is not None:
            _LOG.info("webhook %s of %s not delivered: %s", delivery["id"], delivery["event"], error)
        deliveries.record(self._store, delivery, status=status, error=error, now=time.time())
        return {"event": delivery["event"], "endpoint": delivery["endpoint"], "status": status, "error": error}

    async def _post(self, event: Json, url: str, secret: str) -> tuple[int | None, str | None]:
        body = json.dumps(event, indent=2).encode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": sign(body, secret=secret, at=datetime.now(UTC)),
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        try:
            response = await self._client.post(url, content=body, headers=headers)
        except Exception as failure:  # whatever an odd address may raise, the others are still sent
            return None, type(failure).__name__
        # A redirect is not followed: it counts as a failure, as at Stripe.
        return response.status_code, None if response.is_success else f"HTTP {response.status_code}"


def _by_endpoint(batch: list[Json]) -> list[list[Json]]:
    groups: dict[str, list[Json]] = {}
    for delivery in batch:
        groups.setdefault(delivery["endpoint"], []).append(delivery)
    return list(groups.values())
