"""GET /api/usage/events and /api/usage/summary."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy import Row

from core.billing.metering import repository
from core.billing.metering.errors import UsageEventNotFound
from core.billing.metering.schemas import (
    DayUsage,
    ModelUsage,
    UsageEventAnswer,
    UsageEventDetail,
    UsageOutcome,
    UsageSummary,
)
from core.foundation.errors import InvalidInput
from core.foundation.ids import parse_id
from core.foundation.refusals import refusals
from core.foundation.schemas import InstantInput, Page
from core.identity.scope import Reading

router = APIRouter(prefix="/api/usage", tags=["usage"])

SUMMED = timedelta(days=30)
LONGEST_SUMMARY = timedelta(days=400)


@router.get("/events", summary="Metered calls, newest first")
async def list_events(
    scope: Reading,
    outcome: UsageOutcome | None = None,
    customer_id: Annotated[UUID | None, Query(alias="customerId")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="How many a page may hold")] = 50,
    cursor: Annotated[str | None, Query(max_length=100, description="`nextCursor` of the page before")] = None,
) -> Page[UsageEventAnswer]:
    """`outcome=refused` lists what was delivered and is still unpaid."""
    before = _read_cursor(cursor) if cursor else None
    scope.customer(customer_id=customer_id)
    customer_id = scope.principal.customer_id or customer_id
    async with scope.reading() as unit:
        events = await repository.list_events(
            unit.session, unit.tenant_id, outcome=outcome, customer_id=customer_id, before=before, limit=limit + 1
        )
    return Page(
        data=[UsageEventAnswer(**_shown(event)) for event in events[:limit]],
        next_cursor=_cursor(events[limit - 1]) if len(events) > limit else None,
    )


@router.get(
    "/events/{usage_event_id}",
    summary="A metered call with its arithmetic",
    responses=refusals(UsageEventNotFound),
)
async def get_event(usage_event_id: UUID, scope: Reading) -> UsageEventDetail:
    async with scope.reading() as unit:
        event = await repository.find_event(unit.session, unit.tenant_id, usage_event_id)
    if event is None:
        raise UsageEventNotFound
    scope.customer(customer_id=event.customer_id)
    return UsageEventDetail(**_shown(event), arithmetic=event.arithmetic)


@router.get("/summary", summary="Settled calls by model and by day")
async def summarize(
    scope: Reading,
    since: Annotated[InstantInput | None, Query(alias="from", description="The last 30 days when left out")] = None,
    until: Annotated[InstantInput | None, Query(alias="to", description="The tenant's now when left out")] = None,
) -> UsageSummary:
    async with scope.reading() as unit:
        # To the end of this instant: what was booked just now is in it.
        end = until or unit.now + timedelta(microseconds=1)
        start = since or end - SUMMED
        if not timedelta(0) <= end - start <= LONGEST_SUMMARY:
            raise InvalidInput("from", "must be before to, by at most 400 days")
        currency = await repository.get_currency(unit.session, unit.tenant_id)
        models = await repository.sum_by_model(unit.session, unit.tenant_id, since=start, until=end)
        days = await repository.sum_by_day(unit.session, unit.tenant_id, since=start, until=end)
    return UsageSummary(
        currency=currency,
        total=sum(model.amount_micro for model in models),
        calls=sum(model.calls for model in models),
        by_model=[
            ModelUsage(
                model=model.model,
                calls=model.calls,
                input_tokens=model.input_tokens,
                cached_tokens=model.cached_tokens,
                output_tokens=model.output_tokens,
                charged=model.amount_micro,
            )
            for model in models
        ],
        by_day=[DayUsage(date=day.day, calls=day.calls, charged=day.amount_micro) for day in days],
    )


def _shown(event: Row[Any]) -> dict[str, Any]:
    return {
        "usage_event_id": event.id,
        "occurred_at": event.occurred_at,
        "recorded_at": event.recorded_at,
        "customer_id": event.customer_id,
        "model": event.model,
        "input_tokens": event.input_tokens,
        "cached_tokens": event.cached_tokens,
        "output_tokens": event.output_tokens,
        "charged": event.amount_micro,
        "currency": event.currency,
        "price_book_version": event.price_book_version,
        "outcome": event.outcome,
        "transaction_id": event.transaction_id,
        "hold_id": event.hold_id,
        "idempotency_key": event.idempotency_key,
        "superseded_by": event.superseded_by,
    }


def _cursor(event: Row[Any]) -> str:
    return f"{event.occurred_at.astimezone(UTC).isoformat().replace('+00:00', 'Z')}_{event.id}"


def _read_cursor(cursor: str) -> tuple[datetime, UUID]:
    at, _, event_id = cursor.partition("_")
    try:
        occurred_at = datetime.fromisoformat(at)
    except ValueError:
        occurred_at = None
    if occurred_at is None or occurred_at.tzinfo is None:
        raise InvalidInput("cursor", "must be the nextCursor of another page")
    return occurred_at, parse_id(event_id, "cursor")
