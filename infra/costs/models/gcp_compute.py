"""Cloud Run: services, worker pool, jobs; images."""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from infra.costs.items import Category, Item, Model, Quantity, Stack, used
from infra.graph import Resource

SERVICE = "gcp:cloudrunv2/service:Service"
POOL = "gcp:cloudrunv2/workerPool:WorkerPool"
SECONDS_AN_HOUR = 3600
MIB_A_GIB = 1024
UNITS: Mapping[str, Decimal] = {
    "Mi": Decimal(1) / MIB_A_GIB,
    "Gi": Decimal(1),
    "M": Decimal(1) / 1074,
    "G": Decimal("0.931"),
}
JOB_HOURS = 2
"""A month that migrations, exports and drills run, together."""


def bounds(resource: Resource) -> tuple[int, int]:
    """Least and most instances of a service or a worker pool."""
    if resource.type == POOL:
        scaling: Mapping[str, Any] = resource.inputs.get("scaling") or {}
        count = int(scaling.get("manualInstanceCount") or 1)
        return count, count
    scaling = resource.inputs["template"].get("scaling") or {}
    least = int(scaling.get("minInstanceCount") or 0)
    return least, int(scaling.get("maxInstanceCount") or max(1, least))


def _service(resource: Resource, stack: Stack) -> Iterable[Item]:
    template: Mapping[str, Any] = resource.inputs["template"]
    least, most = bounds(resource)
    about = f"{least} to {most}"
    return _running(template, stack.hours(resource), lambda usage: least + usage.load * (most - least), about)


def _pool(resource: Resource, stack: Stack) -> Iterable[Item]:
    count = Decimal(bounds(resource)[0])
    return _running(resource.inputs["template"], stack.hours(resource), lambda _: count, str(count))


def _running(template: Mapping[str, Any], hours: Decimal, instances: Quantity, about: str) -> Iterable[Item]:
    """Always-on CPU of all containers of an instance, per second."""
    containers: Sequence[Any] = template["containers"]
    vcpu, gibibytes = _size(containers)
    seconds = hours * SECONDS_AN_HOUR
    said = (
        f"{about} instances of {vcpu:f} vCPU and {gibibytes.normalize():f} GiB with their collector, {hours:.0f} hours"
    )
    for item, unit, size in (("Cloud Run vCPU", "vcpu", vcpu), ("Cloud Run memory", "memory", gibibytes)):
        yield used(
            item,
            Category.COMPUTE,
            f"run/instance/{unit}",
            lambda usage, size=size: instances(usage) * size * seconds,
            said,
        )


def _job(resource: Resource, stack: Stack) -> Iterable[Item]:
    vcpu, gibibytes = _size(resource.inputs["template"]["template"]["containers"])
    seconds = JOB_HOURS * SECONDS_AN_HOUR * stack.share(resource.type)
    for item, unit, size in (("job vCPU", "vcpu", vcpu), ("job memory", "memory", gibibytes)):
        yield used(
            item,
            Category.COMPUTE,
            f"run/instance/{unit}",
            lambda _, size=size: size * seconds,
            f"{JOB_HOURS} hours a month, all jobs together",
        )


def _size(containers: Sequence[Any]) -> tuple[Decimal, Decimal]:
    """vCPU and GiB of all containers of an instance."""
    resources: list[Mapping[str, Any]] = [one.get("resources") or {} for one in containers]
    limits: list[Mapping[str, Any]] = [one.get("limits") or {} for one in resources]
    return (
        sum((_cpu(str(one.get("cpu", "1"))) for one in limits), Decimal(0)),
        sum((_memory(str(one.get("memory", "512Mi"))) for one in limits), Decimal(0)),
    )


def _cpu(text: str) -> Decimal:
    return Decimal(text[:-1]) / 1000 if text.endswith("m") else Decimal(text)


def _memory(text: str) -> Decimal:
    found = re.fullmatch(r"([\d.]+)([A-Za-z]+)", text)
    assert found, f"{text} is no amount of memory"
    return Decimal(found[1]) * UNITS[found[2]]


def _images(resource: Resource, stack: Stack) -> Iterable[Item]:
    yield used("images", Category.STORAGE, "artifactregistry/storage/month", lambda usage: usage.image_gb)
    yield used(
        "images scanned",
        Category.OVERSIGHT,
        "artifactregistry/scan/image",
        lambda usage: (usage.image_gb * 2).to_integral_value(),
        "two for each GB kept",
    )


MODELS: dict[str, Model] = {
    SERVICE: _service,
    POOL: _pool,
    "gcp:cloudrunv2/job:Job": _job,
    "gcp:artifactregistry/repository:Repository": _images,
}
