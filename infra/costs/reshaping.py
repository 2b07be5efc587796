"""Savings that change the stack itself: each gives the graph as it would be, which the estimate then prices."""

import base64
import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from infra.costs import rightsizing
from infra.costs.items import Stack
from infra.costs.prices import PriceList
from infra.costs.sizes import GIB_BY_CACHE_NODE
from infra.costs.usage import Usage
from infra.graph import Graph, Resource

SERVICE = "aws:ecs/service:Service"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
CACHE = "aws:elasticache/replicationGroup:ReplicationGroup"
REDIS = "gcp:redis/instance:Instance"
DATABASES = ("aws:rds/instance:Instance", "gcp:sql/databaseInstance:DatabaseInstance")
LOGS = ("aws:cloudwatch/logGroup:LogGroup", "gcp:logging/projectBucketConfig:ProjectBucketConfig")
NAT = "aws:ec2/natGateway:NatGateway"
ADDRESS = "aws:ec2/eip:Eip"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
LEAST_LOG_DAYS: Mapping[str, int] = {"production": 90, "staging": 30, "development": 7}
"""What the rules ask of each environment (logging.kept)."""
ARM_FAMILIES = {
    "db.t3.": "db.t4g.",
    "db.m5.": "db.m7g.",
    "db.m6i.": "db.m7g.",
    "db.m7i.": "db.m7g.",
    "db.r5.": "db.r7g.",
}


@dataclass(frozen=True, kw_only=True)
class Reshaped:
    """A stack as it would be, and what that takes and costs otherwise."""

    name: str
    title: str
    graph: Graph
    trade_off: str
    how: str
    breaks: tuple[str, ...] = ()
    """Rules of infra/policies that ask for what is given up: without a waiver the pipeline refuses it."""


@dataclass(frozen=True)
class Reason:
    """Why a saving is not offered."""

    name: str
    text: str


Idea = Callable[[Stack, Usage, PriceList], "Iterator[Reshaped | Reason]"]


def _spot(stack: Stack, usage: Usage, prices: PriceList) -> Iterator[Reshaped | Reason]:
    services = list(stack.graph.of_type(SERVICE))
    if stack.graph.cloud != "aws":
        yield Reason("spot", "Cloud Run has no interruptible instances")
    elif any("FARGATE_SPOT" in str(service.inputs.get("capacityProviderStrategies")) for service in services):
        yield Reason("spot", "taken already: release.spot is true")
    elif stack.environment == "production":
        yield Reason("spot", "production would lose instances at two minutes' notice: release.spot is refused there")
    elif services:
        yield Reshaped(
            name="spot",
            title="Interruptible tasks (Fargate Spot)",
            graph=_changed(stack.graph, services, _on_spot),
            trade_off="tasks are taken away at two minutes' notice; of the API one stays. 50 to 70 % off: it varies",
            how="cloudbill:release spot: true",
        )


def _on_spot(service: Resource) -> Mapping[str, Any]:
    spot = {"capacityProvider": "FARGATE_SPOT", "base": 0, "weight": 1}
    if "-api-" not in f"-{service.name}-":
        return {"capacityProviderStrategies": [spot]}
    return {"capacityProviderStrategies": [{"capacityProvider": "FARGATE", "base": 1, "weight": 0}, spot]}


def _arm(stack: Stack, usage: Usage, prices: PriceList) -> Iterator[Reshaped | Reason]:
    tasks = list(stack.graph.of_type(TASK))
    if stack.graph.cloud != "aws":
        yield Reason("arm", "Cloud Run runs amd64 only")
        return
    on_arm = ["ARM64" in str(task.inputs.get("runtimePlatform")) for task in tasks]
    if on_arm and all(on_arm):
        yield Reason("arm", "taken already: release.architecture is arm64")
    elif tasks:
        platform = {"operatingSystemFamily": "LINUX", "cpuArchitecture": "ARM64"}
        yield Reshaped(
            name="arm",
            title="Tasks on ARM (Graviton)",
            graph=_changed(stack.graph, tasks, lambda _: {"runtimePlatform": platform}),
            trade_off="images are built for arm64; what has no arm64 build does not run",
            how="cloudbill:release architecture: arm64",
        )


def _database_arm(stack: Stack, usage: Usage, prices: PriceList) -> Iterator[Reshaped | Reason]:
    found = [one for one in stack.graph.of_type(DATABASES[0]) if one.inputs.get("instanceClass")]
    wanted = {one.name: _arm_class(str(one.inputs["instanceClass"])) for one in found}
    movable = [
        one
        for one in found
        if wanted[one.name] != one.inputs["instanceClass"] and f"rds/single-az/{wanted[one.name]}" in prices.prices
    ]
    if movable:
        yield Reshaped(
            name="database-arm",
            title=f"Database on ARM ({wanted[movable[0].name]})",
            graph=_changed(stack.graph, movable, lambda one: {"instanceClass": wanted[one.name]}),
            trade_off="a failover of a minute or two in the maintenance window",
            how=f"cloudbill:database instance: {wanted[movable[0].name]}",
        )
    elif found:
        yield Reason("database-arm", "taken already, or there is no priced ARM class of that size")


def _arm_class(instance: str) -> str:
    return next((instance.replace(old, new) for old, new in ARM_FAMILIES.items() if instance.startswith(old)), instance)


def _valkey(stack: Stack, usage: Usage, prices: PriceList) -> Iterator[Reshaped | Reason]:
    groups = [one for one in stack.graph.of_type(CACHE) if one.inputs.get("engine", "redis") == "redis"]
    instances = list(stack.graph.of_type(REDIS))
    if groups:
        yield Reshaped(
            name="valkey",
            title="Valkey instead of Redis",
            graph=_changed(stack.graph, groups, lambda _: {"engine": "valkey", "engineVersion": "8.0"}),
            trade_off="the same protocol, upgraded in place; the way back is a restore",
            how="cloudbill:cache engine: valkey, version: 8.0",
        )
    elif instances:
        yield _valkey_on_google(stack, instances[0], usage, prices)
    else:
        yield Reason("valkey", "taken already")


def _valkey_on_google(stack: Stack, redis: Resource, usage: Usage, prices: PriceList) -> Reshaped | Reason:
    needed = Decimal(int(redis.inputs["memorySizeGb"])) * usage.cache_memory / rightsizing.MOST_MEMORY
    prefix = "memorystore/valkey/"
    nodes = [price for price in prices.prices.values() if price.id.startswith(prefix)]
    fitting = [price for price in nodes if GIB_BY_CACHE_NODE[price.id.removeprefix(prefix)] >= needed]
    if not fitting:
        return Reason("valkey", f"no priced node of Valkey holds the {needed:.1f} GB that are needed")
    node = min(fitting, key=lambda price: price.unit_price).id.removeprefix(prefix)
    inputs = {
        "instanceId": "cache",
        "shardCount": 1,
        "replicaCount": 1 if redis.inputs.get("tier") == "STANDARD_HA" else 0,
        "nodeType": node,
    }
    other = dataclasses.replace(redis, type="gcp:memorystore/instance:Instance", inputs=inputs)
    return Reshaped(
        name="valkey",
        title=f"Memorystore for Valkey ({node})",
        graph=_replaced(stack.graph, {redis.name: other}),
        trade_off=f"a new instance that begins empty, of {GIB_BY_CACHE_NODE[node]} GB: sessions and limits start anew",
        how=f"cloudbill:cache engine: valkey, version: 8.0, node: {node}",
    )


def _off_hours(stack: Stack, usage: Usage, prices: PriceList) -> Iterator[Reshaped | Reason]:
    graph = stack.graph
    if any(stack.hours(one) < 730 for one in graph.of_type(*DATABASES, SERVICE)):
        yield Reason("off-hours", "taken already: switches.offHours is true")
    elif stack.environment == "production":
        yield Reason("off-hours", "production is asked for at night too: switches.offHours is refused there")
    else:
        yield Reshaped(
            name="off-hours",
            title="Stopped at night (20 to 6 UTC) and at weekends",
            graph=dataclasses.replace(graph, resources=[*_watched(graph), *_schedules(graph)]),
            trade_off="nothing answers then, and no backup is made; cache, load balancer and NAT cannot be stopped"
            if graph.cloud == "aws"
            else "nothing answers then: database and worker are stopped, services only go down to their least",
            how="cloudbill:switches offHours: true",
        )


ASK_OF_INSTANCES = ("-worker-gone", "-failing", "-answers-5xx", "-answers-refused")


def _watched(graph: Graph) -> Iterator[Resource]:
    """Without checks from outside; what asks of instances asks besides how many are wanted (`while_wanted`)."""
    checks = {one.name for one in graph.of_type("aws:route53/healthCheck:HealthCheck")}
    for one in graph.resources:
        on_check = any(f"${{{name}." in str(one.inputs.get("dimensions")) for name in checks)
        if one.name in checks or on_check:
            continue
        if one.type == "aws:cloudwatch/metricAlarm:MetricAlarm" and one.name.endswith(ASK_OF_INSTANCES):
            asked = one.inputs.get("metricQueries") or [{"metric": {"metricName": one.inputs.get("metricName")}}]
            wanted = {"metric": {"metricName": "DesiredTaskCount"}}
            yield dataclasses.replace(one, inputs={**one.inputs, "metricQueries": [*asked, wanted]})
        else:
            yield one


def _schedules(graph: Graph) -> Iterator[Resource]:
    """What the program schedules with the switch: infra/aws/off_hours.py and scaling.py, infra/gcp/off_hours.py."""
    first = next(iter(graph.resources))
    for database in graph.of_type(DATABASES[0]):
        if any(f"${{{database.name}." in str(other.inputs.get("replicateSourceDb")) for other in graph.resources):
            continue  # RDS stops none that has replicas
        for verb, when in (("stop", "cron(15 20 ? * MON-FRI *)"), ("start", "cron(30 5 ? * MON-FRI *)")):
            target = {
                "arn": f"arn:aws:scheduler:::aws-sdk:rds:{verb}DBInstance",
                "input": f'{{"DbInstanceIdentifier": "${{{database.name}.identifier}}"}}',
            }
            inputs = {"scheduleExpression": when, "target": target}
            yield _made(first, "aws:scheduler/schedule:Schedule", f"off-hours-{verb}", inputs)
    for target in graph.of_type("aws:appautoscaling/target:Target"):
        for when, most in (("cron(0 20 ? * MON-FRI *)", 0), ("cron(0 6 ? * MON-FRI *)", 1)):
            inputs = {
                "resourceId": f"${{{target.name}.resourceId}}",
                "schedule": when,
                "scalableTargetAction": {"minCapacity": most, "maxCapacity": most},
            }
            kind = "aws:appautoscaling/scheduledAction:ScheduledAction"
            yield _made(first, kind, f"{target.name}-off-hours-{most}", inputs)
    stopped = [
        *(
            (one, {"settings": {"activationPolicy": "NEVER"}}, {"settings": {"activationPolicy": "ALWAYS"}})
            for one in graph.of_type(DATABASES[1])
        ),
        *(
            (one, {"scaling": {"manualInstanceCount": 0}}, {"scaling": {"manualInstanceCount": 1}})
            for one in graph.of_type("gcp:cloudrunv2/workerPool:WorkerPool")
        ),
    ]
    for one, stop, start in stopped:
        for when, body in (("0 20 * * 1-5", stop), ("0 6 * * 1-5", start)):
            call = {"uri": f"${{{one.name}.name}}", "body": base64.b64encode(json.dumps(body).encode()).decode()}
            inputs = {"schedule": when, "httpTarget": call}
            yield _made(first, "gcp:cloudscheduler/job:Job", f"{one.name}-off-hours-{when[2]}", inputs)


def _log_days(stack: Stack, usage: Usage, prices: PriceList) -> Iterator[Reshaped | Reason]:
    key = "retentionInDays" if stack.graph.cloud == "aws" else "retentionDays"
    least = LEAST_LOG_DAYS.get(stack.environment, 90)
    groups = [one for one in stack.graph.of_type(*LOGS) if int(one.inputs.get(key) or 0) > least]
    if groups:
        yield Reshaped(
            name="log-days",
            title=f"Logs kept for {least} days",
            graph=_changed(stack.graph, groups, lambda _: {key: least}),
            trade_off="what is older cannot be looked up: an export to a bucket keeps it for less",
            how=f"cloudbill:logDays: {least}",
        )
    else:
        yield Reason(
            "log-days", f"{least} days are the least that the rules ask of {stack.environment or 'production'}"
        )


def _one_nat(stack: Stack, usage: Usage, prices: PriceList) -> Iterator[Reshaped | Reason]:
    gateways = sorted(gateway.name for gateway in stack.graph.of_type(NAT))
    if len(gateways) < 2:
        if stack.graph.cloud == "aws":
            yield Reason(
                "one-nat", "taken already: there is one NAT gateway" if gateways else "there is no NAT gateway"
            )
        return
    gone = set(gateways[1:])
    for gateway in stack.graph.of_type(NAT):
        address = stack.referred(gateway.inputs.get("allocationId"))
        if gateway.name in gone and address is not None:
            gone.add(address.name)
    crossing = usage.gb_nat * len(gateways[1:]) / len(gateways) * prices.get("transfer/between-zones/data").unit_price
    yield Reshaped(
        name="one-nat",
        title="One NAT gateway for all zones",
        graph=_without(stack.graph, gone),
        trade_off="when its zone fails, no zone reaches Stripe or sends e-mail; what comes from other zones crosses "
        f"over to it (up to {crossing:.2f} a month)",
        how="cloudbill:network natPerZone: false",
    )


def _endpoints(stack: Stack, usage: Usage, prices: PriceList) -> Iterator[Reshaped | Reason]:
    found = {one.name for one in stack.graph.of_type(ENDPOINT) if one.inputs.get("vpcEndpointType") == "Interface"}
    if found:
        yield Reshaped(
            name="no-endpoints",
            title="AWS's own services reached through NAT, without interface endpoints",
            graph=_without(stack.graph, found),
            trade_off="logs, secrets and images leave the private network (encrypted), and no task starts while NAT is "
            "down",
            how="leave them out in infra/aws/endpoints.py, with a waiver of the rule in infra/policies/waivers.yaml",
            breaks=("network.own-services-inside",) if stack.environment == "production" else (),
        )
    elif stack.graph.cloud == "aws":
        yield Reason("no-endpoints", "taken already: there are no interface endpoints")


def _smaller(stack: Stack, usage: Usage, prices: PriceList) -> Iterator[Reshaped | Reason]:
    for found in rightsizing.found(stack, usage, prices):
        yield Reshaped(
            name=found.name,
            title=found.title,
            graph=_changed(stack.graph, found.resources, lambda one, made=found: made.change(one)),
            trade_off=found.trade_off,
            how=found.how,
        )


IDEAS: tuple[Idea, ...] = (_spot, _arm, _database_arm, _valkey, _smaller, _off_hours, _log_days, _one_nat, _endpoints)


def _changed(graph: Graph, which: Iterable[Resource], change: Callable[[Resource], Mapping[str, Any]]) -> Graph:
    made = {one.name: dataclasses.replace(one, inputs={**one.inputs, **change(one)}) for one in which}
    return _replaced(graph, made)


def _replaced(graph: Graph, made: Mapping[str, Resource]) -> Graph:
    return dataclasses.replace(graph, resources=[made.get(one.name, one) for one in graph.resources])


def _without(graph: Graph, names: set[str]) -> Graph:
    return dataclasses.replace(graph, resources=[one for one in graph.resources if one.name not in names])


def _made(like: Resource, kind: str, name: str, inputs: dict[str, Any]) -> Resource:
    return dataclasses.replace(
        like, urn=f"{like.urn}-{name}", type=kind, name=name, custom=True, inputs=inputs, provider=None, dependsOn=[]
    )
