"""A graph before the rules: what passes, what is broken, what does not apply, what is waived."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from infra.graph import Graph, InvalidGraph
from infra.policies.catalog import RULES
from infra.policies.reading import Stack
from infra.policies.rule import Finding, Rule, Severity, rule
from infra.policies.today import today
from infra.policies.waivers import Waiver


class State(StrEnum):
    """How a rule stands in a stack."""

    PASS = "pass"  # a word
    FAIL = "fail"
    NOT_APPLICABLE = "not applicable"
    WAIVED = "waived"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One rule."""

    rule: Rule
    state: State
    violations: Sequence[Finding]
    waived: Sequence[Finding] = ()


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """All rules."""

    stack: str
    cloud: str
    environment: str
    outcomes: Sequence[Outcome]

    @property
    def violations(self) -> list[tuple[Rule, Finding]]:
        """Every violation with its rule."""
        return [(outcome.rule, found) for outcome in self.outcomes for found in outcome.violations]

    def count(self, state: State) -> int:
        """How many rules stand so."""
        return sum(outcome.state is state for outcome in self.outcomes)


WAIVERS_HOLD = rule(
    "waivers.needed-and-in-time",
    "What is let pass is let pass until a day, for a rule that it breaks.",
    source="INF-10",
    severity=Severity.HIGH,
)
"""Judged over the file of waivers, not over the graph."""


def judge(
    graph: Graph,
    *,
    rules: Iterable[Rule] = RULES,
    waivers: Sequence[Waiver] = (),
    on: date | None = None,
) -> Judgement:
    """The graph before all rules, in their order. `on` is the day that waivers are held to.

    InvalidGraph where its inputs are not of the shape that the providers take.
    """
    stack, day = Stack(graph), on or today()
    outcomes: list[Outcome] = []
    used: set[Waiver] = set()
    for one in rules:
        broken: list[Finding] = []
        waived: list[Finding] = []
        for found in _findings(one, stack):
            covering = [waiver for waiver in waivers if waiver.covers(one.name, found.resource, graph.stack, on=day)]
            used.update(covering)
            (waived if covering else broken).append(found)
        state = State.PASS if one.applies(stack) else State.NOT_APPLICABLE
        state = State.FAIL if broken else State.WAIVED if waived else state
        outcomes.append(Outcome(rule=one, state=state, violations=broken, waived=waived))
    outcomes.append(_waivers(waivers, used, graph.stack, {outcome.rule.name for outcome in outcomes}, day))
    return Judgement(stack=graph.stack, cloud=graph.cloud, environment=stack.environment, outcomes=outcomes)


def _findings(one: Rule, stack: Stack) -> Sequence[Finding]:
    try:
        return one.findings(stack)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        # The recorder refuses inputs that a provider would; a graph from elsewhere may hold anything.
        kinds = {kind for check in one.checks for kind in check.types}
        names = ", ".join(sorted(found.name for found in stack.of(*kinds))[:3])
        raise InvalidGraph(
            f"{one.name} cannot read the inputs of {names}: they have another shape than the provider takes ({error})"
        ) from error


def _waivers(waivers: Sequence[Waiver], used: set[Waiver], stack: str, known: set[str], on: date) -> Outcome:
    found: list[Finding] = []
    for waiver in waivers:
        if waiver.stack not in (None, stack):
            continue
        what = f"waiver of {waiver.rule} for {waiver.resource}"
        if waiver.rule not in known:
            found.append(Finding(waiver.resource, f"remove the {what}: there is no such rule"))
        elif waiver.until < on:
            found.append(Finding(waiver.resource, f"mend it: the {what} ended on {waiver.until.isoformat()}"))
        elif waiver not in used and waiver.stack is not None:
            found.append(Finding(waiver.resource, f"remove the {what}: nothing needs it"))
        elif waiver not in used:
            found.append(
                Finding(waiver.resource, f"remove the {what}, or name the stack that needs it: this one does not")
            )
    state = State.FAIL if found else State.PASS if waivers else State.NOT_APPLICABLE
    return Outcome(rule=WAIVERS_HOLD, state=state, violations=found)
