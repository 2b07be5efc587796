"""Containers of both clouds in one form: ECS writes them as JSON within a text, Cloud Run as inputs."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from infra.graph import Resource
from infra.policies.kinds import POOL, RUN, RUN_JOB, TASK
from infra.policies.reading import Stack, entries, items, opened, value

KINDS = (TASK, RUN, POOL, RUN_JOB)
_PLACES = {RUN: "template.containers", POOL: "template.containers", RUN_JOB: "template.template.containers"}
MIGRATING = "migrate"


@dataclass(frozen=True)
class Container:
    """One container of a task, service, worker pool or job."""

    resource: Resource
    name: str
    definition: dict[str, Any]
    environment: dict[str, Any] = field(default_factory=dict[str, Any])
    """Settings in clear, by name."""
    secrets: dict[str, Any] = field(default_factory=dict[str, Any])
    """Settings from secrets, by name: where each comes from."""

    @property
    def image(self) -> str:
        """Its image, or nothing."""
        return str(self.definition.get("image") or "")

    @property
    def migrates(self) -> bool:
        """Whether it is the one that changes the schema, or a task that people run."""
        if self.resource.type == RUN_JOB:
            return True
        return self.name == MIGRATING or (self.resource.type == TASK and self.name == "job")


def containers(stack: Stack, *kinds: str) -> Iterator[Container]:
    """All of them, or those of resources of these types."""
    for resource in stack.of(*(kinds or KINDS)):
        if resource.type == TASK:
            for found in items(opened(resource.inputs.get("containerDefinitions"))):
                yield _of_task(resource, entries(found))
        else:
            for found in items(value(resource.inputs, _PLACES[resource.type])):
                yield _of_run(resource, entries(found))


def _of_task(resource: Resource, found: dict[str, Any]) -> Container:
    return Container(
        resource,
        str(found.get("name")),
        found,
        {str(entry.get("name")): entry.get("value") for entry in map(entries, items(found.get("environment")))},
        {str(entry.get("name")): entry.get("valueFrom") for entry in map(entries, items(found.get("secrets")))},
    )


def _of_run(resource: Resource, found: dict[str, Any]) -> Container:
    settings = [entries(entry) for entry in items(found.get("envs"))]
    return Container(
        resource,
        str(found.get("name")),
        found,
        {str(entry.get("name")): entry.get("value") for entry in settings if "valueSource" not in entry},
        {
            str(entry.get("name")): value(entry, "valueSource.secretKeyRef")
            for entry in settings
            if "valueSource" in entry
        },
    )
