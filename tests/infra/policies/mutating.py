"""Careless edits of a recorded graph, derived from its keys and values, one at a time.

Nothing here knows a rule, a resource or what a type is for. Criteria look at the name of a key and at the value, or at
the name of a type where a whole resource is left out. What cannot matter is skipped by `SKIPPED`, with its reason.
"""

import copy
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from infra.graph import Graph, Resource
from tests.infra.policies.careless import GONE, JSON, Path, edits

SKIPPED = {
    r"(^|\.)(tags|labels|userLabels|annotations)(\.|$)": "labels change what people see, not what is done",
    r"(^|\.)(description|displayName|comment|title|alarmDescription|documentation)(\.|$)": "words for people",
    r"(^|\.)(dashboardBody|dashboardJson|widgets)(\.|$)": "a picture",
    r"^(timeouts|customTimeouts)(\.|$)": "how long the tool waits",
    r"Cooldown$|buildOnPreview|sessionAffinity|startupCpuBoost|stickiness|measureLatency": "comfort or speed",
    r"(^|\.)(context|dockerfile|platforms)(\.|$)": "where the build reads its sources",
    r"abortIncompleteMultipartUpload": "halves of files that never arrived",
    r"Time$": "a time is neither secret nor strict",
    r"stripQuery$|enableAnalytics$|deleteDefaultRoutesOnCreate$|enableHttp2$": "comfort, or missed at once",
}
"""Paths that no mutation touches, and why."""


@dataclass(frozen=True)
class Mutation:
    """One edit: `name` says where and what, the same in each run."""

    kind: str
    name: str
    type: str
    """Of the resource that is changed."""
    graph: Callable[[], Graph]


def mutations(graph: Graph) -> Iterator[Mutation]:
    """All of a graph, in its own order."""
    referred = {name for found in graph.resources for name in re.findall(r"\$\{([^.}\[]+)", json.dumps(found.inputs))}
    pinned: set[str] = set()
    for place, resource in enumerate(graph.resources):
        if not resource.custom or resource.type.startswith("pulumi:pulumi"):
            continue
        if resource.protect and not _inherits(graph, resource):
            yield _mutation(graph, place, "protection", "protect off", lambda found: replace(found, protect=False))
        package = resource.type.split(":")[0]
        if resource.version and package not in pinned:  # the program sets it in one place
            pinned.add(package)
            yield _mutation(graph, place, "version", "provider unpinned", lambda found: replace(found, version=""))
        written = json.dumps(resource.inputs)
        # Without what lets something through less passes, which is noticed at once.
        lets_through = "allows" in resource.inputs or (r"\"Allow\"" in written and r"\"Deny\"" not in written)
        if resource.name not in referred and not lets_through and HOLDING_TYPE.search(resource.type.rpartition(":")[2]):
            yield Mutation(
                "left out", f"{resource.name} left out", resource.type, lambda place=place: _without(graph, place)
            )
        for path, value in _walk(resource.inputs, ()):
            for kind, what, new in edits(path, value, resource):
                written = _written(path)
                if any(re.search(pattern, written) for pattern in SKIPPED):
                    continue
                yield _mutation(
                    graph,
                    place,
                    kind,
                    f"{written} {what}",
                    lambda found, path=path, new=new: replace(found, inputs=_edited(found.inputs, path, new)),
                )


HOLDING_TYPE = re.compile(
    r"PublicAccessBlock|OwnershipControls|Versioning|Encryption|Lifecycle|FlowLog|Association$|Logging|BackupPolicy|Policy$"
    r"|Lock|Selection|Detector|Trail|Recorder|Alarm|AlertPolicy|UptimeCheck|Budget|Firewall$|Replication$|DefaultSecurityGroup"
    r"|AuditConfig|Sink|Subscription"
)
"""A resource of such a type, to which nothing refers, holds others: it is left out."""


def _inherits(graph: Graph, resource: Resource) -> bool:
    """What is protected because its parent is was not written there."""
    parent = next((found for found in graph.resources if found.urn == resource.parent), None)
    return parent is not None and parent.protect


def _walk(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            inner = json.loads(value)
        except json.JSONDecodeError:
            inner = None
        if isinstance(inner, dict | list):
            yield from _walk(inner, (*path, JSON))
            return
    if path:
        yield path, value
    if isinstance(value, dict) and value != {"secret": True}:
        for key, item in value.items():
            yield from _walk(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _walk(item, (*path, number))


def _edited(value: Any, path: Path, new: Any) -> Any:
    step, rest = path[0], path[1:]
    if step == JSON:
        return json.dumps(_edited(json.loads(value), rest, new) if rest else new)
    changed = copy.copy(value)
    if not rest and new is GONE:
        del changed[step]
    else:
        changed[step] = _edited(value[step], rest, new) if rest else new
    return changed


def _written(path: Path) -> str:
    text = ""
    for step in path:
        if step != JSON:
            text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _mutation(graph: Graph, place: int, kind: str, what: str, edit: Callable[[Resource], Resource]) -> Mutation:
    def made() -> Graph:
        resources = list(graph.resources)
        resources[place] = edit(resources[place])
        return replace(graph, resources=resources)

    return Mutation(kind, f"{graph.resources[place].name}: {what}", graph.resources[place].type, made)


def _without(graph: Graph, place: int) -> Graph:
    return replace(graph, resources=[*graph.resources[:place], *graph.resources[place + 1 :]])
