"""What `cloudbill cost` answers: one estimate, two side by side, or what a change costs."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from core.operations.costs.cost_explorer import read_cost_explorer
from core.operations.costs.graphs import find_graph, record
from infra.costs.actual import Actual, Selection, compare_month, names_of, read_export
from infra.costs.compare import changes, compare
from infra.costs.estimate import Estimate, estimate
from infra.costs.exports import ActualLine
from infra.costs.focus import to_csv
from infra.costs.render import Grid, changes_grid, comparison_grid, estimate_grid, markdown
from infra.costs.render_answers import actual_grid, savings_grid, scenario_grid, scenarios_grid
from infra.costs.savings import savings
from infra.costs.scenario import Explained, explain, names, scenario
from infra.costs.usage import find_usage


@dataclass(frozen=True)
class Answer:
    """A document and the table of it."""

    document: dict[str, Any]
    grid: Grid


@dataclass(frozen=True, kw_only=True)
class Question:
    """What of which bill: an export's file, or Cost Explorer where there is none."""

    month: date
    export: Path | None
    selection: Selection
    threshold: Decimal


@dataclass(frozen=True)
class Report:
    """The answer in the forms in which it is wanted; `monthly` is that of the stack that was asked for."""

    stack: str
    monthly: Decimal
    document: dict[str, Any]
    grid: Grid
    focus: str

    @property
    def markdown(self) -> str:
        """The table as Markdown."""
        return markdown(self.grid)


def report(
    stack: str, *, other: str | None = None, against: str | None = None, usage: str = "base", today: date
) -> Report:
    """The stack alone, beside another one, or as it was at a commit. Raises CostError or GraphUnavailable."""
    profile = find_usage(usage)
    priced = estimate(find_graph(stack), usage=profile, today=today)
    document, grid = priced.to_dict(), estimate_grid(priced)
    if other:
        comparison = compare(priced, estimate(find_graph(other), usage=profile, today=today))
        document, grid = comparison.to_dict(), comparison_grid(comparison)
    elif against:
        before = estimate(record(priced.stack, at=against), usage=profile, today=today)
        document, grid = _change(before, priced, against)
    return Report(priced.stack, priced.monthly, document, grid, to_csv(priced, month=today))


def savings_report(stack: str, *, usage: str = "base", today: date) -> Answer:
    """What could be saved of a stack. Raises CostError or GraphUnavailable."""
    found = savings(find_graph(stack), find_usage(usage), today=today)
    return Answer(found.to_dict(), savings_grid(found))


def actual_report(
    stack: str, question: Question, *, usage: str = "base", today: date
) -> tuple[Answer, Actual, list[ActualLine]]:
    """A month of a bill beside the stack's estimate, and the stack's own charges.

    Raises CostError, GraphUnavailable, CostExplorerUnavailable.
    """
    graph = find_graph(stack)
    priced = estimate(graph, usage=find_usage(usage), today=today)
    if question.export is not None:
        lines = read_export(question.export)
    else:
        tagged = question.selection.tags.get("stack") == priced.stack
        midnight = datetime(today.year, today.month, today.day, tzinfo=UTC)
        lines = read_cost_explorer(question.month, stack=priced.stack, now=midnight, tagged=tagged)
    found = compare_month(
        priced,
        lines,
        month=question.month,
        selection=question.selection if question.export is not None else None,
        threshold=question.threshold,
        names=names_of(graph),
    )
    return Answer(found.to_dict(), actual_grid(found)), found, _selected(lines, question.selection)


def _selected(lines: Iterable[ActualLine], wanted: Selection) -> list[ActualLine]:
    return [
        line
        for line in lines
        if wanted.account in (None, line.account)
        if all(line.tags.get(tag) == value for tag, value in wanted.tags.items())
    ]


def scenarios_report(name: str | None = None, *, today: date) -> Answer:
    """One text's estimate beside ours, line by line, or all of them. Raises CostError or GraphUnavailable."""
    explained = [_explained(one, today=today) for one in ([name] if name else names())]
    document: dict[str, Any] = {"scenarios": [one.to_dict() for one in explained]}
    return Answer(document, scenario_grid(explained[0]) if name else scenarios_grid(explained))


def _explained(name: str, *, today: date) -> Explained:
    found = scenario(name)
    graph = record(found.stack, settings=found.settings)
    return explain(found, estimate(graph, usage=found.profile, today=today))


def _change(before: Estimate, after: Estimate, reference: str) -> tuple[dict[str, Any], Grid]:
    changed = changes(before, after)
    document = {
        "before": before.to_dict(),
        "after": after.to_dict(),
        "changes": [
            {"resource": resource, "item": item, "before": str(was), "after": str(is_now)}
            for resource, item, was, is_now in changed
        ],
    }
    return document, changes_grid(after, changed, reference)
