"""How many instances there are, and that they grow with their load."""

from infra.graph import Resource
from infra.policies.demand import (
    TRUE,
    at_least,
    at_most,
    between,
    by_environment,
    matching,
    number,
    one_of,
)
from infra.policies.kinds import (
    ALARM,
    ECS,
    POOL,
    RUN,
)
from infra.policies.reading import Stack, items, rows, value
from infra.policies.rule import Finding, Found, Severity, each, judged, rule
from infra.policies.rules.availability import IN_PRODUCTION

SCALING_TARGET = "aws:appautoscaling/target:Target"


SCALING = "aws:appautoscaling/policy:Policy"


CAPACITY = "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders"


NEEDED = {"ECSServiceAverageCPUUtilization": 70, "ECSServiceAverageMemoryUtilization": 80}


MOST = by_environment({"production": between(2, 10), "staging": between(1, 5), "development": between(1, 3)})


def _role(resource: Resource) -> str:
    return next((role for role in ("api", "worker", "console") if f"-{role}-" in f"{resource.name}-"), "")


def _least(stack: Stack, resource: Resource) -> int:
    """How many instances there have to be: two of the API and of the worker in production, one of the console."""
    if stack.environment != "production":
        return 1 if stack.environment == "staging" else 0
    return 1 if _role(resource) == "console" else 2


def _enough(stack: Stack) -> Found:
    for kind, low, high in (
        (SCALING_TARGET, "minCapacity", "maxCapacity"),
        (RUN, "template.scaling.minInstanceCount", "template.scaling.maxInstanceCount"),
    ):
        for resource in stack.of(kind):
            found, most = (number(value(resource.inputs, path)) for path in (low, high))
            if found is None or found < _least(stack, resource):
                yield Finding(resource.name, f"set {low} to {_least(stack, resource)} or more in {stack.environment}")
            if not MOST.holds(most, stack):
                yield Finding(resource.name, f"set {high} {MOST.wording(stack)}")
    for pool in stack.of(POOL):
        count = number(value(pool.inputs, "scaling.manualInstanceCount"))
        if count is None or count < _least(stack, pool):
            yield Finding(pool.name, f"set scaling.manualInstanceCount to {_least(stack, pool)} or more")
    for service in stack.of(ECS):
        desired = number(service.inputs.get("desiredCount"))
        if (desired is None or desired < _least(stack, service)) and "canary" not in service.name:
            yield Finding(service.name, f"set desiredCount to {_least(stack, service)} or more")


def _scaled_by_load(stack: Stack) -> Found:
    for target in stack.of(SCALING_TARGET):
        there: dict[str, float | None] = {}
        for policy in stack.referring(target, SCALING, "resourceId"):
            configured = value(policy.inputs, "targetTrackingScalingPolicyConfiguration")
            metric = value(configured, "predefinedMetricSpecification.predefinedMetricType")
            there[str(metric)] = number(value(configured, "targetValue"))
            if value(configured, "disableScaleIn") is True:
                yield Finding(policy.name, "set disableScaleIn to false: what grew is never given back")
        for metric, wanted in NEEDED.items():
            if there.get(metric) != wanted:
                yield Finding(target.name, f"scale on {metric} at {wanted} %")
        if _role(target) != "worker" and not there.get("ALBRequestCountPerTarget"):
            yield Finding(target.name, "scale on ALBRequestCountPerTarget too")


def _every_service_scales(stack: Stack) -> Found:
    for service in stack.of(ECS):
        if "canary" not in service.name and not stack.referring(service, SCALING_TARGET, "resourceId"):
            yield Finding(service.name, "add an appautoscaling Target for it")


def _steady_releases(stack: Stack) -> Found:
    for service in stack.of(ECS):
        for switch in ("enable", "rollback"):
            if value(service.inputs, f"deploymentCircuitBreaker.{switch}") is not True:
                yield Finding(service.name, f"set deploymentCircuitBreaker.{switch} to true")
        if service.inputs.get("loadBalancers"):
            for switch in ("enable", "rollback"):
                if value(service.inputs, f"alarms.{switch}") is not True:
                    yield Finding(service.name, f"set alarms.{switch} to true: a release that fails is turned back")
            watching = [found.type for found in stack.targets(value(service.inputs, "alarms.alarmNames"))]
            if watching != [ALARM] * len(watching) or not items(value(service.inputs, "alarms.alarmNames")):
                yield Finding(service.name, "name an alarm of the stack in alarms.alarmNames")


def _interruptible(stack: Stack) -> Found:
    for service in stack.of(ECS):
        named = [
            strategy.get("capacityProvider") for strategy in rows(service.inputs.get("capacityProviderStrategies"))
        ]
        if "FARGATE_SPOT" in named or (not named and service.inputs.get("launchType") != "FARGATE"):
            yield Finding(service.name, "run it on FARGATE: an instance of FARGATE_SPOT goes at two minutes' notice")


def _not_by_default(stack: Stack) -> Found:
    for capacity in stack.of(CAPACITY):
        defaults = [
            found.get("capacityProvider") for found in rows(capacity.inputs.get("defaultCapacityProviderStrategies"))
        ]
        if defaults != ["FARGATE"] or "FARGATE" not in items(capacity.inputs.get("capacityProviders")):
            yield Finding(capacity.name, "let FARGATE be what runs where nothing else is said")


def _all_traffic(stack: Stack) -> Found:
    for service in stack.of(RUN):
        shares = [number(found.get("percent")) or 0 for found in rows(service.inputs.get("traffics"))]
        if sum(shares) != 100:
            yield Finding(service.name, f"let the percents of traffics be 100 together: they are {sum(shares):g}")


RULES = (
    rule(
        "availability.enough-instances",
        "There are as many instances as the environment asks: 2 to 10 in production, 1 to 5 in staging.",
        judged(_enough, SCALING_TARGET, RUN, POOL, ECS),
        source="INF-4; INF-5",
    ),
    rule(
        "availability.scaled-by-load",
        "Services grow by CPU at 70 %, memory at 80 % and requests; on Cloud Run by CPU and requests at once.",
        judged(_scaled_by_load, SCALING_TARGET),
        judged(_every_service_scales, ECS),
        each(RUN, "template.scaling.cpuUtilization", at_most(0.7)),
        each(RUN, "template.maxInstanceRequestConcurrency", between(1, 250)),
        source="INF-4; AWS-2; https://cloud.google.com/run/docs/about-instance-autoscaling",
        severity=Severity.MEDIUM,
    ),
    rule(
        "availability.quick-to-grow",
        "What grows does so within minutes, and shrinks slower than it grows.",
        each(SCALING, "targetTrackingScalingPolicyConfiguration.scaleOutCooldown", at_most(120)),
        each(SCALING, "targetTrackingScalingPolicyConfiguration.scaleInCooldown", at_least(120)),
        source="INF-4",
        severity=Severity.MEDIUM,
    ),
    rule(
        "availability.releases-turn-back",
        "A release whose instances do not become healthy, or fail, is turned back by itself.",
        judged(_steady_releases, ECS),
        source="OPS-2; AWS-2; https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html",
    ),
    rule(
        "availability.releases-keep-serving",
        "While a release comes all instances that are wanted keep serving.",
        each(ECS, "deploymentMinimumHealthyPercent", at_least(100)),
        each(ECS, "deploymentMaximumPercent", between(150, 200)),
        each(
            ECS,
            "healthCheckGracePeriodSeconds",
            between(30, 600),
            when=lambda _, found: bool(found.inputs.get("loadBalancers")),
        ),
        each(ECS, "availabilityZoneRebalancing", one_of("ENABLED")),
        each(ECS, "waitForSteadyState", TRUE),
        source="INF-8; OPS-2",
    ),
    rule(
        "availability.not-interruptible",
        "In production nothing runs on instances that are taken away.",
        judged(_interruptible, ECS),
        judged(_not_by_default, CAPACITY),
        source="AWS-2; COST-3",
        environments=IN_PRODUCTION,
    ),
    rule(
        "availability.releases-by-traffic",
        "All requests go to a release that is named or the newest, and to no old one.",
        judged(_all_traffic, RUN),
        each(
            RUN, "traffics[].type", matching("^TRAFFIC_TARGET_ALLOCATION_TYPE_(LATEST|REVISION)$", "LATEST or REVISION")
        ),
        source="OPS-2",
        severity=Severity.MEDIUM,
    ),
)
