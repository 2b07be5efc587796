"""Endpoints: made, changed, tested, disabled; what they missed is replayed."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.notifications.webhooks import repository, spreading
from core.billing.notifications.webhooks.addresses import AddressUnknown, locate
from core.billing.notifications.webhooks.errors import (
    DeliveryNotFound,
    TooManyWebhooks,
    WebhookAddressRefused,
    WebhookDisabled,
    WebhookNotFound,
)
from core.billing.notifications.webhooks.models import WebhookDelivery, WebhookEndpoint
from core.billing.notifications.webhooks.signing import new_secret
from core.foundation.crypto import Sealer
from core.foundation.errors import InvalidInput
from core.foundation.ids import new_id
from core.foundation.outbox import KINDS, tell
from core.foundation.settings import Settings
from core.identity.access import Principal
from core.identity.tenants.auditing import record

MOST_ENDPOINTS = 20
LONGEST_REPLAY = timedelta(days=90)


async def check_address(settings: Settings, url: str) -> None:
    """Raises WebhookAddressRefused. Looks the name up: to be called with no transaction open."""
    try:
        await locate(url, private=settings.webhooks_allow_private)
    except AddressUnknown as error:
        raise WebhookAddressRefused(f"{error}. Give the name of a server that is there.") from None


def check_kinds(kinds: Sequence[str]) -> list[str]:
    """The kinds, each once. Raises InvalidInput."""
    known = [kind for kind in KINDS if kind != spreading.TEST]
    for kind in kinds:
        if kind not in known:
            raise InvalidInput("kinds", f"must name facts such as invoice.paid; there are: {', '.join(known)}")
    return sorted(set(kinds))


async def create_endpoint(
    session: AsyncSession,
    settings: Settings,
    *,
    tenant_id: UUID,
    url: str,
    description: str | None,
    kinds: Sequence[str],
    actor: Principal,
    wall: datetime,
    now: datetime,
) -> tuple[WebhookEndpoint, str]:
    """The endpoint and its secret, which is shown this once. The address has been checked."""
    if await repository.count_endpoints(session, tenant_id) >= MOST_ENDPOINTS:
        raise TooManyWebhooks(f"A tenant has at most {MOST_ENDPOINTS} endpoints. Delete one first.")
    secret = new_secret()
    row = WebhookEndpoint(
        tenant_id=tenant_id,
        id=new_id(),
        url=url,
        description=description,
        kinds=check_kinds(kinds),
        state="active",
        secret=Sealer(settings).seal(secret.encode()),
        created_at=wall,
    )
    session.add(row)
    _audit(session, row, "webhook.created", actor, now)
    await session.flush()
    return row, secret


async def get_endpoint(
    session: AsyncSession, tenant_id: UUID, endpoint_id: UUID, *, locked: bool = False
) -> WebhookEndpoint:
    """Raises WebhookNotFound."""
    row = await repository.find_endpoint(session, tenant_id, endpoint_id, locked=locked)
    if row is None:
        raise WebhookNotFound
    return row


async def change_endpoint(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    endpoint_id: UUID,
    changes: dict[str, Any],
    actor: Principal,
    wall: datetime,
    now: datetime,
) -> WebhookEndpoint:
    """Url (checked before), description, kinds, state. What a disabled endpoint missed is for a replay."""
    row = await get_endpoint(session, tenant_id, endpoint_id, locked=True)
    if "kinds" in changes:
        changes = {**changes, "kinds": check_kinds(changes["kinds"])}
    state = changes.get("state")
    if state == "disabled" and row.state == "active":
        row.disabled_reason = "by hand"
        await repository.cancel_pending(session, tenant_id, endpoint_id, at=wall)
    if state == "active":
        row.disabled_reason, row.failing_since = None, None
    for name, value in changes.items():
        setattr(row, name, value)
    _audit(session, row, "webhook.changed", actor, now, changed=sorted(changes))
    await session.flush()
    return row


async def delete_endpoint(
    session: AsyncSession, *, tenant_id: UUID, endpoint_id: UUID, actor: Principal, wall: datetime, now: datetime
) -> None:
    """It gets nothing more; its log stays."""
    row = await get_endpoint(session, tenant_id, endpoint_id, locked=True)
    row.state = "deleted"
    await repository.cancel_pending(session, tenant_id, endpoint_id, at=wall)
    _audit(session, row, "webhook.deleted", actor, now)


async def rotate_secret(
    session: AsyncSession,
    settings: Settings,
    *,
    tenant_id: UUID,
    endpoint_id: UUID,
    overlap: timedelta,
    actor: Principal,
    wall: datetime,
    now: datetime,
) -> tuple[WebhookEndpoint, str]:
    """A new secret, shown this once; until `overlap` is over, calls are signed with the former one, too."""
    row = await get_endpoint(session, tenant_id, endpoint_id, locked=True)
    secret = new_secret()
    row.former_secret, row.former_until = (row.secret, wall + overlap) if overlap else (None, None)
    row.secret = Sealer(settings).seal(secret.encode())
    _audit(session, row, "webhook.secret_rotated", actor, now)
    await session.flush()
    return row, secret


async def send_test(session: AsyncSession, *, tenant_id: UUID, endpoint_id: UUID, now: datetime) -> UUID:
    """Sends a test to the endpoint, whatever it listens to; what identifies it. Raises WebhookDisabled."""
    row = await get_endpoint(session, tenant_id, endpoint_id)
    if row.state != "active":
        raise WebhookDisabled
    test_id = new_id()
    await tell(
        session,
        tenant_id=tenant_id,
        kind=spreading.TEST,
        subject_id=row.id,
        fact=str(test_id),
        occurred_at=now,
        document={"testId": str(test_id), "webhookId": str(row.id)},
    )
    return test_id


async def replay_one(session: AsyncSession, *, tenant_id: UUID, delivery_id: UUID) -> WebhookDelivery:
    """Sends a delivery again, under the same `webhook-id`; one that waits is left as it is."""
    found = await repository.find_delivery(session, tenant_id, delivery_id, locked=True)
    if found is None:
        raise DeliveryNotFound
    delivery, _, endpoint = found
    if endpoint.state != "active":
        raise WebhookDisabled
    if delivery.state != "pending":
        delivery.state, delivery.failures, delivery.closed_at, delivery.next_attempt_at = "pending", 0, None, None
        await session.flush()
        await spreading.call_soon(session, tenant_id, delivery.id)
    return delivery


async def replay_since(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    endpoint_id: UUID,
    since: datetime,
    undelivered_only: bool,
    wall: datetime,
) -> int:
    """Sends what the endpoint was told, or would have been, of facts recorded since then; how many."""
    endpoint = await get_endpoint(session, tenant_id, endpoint_id)
    if endpoint.state != "active":
        raise WebhookDisabled
    if wall - since > LONGEST_REPLAY:
        raise InvalidInput("since", f"must lie within the last {LONGEST_REPLAY.days} days")
    replayed, after = 0, None
    while facts := await repository.list_facts_since(
        session, tenant_id, kinds=endpoint.kinds, since=since, after=after
    ):
        replayed += await repository.reopen(
            session, tenant_id, endpoint_id, [fact.id for fact in facts], undelivered_only=undelivered_only
        )
        for fact in facts:
            replayed += await spreading.spread(session, fact, [endpoint], wall=wall, calls=False)
        after = (facts[-1].recorded_at, facts[-1].id)
    for delivery_id in await repository.list_heads(session, tenant_id, endpoint_id):
        await spreading.call_soon(session, tenant_id, delivery_id)
    return replayed


def _audit(
    session: AsyncSession, row: WebhookEndpoint, action: str, actor: Principal, now: datetime, **details: Any
) -> None:
    record(
        session,
        tenant_id=row.tenant_id,
        actor=actor,
        action=action,
        subject=str(row.id),
        details=details,
        occurred_at=now,
    )
