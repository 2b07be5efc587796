"""A judgement as people and as programs read it."""

import json
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from infra.policies.judging import Judgement, State

COLORS = {State.PASS: "green", State.FAIL: "bold red", State.NOT_APPLICABLE: "dim", State.WAIVED: "yellow"}


def as_table(judgement: Judgement, console: Console) -> None:
    """The rules with how they stand, then each violation: the rule's name, the resource, what to change."""
    table = Table(title=f"{judgement.stack} ({judgement.cloud}, {judgement.environment})", title_justify="left")
    table.add_column("Rule", overflow="fold")
    table.add_column("State", no_wrap=True)
    table.add_column("Demand", overflow="fold", ratio=2)
    table.add_column("Source", overflow="fold", ratio=1)
    for outcome in judgement.outcomes:
        rule = outcome.rule
        state = Text(outcome.state.value, style=COLORS[outcome.state])
        table.add_row(rule.name, state, escape(rule.demand), escape("; ".join(rule.sources)))
    console.print(table)
    counted = ", ".join(f"{judgement.count(state)} {state.value}" for state in State)
    console.print(f"{len(judgement.outcomes)} rules: {counted}", highlight=False)
    for rule, found in judgement.violations:
        line = Text.assemble((rule.name, "bold red"), f"  {found.resource}: {found.change}")
        console.print(line, soft_wrap=True)


def as_json(judgement: Judgement) -> str:
    """The same for programs; the same text for the same judgement."""
    entries: list[dict[str, Any]] = []
    for outcome in judgement.outcomes:
        rule = outcome.rule
        entries.append(
            {
                "name": rule.name,
                "state": outcome.state.value,
                "demand": rule.demand,
                "severity": rule.severity.value,
                "sources": list(rule.sources),
                "clouds": sorted(rule.clouds),
                "environments": list(rule.environments),
                "violations": [vars(found) for found in outcome.violations],
                "waived": [vars(found) for found in outcome.waived],
            }
        )
    whole = {
        "stack": judgement.stack,
        "cloud": judgement.cloud,
        "environment": judgement.environment,
        "counts": {state.value: judgement.count(state) for state in State},
        "rules": entries,
    }
    return json.dumps(whole, indent=2, ensure_ascii=False)
