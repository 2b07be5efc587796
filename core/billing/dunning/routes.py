"""/billing/settings/dunning and /billing/collections."""

from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Query

from core.billing.dunning import repository
from core.billing.dunning.schedule import Terms
from core.billing.dunning.schemas import CollectionAnswer, CollectionStatus, FinalAction, TermsAnswer, TermsWanted
from core.foundation.errors import InvalidInput
from core.foundation.ids import parse_id
from core.foundation.schemas import Page
from core.identity.scope import Reading, Writing
from core.identity.tenants.auditing import record

router = APIRouter(prefix="/billing", tags=["billing"])


@router.get("/settings/dunning", operation_id="get_dunning", summary="How failed charges are followed up")
async def get_terms(scope: Reading) -> TermsAnswer:
    async with scope.reading() as unit:
        return _terms(await repository.find_terms(unit.session, unit.tenant_id))


@router.put("/settings/dunning", operation_id="set_dunning", summary="Set how failed charges are followed up")
async def set_terms(scope: Writing, wanted: TermsWanted) -> TermsAnswer:
    """From the next step on, also for what is being followed up already."""
    if len(set(wanted.retry_days)) != len(wanted.retry_days):
        raise InvalidInput("retryDays", "must name each day once")
    if any(day >= wanted.final_days for day in wanted.retry_days):
        raise InvalidInput("retryDays", f"must lie before finalDays, day {wanted.final_days}")
    terms = Terms(tuple(sorted(wanted.retry_days)), wanted.final_days, wanted.final_action, wanted.overdue_action)
    async with scope.writing() as unit:
        await repository.keep_terms(unit.session, unit.tenant_id, terms, now=unit.now)
        record(
            unit.session,
            tenant_id=unit.tenant_id,
            actor=unit.actor,
            action="dunning.changed",
            details=wanted.model_dump(),
            occurred_at=unit.now,
        )
    return _terms(terms)


@router.get("/collections", operation_id="list_collections", summary="Invoices being collected, newest first")
async def list_collections(
    scope: Reading,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=100)] = None,
    status: CollectionStatus | None = None,
) -> Page[CollectionAnswer]:
    before: UUID | None = parse_id(cursor, "cursor") if cursor else None
    async with scope.reading() as unit:
        found = await repository.list_collections(
            unit.session, unit.tenant_id, state=status, before=before, limit=limit
        )
    shown = found[:limit]
    return Page(
        data=[
            CollectionAnswer(
                collection_id=row.id,
                invoice_id=row.invoice_id,
                customer_id=row.customer_id,
                subscription_id=row.subscription_id,
                status=cast("CollectionStatus", row.state),
                charges=row.charges,
                tries=row.tries,
                notices=row.notices,
                last_code=row.last_code,
                next_step=row.next_step,
                first_failed_at=row.first_failed_at,
                next_at=row.next_at,
                outcome=row.outcome,
                started_at=row.started_at,
                ended_at=row.ended_at,
                fault=row.fault,
                postponed_to=row.postponed_to,
            )
            for row in shown
        ],
        next_cursor=str(shown[-1].id) if len(found) > limit else None,
    )


def _terms(terms: Terms) -> TermsAnswer:
    return TermsAnswer(
        retry_days=list(terms.retry_days),
        final_days=terms.final_days,
        final_action=cast("FinalAction", terms.final_action),
        overdue_action=cast("FinalAction", terms.overdue_action),
    )
