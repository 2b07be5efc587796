"""/operations/overview and /operations/tenants, for the installation's users."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from sqlalchemy import Row

from core.foundation.clock import wall_now
from core.foundation.money import minor_to_micro
from core.foundation.paging import Cursor, Limit
from core.foundation.runtime import runtime
from core.foundation.schemas import Text
from core.foundation.sorting import describe_sorts, page_of, read_sort
from core.identity.errors import TenantNotFound
from core.identity.scope import Installation
from core.identity.tenants.repository import list_members_as_operator
from core.operations.overview import figures, parts, tenants
from core.operations.overview.demo import find_demo
from core.operations.overview.figures import Asked
from core.operations.overview.schemas import (
    DayAmount,
    DayUsage,
    Health,
    LedgerAnswer,
    ModelUsage,
    OverviewAnswer,
    Owner,
    Parked,
    TenantAnswer,
    TenantPage,
    TenantRow,
    TopTenant,
    UsageToday,
)

router = APIRouter(prefix="/operations", tags=["operations"])

TOP_TENANTS = 8


@router.get("/overview", operation_id="get_overview")
async def get_overview(
    request: Request,
    scope: Installation,
    include: Annotated[Literal["test"] | None, Query(description="`test`: test tenants count too.")] = None,
    currency: Annotated[str | None, Query(pattern="^[A-Z]{3}$", description="Default: the most used one.")] = None,
) -> OverviewAnswer:
    """Revenue, credits, usage, health. Probes are left out, and test tenants unless they are included."""
    with_test_tenants = include == "test"
    async with scope.reading() as session:
        currencies = await figures.list_currencies(session, with_test_tenants=with_test_tenants)
        chosen = currency or (currencies[0] if currencies else "USD")
        asked = Asked(currency=chosen, with_test_tenants=with_test_tenants, now=wall_now())
        revenue = await figures.sum_revenue(session, asked)
        usage = await figures.sum_usage(session, asked)
        standing = await figures.sum_standing(session, asked)
        top = sorted(usage.by_tenant.items(), key=lambda one: -one[1])[:TOP_TENANTS]
        names = await figures.name_tenants(session, [tenant_id for tenant_id, _ in top])
        state = await parts.look(session, runtime(request))
    by_day = {day: minor_to_micro(revenue.get(day, 0), chosen) for day in asked.days}
    used = {day: usage.by_day.get(day, (0, 0)) for day in asked.days}
    today = asked.days[-1]
    return OverviewAnswer(
        currency=chosen,
        currencies=currencies,
        revenue_today=by_day[today],
        revenue30d=sum(by_day.values()),
        credits_outstanding=standing.credits_micro,
        receivables=standing.receivable_micro,
        usage_today=UsageToday(calls=used[today][0], charged=used[today][1]),
        tenants=standing.tenants,
        test_tenants=standing.test_tenants,
        activeTenants30d=len(usage.by_tenant),
        revenue_by_day=[DayAmount(date=day, amount=amount) for day, amount in by_day.items()],
        usage_by_day=[DayUsage(date=day, calls=calls, charged=charged) for day, (calls, charged) in used.items()],
        usage_by_model=[ModelUsage(model=model, calls=calls, charged=micro) for model, calls, micro in usage.by_model],
        top_tenants=[
            TopTenant(tenant_id=names[tenant_id].slug, name=names[tenant_id].name, charged=charged)
            for tenant_id, charged in top
        ],
        health=Health.model_validate(state.health),
        ledger=LedgerAnswer(
            blocks=state.ledger.blocks,
            unsealed=state.ledger.unsealed,
            last_sealed_at=state.ledger.last_sealed_at,
            verified=state.ledger.verified,
            verified_at=state.ledger.verified_at,
        ),
        jobs=Parked(parked=state.parked_jobs),
        webhooks=Parked(parked=state.parked_webhooks),
        demo=find_demo(runtime(request).settings.cloudbill_home),
    )


@router.get("/tenants", operation_id="list_tenants")
async def list_tenants(
    scope: Installation,
    search: Annotated[Text, Query(max_length=100, description="A part of the name or the tenantId.")] = "",
    sort: Annotated[str, Query(max_length=20, description=describe_sorts(tenants.SORTS))] = "name",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> TenantPage:
    """Every tenant, with its own wallet and what was used in its last 30 days."""
    by = read_sort(sort, tenants.SORTS)
    async with scope.reading() as session:
        rows = await tenants.list_tenants(session, search=search, sort=by, cursor=cursor, limit=limit + 1)
        total = await tenants.count_tenants(session, search=search)
    page, next_cursor = page_of(rows, limit, "slug")
    return TenantPage(
        data=[TenantRow.model_validate(_row(row)) for row in page],
        next_cursor=next_cursor,
        total=total,
    )


@router.get("/tenants/{tenant_id}", operation_id="get_tenant")
async def get_tenant(scope: Installation, tenant_id: Annotated[str, Path(max_length=63)]) -> TenantAnswer:
    """One tenant by its tenantId. 404 `tenant_not_found`."""
    async with scope.reading() as session:
        row = await tenants.find_tenant(session, tenant_id) if "\x00" not in tenant_id else None
        if row is None:
            raise TenantNotFound
        members = await list_members_as_operator(session, row.id)
        plan = await tenants.find_plan(session, row.id)
    return TenantAnswer(
        **_row(row),
        owners=[
            Owner(user_id=member.user_id, email=member.email, name=member.name)
            for member in members
            if member.role == "owner"
        ],
        plan=plan,
    )


def _row(row: Row[Any]) -> dict[str, Any]:
    return {
        "tenant_id": row.slug,
        "name": row.name,
        "created_at": row.created_at,
        "is_test": row.is_test,
        "is_probe": row.is_probe,
        "currency": row.currency,
        "balance": row.balance_micro,
        "available": row.available_micro,
        "receivable": row.receivable_micro,
        "invoices_open": minor_to_micro(row.open_minor, row.currency),
        "invoices_overdue": minor_to_micro(row.overdue_minor, row.currency),
        "usage_30d": row.charged_micro,
        "last_used_at": row.last_used_at,
        "members": row.members,
        "clock_now": row.now_at,
    }
