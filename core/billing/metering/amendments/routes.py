"""Corrections: /billing/usage/events/{id}/amendments and /billing/usage/backfills."""

from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Header, Query, Request, Response
from sqlalchemy import Row

from core.billing.metering.amendments import service
from core.billing.metering.amendments.errors import (
    BackfillNotFound,
    BackfillReverted,
    EventCounts,
    EventDoesNotCount,
    EventsRefused,
)
from core.billing.metering.amendments.schemas import (
    Amendment,
    AmendmentAnswer,
    BackfillAnswer,
    NewBackfill,
    Reverting,
    UsageChange,
)
from core.billing.metering.amendments.service import Applied, Author
from core.billing.metering.events.errors import MeteredEventNotFound
from core.billing.metering.events.reading import read_batch, read_exactly
from core.billing.metering.meters.repository import lock_definitions
from core.foundation.crypto import digest
from core.foundation.errors import InvalidInput, KeyInFlight, KeyReused
from core.foundation.ids import parse_id
from core.foundation.paging import Cursor, Limit, cut
from core.foundation.refusals import refusals
from core.foundation.schemas import Page, dump
from core.identity.idempotency import KeyHeader, answer_once
from core.identity.scope import Reading, Unit, Writing
from core.identity.tenants.auditing import nothing_changed

router = APIRouter(prefix="/billing/usage", tags=["usage"])

BackfillKey = Annotated[
    str | None, Header(alias="Idempotency-Key", max_length=200, description="Needed, but for a preview; kept for ever.")
]


class _Previewed(Exception):
    """Ends the transaction of a preview."""

    def __init__(self, applied: Applied, author: Author) -> None:
        super().__init__()
        self.applied = applied
        self.author = author


@router.post(
    "/events/{metered_event_id}/amendments",
    operation_id="amend_usage_event",
    status_code=201,
    responses=refusals(MeteredEventNotFound, EventDoesNotCount, EventCounts, EventsRefused, KeyReused, KeyInFlight),
)
async def amend_usage_event(
    scope: Writing, request: Request, metered_event_id: UUID, body: Amendment, idempotency_key: KeyHeader = None
) -> AmendmentAnswer:
    """Void, replace or restore an event; the event itself stays as it was sent, with this line in its trail."""
    replacement = None if body.replacement is None else read_exactly(await request.body(), "replacement")
    async with scope.writing() as unit:

        async def amend() -> AmendmentAnswer:
            return await service.amend(
                unit.session,
                metered_event_id,
                tenant_id=unit.tenant_id,
                kind=body.kind,
                replacement=replacement,
                author=_author(unit, body.reason),
            )

        answer = await answer_once(
            unit, amend, door="usage_amendments", key=idempotency_key, document=[str(metered_event_id), dump(body)]
        )
    return AmendmentAnswer.model_validate(answer)


@router.post(
    "/backfills",
    operation_id="create_backfill",
    status_code=201,
    responses={**refusals(EventsRefused, KeyReused), 200: {"description": "A preview.", "model": BackfillAnswer}},
)
async def create_backfill(
    scope: Writing,
    request: Request,
    response: Response,
    body: NewBackfill,
    preview: Annotated[bool, Query(description="Say what would change, and change nothing.")] = False,
    idempotency_key: BackfillKey = None,
) -> BackfillAnswer:
    """Take late events, however old, all of them or none; the answer says what changed by customer, meter and month.

    Events whose keys are known are duplicates, as ever. 422 `usage_events_refused` names each event that cannot be
    taken.
    """
    if not preview and (not idempotency_key or not idempotency_key.isprintable()):
        raise InvalidInput("Idempotency-Key", "must be given: a backfill is applied once")
    content = await request.body()
    entries = read_batch(content, body.events)
    hashed = digest(orjson.dumps([body.reason, body.events], option=orjson.OPT_SORT_KEYS))
    try:
        async with scope.writing() as unit:
            await lock_definitions(unit.session)
            author = _author(unit, body.reason)
            if not preview:
                first = await service.find_backfill(unit.session, unit.tenant_id, key=idempotency_key)
                if first is not None and first.input_hash != hashed:
                    raise KeyReused
                if first is not None:
                    nothing_changed(unit.session)
                    return _shown(first, replayed=True)
            applied = await service.backfill(
                unit.session,
                entries,
                tenant_id=unit.tenant_id,
                key=idempotency_key or "",
                input_hash=hashed,
                author=author,
                preview=preview,
            )
            if preview:
                raise _Previewed(applied, author)
    except _Previewed as seen:
        response.status_code = 200
        return _answer(seen.applied, seen.author, status="previewed")
    return _answer(applied, author, status="applied")


@router.get("/backfills", operation_id="list_backfills")
async def list_backfills(scope: Reading, limit: Limit = 50, cursor: Cursor = None) -> Page[BackfillAnswer]:
    """Backfills, newest first."""
    before = parse_id(cursor, "cursor") if cursor is not None else None
    async with scope.reading() as unit:
        rows = await service.list_backfills(unit.session, unit.tenant_id, before=before, limit=limit + 1)
    page, last = cut(rows, limit)
    return Page(data=[_shown(row) for row in page], next_cursor=str(last.id) if last else None)


@router.get("/backfills/{backfill_id}", operation_id="get_backfill", responses=refusals(BackfillNotFound))
async def get_backfill(scope: Reading, backfill_id: UUID) -> BackfillAnswer:
    """A backfill and what it changed."""
    async with scope.reading() as unit:
        found = await service.find_backfill(unit.session, unit.tenant_id, backfill_id=backfill_id)
    if found is None:
        raise BackfillNotFound
    return _shown(found)


@router.post(
    "/backfills/{backfill_id}/revert",
    operation_id="revert_backfill",
    responses=refusals(BackfillNotFound, BackfillReverted),
)
async def revert_backfill(scope: Writing, backfill_id: UUID, body: Reverting) -> BackfillAnswer:
    """Take a backfill back as a whole: its events, and what replaced them since, count no more; all stay on record."""
    async with scope.writing() as unit:
        row = await service.revert(
            unit.session, backfill_id, tenant_id=unit.tenant_id, author=_author(unit, body.reason)
        )
    return _shown(row)


def _author(unit: Unit, reason: str) -> Author:
    return Author(id=unit.actor.id, reason=reason, now=unit.now)


def _answer(applied: Applied, author: Author, *, status: Any) -> BackfillAnswer:
    return BackfillAnswer(
        backfill_id=applied.backfill_id,
        status=status,
        reason=author.reason,
        events=applied.events,
        duplicates=applied.duplicates,
        changes=applied.changes,
        created_by=author.id,
        occurred_at=author.now,
    )


def _shown(row: Row[Any], *, replayed: bool = False) -> BackfillAnswer:
    return BackfillAnswer(
        backfill_id=row.id,
        status="applied" if row.reverted_at is None else "reverted",
        reason=row.reason,
        events=row.events,
        changes=[UsageChange.model_validate(one) for one in row.changes],
        created_by=row.created_by,
        occurred_at=row.occurred_at,
        reverted_at=row.reverted_at,
        reverted_by=row.reverted_by,
        revert_reason=row.revert_reason,
        replayed=replayed,
    )
