"""Estimates and comparisons as tables: for a terminal (a grid that `rich` draws) and as Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby

from infra.costs.compare import Comparison
from infra.costs.estimate import Estimate, Line
from infra.costs.items import Category, Kind

GATHERED = 4
"""So many lines of the same thing are one row of a table; JSON and FOCUS have each."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Rows of text under headings; the columns in `numbers` are amounts, `strong` rows are sums."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: frozenset[int] = frozenset()
    strong: frozenset[int] = frozenset()
    notes: Sequence[str] = field(default_factory=tuple[str, ...])


def amount(value: Decimal) -> str:
    """With thousands and cents: `1,092.96`."""
    return f"{value:,.2f}"


def estimate_grid(estimate: Estimate) -> Grid:
    """Line by line under its category, many of a kind in one row; what costs nothing is counted in a note."""
    order = [str(category) for category in Category]
    paid = sorted(
        (line for line in estimate.lines if line.kind != Kind.FREE),
        key=lambda line: (order.index(line.category), line.resource, line.item),
    )
    rows: list[Sequence[str]] = []
    strong: set[int] = set()
    for category, group in groupby(paid, key=lambda line: line.category):
        lines = list(group)
        strong.add(len(rows))
        rows.append([category, "", "", "", *_sums(lines)])
        rows += [_row(alike) for alike in _gathered(lines)]
    strong.add(len(rows))
    rows.append(["total", "", "", "", amount(estimate.low), amount(estimate.monthly), amount(estimate.high)])
    free = sum(1 for line in estimate.lines if line.kind == Kind.FREE)
    return Grid(
        title=f"{estimate.stack}: {estimate.cloud.upper()} {estimate.region}, {estimate.currency} a month",
        headings=["resource", "item", "quantity", "price", "low", "monthly", "high"],
        rows=rows,
        numbers=frozenset({2, 3, 4, 5, 6}),
        strong=frozenset(strong),
        notes=[
            f"{free} further resources cost nothing by themselves",
            *(guard.notice for guard in estimate.notices),
            *estimate.warnings,
        ],
    )


def comparison_grid(comparison: Comparison) -> Grid:
    """By category, and what on either side weighs most in it."""
    left, right = comparison.left, comparison.right
    sums = left.by_category(), right.by_category()
    rows: list[Sequence[str]] = []
    for category in (str(one) for one in Category):
        if category in sums[0] or category in sums[1]:
            pair = [side.get(category, Decimal(0)) for side in sums]
            rows.append([category, amount(pair[0]), amount(pair[1]), signed(pair[1] - pair[0])])
    rows.append(["total", amount(left.monthly), amount(right.monthly), signed(right.monthly - left.monthly)])
    rows.append(["quiet month", amount(left.low), amount(right.low), signed(right.low - left.low)])
    rows.append(["busy month", amount(left.high), amount(right.high), signed(right.high - left.high)])
    notes = [
        f"{driver.category} {signed(driver.difference)}: {'; '.join(driver.left_lines) or 'nothing'} "
        f"against {'; '.join(driver.right_lines) or 'nothing'}"
        for driver in comparison.drivers
    ]
    return Grid(
        title=f"{left.stack} and {right.stack}, {left.currency} a month",
        headings=["", f"{left.stack} ({left.cloud.upper()})", f"{right.stack} ({right.cloud.upper()})", "difference"],
        rows=rows,
        numbers=frozenset({1, 2, 3}),
        strong=frozenset({len(rows) - 3}),
        notes=[*_basis(comparison), *notes, *dict.fromkeys([*left.warnings, *right.warnings])],
    )


def _basis(comparison: Comparison) -> list[str]:
    same = ["both sides are the same stack: there is nothing to compare"]
    usage = comparison.left.usage
    if usage is None or usage != comparison.right.usage:
        return []
    like = (
        f"like for like: {usage.requests:,.0f} requests, {usage.gb_out:,.0f} GB out, {usage.gb_nat:,.0f} GB through "
        f"NAT, {usage.gb_logs:,.0f} GB of logs, services {usage.load:.0%} of the way from least to most"
    )
    return [like, *(same if comparison.left == comparison.right else [])]


def changes_grid(estimate: Estimate, changed: Sequence[tuple[str, str, Decimal, Decimal]], since: str) -> Grid:
    """What a change costs, line by line, and what the whole stack cost before and costs now."""
    rows = [
        [resource, item, amount(before), amount(after), signed(after - before)]
        for resource, item, before, after in changed
    ]
    difference = sum((now - was for _, _, was, now in changed), Decimal(0))
    before = estimate.monthly - difference
    rows.append(["the whole stack", "", amount(before), amount(estimate.monthly), signed(difference)])
    return Grid(
        title=f"{estimate.stack}: what changed since {since}, {estimate.currency} a month",
        headings=["resource", "item", "before", "after", "difference"],
        rows=rows,
        numbers=frozenset({2, 3, 4}),
        strong=frozenset({len(rows) - 1}),
    )


def markdown(grid: Grid) -> str:
    """A Markdown table with its notes."""
    lines = [
        f"**{grid.title}**",
        "",
        "| " + " | ".join(_cell(text) for text in grid.headings) + " |",
        "|" + "|".join("---:" if place in grid.numbers else "---" for place in range(len(grid.headings))) + "|",
    ]
    for place, row in enumerate(grid.rows):
        cells = [_cell(text) for text in row]
        if place in grid.strong:
            cells = [f"**{text}**" if text else "" for text in cells]
        lines.append("| " + " | ".join(cells) + " |")
    if grid.notes:
        lines += ["", *(f"- {note}" for note in grid.notes)]
    return "\n".join(lines)


def signed(value: Decimal) -> str:
    """With its sign: `+12.00`, `-3.50`, `0.00`."""
    return f"{value:+,.2f}" if value else "0.00"


def _gathered(lines: Sequence[Line]) -> list[list[Line]]:
    """Lines of the same thing at the same price together, where there are more than a few."""
    groups: dict[tuple[str, str, Decimal], list[Line]] = {}
    for line in lines:
        groups.setdefault((line.item, line.unit, line.unitPrice), []).append(line)
    made: list[list[Line]] = []
    for alike in groups.values():
        made += [alike] if len(alike) >= GATHERED else [[line] for line in alike]
    return made


def _row(alike: Sequence[Line]) -> Sequence[str]:
    line = alike[0]
    return [
        f"  {line.resource}" if len(alike) == 1 else f"  {len(alike)} resources",
        line.item,
        f"{sum((one.quantity for one in alike), Decimal(0)):,.2f} {line.unit}",
        format(line.unitPrice.normalize(), "f"),
        *_sums(alike),
    ]


def _sums(lines: Sequence[Line]) -> list[str]:
    return [amount(sum((getattr(line, name) for line in lines), Decimal(0))) for name in ("low", "monthly", "high")]


def _cell(text: str) -> str:
    return text.strip().replace("|", "\\|")
