"""/billing/subscriptions."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from sqlalchemy import Row

from core.billing.catalog.errors import NotSoldInCurrency, PlanNotFound
from core.billing.subscriptions import repository, service
from core.billing.subscriptions.schemas import NewSubscription, SubscriptionAnswer
from core.billing.subscriptions.service import SubscriptionNotFound
from core.foundation.errors import KeyInFlight, KeyReused
from core.foundation.ids import parse_id
from core.foundation.paging import Cursor, Limit, cut
from core.foundation.refusals import refusals
from core.foundation.schemas import Page, dump
from core.identity.idempotency import KeyHeader, answer_once
from core.identity.scope import Reading, Writing
from core.identity.tenants.customers import CustomerNotFound

router = APIRouter(prefix="/billing/subscriptions", tags=["billing"])


@router.post(
    "",
    operation_id="create_subscription",
    status_code=201,
    responses=refusals(PlanNotFound, CustomerNotFound, KeyReused, KeyInFlight, NotSoldInCurrency),
)
async def create_subscription(
    scope: Writing, body: NewSubscription, idempotency_key: KeyHeader = None
) -> SubscriptionAnswer:
    """Subscribe the tenant itself, or a customer of its, to a plan.

    403 for another tenant's `tenantId`, 404 `plan_not_found` or `customer_not_found`, 422 `not_sold_in_currency`.
    """
    scope.confirm(body.tenant_id)
    async with scope.writing() as unit:

        async def subscribe() -> SubscriptionAnswer:
            return _shown(
                await service.subscribe(
                    unit.session,
                    tenant_id=unit.tenant_id,
                    plan=body.plan_id,
                    customer_id=body.customer_id,
                    now=unit.now,
                )
            )

        answer = await answer_once(unit, subscribe, door="subscriptions", key=idempotency_key, document=dump(body))
    return SubscriptionAnswer.model_validate(answer)


@router.get("", operation_id="list_subscriptions")
async def list_subscriptions(scope: Reading, limit: Limit = 50, cursor: Cursor = None) -> Page[SubscriptionAnswer]:
    """Subscriptions, newest first."""
    before = parse_id(cursor, "cursor") if cursor is not None else None
    async with scope.reading() as unit:
        rows = await repository.list_subscriptions(unit.session, unit.tenant_id, before=before, limit=limit + 1)
    page, last = cut(rows, limit)
    return Page(data=[_shown(row) for row in page], next_cursor=str(last.id) if last else None)


@router.get("/{subscription_id}", operation_id="get_subscription", responses=refusals(SubscriptionNotFound))
async def get_subscription(scope: Reading, subscription_id: UUID) -> SubscriptionAnswer:
    """One subscription. 404 `subscription_not_found`."""
    async with scope.reading() as unit:
        found = await service.get_subscription(unit.session, subscription_id, tenant_id=unit.tenant_id)
    return _shown(found)


def _shown(row: Row[Any]) -> SubscriptionAnswer:
    return SubscriptionAnswer(
        subscription_id=row.id,
        plan_id=row.plan_id,
        plan_code=row.plan_code,
        customer_id=row.customer_id,
        status=row.state,
        currency=row.currency,
        amount_minor=row.amount_minor,
        interval=row.interval,
        current_period_start=row.current_period_start,
        current_period_end=row.current_period_end,
        created_at=row.created_at,
    )
