"""Calling a tenant's endpoint: at least once, under one `webhook-id`, in order for each object.

A delivery whose turn it is not is left alone: the one before it calls it when it ends. What fails is tried again over
three days; an endpoint at which nothing has worked for five is disabled, and the tenant is told.
"""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Any
from uuid import UUID

import httpx
import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.notifications.metrics import WEBHOOK_CALLS, WEBHOOK_SECONDS
from core.billing.notifications.webhooks import repository
from core.billing.notifications.webhooks.addresses import AddressUnknown, Target, locate
from core.billing.notifications.webhooks.errors import WebhookAddressRefused
from core.billing.notifications.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from core.billing.notifications.webhooks.signing import headers
from core.billing.notifications.webhooks.spreading import call_soon
from core.foundation.clock import tenant_now, wall_now
from core.foundation.crypto import Sealer
from core.foundation.outbox import OutboxEvent, tell
from core.foundation.runtime import Runtime
from core.identity.tenants.repository import is_erased

WAITS = tuple(
    timedelta(seconds=seconds) for seconds in (5, 30, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
"""Between one attempt and the next: eleven attempts in three days, about."""
DISABLED_AFTER = timedelta(days=5)
TIMEOUT_SECONDS = 15
LONGEST_ANSWER = 1_000
_CLOCKS_DIFFER = timedelta(seconds=2)
"""The queue goes by the database's clock, this process by its own."""
_GONE = 410
_REDIRECT = "redirects are not followed: give the endpoint the address that it leads to"
_RANDOM = SystemRandom()


@dataclass(frozen=True, slots=True)
class Ready:
    """A call as it is made."""

    url: str
    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Answered:
    """How a call ended."""

    at: datetime
    milliseconds: int
    status: int | None = None
    error: str | None = None
    answer: str | None = None

    @property
    def is_taken(self) -> bool:
        """2xx, and nothing else."""
        return self.status is not None and 200 <= self.status < 300


async def deliver(runtime: Runtime, *, tenant_id: UUID, delivery_id: UUID) -> None:
    """Calls once and notes how it ended, with the next attempt or the next of the object."""
    async with runtime.database.tenant(tenant_id) as session:
        ready = await _prepare(session, runtime, tenant_id, delivery_id)
    if ready is None:
        return
    answered = await _call(ready, private=runtime.settings.webhooks_allow_private)
    WEBHOOK_CALLS.labels("delivered" if answered.is_taken else "failed").inc()
    WEBHOOK_SECONDS.observe(answered.milliseconds / 1000)
    async with runtime.database.tenant(tenant_id) as session:
        await _note(session, tenant_id, delivery_id, answered)


def body_of(event: OutboxEvent) -> bytes:
    """What is sent of a fact: the same bytes at every attempt."""
    data = {**event.document, "subjectId": str(event.subject_id)}
    if event.customer_id is not None:
        data.setdefault("customerId", str(event.customer_id))
    at = event.occurred_at.isoformat().replace("+00:00", "Z")
    document = {"id": str(event.id), "type": event.kind, "timestamp": at, "data": data}
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


async def _prepare(session: AsyncSession, runtime: Runtime, tenant_id: UUID, delivery_id: UUID) -> Ready | None:
    found = await repository.find_delivery(session, tenant_id, delivery_id)
    if found is None:
        return None
    delivery, event, endpoint = found
    now = wall_now()
    if delivery.state != "pending" or endpoint.state != "active":
        return None
    if delivery.next_attempt_at is not None and delivery.next_attempt_at > now + _CLOCKS_DIFFER:
        return None  # a job of an earlier plan; the one of this plan comes then
    first = await repository.first_pending(session, tenant_id, endpoint_id=endpoint.id, subject_id=delivery.subject_id)
    if first is not None and first.id != delivery.id:
        return None
    body = body_of(event)
    signed = headers(str(event.id), body, at=now, keys=_keys(runtime, endpoint, now))
    return Ready(
        endpoint.url, body, {**signed, "content-type": "application/json", "user-agent": "CloudBill-Webhooks/1"}
    )


def _keys(runtime: Runtime, endpoint: WebhookEndpoint, now: datetime) -> list[str]:
    sealer = Sealer(runtime.settings)
    keys = [sealer.open(endpoint.secret).decode()]
    if endpoint.former_secret is not None and endpoint.former_until is not None and endpoint.former_until > now:
        keys.append(sealer.open(endpoint.former_secret).decode())
    return keys


async def _call(ready: Ready, *, private: bool) -> Answered:
    at, began = wall_now(), time.monotonic()

    def ended(**how: Any) -> Answered:
        return Answered(at, int((time.monotonic() - began) * 1000), **how)

    try:
        target = await locate(ready.url, private=private)
        status, answer = await _post(target, ready)
    except AddressUnknown as error:
        return ended(error=str(error))
    except WebhookAddressRefused as error:
        return ended(error=f"{error.code}: {error.detail}")
    except (TimeoutError, httpx.TimeoutException):
        return ended(error=f"no answer within {TIMEOUT_SECONDS} s")
    except httpx.RemoteProtocolError as error:
        # What follows the colon repeats what came back, which is no answer that is kept and emptied as one.
        return ended(error=f"not an answer in HTTP: {str(error).partition(':')[0]}")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return ended(error=f"{type(error).__name__}: {error}"[:300])
    # A redirect is told as what it is: the log would show a status and no reason.
    return ended(status=status, answer=answer, error=_REDIRECT if 300 <= status < 400 else None)


async def _post(target: Target, ready: Ready) -> tuple[int, str]:
    # No proxy of the environment's: it would look the name up by itself.
    async with httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=TIMEOUT_SECONDS) as client:
        request = client.build_request(
            "POST",
            target.url,
            content=ready.body,
            headers={**ready.headers, "host": target.authority},
            extensions={"sni_hostname": target.host},
        )
        async with asyncio.timeout(TIMEOUT_SECONDS) as allowed:
            answer = await client.send(request, stream=True)
        return answer.status_code, await _beginning(answer, until=allowed.when())


async def _beginning(answer: httpx.Response, *, until: float | None) -> str:
    """The first of what was answered, for the log. The status has decided; a body that breaks off changes nothing."""
    kept = bytearray()
    with contextlib.suppress(httpx.HTTPError, TimeoutError):
        try:
            async with asyncio.timeout_at(until):
                async for part in answer.aiter_raw():
                    kept += part
                    if len(kept) >= LONGEST_ANSWER:
                        break
        finally:
            await answer.aclose()
    return bytes(kept[:LONGEST_ANSWER]).decode("utf-8", "replace").replace("\0", "\ufffd")


async def _note(session: AsyncSession, tenant_id: UUID, delivery_id: UUID, answered: Answered) -> None:
    found = await repository.find_delivery(session, tenant_id, delivery_id, locked=True)
    assert found is not None
    delivery, event, _ = found
    forgotten = event.customer_id is not None and await is_erased(session, tenant_id, event.customer_id)
    endpoint = await repository.find_endpoint(session, tenant_id, delivery.endpoint_id, locked=True)
    delivery.attempts += 1
    session.add(
        WebhookAttempt(
            tenant_id=tenant_id,
            delivery_id=delivery.id,
            number=delivery.attempts,
            attempted_at=answered.at,
            milliseconds=answered.milliseconds,
            status=answered.status,
            error=answered.error,
            # What an endpoint says about somebody who was erased may repeat a name.
            answer=None if forgotten else answered.answer,
        )
    )
    delivery.last_status, delivery.last_error = answered.status, answered.error
    if delivery.state != "pending":
        return  # called twice at once, or canceled meanwhile
    now = wall_now()
    if answered.is_taken:
        _close(delivery, "delivered", now)
        if endpoint is not None:
            endpoint.failing_since = None
    else:
        delivery.failures += 1
        if endpoint is not None and endpoint.state == "active":
            endpoint.failing_since = endpoint.failing_since or answered.at
        if delivery.failures > len(WAITS):
            _close(delivery, "failed", now)
        else:
            wait = WAITS[delivery.failures - 1] * _RANDOM.uniform(0.9, 1.2)
            delivery.next_attempt_at = now + wait
            await call_soon(session, tenant_id, delivery.id, at=delivery.next_attempt_at)
    await session.flush()
    if endpoint is not None and _is_lost(endpoint, answered, now):
        await _disable(session, endpoint, answered, now)
        return
    if delivery.state != "pending":
        following = await repository.first_pending(
            session, tenant_id, endpoint_id=delivery.endpoint_id, subject_id=delivery.subject_id
        )
        if following is not None:
            following.next_attempt_at = now
            await call_soon(session, tenant_id, following.id)


def _close(delivery: WebhookDelivery, state: str, now: datetime) -> None:
    delivery.state, delivery.closed_at, delivery.next_attempt_at = state, now, None


def _is_lost(endpoint: WebhookEndpoint, answered: Answered, now: datetime) -> bool:
    if endpoint.state != "active" or answered.is_taken:
        return False
    long = endpoint.failing_since is not None and now - endpoint.failing_since > DISABLED_AFTER
    return answered.status == _GONE or long


async def _disable(session: AsyncSession, endpoint: WebhookEndpoint, answered: Answered, now: datetime) -> None:
    endpoint.state = "disabled"
    endpoint.disabled_reason = (
        "it answered 410 Gone" if answered.status == _GONE else f"nothing has worked since {endpoint.failing_since}"
    )
    await session.flush()
    await repository.cancel_pending(session, endpoint.tenant_id, endpoint.id, at=now)
    await tell(
        session,
        tenant_id=endpoint.tenant_id,
        kind="webhook.endpoint_disabled",
        subject_id=endpoint.id,
        fact=now.isoformat(),
        occurred_at=await tenant_now(session, endpoint.tenant_id),
        document={"webhookId": str(endpoint.id), "reason": endpoint.disabled_reason},
    )
