"""What a rule is, and the forms that most rules have.

A rule demands one thing, of whatever types it concerns on either cloud: its checks look at a recorded graph and say
which resource breaks it, and what to change there.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from infra.graph import Resource
from infra.policies.demand import Demand, shown
from infra.policies.reading import ENVIRONMENTS, Stack, is_unknown, values


class Severity(StrEnum):
    """How bad it is where a rule is broken."""

    CRITICAL = "critical"
    """Open to the outside, or data lost or legible."""
    HIGH = "high"
    """A line of defence is gone, or the stack stands on one leg."""
    MEDIUM = "medium"
    """Harder to notice, to explain or to pay."""


@dataclass(frozen=True, order=True)
class Finding:
    """A resource, by its name in the program, and what to change there."""

    resource: str
    change: str


Found = Iterator[Finding]
When = Callable[[Stack, Resource], bool]


@dataclass(frozen=True)
class Check:
    """How a rule looks at a graph. `types` are those that it judges: where there is none, it does not apply,
    unless it `asks_for` one.
    """

    types: tuple[str, ...]
    look: Callable[[Stack], Found]
    asks_for: bool = False

    @property
    def clouds(self) -> frozenset[str]:
        """Whose types these are; both where they are neither's."""
        found = {kind.removeprefix("pulumi:providers:").split(":")[0] for kind in self.types} & {"aws", "gcp"}
        return frozenset(found or {"aws", "gcp"})

    def applies(self, stack: Stack) -> bool:
        """Whether the graph has anything to judge."""
        return stack.graph.cloud in self.clouds and (self.asks_for or bool(stack.of(*self.types)))


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One demand."""

    name: str
    """SUBJECT.DEMAND, as it is printed and waived."""
    demand: str
    """In one sentence."""
    sources: tuple[str, ...]
    """Ids of requirements (INF-2), controls of AWS Foundational Security Best Practices (RDS.2), of the CIS
    Foundations Benchmarks 3.0 (CIS AWS 3.7, CIS GCP 6.4), or a page of a cloud's guidance."""
    checks: tuple[Check, ...]
    severity: Severity = Severity.HIGH
    environments: tuple[str, ...] = ENVIRONMENTS

    @property
    def clouds(self) -> frozenset[str]:
        """Where it can apply."""
        return frozenset[str]().union(*(check.clouds for check in self.checks))

    def applies(self, stack: Stack) -> bool:
        """Whether it says anything of this stack."""
        return stack.environment in self.environments and any(check.applies(stack) for check in self.checks)

    def findings(self, stack: Stack) -> list[Finding]:
        """Sorted, each once; none where it does not apply."""
        if stack.environment not in self.environments:
            return []
        return sorted({finding for check in self.checks if check.applies(stack) for finding in check.look(stack)})


def rule(
    name: str,
    demand: str,
    *checks: Check,
    source: str,
    severity: Severity = Severity.HIGH,
    environments: tuple[str, ...] = ENVIRONMENTS,
) -> Rule:
    """A rule; its sources parted by semicolons."""
    sources = tuple(part.strip() for part in source.split(";"))
    return Rule(name=name, demand=demand, sources=sources, checks=checks, severity=severity, environments=environments)


def each(kind: str, path: str, demand: Demand, *, when: When | None = None) -> Check:
    """Every resource of a type has, wherever `path` leads, a value that meets the demand."""

    def look(stack: Stack) -> Found:
        for resource in stack.of(kind):
            if when is not None and not when(stack, resource):
                continue
            for place, found in values(resource.inputs, path):
                if not is_unknown(found) and not demand.holds(found, stack):
                    yield Finding(resource.name, f"{place} is {shown(found)}: it must be {demand.wording(stack)}")

    return Check((kind,), look)


def setting(kind: str, path: str, name: str, demand: Demand, *, when: When | None = None) -> Check:
    """Of the list of named settings at `path`, the one with this name meets the demand."""

    def look(stack: Stack) -> Found:
        for resource in stack.of(kind):
            if when is not None and not when(stack, resource):
                continue
            listed: list[dict[str, Any]] = [found for _, found in values(resource.inputs, f"{path}[]") if found]
            found = next((item.get("value") for item in listed if item.get("name") == name), None)
            if not is_unknown(found) and not demand.holds(found, stack):
                yield Finding(resource.name, f"{name} in {path} is {shown(found)}: it must be {demand.wording(stack)}")

    return Check((kind,), look)


def companion(kind: str, other: str, path: str, *, when: When | None = None) -> Check:
    """Every resource of a type has one of another type that refers to it at `path`."""

    def look(stack: Stack) -> Found:
        for resource in stack.of(kind):
            if (when is None or when(stack, resource)) and not stack.referring(resource, other, path):
                yield Finding(resource.name, f"add a {title(other)} whose {path} is this {title(kind)}")

    return Check((kind,), look)


def some(*kinds: str, why: str, having: When | None = None) -> Check:
    """There is at least one resource of one of these types."""

    def look(stack: Stack) -> Found:
        if not any(having is None or having(stack, resource) for resource in stack.of(*kinds)):
            yield Finding(stack.graph.stack, f"add a {title(kinds[0])}: {why}")

    return Check(kinds, look, asks_for=True)


def none(*kinds: str, instead: str) -> Check:
    """There is no resource of these types."""

    def look(stack: Stack) -> Found:
        for resource in stack.of(*kinds):
            yield Finding(resource.name, f"remove this {title(resource.type)}: {instead}")

    return Check(kinds, look, asks_for=True)


def judged(look: Callable[[Stack], Found], *kinds: str, asks_for: bool = False) -> Check:
    """Whatever needs more than one value."""
    return Check(kinds, look, asks_for)


def title(kind: str) -> str:
    """The last word of a type."""
    return kind.rpartition(":")[2]
