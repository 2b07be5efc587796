"""A capability, and the forms that most detectors have: what in a graph shows that a stack has it."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, cast

from infra.graph import Resource
from infra.policies.reading import ENVIRONMENTS, Stack, entries, items, values

PRODUCTION = ("production",)
BY_CHOICE: tuple[str, ...] = ()
ABOVE_DEVELOPMENT = ("production", "staging")
LONGEST_VALUE = 60


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """What shows it: a resource, its input and the input's value; `amount` where more is better."""

    resource: str
    type: str
    path: str
    value: str
    amount: float | None = None


Detector = Callable[[Stack], list[Sighting]]
"""All that shows it; nothing where the stack does not have it."""
Wanted = Callable[[Any], bool]


@dataclass(frozen=True)
class Capability:
    """What a stack can do on either cloud. `environments` are those that have it; elsewhere it costs too much, or is
    a choice.
    """

    area: str
    name: str
    _: KW_ONLY
    aws: Detector
    gcp: Detector
    environments: tuple[str, ...] = ENVIRONMENTS

    def seen(self, stack: Stack) -> list[Sighting]:
        """What shows it in a stack."""
        return (self.aws if stack.graph.cloud == "aws" else self.gcp)(stack)


def has(kind: str, path: str, want: Any = None, *, amount: bool = False) -> Detector:
    """Resources of a type whose input at `path` is given, equals `want`, or is what the function `want` accepts."""
    accepts = _wanted(want)

    def look(stack: Stack) -> list[Sighting]:
        return [
            _sighting(resource, place, value, value if amount else None)
            for resource in stack.of(kind)
            for place, value in values(resource.inputs, path)
            if accepts(value)
        ]

    return look


def every(kind: str, path: str, want: Any = None) -> Detector:
    """The same, only where no resource of the type is without it."""
    accepts = _wanted(want)

    def look(stack: Stack) -> list[Sighting]:
        found = [(resource, list(values(resource.inputs, path))) for resource in stack.of(kind)]
        if not all(accepts(value) for _, there in found for _, value in there):
            return []
        return [_sighting(resource, *there[0]) for resource, there in found]

    return look


def of_type(kind: str, *, least: int = 1) -> Detector:
    """Resources of a type, at least so many."""

    def look(stack: Stack) -> list[Sighting]:
        found = stack.of(kind)
        if len(found) < least:
            return []
        return [Sighting(resource=of.name, type=of.type, path="", value=f"{len(found)}") for of in found]

    return look


def kept(kind: str) -> Detector:
    """Resources of a type that Pulumi refuses to delete."""

    def look(stack: Stack) -> list[Sighting]:
        return [_sighting(of, "[protect]", True) for of in stack.of(kind) if of.protect]

    return look


def both(first: Detector, *others: Detector) -> Detector:
    """All of them, cited together; nothing where one finds nothing."""

    def look(stack: Stack) -> list[Sighting]:
        found = [detector(stack) for detector in (first, *others)]
        return [sighting for group in found for sighting in group] if all(found) else []

    return look


def either(*detectors: Detector) -> Detector:
    """What any of them finds."""
    return lambda stack: [sighting for detector in detectors for sighting in detector(stack)]


def nowhere(_: Stack) -> list[Sighting]:
    """The cloud has no resource that could show it."""
    return []


def entry(name: str, want: Any = None) -> Wanted:
    """A `{"name": …, "value": …}` of that name, as parameters and flags are written."""
    accepts = _wanted(want)

    def is_it(value: Any) -> bool:
        return entries(value).get("name") == name and accepts(entries(value).get("value"))

    return is_it


def limits(path: str) -> Wanted:
    """A rule that limits how often one address may ask under a path."""

    def is_it(value: Any) -> bool:
        rule = entries(value)
        return "rateLimitOptions" in rule and path in str(rule.get("match"))

    return is_it


def several(value: Any) -> bool:
    """A list of two or more."""
    return len(items(value)) > 1


def says(text: str) -> Wanted:
    """A text, or anything written as one, with this in it."""
    return lambda value: value is not None and text in str(value)


def at_least(number: float) -> Wanted:
    """A number that is as large."""
    return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and value >= number


def _wanted(want: Any) -> Wanted:
    if callable(want):
        return cast("Wanted", want)
    if want is None:
        return lambda value: value not in (None, "", [], {})
    return lambda value: value == want and isinstance(value, bool) == isinstance(want, bool)


def _sighting(resource: Resource, path: str, value: Any, amount: Any = None) -> Sighting:
    shown = _shown(value)
    return Sighting(
        resource=resource.name,
        type=resource.type,
        path=path,
        value=shown,
        amount=float(amount) if isinstance(amount, int | float | str) else None,
    )


def _shown(value: Any) -> str:
    named = entries(value)
    if "name" in named and "value" in named:
        value = f"{named['name']}={named['value']}"
    elif "description" in named:
        value = named["description"]
    text = " ".join(str(value).split())
    text = {"True": "true", "False": "false"}.get(text, text)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
