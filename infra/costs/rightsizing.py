"""Smaller sizes that would still hold what is used, by the usage profile's utilisation."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from infra.costs.items import Stack
from infra.costs.prices import PriceList
from infra.costs.sizes import GIB_BY_CACHE_NODE, database_size
from infra.costs.usage import Usage
from infra.graph import Resource

MOST_CPU = Decimal("0.7")
MOST_MEMORY = Decimal("0.8")
"""How full a smaller size may be: the thresholds at which the program scales and warns."""

_FARGATE: Mapping[int, tuple[int, int, int]] = {
    256: (512, 2048, 512),
    512: (1024, 4096, 1024),
    1024: (2048, 8192, 1024),
    2048: (4096, 16384, 1024),
    4096: (8192, 30720, 1024),
}
"""CPU units: least, most and step of MiB."""
_CLOUD_SQL_STEP = 256
_CLOUD_SQL_LEAST = 3840


@dataclass(frozen=True, kw_only=True)
class Found:
    """Resources that may be smaller, and what changes of each."""

    name: str
    title: str
    resources: Sequence[Resource]
    change: Callable[[Resource], Mapping[str, Any]]
    trade_off: str
    how: str


def found(stack: Stack, usage: Usage, prices: PriceList) -> Iterator[Found]:
    """Each kind of resource that is larger than it needs to be."""
    yield from _rds(stack, usage, prices)
    yield from _cloud_sql(stack, usage)
    yield from _elasticache(stack, usage, prices)
    yield from _memorystore(stack, usage)
    yield from _tasks(stack, usage)


def _rds(stack: Stack, usage: Usage, prices: PriceList) -> Iterator[Found]:
    for database in stack.graph.of_type("aws:rds/instance:Instance"):
        now = str(database.inputs.get("instanceClass", ""))
        try:
            vcpu, gibibytes = database_size(now)
        except ValueError:
            continue
        zones = "multi-az" if database.inputs.get("multiAz") else "single-az"
        prefix = f"rds/{zones}/"
        fitting = [
            (price.unit_price, price.id.removeprefix(prefix))
            for price in prices.prices.values()
            if price.id.startswith(prefix)
            and _holds(database_size(price.id.removeprefix(prefix)), vcpu, gibibytes, usage)
            and database_size(price.id.removeprefix(prefix)) < (vcpu, gibibytes)
        ]
        if fitting and min(fitting)[0] < prices.get(prefix + now).unit_price:
            size = min(fitting)[1]
            burst = "; it earns its CPU in quiet hours and slows down when that is spent" if size[3] == "t" else ""
            yield Found(
                name="smaller-database",
                title=f"Smaller database ({size} instead of {now})",
                resources=[database],
                change=lambda _, size=size: {"instanceClass": size},
                trade_off=f"a failover of a minute or two, and less room for a busy month{burst}",
                how=f"cloudbill:database instance: {size}",
            )


def _holds(size: tuple[Decimal, Decimal], vcpu: Decimal, gibibytes: Decimal, usage: Usage) -> bool:
    return (
        size[0] * MOST_CPU >= vcpu * usage.database_cpu and size[1] * MOST_MEMORY >= gibibytes * usage.database_memory
    )


def _cloud_sql(stack: Stack, usage: Usage) -> Iterator[Found]:
    for database in stack.graph.of_type("gcp:sql/databaseInstance:DatabaseInstance"):
        settings: Mapping[str, Any] = database.inputs["settings"]
        if not str(settings["tier"]).startswith("db-custom-"):
            continue
        vcpu, gibibytes = database_size(str(settings["tier"]))
        least = math.ceil(vcpu * usage.database_cpu / MOST_CPU)
        cores = 1 if least <= 1 else least + least % 2
        needed = max(gibibytes * usage.database_memory / MOST_MEMORY, Decimal(cores) * Decimal("0.9"))
        mebibytes = max(_CLOUD_SQL_LEAST, math.ceil(needed * 1024 / _CLOUD_SQL_STEP) * _CLOUD_SQL_STEP)
        mebibytes = min(mebibytes, int(gibibytes * 1024))
        cores = max(cores, math.ceil(Decimal(mebibytes) / 1024 / Decimal("6.5")))
        if (Decimal(cores), Decimal(mebibytes)) < (vcpu, gibibytes * 1024):
            tier = f"db-custom-{cores}-{mebibytes}"
            yield Found(
                name="smaller-database",
                title=f"Smaller database ({tier} instead of {settings['tier']})",
                resources=[database],
                change=lambda one, tier=tier: {"settings": {**one.inputs["settings"], "tier": tier}},
                trade_off="a restart of about a minute, and less room for a busy month",
                how=f"cloudbill:database instance: {tier}",
            )


def _elasticache(stack: Stack, usage: Usage, prices: PriceList) -> Iterator[Found]:
    for group in stack.graph.of_type("aws:elasticache/replicationGroup:ReplicationGroup"):
        now = str(group.inputs["nodeType"])
        if now not in GIB_BY_CACHE_NODE:
            continue
        needed = GIB_BY_CACHE_NODE[now] * usage.cache_memory / MOST_MEMORY
        prefix = f"elasticache/{group.inputs.get('engine', 'redis')}/"
        fitting = [
            (price.unit_price, node)
            for price in prices.prices.values()
            for node in [price.id.removeprefix(prefix)]
            if price.id.startswith(prefix)
            and needed <= GIB_BY_CACHE_NODE.get(node, Decimal(0)) < GIB_BY_CACHE_NODE[now]
        ]
        if fitting and min(fitting)[0] < prices.get(prefix + now).unit_price:
            node = min(fitting)[1]
            yield Found(
                name="smaller-cache",
                title=f"Smaller cache nodes ({node} instead of {now})",
                resources=[group],
                change=lambda _, node=node: {"nodeType": node},
                trade_off=f"{GIB_BY_CACHE_NODE[node]} GB instead of {GIB_BY_CACHE_NODE[now]}: keys are evicted earlier",
                how=f"cloudbill:cache node: {node}",
            )


def _memorystore(stack: Stack, usage: Usage) -> Iterator[Found]:
    for redis in stack.graph.of_type("gcp:redis/instance:Instance"):
        now = int(redis.inputs["memorySizeGb"])
        size = max(1, math.ceil(now * usage.cache_memory / MOST_MEMORY))
        if size < now:
            yield Found(
                name="smaller-cache",
                title=f"Smaller cache ({size} GB instead of {now})",
                resources=[redis],
                change=lambda _, size=size: {"memorySizeGb": size},
                trade_off=f"{size} GB instead of {now}: keys are evicted earlier",
                how=f"cloudbill:cache node: {size}",
            )


def _tasks(stack: Stack, usage: Usage) -> Iterator[Found]:
    """Only what a service always runs: the size of one-off tasks costs next to nothing."""
    used = {
        definition.name: service.name
        for service in stack.graph.of_type("aws:ecs/service:Service")
        for definition in [stack.referred(service.inputs.get("taskDefinition"))]
        if definition is not None
    }
    for definition in stack.graph.of_type("aws:ecs/taskDefinition:TaskDefinition"):
        cpu, memory = int(definition.inputs["cpu"]), int(definition.inputs["memory"])
        size = _fargate(cpu * usage.service_cpu / MOST_CPU, memory * usage.service_memory / MOST_MEMORY)
        if definition.name in used and size is not None and size < (cpu, memory) and size[1] <= memory:
            role = next((role for role in ("api", "worker", "console") if f"-{role}-" in definition.name), "api")
            yield Found(
                name=f"smaller-{role}",
                title=f"Smaller tasks of {role} ({size[0] / 1024:g} vCPU, {size[1]} MiB)",
                resources=[definition],
                change=lambda _, size=size: {"cpu": str(size[0]), "memory": str(size[1])},
                trade_off="a request that needs the whole CPU takes longer; more tasks start in a busy month",
                how=f"cloudbill:{role} cpu: {size[0] / 1024:g}, memory: {size[1]}",
            )


def _fargate(cpu: Decimal, memory: Decimal) -> tuple[int, int] | None:
    for units, (least, most, step) in _FARGATE.items():
        wanted = max(least, math.ceil(memory / step) * step)
        if units >= cpu and wanted <= most:
            return units, wanted
    return None
