"""What a promise to stay for one or three years would take off: on what is paid even in a quiet month."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from infra.costs.estimate import CENT, Estimate, Line
from infra.costs.items import HOURS, Stack
from infra.costs.prices import Price, PriceList
from infra.costs.sizes import generation

FIRST_PLANNED_GENERATION = 7
"""Database Savings Plans hold for this generation and later ones."""

_AT_TIMES = ("aws:ecs/taskDefinition:TaskDefinition", "gcp:cloudrunv2/job:Job")
"""One-off tasks: never there the whole hour."""


@dataclass(frozen=True, kw_only=True)
class Commitment:
    """A product of a cloud's: which lines it covers, and at which part of the list price (a price of that id)."""

    name: str
    title: str
    covers: Callable[[Line], bool]
    how: str
    trade_off: str
    group: str
    """Commitments of one group cover the same lines: only one of them can be made."""


@dataclass(frozen=True, kw_only=True)
class Covered:
    """A commitment priced: the lines that it covers, before and after, and what it is priced by."""

    commitment: Commitment
    lines: tuple[tuple[str, str, Decimal, Decimal], ...]
    price: Price


def _is_planned(line: Line) -> bool:
    product, _, size = line.price.rpartition("/")
    covered = product.startswith("rds/") or product == "elasticache/valkey"
    return covered and generation(size) >= FIRST_PLANNED_GENERATION


def _is_class(prefix: str, marker: str) -> Callable[[Line], bool]:
    return lambda line: line.price.startswith(prefix) and marker in line.price


_USE_OR_LOSE = "an hourly sum is owed for the whole term, used or not"
_STAYS = "paid for the whole term, also after a change to another family or without any"

_AWS = (
    *(
        Commitment(
            name=f"savings-plan-compute-{years}",
            title=f"Compute Savings Plan, {years} year{'s' * (years > 1)}, on the tasks that always run",
            covers=lambda line: line.price.startswith("fargate/"),
            how="Billing console, Savings Plans: Compute, on the hourly sum of a quiet month",
            trade_off=_USE_OR_LOSE + (", and three years are paid up front" if years > 1 else ""),
            group="compute commitment",
        )
        for years in (1, 3)
    ),
    Commitment(
        name="savings-plan-database-1",
        title="Database Savings Plan, 1 year, on database and cache of the seventh generation or later",
        covers=_is_planned,
        how="Billing console, Savings Plans: Database, nothing paid up front",
        trade_off=_USE_OR_LOSE + "; it follows to other classes, engines and regions",
        group="database commitment",
    ),
    *(
        Commitment(
            name=f"reserved-database-{years}",
            title=f"Reserved database instance, {years} year{'s' * (years > 1)}",
            covers=_is_class("rds/", "/db."),
            how="RDS console, Reserved instances: the same class, engine and number of zones",
            trade_off=_STAYS + (", and three years are paid up front" if years > 1 else ""),
            group="database commitment",
        )
        for years in (1, 3)
    ),
    *(
        Commitment(
            name=f"reserved-cache-{years}",
            title=f"Reserved cache nodes, {years} year{'s' * (years > 1)}",
            covers=_is_class("elasticache/", "/cache."),
            how="ElastiCache console, Reserved nodes: the same node type",
            trade_off=_STAYS + (", and three years are paid up front" if years > 1 else ""),
            group="cache commitment",
        )
        for years in (1, 3)
    ),
)

_GCP = (
    *(
        Commitment(
            name=f"commitment-cloudsql-{years}",
            title=f"Cloud SQL committed use, {years} year{'s' * (years > 1)}, on vCPU and memory",
            covers=lambda line: line.price.startswith(("cloudsql/vcpu/", "cloudsql/memory/")),
            how="Billing console, Commitments: Cloud SQL in the stack's region",
            trade_off=_USE_OR_LOSE + ", in this region only",
            group="database commitment",
        )
        for years in (1, 3)
    ),
    *(
        Commitment(
            name=f"commitment-run-{years}",
            title=f"Compute flexible committed use, {years} year{'s' * (years > 1)}, on instances that always run",
            covers=lambda line: line.price.startswith("run/instance/"),
            how="Billing console, Commitments: Compute flexible",
            trade_off=_USE_OR_LOSE + ", in any project and region of the billing account",
            group="compute commitment",
        )
        for years in (1, 3)
    ),
    *(
        Commitment(
            name=f"commitment-memorystore-{years}",
            title=f"Memorystore committed use, {years} year{'s' * (years > 1)}",
            # Redis of the smallest capacity tier (below 5 GB) is not eligible.
            covers=lambda line: line.price.startswith("memorystore/") and not line.price.endswith("/m1"),
            how="Billing console, Commitments: Memorystore in the stack's region",
            trade_off=_USE_OR_LOSE,
            group="cache commitment",
        )
        for years in (1, 3)
    ),
)

COMMITMENTS: Mapping[str, tuple[Commitment, ...]] = {"aws": _AWS, "gcp": _GCP}


def priced(estimate: Estimate, stack: Stack, prices: PriceList) -> Iterator[Covered | tuple[Commitment, str]]:
    """Each commitment with its lines, or with why it would save nothing here."""
    always = {resource.name for resource in stack.graph.resources if resource.custom and stack.hours(resource) == HOURS}
    for commitment in COMMITMENTS[estimate.cloud]:
        covered = [line for line in estimate.lines if commitment.covers(line) and line.type not in _AT_TIMES]
        price_id = f"committed/{commitment.name}"
        if not covered:
            yield commitment, "the stack has nothing that it covers"
        elif not any(line.resource in always for line in covered):
            yield commitment, "what it covers is stopped at night and at weekends, and it would be owed all the same"
        elif price_id not in prices.prices:
            yield commitment, f"{price_id} has no price in {prices.cloud} {prices.region}"
        else:
            price = prices.get(price_id)
            lines = tuple(
                (line.resource, line.item, line.monthly, _after(line, price.unit_price))
                for line in covered
                if line.resource in always and line.monthly
            )
            yield Covered(commitment=commitment, lines=lines, price=price)


def _after(line: Line, part: Decimal) -> Decimal:
    """A quiet month's sum at the committed price, what comes on top at list price."""
    kept = min(line.low, line.monthly)
    return (kept * part + line.monthly - kept).quantize(CENT, ROUND_HALF_UP)
