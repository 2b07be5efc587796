"""A careless edit of either production is caught, whatever it changes."""

import json
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from infra.graph import Graph
from infra.policies.catalog import RULES
from infra.policies.reading import Stack
from infra.policies.rule import Finding
from tests.infra.policies.mutating import Mutation, mutations
from tests.infra.recorded import recorded

STACKS = ("prod", "prod-gcp")
SURVIVORS = Path(__file__).with_name("survivors.json")
"""What no rule catches, reviewed: mutation -> why it may pass."""
LEAST_CAUGHT = 0.95
LEAST_MUTATIONS = 150


@cache
def before(stack: str) -> dict[str, frozenset[Finding]]:
    """The findings of the unchanged graph, by rule."""
    graph = Stack(recorded(stack))
    return {rule.name: frozenset(rule.findings(graph)) for rule in RULES}


def is_caught(mutation: Mutation, stack: str) -> bool:
    """Whether some rule finds what it did not find before."""
    graph = Stack(mutation.graph())
    near = sorted(RULES, key=lambda rule: not any(mutation.type in check.types for check in rule.checks))
    return any(not before(stack)[rule.name].issuperset(rule.findings(graph)) for rule in near)


@cache
def reviewed() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(SURVIVORS.read_text(encoding="utf-8"))
    return found


def test_there_are_mutations_of_every_kind() -> None:
    kinds = Counter(mutation.kind for stack in STACKS for mutation in mutations(recorded(stack)))
    assert sum(kinds.values()) >= LEAST_MUTATIONS
    assert {
        "switch",
        "number",
        "key",
        "addresses",
        "document",
        "level",
        "zones",
        "protection",
        "secret",
    } <= kinds.keys()
    assert {"version", "left out", "public", "role", "port", "privilege", "ceiling"} <= kinds.keys()


@pytest.mark.parametrize("stack", STACKS)
def test_a_careless_edit_of_production_breaks_a_rule(stack: str, record_property: Callable[[str, str], None]) -> None:
    derived = list(mutations(recorded(stack)))
    assert len({mutation.name for mutation in derived}) == len(derived)
    survivors = [mutation.name for mutation in derived if not is_caught(mutation, stack)]
    caught = 1 - len(survivors) / len(derived)
    record_property("result", f"{stack}: {len(derived)} mutations, {caught:.1%} caught, {len(survivors)} survive")
    allowed = reviewed()[stack]
    assert [name for name in survivors if name not in allowed] == [], "hold them by a rule, or review them"
    assert [name for name in allowed if name not in survivors] == [], "take them out of survivors.json"
    assert caught >= LEAST_CAUGHT


def test_what_survives_is_reviewed() -> None:
    whys = [why for allowed in reviewed().values() for why in allowed.values()]
    assert [why for why in whys if len(why) < 15] == [], "say why it may pass"


def test_the_graph_itself_is_left_as_it_was() -> None:
    graph: Graph = recorded("prod")
    text = graph.to_json()
    for number, mutation in enumerate(mutations(graph)):
        if number % 40 == 0:
            assert mutation.graph() != graph
    assert graph.to_json() == text
