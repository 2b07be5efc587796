"""The recorded graph: every resource that the program registers for a stack, and its outputs.

    python -m infra.graph STACK                     as an update sees it, as JSON
    python -m infra.graph STACK --preview           with everything unknown that a preview does not know
    python -m infra.graph STACK --at GITREF         with the program of a commit
    python -m infra.graph STACK --set KEY=VALUE     as `pulumi config set` would change it, for this once
    python -m infra.graph STACK --diff GITREF|FILE  what changed since

Reading a graph needs nothing of Pulumi; recording one does.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, cast


class InvalidGraph(Exception):
    """The text is no recorded graph; the message says where it differs from one."""

    code = "invalid_graph"


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource, as the engine would get it: inputs in the provider's own (camelCase) keys.

    Another resource's output is `${NAME.output}`, also within a text; a secret is `{"secret": true}`. The fields have
    the names that the JSON has.
    """

    urn: str
    type: str
    name: str
    parent: str | None
    """The parent's URN; the stack itself has none."""
    custom: bool
    """Made by a provider; else a component, which only groups."""
    inputs: dict[str, Any]
    dependsOn: list[str]
    """URNs, sorted: what must be there before, by reference or by word."""
    protect: bool
    ignoreChanges: list[str]
    provider: str | None
    """The URN of the provider that makes it, None for the default one."""
    version: str
    """Of the provider's package."""
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    """The rest of the options, each only where it is set: aliases, replaceOnChanges, retainOnDelete, …"""


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A stack's resources, sorted by URN, names unique, and its outputs."""

    stack: str
    cloud: str
    resources: list[Resource]
    outputs: dict[str, Any]

    def of_type(self, *types: str) -> Iterator[Resource]:
        """All of these types."""
        return (resource for resource in self.resources if resource.type in types)

    def get(self, name: str) -> Resource:
        """The one with this name; KeyError where there is none."""
        for resource in self.resources:
            if resource.name == name:
                return resource
        raise KeyError(name)

    def to_json(self) -> str:
        """The same text for the same graph."""
        return json.dumps(
            {
                "stack": self.stack,
                "cloud": self.cloud,
                "resources": [_without_empty_options(resource) for resource in self.resources],
                "outputs": self.outputs,
            },
            indent=2,
            sort_keys=False,
            ensure_ascii=False,
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The graph that `to_json` wrote."""
        try:
            found = json.loads(text)
        except (json.JSONDecodeError, RecursionError) as error:
            why = "it is empty" if not text.strip() else str(error)
            raise InvalidGraph(f"this is no JSON ({why}): record a graph with python -m infra.graph") from None
        problem = next(_misshapen(found), None)
        if problem is not None:
            raise InvalidGraph(f"this is no recorded graph ({problem}): record one with python -m infra.graph")
        return cls(
            stack=found["stack"],
            cloud=found["cloud"],
            resources=[Resource(**resource) for resource in found["resources"]],
            outputs=found["outputs"],
        )


CLOUDS = ("aws", "gcp")
_FORM: dict[str, type] = {"stack": str, "cloud": str, "resources": list, "outputs": dict}
_FORM_OF_RESOURCE: dict[str, tuple[type, ...]] = {
    "urn": (str,),
    "type": (str,),
    "name": (str,),
    "parent": (str, type(None)),
    "custom": (bool,),
    "inputs": (dict,),
    "dependsOn": (list,),
    "protect": (bool,),
    "ignoreChanges": (list,),
    "provider": (str, type(None)),
    "version": (str,),
}


def _misshapen(found: Any) -> Iterator[str]:
    """What keeps it from being a graph, the outermost first."""
    if not isinstance(found, dict):
        yield "it is no object"
        return
    graph = cast("dict[str, Any]", found)
    for key, kind in _FORM.items():
        if not isinstance(graph.get(key), kind):
            yield f"{key} is {'missing' if key not in graph else 'of the wrong kind'}"
            return
    if graph["cloud"] not in CLOUDS:
        yield f"cloud is {graph['cloud']!r}, it may be {' or '.join(CLOUDS)}"
    for number, resource in enumerate(cast("list[Any]", graph["resources"])):
        if not isinstance(resource, dict):
            yield f"resources[{number}] is no object"
            continue
        entries = cast("dict[str, Any]", resource)
        for key, kinds in _FORM_OF_RESOURCE.items():
            if not isinstance(entries.get(key), kinds) or key not in entries:
                state = "missing" if key not in entries else "of the wrong kind"
                yield f"resources[{number}].{key} is {state}"
        for key in entries.keys() - _FORM_OF_RESOURCE.keys() - {"options"}:
            yield f"resources[{number}].{key} is no key of a resource"
        if not isinstance(entries.get("options", {}), dict):
            yield f"resources[{number}].options is of the wrong kind"


def _without_empty_options(resource: Resource) -> dict[str, Any]:
    entries = dict(vars(resource))
    if not resource.options:
        del entries["options"]
    return entries


def main(arguments: list[str]) -> int:
    """The command; its exit code."""
    from infra.recording.errors import RecordingError
    from infra.recording.program import record

    parser = argparse.ArgumentParser(prog="python -m infra.graph", description=__doc__)
    parser.add_argument("stack")
    parser.add_argument("--preview", action="store_true", help="answer unknown for what a preview does not know")
    parser.add_argument("--diff", metavar="GITREF|FILE", help="show what changed since a commit or a stored graph")
    parser.add_argument("--at", metavar="GITREF", help="record with the program of a commit")
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="a config value, as JSON or text"
    )
    given = parser.parse_args(arguments)
    changed = {f"cloudbill:{key}": value for key, _, value in (pair.partition("=") for pair in given.set)}
    if given.at and changed:
        parser.error("--set changes the stack as it is now: leave out --at")
    try:
        if given.at:
            from infra.recording.difference import at

            graph = at(given.at, given.stack, preview=given.preview)
        else:
            graph = record(given.stack, preview=given.preview, config=changed)
        if given.diff:
            from infra.recording.difference import since

            print(since(graph, given.diff, preview=given.preview))
        else:
            print(graph.to_json())
    except (RecordingError, InvalidGraph) as error:
        print(f"infra.graph: {error.code}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    # As the module that everybody else imports: run as a script, its errors would be another class than theirs.
    from infra.graph import main as run

    raise SystemExit(run(sys.argv[1:]))
