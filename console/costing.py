"""What the Costs page shows, and how it is read out of the API's JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from console import exporting
from console.figures import MINUS, Moment, Money, compact, moment, money

Json = Mapping[str, Any]

ENVIRONMENTS = ("production", "staging", "development")
CLOUDS = {"aws": "AWS", "gcp": "Google Cloud"}

# What is drawn as one part of a bar: a name that finance knows, and the API's categories in it.
PARTS: dict[str, tuple[str, ...]] = {
    "Servers": ("compute",),
    "Database": ("database",),
    "Cache": ("cache",),
    "Network": ("network", "load balancing"),
    "Security": ("firewall", "secrets and keys", "oversight"),
    "Backup and storage": ("backup", "storage"),
    "Logs and monitoring": ("logs", "monitoring"),
}
NAMES = {
    "compute": "Servers (API, worker, console)",
    "load balancing": "Load balancing",
    "secrets and keys": "Secrets and keys",
    "oversight": "Oversight (threats, trails, budgets)",
    "logs": "Logs",
    "monitoring": "Monitoring and alarms",
}
KINDS = {"fixed": "fixed", "usage": "by usage", "free": "free"}


@dataclass
class StackCost:
    """One stack's month."""

    stack: str = ""
    title: str = ""
    environment: str = ""
    cloud: str = ""
    region: str = ""
    monthly: Money = field(default_factory=Money)
    low: Money = field(default_factory=Money)
    high: Money = field(default_factory=Money)
    recorded: Moment = field(default_factory=Moment)
    deployment_id: str = ""
    by_category: dict[str, str] = field(default_factory=dict)


@dataclass
class Pair:
    """The same thing on both clouds; a stack's name is empty where there is none."""

    key: str = ""
    name: str = ""
    aws: Money = field(default_factory=Money)
    gcp: Money = field(default_factory=Money)
    aws_stack: str = ""
    gcp_stack: str = ""
    aws_range: str = ""
    gcp_range: str = ""
    difference: str = ""
    dearer: str = ""


@dataclass
class Sheet:
    """All stacks side by side."""

    stacks: list[StackCost] = field(default_factory=list)
    environments: list[Pair] = field(default_factory=list)
    aws: Money = field(default_factory=Money)
    gcp: Money = field(default_factory=Money)
    aws_range: str = ""
    gcp_range: str = ""
    verdict: str = ""
    verdict_note: str = ""
    bars: list[dict[str, Any]] = field(default_factory=list)
    about: str = ""
    unpriced: list[str] = field(default_factory=list)
    unverified: bool = False
    stale: str = ""
    currency: str = "USD"
    recorded: Moment = field(default_factory=Moment)


@dataclass
class Line:
    """One line of a stack's month."""

    resource: str = ""
    item: str = ""
    category: str = ""
    kind: str = ""
    quantity: str = ""
    unit_price: str = ""
    monthly: Money = field(default_factory=Money)
    span: str = ""
    source: str = ""
    link: str = ""
    date: str = ""
    assumption: str = ""


@dataclass
class Saving:
    """A proposal."""

    name: str = ""
    title: str = ""
    saving: Money = field(default_factory=Money)
    share: str = ""
    trade_off: str = ""
    how: str = ""
    source: str = ""
    excludes: str = ""
    breaks: str = ""


def sheet(body: Json, now: datetime) -> Sheet:
    """`GET /operations/costs`, or the same priced for another usage."""
    stacks = sorted((_stack(entry, now) for entry in body["data"]), key=_order)
    currency = body["data"][0]["currency"] if body["data"] else "USD"
    pairs = [_environment(name, stacks, currency) for name in dict.fromkeys(stack.environment for stack in stacks)]
    totals = {cloud: _sum((one.monthly for one in stacks if one.cloud == cloud), currency) for cloud in CLOUDS}
    ranges = {
        cloud: span(
            _sum((one.low for one in stacks if one.cloud == cloud), currency),
            _sum((one.high for one in stacks if one.cloud == cloud), currency),
        )
        for cloud in CLOUDS
    }
    verdict, note = _verdict(totals["aws"], totals["gcp"], stacks)
    warnings = {warning for entry in body["data"] for warning in entry["warnings"]}
    return Sheet(
        stacks=stacks,
        environments=pairs,
        aws=totals["aws"],
        gcp=totals["gcp"],
        aws_range=ranges["aws"],
        gcp_range=ranges["gcp"],
        verdict=verdict,
        verdict_note=note,
        bars=[_bar(stack) for stack in stacks],
        about="; ".join(f"{stack.title}: {stack.monthly.brief} a month" for stack in stacks),
        unpriced=[f"{entry['stack']}: {entry['reason']}" for entry in body["unpriced"]],
        unverified=any("unverified" in warning for warning in warnings),
        stale=next((warning for warning in sorted(warnings) if "days old" in warning), ""),
        currency=currency,
        recorded=max((stack.recorded for stack in stacks), key=lambda at: at.iso, default=Moment()),
    )


def categories(shown: Sheet, environment: str) -> list[Pair]:
    """One environment's categories on both clouds, the largest first."""
    sides = {stack.cloud: stack for stack in reversed(shown.stacks) if stack.environment == environment}
    aws, gcp = (sides[cloud].by_category if cloud in sides else {} for cloud in CLOUDS)
    found = [
        _pair(
            category,
            NAMES.get(category, category.capitalize()),
            money(aws.get(category, "0"), shown.currency),
            money(gcp.get(category, "0"), shown.currency),
            sides["aws"].stack if "aws" in sides else "",
            sides["gcp"].stack if "gcp" in sides else "",
        )
        for category in dict.fromkeys([*aws, *gcp])
    ]
    return sorted(found, key=lambda pair: -(pair.aws.value + pair.gcp.value))


def lines(body: Json) -> list[Line]:
    """`GET /operations/costs/{stack}`."""
    return [_line(entry, body["currency"]) for entry in body["lines"]]


def savings(body: Json) -> list[Saving]:
    """`GET /operations/costs/{stack}/savings`."""
    currency, whole = body["currency"], Decimal(body["monthly"])
    groups = [proposal["group"] for proposal in body["proposals"]]
    return [
        Saving(
            name=entry["name"],
            title=entry["title"],
            saving=money(entry["monthlySaving"], currency),
            share=f"{Decimal(entry['monthlySaving']) * 100 / whole:.0f} %" if whole else "",
            trade_off=sentence(entry["tradeOff"]),
            how=entry["how"],
            source=f"{entry['source']}, {entry['date']}",
            excludes="one of several that exclude each other" if groups.count(entry["group"]) > 1 else "",
            breaks=", ".join(entry["breaks"]),
        )
        for entry in body["proposals"]
    ]


def chosen(every: list[Line], *, category: str, search: str, order: str, with_free: bool) -> list[Line]:
    """The lines that are asked for, in the order that is asked for."""
    words = search.lower().split()
    found = [
        line
        for line in every
        if (not category or line.category == category)
        and (with_free or line.monthly.sign)
        and all(word in f"{line.resource} {line.item} {line.category} {line.assumption}".lower() for word in words)
    ]
    keys = {"monthly": lambda line: line.monthly.value, "item": lambda line: (line.item.lower(), line.resource)}
    found.sort(key=keys[order.removeprefix("-")], reverse=order.startswith("-"))
    return found


COLUMNS = (
    "stack", "cloud", "environment", "region", "currency", "resource", "type", "item", "category", "kind", "quantity",
    "unit", "unitPrice", "monthly", "low", "high", "source", "date", "assumption",
)  # fmt: skip


def as_csv(bodies: Iterable[Json]) -> str:
    """Every line of every stack, for a spreadsheet; what it would take for a formula is marked as text."""
    lines = ({**body, **line} for body in bodies for line in body["lines"])
    return exporting.as_csv(COLUMNS, ([line[name] for name in COLUMNS] for line in lines))


def span(low: Money, high: Money) -> str:
    """`834 to 2,693 USD`, in whole units."""
    if low.value == high.value:
        return f"{low.value:,.0f} {low.currency}"
    return f"{low.value:,.0f} to {high.value:,.0f} {low.currency}"


def _stack(entry: Json, now: datetime) -> StackCost:
    currency = entry["currency"]
    environment = entry["environment"] or entry["stack"]
    return StackCost(
        stack=entry["stack"],
        title=f"{environment.capitalize()} · {CLOUDS[entry['cloud']]}",
        environment=environment,
        cloud=entry["cloud"],
        region=entry["region"],
        monthly=money(entry["monthly"], currency),
        low=money(entry["low"], currency),
        high=money(entry["high"], currency),
        recorded=moment(entry["recordedAt"], now),
        deployment_id=entry["deploymentId"],
        by_category=dict(entry["byCategory"]),
    )


def _order(stack: StackCost) -> tuple[int, str, str]:
    known = stack.environment in ENVIRONMENTS
    return (ENVIRONMENTS.index(stack.environment) if known else len(ENVIRONMENTS), stack.environment, stack.cloud)


def _environment(name: str, stacks: list[StackCost], currency: str) -> Pair:
    sides = {stack.cloud: stack for stack in reversed(stacks) if stack.environment == name}
    aws, gcp = sides.get("aws"), sides.get("gcp")
    nothing = money(0, currency)
    pair = _pair(
        name,
        name.capitalize(),
        aws.monthly if aws else nothing,
        gcp.monthly if gcp else nothing,
        aws.stack if aws else "",
        gcp.stack if gcp else "",
    )
    pair.aws_range = span(aws.low, aws.high) if aws else ""
    pair.gcp_range = span(gcp.low, gcp.high) if gcp else ""
    return pair


def _pair(key: str, name: str, aws: Money, gcp: Money, aws_stack: str, gcp_stack: str) -> Pair:
    apart = Decimal(str(gcp.value)) - Decimal(str(aws.value))
    both = bool(aws_stack and gcp_stack)
    return Pair(
        key=key,
        name=name,
        aws=aws,
        gcp=gcp,
        aws_stack=aws_stack,
        gcp_stack=gcp_stack,
        difference=signed(apart) if both else "",
        dearer="" if not both or not apart else "gcp" if apart > 0 else "aws",
    )


def signed(amount: Decimal) -> str:
    """A difference to the cent, its sign in front."""
    return f"{'+' if amount > 0 else MINUS if amount < 0 else ''}{abs(amount):,.2f}"


def _verdict(aws: Money, gcp: Money, stacks: list[StackCost]) -> tuple[str, str]:
    if {stack.cloud for stack in stacks} != set(CLOUDS):
        return "–", "needs stacks on both clouds"
    apart = abs(aws.value - gcp.value)
    if apart < 0.005:
        return "the same", "on both clouds"
    name = CLOUDS["aws" if aws.value < gcp.value else "gcp"]
    return f"{apart:,.2f} {aws.currency}", f"less on {name}, {apart * 100 / max(aws.value, gcp.value):.0f} %"


def _bar(stack: StackCost) -> dict[str, Any]:
    known = {category for group in PARTS.values() for category in group}
    bar: dict[str, Any] = {"label": stack.title, "stack": stack.stack, "shown": stack.monthly.brief}
    for name, group in PARTS.items():
        bar[name] = float(sum(Decimal(stack.by_category.get(category, "0")) for category in group))
    others = sum(Decimal(amount) for category, amount in stack.by_category.items() if category not in known)
    bar["Other"] = float(others)
    return bar


def _sum(amounts: Iterable[Money], currency: str) -> Money:
    return money(sum((Decimal(str(amount.value)) for amount in amounts), Decimal(0)), currency)


def _line(entry: Json, currency: str) -> Line:
    quantity, price = Decimal(entry["quantity"]), Decimal(entry["unitPrice"])
    low, high = money(entry["low"], currency), money(entry["high"], currency)
    source = entry["source"]
    address = source.split(":")[0].split(" ")[0].rstrip(",;")
    return Line(
        resource=entry["resource"],
        item=entry["item"][:1].upper() + entry["item"][1:],
        category=entry["category"],
        kind=KINDS.get(entry["kind"], entry["kind"]),
        quantity=f"{_count(quantity)} {entry['unit']}",
        unit_price=f"{price.normalize():f} {currency}" if price else "free",
        monthly=money(entry["monthly"], currency),
        span=f"{low.value:,.2f} to {high.value:,.2f}" if low.value != high.value else "",
        source=source,
        link=f"https://{address}" if "." in address and "/" in address else "",
        date=entry["date"],
        assumption=sentence(entry["assumption"]),
    )


def _count(quantity: Decimal) -> str:
    if quantity >= 1_000_000 and quantity == quantity.to_integral_value():
        return compact(int(quantity))
    text = f"{quantity:,.4f}"
    return text.rstrip("0").rstrip(".")


def sentence(text: str) -> str:
    """With a capital at its start."""
    return text[:1].upper() + text[1:]
