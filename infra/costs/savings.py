"""What could be saved: proposals priced from the stack's own graph, each with what it costs otherwise.

A proposal that changes the stack is priced by estimating the changed graph; a commitment by the part of the list price
that is paid for what runs even in a quiet month. What the stack has taken already is not proposed: `declined` says why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from infra.costs.commitments import Covered, priced
from infra.costs.compare import changes
from infra.costs.errors import UnknownPrice
from infra.costs.estimate import Estimate, estimate
from infra.costs.items import Stack
from infra.costs.prices import PriceList, price_list
from infra.costs.reshaping import IDEAS, Reason, Reshaped
from infra.costs.usage import PROFILES, Usage
from infra.graph import Graph


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A saving a month, what it takes, and what it costs otherwise. Two of one `group` exclude each other."""

    name: str
    title: str
    group: str
    monthly_before: Decimal
    monthly_after: Decimal
    trade_off: str
    how: str
    lines: tuple[tuple[str, str, Decimal, Decimal], ...]
    """Resource, item, before, after."""
    source: str
    date: str
    confidence: str
    breaks: tuple[str, ...] = ()

    @property
    def monthly_saving(self) -> Decimal:
        """Before less after."""
        return self.monthly_before - self.monthly_after

    def to_dict(self) -> dict[str, Any]:
        """As JSON shows it."""
        return {
            "name": self.name,
            "title": self.title,
            "group": self.group,
            "monthlySaving": str(self.monthly_saving),
            "monthlyBefore": str(self.monthly_before),
            "monthlyAfter": str(self.monthly_after),
            "tradeOff": self.trade_off,
            "how": self.how,
            "lines": [
                {"resource": resource, "item": item, "before": str(before), "after": str(after)}
                for resource, item, before, after in self.lines
            ],
            "source": self.source,
            "date": self.date,
            "confidence": self.confidence,
            "breaks": list(self.breaks),
        }


@dataclass(frozen=True, kw_only=True)
class Savings:
    """All that could be saved of one stack, the most first, and what is not proposed."""

    estimate: Estimate
    proposals: Sequence[Proposal]
    declined: Sequence[Reason]

    def to_dict(self) -> dict[str, Any]:
        """As JSON shows it."""
        return {
            "stack": self.estimate.stack,
            "cloud": self.estimate.cloud,
            "region": self.estimate.region,
            "currency": self.estimate.currency,
            "monthly": str(self.estimate.monthly),
            "proposals": [proposal.to_dict() for proposal in self.proposals],
            "declined": [{"name": reason.name, "reason": reason.text} for reason in self.declined],
            "warnings": list(self.estimate.warnings),
        }


def proposals(
    graph: Graph, usage: Usage | str = "base", *, today: date, lists: Mapping[str, PriceList] | None = None
) -> list[Proposal]:
    """What could be saved, the most first. Raises CostError, as the estimate does."""
    return list(savings(graph, usage, today=today, lists=lists).proposals)


def savings(
    graph: Graph, usage: Usage | str = "base", *, today: date, lists: Mapping[str, PriceList] | None = None
) -> Savings:
    """Proposals, and why others are not made. Raises CostError, as the estimate does."""
    chosen = PROFILES[usage] if isinstance(usage, str) else usage
    now = estimate(graph, usage=chosen, today=today, lists=lists)
    stack = Stack.of(graph)
    prices = (lists or {}).get(stack.region) or price_list(graph.cloud, stack.region)
    made: list[Proposal] = []
    declined: list[Reason] = []
    for idea in IDEAS:
        for found in idea(stack, chosen, prices):
            if isinstance(found, Reason):
                declined.append(found)
                continue
            try:
                after = estimate(found.graph, usage=chosen, today=today, lists=lists)
            except UnknownPrice as error:
                declined.append(Reason(found.name, str(error)))
                continue
            if after.monthly < now.monthly:
                made.append(_reshaped(found, now, after))
            else:
                declined.append(Reason(found.name, f"it would cost {after.monthly - now.monthly} a month more"))
    for found in priced(now, stack, prices):
        if isinstance(found, Covered):
            made.append(_committed(found, now))
        else:
            declined.append(Reason(found[0].name, found[1]))
    made.sort(key=lambda proposal: (-proposal.monthly_saving, proposal.name))
    return Savings(estimate=now, proposals=made, declined=declined)


def _reshaped(found: Reshaped, now: Estimate, after: Estimate) -> Proposal:
    changed = tuple(changes(now, after))
    touched = {(resource, item) for resource, item, *_ in changed}
    lines = [line for line in (*after.lines, *now.lines) if (line.resource, line.item) in touched]
    heaviest = max(lines, key=lambda line: line.monthly)
    unverified = any("price unverified" in line.assumption for line in lines)
    return Proposal(
        name=found.name,
        title=found.title,
        group=found.name,
        monthly_before=now.monthly,
        monthly_after=after.monthly,
        trade_off=found.trade_off,
        how=found.how,
        lines=changed,
        source=heaviest.source,
        date=heaviest.date,
        confidence="unverified" if unverified else "list",
        breaks=found.breaks,
    )


def _committed(found: Covered, now: Estimate) -> Proposal:
    saved = sum((before - after for *_, before, after in found.lines), Decimal(0))
    return Proposal(
        name=found.commitment.name,
        title=found.commitment.title,
        group=found.commitment.group,
        monthly_before=now.monthly,
        monthly_after=now.monthly - saved,
        trade_off=found.commitment.trade_off,
        how=found.commitment.how,
        lines=found.lines,
        source=found.price.source,
        date=found.price.date.isoformat(),
        confidence=found.price.confidence,
    )
