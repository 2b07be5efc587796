"""What one recorded graph has that another has not."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.costs import StackGraph

LONGEST = 300
"""Characters that are shown of an input."""


@dataclass(frozen=True, kw_only=True)
class Changed:
    """A resource in both, with each input that differs: key, before, after."""

    name: str
    type: str
    inputs: list[tuple[str, str | None, str | None]]


@dataclass(frozen=True)
class Changes:
    """Resources by name and type."""

    added: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    removed: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    changed: list[Changed] = field(default_factory=list[Changed])


def changes_between(before: StackGraph | None, after: StackGraph) -> Changes:
    """From `before` to `after`; without a graph before, all is added. Components only group and are left out."""
    old = {resource.urn: resource for resource in before.resources if resource.custom} if before else {}
    new = {resource.urn: resource for resource in after.resources if resource.custom}
    changes = Changes()
    for urn in sorted(old.keys() | new.keys()):
        was, is_now = old.get(urn), new.get(urn)
        if was is None and is_now is not None:
            changes.added.append((is_now.name, is_now.type))
        elif is_now is None and was is not None:
            changes.removed.append((was.name, was.type))
        elif was is not None and is_now is not None and was.inputs != is_now.inputs:
            differing = _differing(was.inputs, is_now.inputs)
            changes.changed.append(Changed(name=is_now.name, type=is_now.type, inputs=differing))
    return changes


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, str | None, str | None]]:
    return [
        (key, *_shown(_text(before, key), _text(after, key)))
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]


def _text(inputs: Mapping[str, Any], key: str) -> str | None:
    if key not in inputs:
        return None
    value = inputs[key]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _shown(before: str | None, after: str | None) -> tuple[str | None, str | None]:
    """Both, cut to where they differ: what a long text has in common at its start says nothing."""
    start = 0
    if before is not None and after is not None and max(len(before), len(after)) > LONGEST:
        same = next((place for place, (one, other) in enumerate(zip(before, after, strict=False)) if one != other), 0)
        start = max(0, same - LONGEST // 4)
    return _cut(before, start), _cut(after, start)


def _cut(text: str | None, start: int) -> str | None:
    if text is None:
        return None
    shown = ("…" if start else "") + text[start : start + LONGEST]
    return shown + ("…" if len(text) > start + LONGEST else "")
