"""What a month really cost beside what was estimated: by category, by part, and by resource where the bill names it.

Compared is what an estimate has: usage and commitments, at the bill's own prices. Taxes, credits, refunds and support
stand apart. A month of which the bill has only some days is held against that part of the estimate, and says so.
"""

import calendar
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from infra.costs.errors import UnusableExport
from infra.costs.estimate import CENT, Estimate, Line
from infra.costs.exports import ActualLine, Charge, read_export
from infra.costs.items import Category
from infra.costs.parts import PARTS, Part, part_of_charge, part_of_price
from infra.graph import Graph

__all__ = ["Actual", "ActualLine", "Selection", "Variance", "compare_month", "read_export", "variance"]

THRESHOLD = Decimal("0.15")
LEAST = Decimal(1)
"""A difference below this sum is no alert, whatever its percentage."""
UNKNOWN = "not in the estimate"
COMMITMENTS = "commitments"
COMPARED = (Charge.USAGE, Charge.COMMITMENT)
_NAMING_INPUTS = ("identifier", "replicationGroupId", "name", "bucket", "instanceId", "repositoryId", "secretId")


@dataclass(frozen=True, kw_only=True)
class Variance:
    """One part, category, resource or the whole: estimated, billed, and whether the two are too far apart."""

    name: str
    category: str
    resource: str | None
    estimated: Decimal
    actual: Decimal
    alert: bool
    resources: Sequence["Variance"] = field(default_factory=tuple["Variance", ...])
    """Of a part: by resource, where the bill names them."""

    @property
    def difference(self) -> Decimal:
        """Billed less estimated."""
        return self.actual - self.estimated

    @property
    def percent(self) -> Decimal | None:
        """Of what was estimated; None where nothing was."""
        if not self.estimated:
            return None
        return (self.difference / self.estimated * 100).quantize(Decimal("0.1"), ROUND_HALF_UP)

    def to_dict(self) -> dict[str, Any]:
        """As JSON shows it."""
        return {
            "name": self.name,
            "category": self.category,
            "resource": self.resource,
            "estimated": str(self.estimated),
            "actual": str(self.actual),
            "difference": str(self.difference),
            "percent": None if self.percent is None else str(self.percent),
            "alert": self.alert,
            "resources": [one.to_dict() for one in self.resources],
        }


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which charges of an export are the stack's: an account's, those with tags, or those of no other stack."""

    account: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class Actual:
    """A stack's month on the bill and in the estimate."""

    stack: str
    month: date
    currency: str
    days: int
    days_covered: int
    total: Variance
    categories: Sequence[Variance]
    lines: Sequence[Variance]
    apart: Mapping[str, Decimal]
    """Taxes, credits, refunds and the rest: billed and not compared."""
    notes: Sequence[str]

    @property
    def billed(self) -> Decimal:
        """All of it: what is compared and what stands apart."""
        return self.total.actual + sum(self.apart.values(), Decimal(0))

    @property
    def alerts(self) -> list[str]:
        """A sentence for each category and line, and for the whole, that is too far off."""
        return [
            f"{one.name}: {one.actual} billed, {one.estimated} estimated ({_percent(one)})"
            for one in (self.total, *self.lines)
            if one.alert
        ]

    def to_dict(self) -> dict[str, Any]:
        """As JSON shows it."""
        return {
            "stack": self.stack,
            "month": f"{self.month:%Y-%m}",
            "currency": self.currency,
            "days": self.days,
            "daysCovered": self.days_covered,
            "total": self.total.to_dict(),
            "categories": [one.to_dict() for one in self.categories],
            "lines": [one.to_dict() for one in self.lines],
            "apart": {name: str(amount) for name, amount in self.apart.items()},
            "billed": str(self.billed),
            "alerts": self.alerts,
            "notes": list(self.notes),
        }


def compare_month(
    estimate: Estimate,
    lines: Iterable[ActualLine],
    *,
    month: date,
    selection: Selection | None = None,
    threshold: Decimal = THRESHOLD,
    names: Mapping[str, Sequence[str]] | None = None,
) -> Actual:
    """The month's charges of the stack beside its estimate; `names` are the resources' names in the cloud.

    Raises UnusableExport where the charges are of other months, accounts or currencies.
    """
    chosen, notes = _chosen(list(lines), estimate, month, selection or Selection())
    days = calendar.monthrange(month.year, month.month)[1]
    covered = _days_covered([line for line in chosen if line.charge in COMPARED] or chosen, month, days)
    share = Decimal(covered) / days
    if covered < days:
        notes.append(f"the bill has {covered} of {days} days: held against that part of the estimate (pro rata)")
    found = variance(
        estimate,
        [line for line in chosen if line.charge in COMPARED],
        threshold=threshold,
        share=share,
        names=names,
    )
    apart: dict[str, Decimal] = {}
    for line in chosen:
        if line.charge not in COMPARED:
            apart[line.charge] = apart.get(line.charge, Decimal(0)) + line.cost
    return Actual(
        stack=estimate.stack,
        month=month,
        currency=estimate.currency,
        days=days,
        days_covered=covered,
        total=_variance("total", "", None, *_sums(found), threshold),
        categories=_by_category(found, threshold),
        lines=found,
        apart={name: _cents(amount) for name, amount in apart.items()},
        notes=notes,
    )


def variance(
    estimate: Estimate,
    actual: Iterable[ActualLine],
    *,
    threshold: Decimal = THRESHOLD,
    share: Decimal = Decimal(1),
    names: Mapping[str, Sequence[str]] | None = None,
) -> list[Variance]:
    """Each part of the estimate and of the bill; `share` is the part of the month that the bill has."""
    ours: dict[str, list[Line]] = {}
    for line in estimate.lines:
        part = part_of_price(line.price) if line.price else None
        if part is not None:
            ours.setdefault(part.name, []).append(line)
    theirs: dict[str, list[ActualLine]] = {}
    for charge in actual:
        theirs.setdefault(_part_name(charge), []).append(charge)
    made: list[Variance] = []
    for part in PARTS:
        lines, charges = ours.get(part.name, []), theirs.pop(part.name, [])
        if lines or charges:
            made.append(_part(part, lines, charges, share=share, threshold=threshold, names=names or {}))
    for name, charges in theirs.items():
        billed = _cents(sum((charge.cost for charge in charges), Decimal(0)))
        if billed:
            made.append(_variance(name, name, None, Decimal(0), billed, threshold))
    return [one for one in made if one.estimated or one.actual]


def names_of(graph: Graph) -> dict[str, list[str]]:
    """What each resource is called in the cloud, as far as the program says."""
    return {
        resource.name: [str(resource.inputs[key]) for key in _NAMING_INPUTS if resource.inputs.get(key)]
        for resource in graph.resources
        if resource.custom
    }


def _part_name(charge: ActualLine) -> str:
    if charge.charge is Charge.COMMITMENT:
        return COMMITMENTS
    part = part_of_price(charge.usage) or part_of_charge(charge.cloud, charge.service, charge.usage)
    return part.name if part else f"{UNKNOWN}: {charge.service}"


def _part(
    part: Part,
    lines: Sequence[Line],
    charges: Sequence[ActualLine],
    *,
    share: Decimal,
    threshold: Decimal,
    names: Mapping[str, Sequence[str]],
) -> Variance:
    estimated: dict[str, Decimal] = {}
    for line in lines:
        estimated[line.resource] = estimated.get(line.resource, Decimal(0)) + _cents(line.monthly * share)
    billed: dict[str, Decimal] = {}
    for charge in charges:
        owner = _owner(charge.resource, estimated, names)
        billed[owner] = billed.get(owner, Decimal(0)) + charge.cost
    resources = [
        _variance(part.name, part.category, name, amount, _cents(billed[name]), threshold)
        for name, amount in estimated.items()
        if name in billed and (amount or billed[name])
    ]
    expected = sum(estimated.values(), Decimal(0))
    actual = _cents(sum(billed.values(), Decimal(0)))
    whole = _variance(part.name, part.category, None, expected, actual, threshold)
    return replace(whole, resources=tuple(resources))


def _owner(found: str, estimated: Mapping[str, Decimal], names: Mapping[str, Sequence[str]]) -> str:
    """The resource that a bill's identifier ends with the name of; empty where it names none of ours."""
    if not found:
        return ""
    last = re.split(r"[:/]", found.rstrip("/"))[-1]
    owners = [name for name in estimated if last == name or last in names.get(name, ())]
    return owners[0] if len(owners) == 1 else ""


def _variance(
    name: str, category: str, resource: str | None, estimated: Decimal, actual: Decimal, threshold: Decimal
) -> Variance:
    difference = abs(actual - estimated)
    return Variance(
        name=name,
        category=str(category),
        resource=resource,
        estimated=estimated,
        actual=actual,
        alert=difference > threshold * estimated and difference >= LEAST,
    )


def _by_category(found: Sequence[Variance], threshold: Decimal) -> list[Variance]:
    order = [*(str(category) for category in Category), *(one.category for one in found)]
    made: list[Variance] = []
    for category in dict.fromkeys(order):
        within = [one for one in found if one.category == category]
        if within:
            made.append(_variance(category, category, None, *_sums(within), threshold))
    return made


def _sums(found: Sequence[Variance]) -> tuple[Decimal, Decimal]:
    return sum((one.estimated for one in found), Decimal(0)), sum((one.actual for one in found), Decimal(0))


def _chosen(
    lines: list[ActualLine], estimate: Estimate, month: date, selection: Selection
) -> tuple[list[ActualLine], list[str]]:
    notes: list[str] = []
    known: set[str] = set()
    own: list[ActualLine] = []
    twice = 0
    for line in lines:
        if line.identity and line.identity in known:
            twice += 1
            continue
        known.add(line.identity)
        own.append(line)
    if twice:
        notes.append(f"{twice} rows stand there twice: counted once")
    first = datetime(month.year, month.month, 1, tzinfo=UTC)
    last = first + timedelta(days=calendar.monthrange(month.year, month.month)[1])
    within = [line for line in own if first <= line.start < last]
    if not within:
        months = sorted({f"{line.start:%Y-%m}" for line in own})
        raise UnusableExport(f"no charge is of {month:%Y-%m}: the export has {', '.join(months[:6])}")
    if len(within) < len(own):
        notes.append(f"{len(own) - len(within)} rows of other months are left out")
    within = _of_the_stack(within, estimate, selection, notes)
    for line in within:
        if line.currency.upper() != estimate.currency:
            raise UnusableExport(
                f"line {line.row} is in {line.currency or 'no currency'}, the estimate in {estimate.currency}, and "
                f"nothing is converted here: have the export billed in {estimate.currency}"
            )
        if line.cloud != estimate.cloud and line.cloud in ("aws", "gcp"):
            raise UnusableExport(
                f"line {line.row} is a charge of {line.cloud.upper()}, and {estimate.stack} is on "
                f"{estimate.cloud.upper()}: give that cloud's export, or another stack"
            )
    return within, notes


def _of_the_stack(
    lines: list[ActualLine], estimate: Estimate, selection: Selection, notes: list[str]
) -> list[ActualLine]:
    if selection.account is not None:
        kept = [line for line in lines if line.account == selection.account]
        if not kept:
            accounts = sorted({line.account for line in lines if line.account})
            raise UnusableExport(
                f"no charge is of account {selection.account}: the export has {', '.join(accounts) or 'none'}"
            )
        if len(kept) < len(lines):
            notes.append(f"{len(lines) - len(kept)} rows of other accounts are left out")
        lines = kept
    if selection.tags:
        kept = [line for line in lines if all(line.tags.get(tag) == value for tag, value in selection.tags.items())]
        if not kept:
            wanted = ", ".join(f"{tag}={value}" for tag, value in selection.tags.items())
            raise UnusableExport(f"no charge is tagged {wanted}: are cost allocation tags switched on?")
        if len(kept) < len(lines):
            notes.append(f"{len(lines) - len(kept)} rows with other tags or none are left out")
        return kept
    kept = [line for line in lines if line.tags.get("stack", estimate.stack) == estimate.stack]
    if not kept:
        stacks = sorted({line.tags["stack"] for line in lines if "stack" in line.tags})
        raise UnusableExport(f"no charge is of the stack {estimate.stack}: the export's are tagged {', '.join(stacks)}")
    if len(kept) < len(lines):
        notes.append(f"{len(lines) - len(kept)} rows of other stacks are left out")
    accounts = sorted({line.account for line in kept if line.account})
    if len(accounts) > 1:
        raise UnusableExport(
            f"the export has charges of {len(accounts)} accounts ({', '.join(accounts[:6])}): name one with --account, "
            f"or the stack's own with --tag stack={estimate.stack}"
        )
    return kept


def _days_covered(lines: Sequence[ActualLine], month: date, days: int) -> int:
    """Whole days from the first charge to the last; a charge for all the month covers it."""
    first = datetime(month.year, month.month, 1, tzinfo=UTC)
    last = first + timedelta(days=days)
    begins = min(max(line.start, first) for line in lines)
    ends = max(min(max(line.end, line.start), last) for line in lines)
    hours = (ends - begins) / timedelta(hours=1)
    return max(1, min(days, -int(-hours // 24)))


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


def _percent(one: Variance) -> str:
    return "nothing was" if one.percent is None else f"{one.percent:+} %"
