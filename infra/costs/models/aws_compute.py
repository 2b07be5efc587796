"""ECS on Fargate, the cluster's own metrics, one-off tasks, images."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from infra.costs.items import HOURS, Category, Free, Item, Model, Quantity, Stack, used
from infra.costs.usage import Usage
from infra.graph import Resource

ONE_OFF_HOURS = 2
"""A month that migrations, exports and drills run, together."""

INSIGHTS_PER_SERVICE = 25
INSIGHTS_PER_TASK = 10
"""Metrics of enhanced Container Insights: AWS bills each; how many there are follows services and tasks."""


def _service(resource: Resource, stack: Stack) -> Iterable[Item]:
    definition = stack.referred(resource.inputs.get("taskDefinition"))
    assert definition is not None, f"{resource.name} runs no task definition of this stack"
    least, most = _bounds(resource, stack)
    tasks = _tasks(least, most)
    architecture = _architecture(definition)
    vcpu, gigabytes = _size(definition)
    kept, interruptible = _split(resource.inputs.get("capacityProviderStrategies") or [])
    hours = stack.hours(resource)
    about = f"{least} to {most} tasks of {vcpu:f} vCPU and {gigabytes:f} GB, {hours:.0f} hours"

    def always(usage: Usage) -> Decimal:
        first = min(kept, tasks(usage))
        return first + (tasks(usage) - first) * (1 - interruptible)

    def at_times(usage: Usage) -> Decimal:
        return tasks(usage) - always(usage)

    for count, product, note in ((always, "fargate", ""), (at_times, "fargate-spot", " spot")):
        if not interruptible and count is at_times or interruptible == 1 and not kept and count is always:
            continue
        for name, unit, size in (("vCPU", "vcpu", vcpu), ("memory", "memory", gigabytes)):
            yield used(
                f"Fargate{note} {name}",
                Category.COMPUTE,
                f"{product}/{architecture}/{unit}",
                lambda usage, size=size, count=count: count(usage) * size * hours,
                about,
            )


def _one_off(resource: Resource, stack: Stack) -> Iterable[Item] | Free:
    """A task definition costs nothing; one that no service runs is a one-off task."""
    if any(stack.referred(one.inputs.get("taskDefinition")) == resource for one in stack.graph.of_type(SERVICE)):
        return Free("aws.amazon.com/fargate/pricing: task definitions are free, running tasks are not")
    architecture = _architecture(resource)
    vcpu, gigabytes = _size(resource)
    return [
        _often(f"fargate/{architecture}/vcpu", "one-off vCPU", vcpu * ONE_OFF_HOURS),
        _often(f"fargate/{architecture}/memory", "one-off memory", gigabytes * ONE_OFF_HOURS),
    ]


def _often(price: str, item: str, quantity: Decimal) -> Item:
    return used(item, Category.COMPUTE, price, lambda _: quantity, f"{ONE_OFF_HOURS} hours a month")


def _cluster(resource: Resource, stack: Stack) -> Iterable[Item]:
    settings: Sequence[Any] = resource.inputs.get("settings") or []
    if any(setting.get("value") == "enhanced" for setting in settings):
        services = list(stack.graph.of_type(SERVICE))

        def metrics(usage: Usage) -> Decimal:
            return sum(
                (
                    (INSIGHTS_PER_SERVICE + _tasks(*_bounds(one, stack))(usage) * INSIGHTS_PER_TASK)
                    * stack.hours(one)
                    / HOURS
                    for one in services
                ),
                Decimal(0),
            )

        yield used(
            "enhanced Container Insights",
            Category.MONITORING,
            "cloudwatch/metric/container-insights",
            metrics,
            f"{INSIGHTS_PER_SERVICE} metrics a service and {INSIGHTS_PER_TASK} a task",
        )
    yield used(
        "application metrics",
        Category.MONITORING,
        "cloudwatch/metric/custom",
        lambda usage: usage.metrics,
        "series that the collectors send",
    )


def _repository(resource: Resource, stack: Stack) -> Iterable[Item]:
    part = stack.share(resource.type)
    yield used("images", Category.STORAGE, "ecr/storage/month", lambda usage: usage.image_gb * part)


def _bounds(service: Resource, stack: Stack) -> tuple[int, int]:
    """Least and most tasks, by the autoscaling target that names the service."""
    for target in stack.graph.of_type("aws:appautoscaling/target:Target"):
        if f"${{{service.name}." in str(target.inputs.get("resourceId", "")):
            return int(target.inputs["minCapacity"]), int(target.inputs["maxCapacity"])
    count = int(service.inputs.get("desiredCount", 1))
    return count, count


def _tasks(least: int, most: int) -> Quantity:
    return lambda usage: least + usage.load * (most - least)


def _size(definition: Resource) -> tuple[Decimal, Decimal]:
    """vCPU and GB of a task."""
    return Decimal(str(definition.inputs["cpu"])) / 1024, Decimal(str(definition.inputs["memory"])) / 1024


def _architecture(definition: Resource) -> str:
    platform: Mapping[str, Any] = definition.inputs.get("runtimePlatform") or {}
    return "arm64" if platform.get("cpuArchitecture") == "ARM64" else "amd64"


def _split(strategies: Sequence[Any]) -> tuple[Decimal, Decimal]:
    """How many tasks come first on what is not interruptible (its base), and the interruptible part of the others."""
    weights = {one["capacityProvider"]: Decimal(one.get("weight") or 0) for one in strategies}
    kept = sum(
        (Decimal(one.get("base") or 0) for one in strategies if one["capacityProvider"] == "FARGATE"), Decimal(0)
    )
    total = sum(weights.values(), Decimal(0))
    return kept, weights.get("FARGATE_SPOT", Decimal(0)) / total if total else Decimal(0)


SERVICE = "aws:ecs/service:Service"
MODELS: dict[str, Model] = {
    SERVICE: _service,
    "aws:ecs/taskDefinition:TaskDefinition": _one_off,
    "aws:ecs/cluster:Cluster": _cluster,
    "aws:ecr/repository:Repository": _repository,
}
