"""From facts to messages and webhooks: in one transaction with the mark that says it was done."""

from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.notifications import repository
from core.billing.notifications.kinds import KINDS
from core.billing.notifications.people import Recipient, recipients_of
from core.billing.notifications.planning import deciding_slots, overtakes, plan
from core.billing.notifications.restored import REASON, find_release
from core.billing.notifications.webhooks import spreading as webhooks
from core.foundation.ids import new_id
from core.foundation.jobs import defer
from core.foundation.outbox import OutboxEvent

BATCH = 100
LANGUAGE = "en"


async def spread(session: AsyncSession, *, tenant_id: UUID, wall: datetime) -> int:
    """Spreads up to BATCH facts of the tenant, in their order; how many there were."""
    await repository.lock_spreading(session, tenant_id)
    events = await repository.list_waiting(session, tenant_id, limit=BATCH)
    if not events:
        return 0
    chosen = await repository.find_settings(session, tenant_id)
    endpoints = await webhooks.list_listening(session, tenant_id)
    release = await find_release(session)
    for event in events:
        await _tell_people(
            session,
            event,
            sms=bool(chosen and chosen.sms),
            language=chosen.language if chosen else LANGUAGE,
            wall=wall,
            doubted=release is not None and release.doubts(event),
        )
        await webhooks.spread(session, event, endpoints, wall=wall)
        await repository.mark_spread(session, event, at=wall)
    return len(events)


async def _tell_people(
    session: AsyncSession, event: OutboxEvent, *, sms: bool, language: str, wall: datetime, doubted: bool
) -> None:
    if overtakes(event.kind, event.document):
        await repository.supersede_failures(session, event.tenant_id, event.subject_id)
    # What kind of message it could be does not depend on what was told; in which slot it stands does.
    first = plan(event.kind, subject_id=event.subject_id, fact=event.fact, document=event.document, told={})
    if first is None:
        return
    kind = KINDS[first.template]
    people = await recipients_of(
        session,
        tenant_id=event.tenant_id,
        audience=kind.audience,
        customer_id=event.customer_id,
        user_id=_user(event.document),
        subject_id=event.subject_id,
    )
    told = await repository.told(session, event.tenant_id, deciding_slots(event.subject_id))
    for person in people:
        # By whatever channel: a failure that a mail has overtaken is not told by SMS either.
        before = {row.slot: row.template for row in told if row.recipient_id == person.id}
        for channel in ("email", "sms") if sms and kind.sms and person.has_phone else ("email",):
            await _queue(session, event, person, channel, before, language=language, wall=wall, doubted=doubted)


async def _queue(
    session: AsyncSession,
    event: OutboxEvent,
    person: Recipient,
    channel: str,
    told: dict[str, str],
    *,
    language: str,
    wall: datetime,
    doubted: bool,
) -> None:
    planned = plan(event.kind, subject_id=event.subject_id, fact=event.fact, document=event.document, told=told)
    if planned is None or (channel == "sms" and not KINDS[planned.template].sms):
        return
    message_id = await repository.add_message(
        session,
        {
            "tenant_id": event.tenant_id,
            "id": new_id(),
            "event_id": event.id,
            "slot": planned.slot,
            "channel": channel,
            "template": planned.template,
            "language": language,
            "recipient_kind": person.kind,
            "recipient_id": person.id,
            "state": "uncertain" if doubted else "queued",
            "reason": REASON if doubted else None,
            "occurred_at": event.occurred_at,
            "created_at": wall,
        },
    )
    if message_id is not None and not doubted:
        await defer(session, "notifications:send", tenant_id=str(event.tenant_id), message_id=str(message_id))


def _user(document: dict[str, Any]) -> UUID | None:
    found = cast("str | None", document.get("userId"))
    return None if found is None else UUID(found)
