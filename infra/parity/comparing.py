"""Two stacks side by side: what both have, what one lacks, and whether that is explained."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from infra.graph import Graph
from infra.parity.capabilities import CAPABILITIES
from infra.parity.capability import Capability, Sighting
from infra.parity.explanations import EXPLANATIONS
from infra.policies.reading import Stack


class State(StrEnum):
    """How two stacks stand."""

    BOTH = "both"
    LESS = "less"
    """Both have it, one less of it."""
    MISSING = "missing"
    """One has it."""
    NEITHER = "neither"


@dataclass(frozen=True, kw_only=True)
class Gap:
    """What a stack lacks. `text` and `page` are None where nothing explains it."""

    stack: str
    text: str | None
    page: str | None

    @property
    def is_explained(self) -> bool:
        """Whether it is known why."""
        return self.text is not None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One capability in both stacks."""

    capability: Capability
    left: Sighting | None
    right: Sighting | None
    state: State
    gap: Gap | None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two stacks, whole."""

    left: Stack
    right: Stack
    rows: list[Row]

    def count(self, state: State) -> int:
        """How many stand like this."""
        return sum(row.state is state for row in self.rows)

    @property
    def unexplained(self) -> list[Row]:
        """Gaps that nothing explains."""
        return [row for row in self.rows if row.gap is not None and not row.gap.is_explained]


def compare(left: Graph, right: Graph, *, capabilities: Sequence[Capability] = CAPABILITIES) -> Comparison:
    """Each capability in both graphs."""
    one, other = Stack(left), Stack(right)
    return Comparison(left=one, right=other, rows=[_row(capability, one, other) for capability in capabilities])


def _row(capability: Capability, left: Stack, right: Stack) -> Row:
    here, there = _most(capability.seen(left)), _most(capability.seen(right))
    state, lacking = _standing(here, there, left, right)
    other = right if lacking is left else left
    return Row(
        capability=capability,
        left=here,
        right=there,
        state=state,
        gap=_gap(capability, lacking, other, is_less=state is State.LESS) if lacking else None,
    )


def _standing(here: Sighting | None, there: Sighting | None, left: Stack, right: Stack) -> tuple[State, Stack | None]:
    if here is None or there is None:
        if here is there:
            return State.NEITHER, None
        return State.MISSING, left if here is None else right
    if here.amount is not None and there.amount is not None and here.amount != there.amount:
        return State.LESS, left if here.amount < there.amount else right
    return State.BOTH, None


def _gap(capability: Capability, lacking: Stack, other: Stack, *, is_less: bool) -> Gap:
    stack, cloud, environment = lacking.graph.stack, lacking.graph.cloud, lacking.environment
    known = EXPLANATIONS.get((cloud, capability.area, capability.name))
    if known is not None and other.graph.cloud != cloud:
        return Gap(stack=stack, text=known.text, page=known.page)
    if not capability.environments:
        return Gap(stack=stack, text="a choice of the stack's configuration", page="infra/config.py")
    if environment not in capability.environments or (is_less and environment != other.environment):
        return Gap(stack=stack, text=f"{environment} is smaller by its defaults", page="infra/environments.py")
    return Gap(stack=stack, text=None, page=None)


def _most(found: list[Sighting]) -> Sighting | None:
    return max(found, key=lambda sighting: sighting.amount or 0, default=None)
