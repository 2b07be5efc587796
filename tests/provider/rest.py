"""Google's own REST schemas: the discovery documents that google-api-python-client carries, and what they refuse.

They give names, types, enums, read-only marks and some patterns. What must be given they say only in words
("Required.") and not everywhere; the rest is in the table of twins, with its source.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from googleapiclient import discovery_cache

from infra.graph import Graph, Resource
from tests.provider.twins import NO_TWIN, TWINS, Twin

_DOCUMENTS = Path(discovery_cache.__file__).parent / "documents"
_TOKEN = re.compile(r"\$\{[A-Za-z0-9_-]+(\.[^{}]+)?\}")
_READ_ONLY = re.compile(r"\[?Output[ -]only\b", re.IGNORECASE)
_REQUIRED = re.compile(r"\[?Required\b(?! (if|when|only|for)\b)[.\]]")
_DURATION = re.compile(r"\d+(\.\d{1,9})?s")


def documents() -> frozenset[str]:
    """All that are carried: `sqladmin.v1`, ..."""
    return frozenset(path.name.removesuffix(".json") for path in _DOCUMENTS.glob("*.json"))


def problems(graph: Graph, used: set[Any] | None = None) -> Iterator[str]:
    """What Google would refuse in a graph: each with resource, type and path."""
    for resource in graph.resources:
        if resource.type.startswith("gcp:") and resource.type not in NO_TWIN:
            for problem in _Check(resource, set() if used is None else used).problems():
                yield f"{resource.name} ({resource.type}): {problem}"


@cache
def schemas(document: str) -> dict[str, Any]:
    """Of one document, by name."""
    return json.loads((_DOCUMENTS / f"{document}.json").read_text(encoding="utf-8"))["schemas"]


class _Check:
    """One resource against its twin."""

    def __init__(self, resource: Resource, used: set[Any]) -> None:
        self._resource = resource
        self._used = used

    def problems(self) -> Iterator[str]:
        twin = TWINS.get(self._resource.type)
        if twin is None:
            yield "no twin is known: add it to TWINS, or to NO_TWIN with the reason"
            return
        self._twin: Twin = twin
        self._all = schemas(twin.document)
        given: set[str] = set()
        inputs = json.loads(self._resource.inputs[twin.whole]) if twin.whole else self._resource.inputs
        yield from self._object(self._all[twin.schema], inputs, "", "", given)
        for path in twin.required:
            self._used.add((self._resource.type, "required", path))
            if path not in given:
                yield f"{path} is missing: {twin.source}"

    def _object(
        self, schema: dict[str, Any], inputs: Mapping[str, Any], path: str, rest: str, given: set[str]
    ) -> Iterator[str]:
        present: set[str] = set()
        for key, value in inputs.items():
            place = f"{path}.{key}" if path else key
            pattern = re.sub(r"\[\d+\]", "", place)
            if value is None or self._is_beside(pattern):
                continue
            target = self._target(schema, key, pattern)
            if target is None:
                yield f"{place} is no field of {schema.get('id', 'the object')} in {self._twin.document}"
                continue
            present.add(target[0])
            inner, unknown = self._descend(schema, target)
            if unknown:
                yield f"{place} is {'.'.join(target)} in {self._twin.document}, which has no {unknown}"
                continue
            below = ".".join([*([rest] if rest else []), *target])
            given.update(below.rsplit(".", n)[0] for n in range(len(target)))
            yield from self._value(inner, value, place, below, given)
        for name, property_ in schema.get("properties", {}).items():
            below = f"{rest}.{name}" if rest else name
            if name not in present and _REQUIRED.match(property_.get("description", "")):
                if below in self._twin.elsewhere:
                    self._used.add((self._resource.type, "elsewhere", below))
                elif not _is_read_only(property_):
                    yield f"{path + '.' if path else ''}{name} is missing: {self._twin.document} says it is required"

    def _is_beside(self, pattern: str) -> bool:
        if pattern in self._twin.beside:
            self._used.add((self._resource.type, "beside", pattern))
            return True
        return False

    def _target(self, schema: dict[str, Any], key: str, pattern: str) -> list[str] | None:
        """Google's name of a field; several where it lies deeper there."""
        if pattern in self._twin.renamed:
            self._used.add((self._resource.type, "renamed", pattern))
            return self._twin.renamed[pattern].split(".")
        known = schema.get("properties", {})
        spellings = [key]  # the bridge writes lists in the plural
        if key.endswith("s"):
            spellings += [key[:-1], key[:-2], key[:-3] + "y"]
        return next(([name] for name in spellings if name in known), None)

    def _descend(self, schema: dict[str, Any], target: list[str]) -> tuple[dict[str, Any], str | None]:
        found = schema
        for name in target:
            found = self._resolved(found)
            if found.get("type") == "array":
                found = self._resolved(found["items"])
            if name not in found.get("properties", {}):
                return {}, name
            found = found["properties"][name]
        return found, None

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        if "$ref" in schema:
            return self._all[schema["$ref"]]
        return schema

    def _value(self, said: dict[str, Any], value: Any, place: str, rest: str, given: set[str]) -> Iterator[str]:
        if _is_read_only(said):
            yield f"{place} is read only"
            return
        schema = self._resolved(said)
        kind = schema.get("type")
        if value == {"secret": True}:
            return
        if kind == "array":
            items = value if isinstance(value, list) else [value]  # the bridge leaves the list around one out
            for number, item in enumerate(items):
                yield from self._value(schema["items"], item, f"{place}[{number}]", rest, given)
        elif kind == "object" and "additionalProperties" in schema:
            yield from self._map(schema["additionalProperties"], value, place, rest, given)
        elif kind == "object":
            if not isinstance(value, dict):
                yield f"{place} is {value!r}: an object ({schema.get('id', '')}) is expected"
            else:
                yield from self._object(schema, value, place, rest, given)
        elif kind != "any":
            yield from _scalar_problems(schema, value, place)

    def _map(self, said: dict[str, Any], value: Any, place: str, rest: str, given: set[str]) -> Iterator[str]:
        key = self._twin.keyed.get(re.sub(r"\[\d+\]", "", place))
        if key and isinstance(value, list):  # the bridge writes some maps as lists whose items have a name
            self._used.add((self._resource.type, "keyed", re.sub(r"\[\d+\]", "", place)))
            for number, item in enumerate(value):
                rest_of_it = {name: part for name, part in item.items() if name != key}
                yield from self._value(said, rest_of_it, f"{place}[{number}]", rest, given)
        elif isinstance(value, dict):
            for name, item in value.items():
                yield from self._value(said, item, f"{place}.{name}", rest, given)
        else:
            yield f"{place} is {value!r}: a map is expected"


def _is_read_only(schema: dict[str, Any]) -> bool:
    return bool(schema.get("readOnly")) or bool(_READ_ONLY.match(schema.get("description", "")))


def _scalar_problems(schema: dict[str, Any], value: Any, place: str) -> Iterator[str]:
    kind, form = schema["type"], schema.get("format")
    if isinstance(value, dict | list):
        yield f"{place} is an {'object' if isinstance(value, dict) else 'array'}: {kind} is expected"
        return
    if isinstance(value, str) and _TOKEN.search(value):
        return
    match kind:
        case "boolean":
            fits = isinstance(value, bool)
        case "integer":
            fits = not isinstance(value, bool) and re.fullmatch(r"-?\d+", str(value)) is not None
        case "number":
            fits = not isinstance(value, bool) and re.fullmatch(r"-?\d+(\.\d+)?", str(value)) is not None
        case _ if form in ("int64", "uint64"):
            fits = not isinstance(value, bool) and re.fullmatch(r"-?\d+", str(value)) is not None
        case _ if form == "google-duration":
            fits = isinstance(value, str) and (value == "" or _DURATION.fullmatch(value) is not None)
        case _:
            fits = isinstance(value, str)
    if not fits:
        yield f"{place} is {value!r}: {form or kind} is expected"
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{place} is {value!r}: it may be {', '.join(schema['enum'])}"
    elif "pattern" in schema and isinstance(value, str) and not re.fullmatch(schema["pattern"], value):
        yield f"{place} is {value!r}: it must match {schema['pattern']}"
