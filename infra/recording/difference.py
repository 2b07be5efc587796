"""What changed between two graphs of a stack, as text that a reviewer reads.

Whether a change replaces the resource is what the provider's own documentation of that input says, or the program's
`replaceOnChanges`. A provider may replace for more than it documents: `pulumi preview` has the last word.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from infra.finding import is_file, read_graph
from infra.graph import Graph, Resource
from infra.recording import schema
from infra.recording.errors import RecordingError
from infra.recording.program import ROOT

_REPLACES = re.compile(
    r"forces? (a |the )?(new|replacement|re-?creation)|requires? replacement|will be (destroyed and )?re-?created", re.I
)
_PLAIN = ("protect", "ignoreChanges", "provider", "version", "parent", "options", "dependsOn")
LONGEST_VALUE = 120


class UnknownReference(RecordingError):
    """Neither a stored graph nor a commit has this name."""

    code = "unknown_reference"


def since(graph: Graph, reference: str, *, preview: bool = False) -> str:
    """What changed since a stored graph (a file) or a commit, whose own program is recorded."""
    before = read_graph(Path(reference)) if is_file(reference) else at(reference, graph.stack, preview=preview)
    if before.stack != graph.stack:
        raise UnknownReference(
            f"{reference} holds the stack {before.stack}, not {graph.stack}: give a graph of the same stack, or set "
            f"the two side by side with python -m infra.parity {before.stack} {graph.stack}"
        )
    return compare(before, graph)


def compare(before: Graph, after: Graph) -> str:
    """One paragraph a resource: `+` new, `-` gone, `~` changed, `!` replaced; "no change" where there is none."""
    old = {resource.urn: resource for resource in before.resources}
    new = {resource.urn: resource for resource in after.resources}
    lines: list[str] = []
    for urn in sorted(old.keys() | new.keys()):
        if urn not in old:
            lines.append(f"+ {_title(new[urn])}")
        elif urn not in new:
            lines.append(f"- {_title(old[urn])}{'  (protected: it has to be unprotected first)' * old[urn].protect}")
        else:
            lines += _changed(old[urn], new[urn])
    outputs = list(_differences(before.outputs, after.outputs))
    if outputs:
        lines += ["~ outputs", *(f"    {path}: {_shown(was)} -> {_shown(now)}" for path, was, now in outputs)]
    return "\n".join(lines) or "no change"


def _changed(before: Resource, after: Resource) -> list[str]:
    lines: list[str] = []
    replaced = False
    for path, was, now in _differences(before.inputs, after.inputs):
        note = ""
        if re.split(r"[.\[]", path)[0] in after.ignoreChanges:
            note = "  (ignored: it is not applied)"
        elif path in after.options.get("replaceOnChanges", ()) or _is_documented(after.type, path):
            note, replaced = "  (replaces the resource)", True
        lines.append(f"    {path}: {_shown(was)} -> {_shown(now)}{note}")
    for name in _PLAIN:
        was, now = getattr(before, name), getattr(after, name)
        if was != now:
            lines.append(f"    [{name}]: {_shown(was)} -> {_shown(now)}")
    return [f"{'!' if replaced else '~'} {_title(after)}", *lines] if lines else []


def _differences(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Path, value before, value after; JSON within a text is compared as JSON."""
    before, after = _opened(before), _opened(after)
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        old, new = cast("dict[str, Any]", before), cast("dict[str, Any]", after)
        for key in sorted(old.keys() | new.keys()):
            yield from _differences(old.get(key), new.get(key), f"{path}.{key}" if path else key)
        return
    if isinstance(before, list) and isinstance(after, list):
        was_items, now_items = cast("list[Any]", before), cast("list[Any]", after)
        if len(was_items) == len(now_items):
            for place, (was, now) in enumerate(zip(was_items, now_items, strict=True)):
                yield from _differences(was, now, f"{path}[{place}]")
            return
    yield path, before, after


def _opened(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except json.JSONDecodeError:
            return value
    return value


def _is_documented(token: str, path: str) -> bool:
    cls = schema.resource_class(token)
    return cls is not None and any(_REPLACES.search(text) for text in schema.documentation(cls, path))


def at(reference: str, stack: str, *, preview: bool = False) -> Graph:
    """Records the stack with the program of a commit, in a work tree of its own."""
    with tempfile.TemporaryDirectory(prefix="cloudbill-graph-") as folder:
        place = Path(folder) / "tree"
        added = _git("worktree", "add", "--detach", str(place), reference)
        if added.returncode != 0:
            raise UnknownReference(f"{reference!r} is neither a stored graph nor a commit of this repository")
        try:
            recorded = subprocess.run(
                [sys.executable, "-m", "infra.graph", stack, *(["--preview"] if preview else [])],
                cwd=place,
                env={**os.environ, "PYTHONPATH": str(place)},
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            _git("worktree", "remove", "--force", str(place))
    if recorded.returncode != 0:
        raise UnknownReference(f"{reference} has no program that records {stack}: {_last_line(recorded.stderr)}")
    return Graph.from_json(recorded.stdout)


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", *arguments],  # noqa: S607  # whichever git the person at the keyboard uses
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def _title(resource: Resource) -> str:
    return f"{resource.name} ({resource.type})"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it said nothing"
