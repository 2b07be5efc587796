"""/operations/costs: what the stacks cost a month, from the graphs and estimates stored with the installation."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from sqlalchemy import Row

from core.foundation.clock import wall_now
from core.foundation.refusals import refusals
from core.identity.scope import Installation
from core.operations.costs import actuals, repository, service
from core.operations.costs.schemas import (
    ActualBody,
    ActualStored,
    CostComparison,
    CostDriver,
    CostLine,
    Costs,
    StackActual,
    StackCost,
    StackCostLines,
    StackSavings,
    Unpriced,
    UsageBody,
    UsageProfiles,
)
from core.operations.costs.service import NotPriceable, Repriced, StackNotStored

router = APIRouter(prefix="/operations/costs", tags=["operations"])

Profile = Annotated[
    Literal["small", "base", "large"], Query(alias="usage", description="A quiet, an ordinary or a busy month.")
]
Stack = Annotated[str, Path(pattern="^[a-z][a-z0-9-]{0,62}$")]
StackQuery = Annotated[str, Query(pattern="^[a-z][a-z0-9-]{0,62}$")]


@router.get("", operation_id="list_costs", summary="Every stack's month, as it was estimated when it was stored")
async def list_costs(scope: Installation, usage: Profile = "base") -> Costs:
    async with scope.reading() as session:
        rows = await repository.list_newest(session, usage)
    return Costs(
        data=[StackCost(**_stored(row, usage)) for row in rows if row.monthly is not None],
        unpriced=[Unpriced(stack=row.stack, reason=row.estimate_error or "") for row in rows if row.monthly is None],
    )


@router.get("/usage", operation_id="get_usage_profiles", summary="What a quiet, an ordinary and a busy month are")
async def get_usage_profiles(scope: Installation) -> UsageProfiles:
    return UsageProfiles(**service.profiles())


@router.post(
    "",
    operation_id="estimate_costs",
    summary="Price every stack for any usage",
    responses=refusals(NotPriceable),
)
async def estimate_costs(scope: Installation, body: UsageBody) -> Costs:
    """By the prices of today; nothing is kept. A stack that cannot be priced says why."""
    usage = service.usage_of(body.model_dump())
    async with scope.reading() as session:
        graphs = await service.find_graphs(session, None)
    priced: list[StackCost] = []
    unpriced: list[Unpriced] = []
    for stored in graphs:
        try:
            priced.append(StackCost(**_repriced(await service.price(stored, usage, today=wall_now().date()), "custom")))
        except NotPriceable as error:
            unpriced.append(Unpriced(stack=stored.graph.stack, reason=error.detail))
    return Costs(data=priced, unpriced=unpriced)


@router.get(
    "/compare",
    operation_id="compare_costs",
    summary="Two stacks side by side, like for like",
    responses=refusals(StackNotStored, NotPriceable),
)
async def compare_costs(
    scope: Installation, left: StackQuery, right: StackQuery, usage: Profile = "base"
) -> CostComparison:
    """With the same usage, by the prices of today, and what makes the difference."""
    profile = service.PROFILES[usage]
    async with scope.reading() as session:
        one, other, comparison = await service.compare_stacks(session, left, right, profile, today=wall_now().date())
    return CostComparison(
        left=StackCost(**_repriced(one, usage)),
        right=StackCost(**_repriced(other, usage)),
        difference=str(other.estimate.monthly - one.estimate.monthly),
        drivers=[
            CostDriver(
                category=driver.category,
                left=str(driver.left),
                right=str(driver.right),
                difference=str(driver.difference),
                left_lines=list(driver.left_lines),
                right_lines=list(driver.right_lines),
            )
            for driver in comparison.drivers
        ],
    )


@router.get(
    "/{stack}",
    operation_id="get_costs",
    summary="A stack's month line by line, as it was estimated when it was stored",
    responses=refusals(StackNotStored, NotPriceable),
)
async def get_costs(scope: Installation, stack: Stack, usage: Profile = "base") -> StackCostLines:
    async with scope.reading() as session:
        row = await repository.find_newest(session, stack, usage)
    if row is None:
        raise StackNotStored(stack)
    if row.monthly is None:
        raise NotPriceable(f"{stack}: {row.estimate_error}")
    return StackCostLines(**_stored(row, usage), lines=[CostLine.model_validate(line) for line in row.lines])


@router.post(
    "/{stack}/estimate",
    operation_id="estimate_stack",
    summary="Price a stack line by line for any usage",
    responses=refusals(StackNotStored, NotPriceable),
)
async def estimate_stack(scope: Installation, stack: Stack, body: UsageBody) -> StackCostLines:
    """By the prices of today; nothing is kept."""
    async with scope.reading() as session:
        (stored,) = await service.find_graphs(session, [stack])
    priced = await service.price(stored, service.usage_of(body.model_dump()), today=wall_now().date())
    lines = [CostLine.model_validate(line) for line in priced.estimate.to_dict()["lines"]]
    return StackCostLines(**_repriced(priced, "custom"), lines=lines)


@router.get(
    "/{stack}/savings",
    operation_id="list_savings",
    summary="What could be saved of a stack, and what that would take",
    responses=refusals(StackNotStored, NotPriceable),
)
async def list_savings(scope: Installation, stack: Stack, usage: Profile = "base") -> StackSavings:
    """Each proposal is priced from the stack's own graph, by the prices of today."""
    async with scope.reading() as session:
        (stored,) = await service.find_graphs(session, [stack])
    # Each idea is an estimate of its own: too long to keep the other requests waiting.
    profile, today = service.PROFILES[usage], wall_now().date()
    found = await service.save(stored, profile, today=today)
    return StackSavings.model_validate(found.to_dict())


@router.get(
    "/{stack}/actual",
    operation_id="get_actual_costs",
    summary="A month's bill beside the estimate",
    responses=refusals(StackNotStored, NotPriceable, actuals.MonthNotImported),
)
async def get_actual_costs(
    scope: Installation,
    stack: Stack,
    month: Annotated[
        str | None, Query(pattern=r"^20\d\d-(0[1-9]|1[0-2])$", description="Such as 2026-10; default: the newest.")
    ] = None,
) -> StackActual:
    """Without a `month`, all is empty where no bill was ever imported."""
    wanted = actuals.month_of(month) if month else None
    found = await actuals.find(scope.database, stack, wanted, now=wall_now())
    if found is None:
        return StackActual.model_validate({**_NO_BILL, "stack": stack})
    return StackActual.model_validate(
        {
            **found.compared.to_dict(),
            "months": [f"{one:%Y-%m}" for one in found.months],
            "source": found.source,
            "importedAt": found.imported_at,
        }
    )


@router.post(
    "/{stack}/actual",
    status_code=201,
    operation_id="store_actual_costs",
    summary="Keep a month's bill of a stack",
    responses=refusals(StackNotStored, NotPriceable, actuals.UnusableBill),
)
async def store_actual_costs(scope: Installation, stack: Stack, body: ActualBody) -> ActualStored:
    """What `cloudbill cost actual … --store` sends. A bill of a month that is kept already takes its place."""
    actual_id, compared = await actuals.store(
        scope.database,
        stack,
        month=actuals.month_of(body.month),
        source=body.source,
        lines=[line.model_dump(mode="json", by_alias=True) for line in body.lines],
        actor=scope.principal.id,
        now=wall_now(),
    )
    return ActualStored(actual_id=str(actual_id), month=body.month, alerts=compared.alerts)


_NO_BILL: dict[str, Any] = {
    "month": None,
    "months": [],
    "source": None,
    "importedAt": None,
    "currency": "USD",
    "days": 0,
    "daysCovered": 0,
    "billed": "0.00",
    "total": None,
    "categories": [],
    "lines": [],
    "apart": {},
    "alerts": [],
    "notes": [],
}


def _stored(row: Row[Any], usage: str) -> dict[str, Any]:
    return {
        "stack": row.stack,
        "cloud": row.cloud,
        "environment": row.environment,
        "region": row.region,
        "currency": row.currency,
        "usage": usage,
        "monthly": format(row.monthly, "f"),
        "low": format(row.low, "f"),
        "high": format(row.high, "f"),
        "by_category": row.by_category,
        "warnings": row.warnings,
        "deployment_id": str(row.id),
        "recorded_at": row.recorded_at,
    }


def _repriced(priced: Repriced, usage: str) -> dict[str, Any]:
    made = priced.estimate
    return {
        "stack": made.stack,
        "cloud": made.cloud,
        "environment": priced.stored.environment,
        "region": made.region,
        "currency": made.currency,
        "usage": usage,
        "monthly": str(made.monthly),
        "low": str(made.low),
        "high": str(made.high),
        "by_category": {category: str(amount) for category, amount in made.by_category().items()},
        "warnings": list(made.warnings),
        "deployment_id": str(priced.stored.deployment_id),
        "recorded_at": priced.stored.recorded_at,
    }
