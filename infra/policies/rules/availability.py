"""That the stack stands when a zone, an instance or a release fails, and grows with its load."""

from infra.graph import Resource
from infra.policies.containers import KINDS, containers
from infra.policies.demand import (
    PRESENT,
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
    CLUSTER,
    ECS,
    EFS,
    ELASTICACHE,
    POOL,
    RDS,
    REDIS,
    RUN,
    RUN_JOB,
    SQL,
    TARGETS,
    TASK,
    VALKEY,
)
from infra.policies.reading import Stack, items, rows, value
from infra.policies.rule import Finding, Found, Severity, companion, each, judged, rule
from infra.policies.rules.database import is_primary

SCALING_TARGET = "aws:appautoscaling/target:Target"
SCALING = "aws:appautoscaling/policy:Policy"
MOUNT = "aws:efs/mountTarget:MountTarget"
CAPACITY = "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders"
IN_PRODUCTION = ("production",)
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


def _answers_health(stack: Stack) -> Found:
    for container in containers(stack):
        serves = container.name in ("api", "console", "worker", "collector") and not container.migrates
        if not serves:
            continue
        if container.resource.type == TASK:
            check = container.definition.get("healthCheck")
            if container.name in ("api", "console") and not value(check, "command"):
                yield Finding(container.resource.name, f"give {container.name} a healthCheck")
            elif check and not (
                at_most(60).holds(check.get("interval"), stack) and between(1, 10).holds(check.get("retries"), stack)
            ):
                yield Finding(
                    container.resource.name,
                    f"check {container.name} each minute or oftener, and give up after 10 tries or fewer",
                )
            continue
        for probe in ("startupProbe", "livenessProbe"):
            if not value(container.definition, f"{probe}.httpGet.path"):
                yield Finding(container.resource.name, f"give {container.name} a {probe} by httpGet")
        ready = str(value(container.definition, "startupProbe.httpGet.path"))
        if container.name == "api" and ready != "/readyz":
            yield Finding(container.resource.name, "let its startupProbe ask /readyz, which reaches the database")


def _stops_in_time(stack: Stack) -> Found:
    drains = [number(target.inputs.get("deregistrationDelay")) or 0 for target in stack.of(TARGETS)]
    for container in containers(stack, TASK):
        stop = number(container.definition.get("stopTimeout"))
        serves = container.name in ("api", "console")
        if stop is None or not (max(drains, default=0) if serves else 10) <= stop <= 120:
            yield Finding(
                container.resource.name, f"set stopTimeout of {container.name} to what draining takes, 120 at most"
            )


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


def _folder_in_each_zone(stack: Stack) -> Found:
    """A task that has no mount target in its zone does not start."""
    for system in stack.of(EFS):
        mounted = {
            subnet.inputs.get("availabilityZone")
            for target in stack.referring(system, MOUNT, "fileSystemId")
            for subnet in stack.targets(target.inputs.get("subnetId"))
        }
        for service in stack.of(ECS):
            for subnet in stack.targets(value(service.inputs, "networkConfiguration.subnets")):
                if subnet.inputs.get("availabilityZone") not in mounted:
                    yield Finding(system.name, f"add a MountTarget in the zone of {subnet.name}")


def _small_outside_production(stack: Stack) -> Found:
    if stack.environment == "production":
        return
    for kind, path, costly in (
        (RDS, "multiAz", True),
        (SQL, "settings.availabilityType", "REGIONAL"),
        (ELASTICACHE, "multiAzEnabled", True),
        (REDIS, "tier", "STANDARD_HA"),
    ):
        for resource in stack.of(kind):
            if value(resource.inputs, path) == costly:
                yield Finding(resource.name, f"set {path} for one zone: {stack.environment} is not paid to stand twice")


def _whole_task(stack: Stack) -> Found:
    for container in containers(stack):
        if container.resource.type == TASK:
            main = container.name in ("api", "console", "worker", "job")
            if main != (container.definition.get("essential") is True):
                yield Finding(container.resource.name, f"set essential of {container.name} to {str(main).lower()}")
        elif not (
            value(container.definition, "resources.limits.cpu")
            and value(container.definition, "resources.limits.memory")
        ):
            yield Finding(container.resource.name, f"say in resources.limits what {container.name} may take")


def _all_traffic(stack: Stack) -> Found:
    for service in stack.of(RUN):
        shares = [number(found.get("percent")) or 0 for found in rows(service.inputs.get("traffics"))]
        if sum(shares) != 100:
            yield Finding(service.name, f"let the percents of traffics be 100 together: they are {sum(shares):g}")


RULES = (
    rule(
        "availability.database-in-two-zones",
        "In production the database stands in two zones.",
        each(RDS, "multiAz", TRUE, when=is_primary),
        each(SQL, "settings.availabilityType", one_of("REGIONAL"), when=is_primary),
        source="INF-5; AWS-3; GCP-2; RDS.5",
        severity=Severity.CRITICAL,
        environments=IN_PRODUCTION,
    ),
    rule(
        "availability.cache-takes-over",
        "In production the cache has two nodes in two zones, of which one takes over.",
        each(ELASTICACHE, "automaticFailoverEnabled", TRUE),
        each(ELASTICACHE, "multiAzEnabled", TRUE),
        each(ELASTICACHE, "numCacheClusters", at_least(2)),
        each(REDIS, "tier", one_of("STANDARD_HA")),
        each(VALKEY, "replicaCount", at_least(1)),
        source="AWS-4; GCP-2; ElastiCache.3",
        environments=IN_PRODUCTION,
    ),
    rule(
        "availability.small-outside-production",
        "Outside of production nothing is paid to stand twice.",
        judged(_small_outside_production, RDS, SQL, ELASTICACHE, REDIS),
        source="INF-5; COST-3",
        severity=Severity.MEDIUM,
        environments=("staging", "development"),
    ),
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
        "availability.health-asked",
        "What serves is asked whether it lives, and gets no request before it reaches the database.",
        judged(_answers_health, *KINDS),
        source="INF-8; https://cloud.google.com/run/docs/configuring/healthchecks",
    ),
    rule(
        "availability.stops-in-time",
        "A container is given the time to end what it has begun.",
        judged(_stops_in_time, TASK),
        source="INF-8; OPS-2; https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html",
        severity=Severity.MEDIUM,
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
        "availability.folder-in-each-zone",
        "The shared folder can be mounted in every zone that a service may start in.",
        judged(_folder_in_each_zone, EFS),
        companion(EFS, MOUNT, "fileSystemId"),
        source="AWS-1; https://docs.aws.amazon.com/efs/latest/ug/accessing-fs.html",
    ),
    rule(
        "availability.only-what-serves-counts",
        "A task ends with what serves, not with what measures it; each container says what it may take.",
        judged(_whole_task, *KINDS),
        each(TASK, "cpu", PRESENT),
        each(TASK, "memory", PRESENT),
        source="INF-8; https://cloud.google.com/run/docs/configuring/services/memory-limits",
        severity=Severity.MEDIUM,
    ),
    rule(
        "availability.cpu-between-requests",
        "Services keep their CPU between requests: the collector sends then, and sockets stay open.",
        each(RUN, "template.containers[].resources.cpuIdle", one_of(False).or_absent()),
        each(RUN, "template.timeout", between(1, 3600)),
        each(RUN, "template.executionEnvironment", one_of("EXECUTION_ENVIRONMENT_GEN2")),
        each(RUN_JOB, "template.template.maxRetries", at_most(3)),
        each(RUN_JOB, "template.parallelism", one_of(1)),
        source="OPS-3; https://cloud.google.com/run/docs/configuring/billing-settings",
        severity=Severity.MEDIUM,
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
    rule(
        "availability.insights",
        "Each task and container of the cluster is measured.",
        each(CLUSTER, "settings[].value", one_of("enhanced", "enabled")),
        source="AWS-2; ECS.12",
        severity=Severity.MEDIUM,
    ),
)
