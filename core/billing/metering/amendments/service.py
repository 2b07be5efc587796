"""Events are corrected by what is said of them afterwards, never edited: every line says who, why and when.

Both ways hold the tenant's definitions alone, so that no batch adds to an hour while it is counted anew.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.metering.amendments.errors import (
    BackfillNotFound,
    BackfillReverted,
    EventCounts,
    EventDoesNotCount,
    EventsRefused,
)
from core.billing.metering.amendments.schemas import AmendmentAnswer, UsageChange
from core.billing.metering.events import repository as events
from core.billing.metering.events import service as ingestion
from core.billing.metering.events import storing
from core.billing.metering.events.errors import MeteredEventNotFound
from core.billing.metering.events.reading import Event, Refusal, read_batch
from core.billing.metering.events.recount import recount_hours
from core.billing.metering.events.service import Prepared, Stored
from core.billing.metering.events.tallies import hour_of
from core.billing.metering.meters.definitions import Definition, Definitions
from core.billing.metering.meters.repository import load_definitions, lock_definitions
from core.billing.metering.models import UsageBackfill, UsageCorrection
from core.billing.metering.usage.quantities import parts_of, shown
from core.foundation.database import driver_connection
from core.foundation.errors import InvalidInput
from core.foundation.ids import new_id
from core.foundation.schemas import dump


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who changes a tenant's usage, why, and when by the tenant's clock."""

    id: UUID
    reason: str
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A backfill as it was applied; `backfill_id` is None in a preview."""

    backfill_id: UUID | None
    events: int
    duplicates: int
    changes: list[UsageChange]


@dataclass(frozen=True, slots=True, order=True)
class _Month:
    """What a backfill may change: a meter of a customer in a month (UTC)."""

    customer_id: str
    meter_id: str
    start: datetime
    end: datetime


async def amend(
    session: AsyncSession,
    event_id: UUID,
    *,
    tenant_id: UUID,
    kind: str,
    replacement: dict[str, Any] | None,
    author: Author,
) -> AmendmentAnswer:
    """Voids, replaces or restores an event; a replacement has its numbers by their digits, none is a float.

    Raises MeteredEventNotFound, EventDoesNotCount, EventCounts, EventsRefused.
    """
    await lock_definitions(session)
    event = await events.find_event(session, tenant_id, event_id)
    if event is None:
        raise MeteredEventNotFound
    if kind == "restore":
        trail = await events.list_corrections(session, tenant_id, event_id)
        if not trail or trail[-1].kind != "void":
            raise EventCounts
    elif not event.counts:
        raise EventDoesNotCount
    replacement_id = None
    if replacement is not None:
        replacement_id = await _replace(session, event, replacement, tenant_id=tenant_id, author=author)
    correction = _correction(tenant_id, event, kind, author=author, replacement_id=replacement_id)
    session.add(correction)
    await session.flush()
    definitions = await load_definitions(session, tenant_id)
    connection = await driver_connection(session)
    await storing.note_late(
        connection, [(str(event.customer_id), event.occurred_at, event.occurred_at)], now=author.now
    )
    await recount_hours(
        connection,
        definitions,
        {event.customer_id: {hour_of(event.occurred_at.astimezone(UTC))}},
        tenant_id=tenant_id,
    )
    return AmendmentAnswer(
        usage_event_id=event_id,
        kind=correction.kind,  # pyright: ignore[reportArgumentType]  # one of three words
        correction_id=correction.id,
        replacement_id=replacement_id,
        counts=kind == "restore",
    )


async def backfill(
    session: AsyncSession,
    entries: Sequence[Event | Refusal],
    *,
    tenant_id: UUID,
    key: str,
    input_hash: bytes,
    author: Author,
    preview: bool,
) -> Applied:
    """Takes late events, all or none, and says what they change; a preview is rolled back by the caller.

    Raises EventsRefused.
    """
    connection = await driver_connection(session)
    prepared = await ingestion.prepare(connection, entries, now=author.now, late=None)
    if prepared.refused:
        raise EventsRefused(list(prepared.refused.values()))
    new = {str(one.event.customer) for one in prepared.ready.values() if not one.fact[1]}
    await ingestion.make_customers(connection, prepared.ready, now=author.now)
    named = {one.fact[1]: str(one.event.customer) for one in prepared.ready.values()}
    definitions = await load_definitions(session, tenant_id)
    months = _months(prepared)
    before = await _quantities(session, definitions, months, tenant_id=tenant_id)
    results = await ingestion.store(connection, prepared, tenant_id=tenant_id, now=author.now)
    if refused := [one for one in results if isinstance(one, Refusal)]:
        raise EventsRefused(refused)
    after = await _quantities(session, definitions, months, tenant_id=tenant_id)
    codes = {str(one.meter_id): one.code for one in definitions.all}
    changes = [
        UsageChange(
            customer_id=None if preview and named[month.customer_id] in new else UUID(month.customer_id),
            external_id=named[month.customer_id] if preview and named[month.customer_id] in new else None,
            meter=codes[month.meter_id],
            start=month.start,
            end=month.end,
            before=shown(was),
            after=shown(becomes),
        )
        for month, was, becomes in zip(months, before, after, strict=True)
    ]
    stored = {one.event_id for one in results if isinstance(one, Stored) and not one.replayed}
    backfill_id = None
    if not preview:
        backfill_id = new_id()
        session.add(
            UsageBackfill(
                tenant_id=tenant_id,
                id=backfill_id,
                idempotency_key=key,
                input_hash=input_hash,
                reason=author.reason,
                created_by=author.id,
                events=len(stored),
                changes=[dump(change) for change in changes],
                occurred_at=author.now,
            )
        )
        await session.flush()
        members = [
            {"tenant": tenant_id, "backfill": backfill_id, "event": one.fact[0], "at": one.fact[3]}
            for one in prepared.ready.values()
            if one.fact[0] in stored
        ]
        if members:
            await session.execute(_ADD_EVENTS, members)
    return Applied(backfill_id=backfill_id, events=len(stored), duplicates=len(results) - len(stored), changes=changes)


async def find_backfill(
    session: AsyncSession, tenant_id: UUID, *, backfill_id: UUID | None = None, key: str | None = None
) -> Row[Any] | None:
    """A backfill by its id or its key."""
    where = {"tenant": tenant_id, "id": backfill_id, "key": key, "before": None, "limit": 1}
    return (await session.execute(_BACKFILLS, where)).one_or_none()


async def list_backfills(
    session: AsyncSession, tenant_id: UUID, *, before: UUID | None, limit: int
) -> Sequence[Row[Any]]:
    """Backfills, newest first."""
    where = {"tenant": tenant_id, "id": None, "key": None, "before": before, "limit": limit}
    return (await session.execute(_BACKFILLS, where)).all()


async def revert(session: AsyncSession, backfill_id: UUID, *, tenant_id: UUID, author: Author) -> Row[Any]:
    """Takes a backfill back as a whole: its events, and what replaced them, count no more.

    Raises BackfillNotFound, BackfillReverted.
    """
    await lock_definitions(session)
    found = await find_backfill(session, tenant_id, backfill_id=backfill_id)
    if found is None:
        raise BackfillNotFound
    if found.reverted_at is not None:
        raise BackfillReverted
    hours: dict[UUID, set[int]] = {}
    late: list[storing.Span] = []
    for event in await session.execute(_STANDING, {"tenant": tenant_id, "backfill": backfill_id}):
        session.add(_correction(tenant_id, event, "void", author=author, backfill_id=backfill_id))
        hours.setdefault(event.customer_id, set()).add(hour_of(event.occurred_at.astimezone(UTC)))
        late.append((str(event.customer_id), event.occurred_at, event.occurred_at))
    await session.flush()
    definitions = await load_definitions(session, tenant_id)
    connection = await driver_connection(session)
    await storing.note_late(connection, late, now=author.now)
    await recount_hours(connection, definitions, hours, tenant_id=tenant_id)
    await session.execute(
        _REVERT,
        {
            "tenant": tenant_id,
            "id": backfill_id,
            "now": author.now,
            "by": author.id,
            "reason": author.reason,
        },
    )
    reverted = await find_backfill(session, tenant_id, backfill_id=backfill_id)
    assert reverted is not None, "it was found before"
    return reverted


async def _replace(
    session: AsyncSession, event: Row[Any], given: dict[str, Any], *, tenant_id: UUID, author: Author
) -> UUID:
    """Stores what counts instead: what is given, and the event for the rest."""
    document: dict[str, Any] = {
        "eventName": event.event_name,
        "occurredAt": event.occurred_at.astimezone(UTC).isoformat(),
        "properties": json.loads(event.properties_text, parse_float=Decimal),
        **({} if event.quantity is None else {"quantity": f"{event.quantity:f}"}),
        **({} if "externalId" in given else {"customerId": str(event.customer_id)}),
        **given,
    }
    entries = read_batch(b"", [document])
    (result,) = await ingestion.ingest(session, entries, tenant_id=tenant_id, now=author.now, late=None)
    if isinstance(result, Refusal):
        raise EventsRefused([result])
    if result.replayed:
        raise InvalidInput("replacement.idempotencyKey", "must be new: an event has it already")
    return UUID(result.event_id)


def _correction(
    tenant_id: UUID,
    event: Row[Any],
    kind: str,
    *,
    author: Author,
    replacement_id: UUID | None = None,
    backfill_id: UUID | None = None,
) -> UsageCorrection:
    return UsageCorrection(
        tenant_id=tenant_id,
        id=new_id(),
        event_id=event.id,
        event_occurred_at=event.occurred_at,
        kind=kind,
        replacement_id=replacement_id,
        backfill_id=backfill_id,
        reason=author.reason,
        corrected_by=author.id,
        occurred_at=author.now,
    )


def _months(prepared: Prepared) -> list[_Month]:
    found: set[_Month] = set()
    for one in prepared.ready.values():
        start = one.fact[3].replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        end = (start + timedelta(days=32)).replace(day=1)
        found.update(_Month(one.fact[1], str(meter.meter_id), start, end) for meter, _, _ in one.measured)
    return sorted(found)


async def _quantities(
    session: AsyncSession, definitions: Definitions, months: Sequence[_Month], *, tenant_id: UUID
) -> list[Decimal]:
    by_meter: dict[str, list[Definition]] = {}
    for one in definitions.all:
        by_meter.setdefault(str(one.meter_id), []).append(one)
    found: list[Decimal] = []
    for month in months:
        versions = by_meter[month.meter_id]
        parts = await parts_of(
            session,
            Definitions(versions),
            tenant_id=tenant_id,
            customer_id=UUID(month.customer_id),
            start=month.start,
            end=month.end,
        )
        found.append(parts[0].quantity(versions[0].aggregation) if parts else Decimal(0))
    return found


_ADD_EVENTS = text("""
INSERT INTO usage_backfill_events (tenant_id, backfill_id, event_id, event_occurred_at)
VALUES (:tenant, :backfill, CAST(:event AS uuid), :at)
""")

_BACKFILLS = text("""
SELECT id, idempotency_key, input_hash, reason, created_by, events, changes, occurred_at, reverted_at, reverted_by,
       revert_reason
FROM usage_backfills
WHERE tenant_id = :tenant AND (CAST(:id AS uuid) IS NULL OR id = :id)
  AND (CAST(:key AS text) IS NULL OR idempotency_key = :key)
  AND (CAST(:before AS uuid) IS NULL OR id < :before)
ORDER BY id DESC LIMIT :limit
""")

# The events of a backfill and, step by step, what replaced them; of these those that count.
_STANDING = text("""
WITH RECURSIVE brought (id) AS (
    SELECT event_id FROM usage_backfill_events WHERE tenant_id = :tenant AND backfill_id = :backfill
    UNION
    SELECT c.replacement_id FROM brought b JOIN usage_corrections c ON c.tenant_id = :tenant AND c.event_id = b.id
    WHERE c.replacement_id IS NOT NULL
)
SELECT e.id, e.customer_id, e.occurred_at FROM brought b JOIN usage_events e ON e.tenant_id = :tenant AND e.id = b.id
WHERE coalesce((SELECT c.kind = 'restore' FROM usage_corrections c
                WHERE c.tenant_id = e.tenant_id AND c.event_id = e.id ORDER BY c.id DESC LIMIT 1), true)
ORDER BY e.id
""")

_REVERT = text("""
UPDATE usage_backfills SET reverted_at = :now, reverted_by = :by, revert_reason = :reason
WHERE tenant_id = :tenant AND id = :id
""")
