"""A recorded graph as the rules read it: values by path, what a reference points to, whose environment it is."""

import json
import re
from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Any, cast

from infra.graph import Graph, Resource

TOKEN = re.compile(r"\$\{([^.{}\[\]]+)(?:[.\[][^{}]*)?\}")
"""`${NAME.output}`, or `${NAME}` for a resource itself."""
STRICTEST = "production"
ENVIRONMENTS = ("production", "staging", "development")
_LABELS = ("defaultTags", "defaultLabels")


class Stack:
    """One graph, indexed once: rules ask it by type and by reference."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._by_type: dict[str, list[Resource]] = {}
        self._by_name: dict[str, Resource] = {}
        for resource in graph.resources:
            self._by_type.setdefault(resource.type, []).append(resource)
            self._by_name[resource.name] = resource

    def of(self, *types: str) -> list[Resource]:
        """All of these types."""
        return [resource for kind in types for resource in self._by_type.get(kind, ())]

    def find(self, name: str) -> Resource | None:
        """The one with this name."""
        return self._by_name.get(name)

    def target(self, value: Any) -> Resource | None:
        """What the first reference in a value points to, directly or through an alias of it."""
        found = self.targets(value)
        return found[0] if found else None

    def targets(self, value: Any) -> list[Resource]:
        """All that a value, however deep, refers to."""
        names = (name for text in texts(value) for name in TOKEN.findall(text))
        return [resource for name in names if (resource := self._by_name.get(name)) is not None]

    def referring(self, to: Resource, kind: str, path: str) -> list[Resource]:
        """The resources of a type whose input at `path` refers to a resource."""
        return [
            resource
            for resource in self.of(kind)
            if any(to in self.targets(value) for _, value in values(resource.inputs, path))
        ]

    @cached_property
    def labels(self) -> dict[str, dict[str, Any]]:
        """What each provider puts on all that it makes, by the provider's name."""
        found: dict[str, dict[str, Any]] = {}
        for provider in self.of("pulumi:providers:aws", "pulumi:providers:gcp"):
            given: Any = {}
            for key in _LABELS:
                given = opened(provider.inputs.get(key)) or given
            found[provider.name] = entries(entries(given).get("tags", given))
        return found

    @cached_property
    def environment(self) -> str:
        """What the providers' labels say; the strictest where they say nothing or not the same."""
        said = {str(labels.get("environment")) for labels in self.labels.values()}
        only = said.pop() if len(said) == 1 else STRICTEST
        return only if only in ENVIRONMENTS else STRICTEST


def values(inputs: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Path and value of what `a.b[].c` names; None once where it is absent. JSON within a text is opened."""
    yield from _walk(inputs, path.replace("[]", ".[]").split("."), "")


def value(inputs: Any, path: str) -> Any:
    """The first of `values`."""
    return next(values(inputs, path))[1]


def _walk(found: Any, rest: list[str], place: str) -> Iterator[tuple[str, Any]]:
    if not rest:
        yield place, found
        return
    found, step, below = opened(found), rest[0], rest[1:]
    if step == "[]":
        listed = items(found)
        if not listed:
            yield "".join([place, "[]", *(f".{part}" for part in below)]).replace(".[]", "[]"), None
        for number, item in enumerate(listed):
            yield from _walk(item, below, f"{place}[{number}]")
        return
    yield from _walk(entries(found).get(step), below, f"{place}.{step}" if place else step)


def entries(found: Any) -> dict[str, Any]:
    """As an object; empty where it is none."""
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def items(found: Any) -> list[Any]:
    """As a list: one value is a list of one, none is empty."""
    if found is None:
        return []
    return cast("list[Any]", found) if isinstance(found, list) else [found]


def rows(found: Any) -> list[dict[str, Any]]:
    """As a list of objects; what is none is empty."""
    return [entries(opened(item)) for item in items(found)]


def opened(found: Any) -> Any:
    """JSON within a text as what it says."""
    return _parsed(found) if isinstance(found, str) and found[:1] in ("{", "[") else found


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def texts(found: Any) -> Iterator[str]:
    """Every text in a value."""
    if isinstance(found, str):
        yield found
    elif isinstance(found, dict):
        for item in cast("dict[str, Any]", found).values():
            yield from texts(item)
    elif isinstance(found, list):
        for item in cast("list[Any]", found):
            yield from texts(item)


def leaves(found: Any, place: str = "") -> Iterator[tuple[str, str, Any]]:
    """Path, last key and value of everything in the inputs that is no object and no list; JSON in texts is opened."""
    found = opened(found)
    if isinstance(found, dict) and not is_marked(found):
        for key, item in cast("dict[str, Any]", found).items():
            yield from _below(key, item, f"{place}.{key}" if place else key)
    elif isinstance(found, list):
        for number, item in enumerate(cast("list[Any]", found)):
            yield from _below("", item, f"{place}[{number}]")


def _below(key: str, item: Any, place: str) -> Iterator[tuple[str, str, Any]]:
    inner = opened(item)
    if isinstance(inner, dict | list) and not is_marked(inner):
        yield from leaves(inner, place)
    else:
        yield place, key, item


def is_secret(found: Any) -> bool:
    """Marked as a secret."""
    return found == {"secret": True}


def is_unknown(found: Any) -> bool:
    """A preview does not know it."""
    return found == {"unknown": True}


def is_marked(found: Any) -> bool:
    """No value but a mark for one."""
    return is_secret(found) or is_unknown(found)
