"""POST and GET /billing/usage/events."""

from collections.abc import Sequence
from typing import Annotated, Any, cast
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Row

from core.billing.metering.events import repository
from core.billing.metering.events.desk import BatchDesk
from core.billing.metering.events.errors import USAGE_CODES, MeteredEventNotFound
from core.billing.metering.events.reading import Refusal, read_batch
from core.billing.metering.events.schemas import (
    BatchAnswer,
    CorrectionAnswer,
    EventBatch,
    MeteredEvent,
    MeteredEventDetail,
)
from core.billing.metering.events.service import Result
from core.foundation.ids import parse_id
from core.foundation.paging import Cursor, Limit, cut
from core.foundation.refusals import refusals
from core.foundation.schemas import Page
from core.identity.scope import Reading, Writing

router = APIRouter(prefix="/billing/usage/events", tags=["usage"])


@router.post(
    "",
    operation_id="ingest_usage",
    summary="1 to 1,000 metered events",
    response_model=BatchAnswer,
    description="Each event has a result of its own: `accepted`, `duplicate` (its key and input are known; it counts "
    "once) or `refused` with a code, in which case it is not stored and its key is free:\n\n"
    + "\n".join(f"- `{code}`: {why}." for code, why in USAGE_CODES.items())
    + "\n\nWhat is accepted is stored and counted when this answers.",
)
async def ingest_usage(scope: Writing, request: Request, batch: EventBatch) -> Response:
    """See the description."""
    desk = cast("BatchDesk", request.app.state.batches)
    results = await desk.ingest(scope, read_batch(await request.body(), batch.events))
    return Response(orjson.dumps(_shown(results)), media_type="application/json")


@router.get("", operation_id="list_metered_events")
async def list_metered_events(
    scope: Reading,
    customer_id: Annotated[UUID | None, Query(alias="customerId")] = None,
    event_name: Annotated[str | None, Query(alias="eventName", max_length=100)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[MeteredEvent]:
    """Metered events in the order in which they came in, newest first."""
    before = parse_id(cursor, "cursor") if cursor is not None else None
    async with scope.reading() as unit:
        rows = await repository.list_events(
            unit.session,
            unit.tenant_id,
            customer_id=customer_id,
            event_name=event_name,
            before=before,
            limit=limit + 1,
        )
    page, last = cut(rows, limit)
    return Page(data=[MeteredEvent(**shown(row)) for row in page], next_cursor=str(last.id) if last else None)


@router.get("/{metered_event_id}", operation_id="get_metered_event", responses=refusals(MeteredEventNotFound))
async def get_metered_event(scope: Reading, metered_event_id: UUID) -> MeteredEventDetail:
    """A metered event with its trail."""
    async with scope.reading() as unit:
        row = await repository.find_event(unit.session, unit.tenant_id, metered_event_id)
        if row is None:
            raise MeteredEventNotFound
        corrections = await repository.list_corrections(unit.session, unit.tenant_id, metered_event_id)
    return MeteredEventDetail(
        **shown(row),
        backfill_id=row.backfill_id,
        corrections=[CorrectionAnswer(**one) for one in corrections],
    )


def shown(row: Row[Any]) -> dict[str, Any]:
    """A stored event as it is answered."""
    return {
        "usage_event_id": row.id,
        "idempotency_key": row.idempotency_key,
        "event_name": row.event_name,
        "customer_id": row.customer_id,
        "occurred_at": row.occurred_at,
        "recorded_at": row.recorded_at,
        "quantity": None if row.quantity is None else f"{row.quantity.normalize():f}",
        "properties": row.properties,
        "counts": row.counts,
    }


def _shown(results: Sequence[Result]) -> dict[str, Any]:
    data: list[dict[str, Any]] = []
    counts = {"accepted": 0, "duplicate": 0, "refused": 0}
    for one in results:
        if isinstance(one, Refusal):
            counts["refused"] += 1
            data.append(
                {
                    "index": one.index,
                    "idempotencyKey": one.key,
                    "status": "refused",
                    "code": one.code,
                    "detail": one.message,
                }
            )
            continue
        status = "duplicate" if one.replayed else "accepted"
        counts[status] += 1
        line: dict[str, Any] = {
            "index": one.index,
            "idempotencyKey": one.key,
            "status": status,
            "usageEventId": one.event_id,
        }
        if not one.replayed:
            line["meters"] = one.meters
        data.append(line)
    return {
        "accepted": counts["accepted"],
        "duplicates": counts["duplicate"],
        "refused": counts["refused"],
        "data": data,
    }
