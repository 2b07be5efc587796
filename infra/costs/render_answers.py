"""What else is asked of costs, as tables: savings, scenarios."""

from collections.abc import Sequence

from infra.costs.actual import Actual, Variance
from infra.costs.refresh.merge import Refreshed
from infra.costs.render import Grid, amount, signed
from infra.costs.savings import Savings
from infra.costs.scenario import Explained, Range

SHOWN_RESOURCES = 6
"""More than these are one row of a table; JSON has each."""


def savings_grid(found: Savings) -> Grid:
    """Proposals by weight, and in the notes why others are not made."""
    rows = [
        [
            proposal.title,
            amount(proposal.monthly_saving),
            amount(proposal.monthly_after),
            proposal.trade_off + (f"; refused by the rule {', '.join(proposal.breaks)}" if proposal.breaks else ""),
            proposal.how,
        ]
        for proposal in found.proposals
    ]
    now = found.estimate
    return Grid(
        title=f"{now.stack}: what could be saved of {amount(now.monthly)} {now.currency} a month",
        headings=["proposal", "saves", "then a month", "what it costs otherwise", "how"],
        rows=rows,
        numbers=frozenset({1, 2}),
        notes=[
            "each is against today's price: do not add up those of one kind",
            *(f"not proposed: {reason.name}: {reason.text}" for reason in found.declined),
            *now.warnings,
        ],
    )


def scenario_grid(explained: Explained) -> Grid:
    """One scenario: the text's lines, then what it leaves out."""
    rows = [
        [line.what, amount(line.theirs), amount(line.ours), signed(line.difference), line.why]
        for line in explained.lines
    ]
    rows.append(["total", amount(explained.theirs), amount(explained.estimate.monthly), signed(explained.gap), ""])
    total = explained.scenario.total
    notes = [f"source: {explained.scenario.source}"]
    if total.low != total.high:
        notes.append(f"the text says {_figure(total)}: the differences are to the middle")
    return Grid(
        title=f"{explained.scenario.title}: USD a month",
        headings=["", "the text", "ours", "difference", "why"],
        rows=rows,
        numbers=frozenset({1, 2, 3}),
        strong=frozenset({len(rows) - 1}),
        notes=[*notes, *explained.estimate.warnings],
    )


def scenarios_grid(explained: Sequence[Explained]) -> Grid:
    """All of them, one a row, with what weighs most."""
    rows: list[list[str]] = []
    for one in explained:
        lines = sorted(one.lines, key=lambda line: (-abs(line.difference), line.what))[:3]
        heaviest = ", ".join(f"{line.what} {signed(line.difference)}" for line in lines)
        rows.append(
            [one.scenario.name, _figure(one.scenario.total), amount(one.estimate.monthly), signed(one.gap), heaviest]
        )
    return Grid(
        title="Other estimates and ours, USD a month",
        headings=["scenario", "the text", "ours", "difference", "mostly"],
        rows=rows,
        numbers=frozenset({1, 2, 3}),
        notes=["line by line: cloudbill cost scenarios NAME"],
    )


def actual_grid(found: Actual) -> Grid:
    """Estimate against the bill: by category, its parts, and resources where the bill names several."""
    rows: list[list[str]] = []
    strong: set[int] = set()
    for category in found.categories:
        strong.add(len(rows))
        rows.append([category.name, *_against(category)])
        for line in found.lines:
            if line.category == category.category and line.name != category.name:
                rows.append([f"  {line.name}", *_against(line)])
                if 1 < len(line.resources) <= SHOWN_RESOURCES:
                    rows += [[f"    {one.resource}", *_against(one)] for one in line.resources]
    strong.add(len(rows))
    rows.append(["total", *_against(found.total)])
    rows += [[f"{name} (not compared)", "", amount(value), "", "", ""] for name, value in found.apart.items()]
    return Grid(
        title=f"{found.stack}, {found.month:%Y-%m}: estimate against the bill, {found.currency}",
        headings=["", "estimate", "billed", "difference", "%", ""],
        rows=rows,
        numbers=frozenset({1, 2, 3, 4}),
        strong=frozenset(strong),
        notes=found.notes,
    )


def _against(one: Variance) -> list[str]:
    percent = "" if one.percent is None else f"{one.percent:+}"
    return [
        amount(one.estimated),
        amount(one.actual),
        signed(one.difference),
        percent,
        "alert" if one.alert else "",
    ]


def prices_grid(found: Refreshed) -> Grid:
    """What changed in a price list."""
    rows = [
        [
            change.id,
            "" if change.before is None else format(change.before, "f"),
            "" if change.now is None else format(change.now, "f"),
            "" if change.percent is None else f"{change.percent:+}",
            change.unit,
        ]
        for change in found.changes
    ]
    notes = [f"{found.confirmed} prices are as they were; {len(found.kept)} are not in the list and are kept"]
    if found.left_out:
        notes.append(f"not sold in {found.prices.region}: {', '.join(found.left_out)}")
    return Grid(
        title=f"{found.prices.cloud} {found.prices.region}: prices on {found.prices.looked_over}",
        headings=["price", "old", "new", "%", "unit"],
        rows=rows,
        numbers=frozenset({1, 2, 3}),
        notes=notes,
    )


def _figure(total: Range) -> str:
    return f"{total.low:f}" if total.low == total.high else f"{total.low:f}-{total.high:f}"
