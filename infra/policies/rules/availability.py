"""That the stack stands when a zone, an instance or a release fails, and grows with its load."""

from infra.policies.containers import KINDS, containers
from infra.policies.demand import (
    PRESENT,
    TRUE,
    at_least,
    at_most,
    between,
    number,
    one_of,
)
from infra.policies.kinds import (
    CLUSTER,
    ECS,
    EFS,
    ELASTICACHE,
    RDS,
    REDIS,
    RUN,
    RUN_JOB,
    SQL,
    TARGETS,
    TASK,
    VALKEY,
)
from infra.policies.reading import Stack, value
from infra.policies.rule import Finding, Found, Severity, companion, each, judged, rule
from infra.policies.rules.database import is_primary

MOUNT = "aws:efs/mountTarget:MountTarget"


IN_PRODUCTION = ("production",)


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
        "availability.insights",
        "Each task and container of the cluster is measured.",
        each(CLUSTER, "settings[].value", one_of("enhanced", "enabled")),
        source="AWS-2; ECS.12",
        severity=Severity.MEDIUM,
    ),
)
