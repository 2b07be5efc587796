"""The estimate: every resource of a graph classified, priced line by line for a small, an ordinary and a busy month.

A line's `monthly` is rounded half up to a cent, and totals are sums of lines, so what is shown adds up. Tiers and free
quantities count once an account: lines of one price share them, in the order of the graph.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from infra.costs.errors import UnknownResource
from infra.costs.items import Category, Free, Item, Kind, Stack
from infra.costs.models import MODELS
from infra.costs.prices import Price, PriceList, price_list
from infra.costs.support import Guard, charges, extended_support
from infra.costs.usage import PROFILES, Usage
from infra.graph import Graph, Resource

CENT = Decimal("0.01")
LOW, HIGH = "small", "large"


@dataclass(frozen=True, kw_only=True)
class Line:
    """What one thing costs a month, in the estimate's currency."""

    resource: str
    type: str
    item: str
    category: str
    quantity: Decimal
    unit: str
    unitPrice: Decimal
    monthly: Decimal
    low: Decimal
    high: Decimal
    kind: str
    source: str
    date: str
    assumption: str
    price: str = ""
    """The id of the price that it is made with; empty where nothing is billed."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A stack's month."""

    stack: str
    cloud: str
    region: str
    currency: str
    monthly: Decimal
    low: Decimal
    high: Decimal
    lines: Sequence[Line]
    warnings: Sequence[str] = field(default_factory=tuple[str, ...])
    notices: Sequence[Guard] = field(default_factory=tuple[Guard, ...])
    """Engine versions that are, or will be, charged for their age."""
    usage: Usage | None = None
    """What `monthly` is for."""

    def by_category(self) -> dict[str, Decimal]:
        """Monthly sums, in the order of the categories."""
        sums = {str(category): Decimal(0) for category in Category}
        for line in self.lines:
            sums[line.category] += line.monthly
        return {category: amount for category, amount in sums.items() if amount}

    def to_dict(self) -> dict[str, Any]:
        """As JSON shows it: amounts and quantities as decimal strings."""
        return {
            "stack": self.stack,
            "cloud": self.cloud,
            "region": self.region,
            "currency": self.currency,
            "monthly": str(self.monthly),
            "low": str(self.low),
            "high": str(self.high),
            "lines": [_plain(line) for line in self.lines],
            "warnings": list(self.warnings),
            "notices": [guard.to_dict() for guard in self.notices],
        }

    def to_json(self) -> str:
        """The same text for the same estimate."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)


@dataclass(frozen=True)
class _Priced:
    resource: Resource
    item: Item
    price: Price


def estimate(
    graph: Graph, *, usage: Usage | str = "base", today: date, lists: Mapping[str, PriceList] | None = None
) -> Estimate:
    """What the graph costs a month with this usage, and with the small and the large one.

    `lists` replaces the committed price lists, by region. Raises CostError: UnknownResource for a type without a
    model, UnknownPrice, UnknownRegion.
    """
    chosen = PROFILES[usage] if isinstance(usage, str) else usage
    stack = Stack.of(graph)
    priced: list[_Priced] = []
    free: list[Line] = []
    unknown: list[str] = []
    used_lists: dict[str, PriceList] = {}
    for resource in graph.resources:
        if not resource.custom or resource.type.startswith("pulumi:"):
            continue
        model = MODELS.get(resource.type)
        if model is None:
            unknown.append(f"{resource.name} ({resource.type})")
            continue
        region = stack.region_of(resource)
        prices = used_lists.get(region)
        if prices is None:
            prices = used_lists[region] = (lists or {}).get(region) or price_list(graph.cloud, region)
        made = model(resource, stack)
        if isinstance(made, Free):
            free.append(_free(resource, made, prices))
        else:
            items = [*made, *charges(resource, stack, today)]
            priced += [_Priced(resource, item, prices.get(item.price)) for item in items]
    if unknown:
        raise UnknownResource(
            f"neither priced nor known to be free: {', '.join(sorted(unknown))}: add a model to infra/costs/models"
        )
    monthly, low, high = (_amounts(priced, profile) for profile in (chosen, PROFILES[LOW], PROFILES[HIGH]))
    lines = [
        _line(one, chosen, amount, least, most)
        for one, amount, least, most in zip(priced, monthly, low, high, strict=True)
    ]
    return Estimate(
        stack=graph.stack,
        cloud=graph.cloud,
        region=stack.region,
        currency="USD",
        monthly=sum((line.monthly for line in lines), Decimal(0)),
        low=sum((line.low for line in lines), Decimal(0)),
        high=sum((line.high for line in lines), Decimal(0)),
        lines=[*lines, *free],
        warnings=[*_warnings(used_lists.values(), priced, today), *_outside(lines)],
        notices=extended_support(graph, today, lists=lists),
        usage=chosen,
    )


def _amounts(priced: Sequence[_Priced], usage: Usage) -> list[Decimal]:
    """Each line's month; what falls into a price's cheaper or free tiers goes to the first lines of that price."""
    before: dict[tuple[str, str], Decimal] = {}
    amounts: list[Decimal] = []
    for one in priced:
        account = (one.price.id, one.price.source)
        start = before.get(account, Decimal(0))
        end = start + one.item.quantity(usage)
        before[account] = end
        amounts.append((one.price.cost(end) - one.price.cost(start)).quantize(CENT, ROUND_HALF_UP))
    return amounts


def _line(one: _Priced, usage: Usage, monthly: Decimal, low: Decimal, high: Decimal) -> Line:
    assumption = one.item.assumption
    if one.price.confidence == "unverified":
        assumption = f"{assumption}; price unverified" if assumption else "price unverified"
    return Line(
        resource=one.resource.name,
        type=one.resource.type,
        item=one.item.item,
        category=one.item.category,
        quantity=one.item.quantity(usage),
        unit=one.price.unit,
        unitPrice=one.price.unit_price,
        monthly=monthly,
        low=low,
        high=high,
        kind=one.item.kind,
        source=one.price.source,
        date=one.price.date.isoformat(),
        assumption=assumption,
        price=one.price.id,
    )


def _free(resource: Resource, free: Free, prices: PriceList) -> Line:
    zero = Decimal("0.00")
    return Line(
        resource=resource.name,
        type=resource.type,
        item="no charge of its own",
        category=Category.OVERSIGHT,
        quantity=Decimal(1),
        unit="resource",
        unitPrice=Decimal(0),
        monthly=zero,
        low=zero,
        high=zero,
        kind=Kind.FREE,
        source=free.source,
        date=prices.looked_over.isoformat(),
        assumption="",
    )


def _warnings(lists: Iterable[PriceList], priced: Iterable[_Priced], today: date) -> tuple[str, ...]:
    said = [
        f"the prices of {prices.cloud} {prices.region} are {prices.age_days(today)} days old: run "
        f"cloudbill prices refresh --cloud {prices.cloud} --region {prices.region} --write"
        for prices in lists
        if prices.is_stale(today)
    ]
    unverified = {one.price.id for one in priced if one.price.confidence == "unverified"}
    if unverified:
        said.append(f"{len(unverified)} prices are unverified: their lines say so")
    return tuple(said)


def _outside(lines: Iterable[Line]) -> list[str]:
    """A usage of one's own may be quieter than the quiet month, or busier than the busy one."""
    beyond = sum(1 for line in lines if not line.low <= line.monthly <= line.high)
    return (
        [f"this usage lies outside of small and large: {beyond} lines are not between low and high"] if beyond else []
    )


def _plain(line: Line) -> dict[str, Any]:
    return {
        key: format(value, "f") if isinstance(value, Decimal) else value
        for key, value in asdict(line).items()
        if key != "price"
    }
