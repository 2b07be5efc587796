"""The schema before what needs it; settings that services are told; what is not paid for nothing."""

from infra.graph import Resource
from infra.policies.containers import MIGRATING, containers
from infra.policies.demand import matching, one_of
from infra.policies.kinds import ECS, EFS, ENDPOINT, POOL, RUN, RUN_JOB, TASK
from infra.policies.reading import Stack, items, rows, value
from infra.policies.rule import Finding, Found, Severity, each, judged, rule

SCHEDULED = (
    "aws:appautoscaling/scheduledAction:ScheduledAction",
    "gcp:cloudscheduler/job:Job",
    "aws:scheduler/schedule:Schedule",
)


def _depends(stack: Stack, resource: Resource, on: Resource) -> bool:
    """By whatever way: through what it needs, and what that needs."""
    by_urn = {found.urn: found for found in stack.graph.resources}
    seen: set[str] = set()
    waiting = [resource]
    while waiting:
        current = waiting.pop()
        for urn in (*current.dependsOn, *([current.parent] if current.parent and current is not resource else [])):
            if urn == on.urn:
                return True
            if urn not in seen and urn in by_urn:
                seen.add(urn)
                waiting.append(by_urn[urn])
    return False


def _schema_before_services(stack: Stack) -> Found:
    jobs = [
        job for job in stack.of(RUN_JOB) if "migrate" in items(value(job.inputs, "template.template.containers[].args"))
    ]
    for service in stack.of(RUN, POOL):
        if not jobs or not any(_depends(stack, service, job) for job in jobs):
            yield Finding(service.name, "let it wait for the job that migrates: depends_on")
    for job in jobs:
        if not (job.inputs.get("runExecutionToken") or job.inputs.get("startExecutionToken")):
            yield Finding(job.name, "let pulumi up run it: runExecutionToken")
        elif job.inputs.get("startExecutionToken"):
            yield Finding(job.name, "wait for its end: runExecutionToken, not startExecutionToken")


def _schema_first_in_the_task(stack: Stack) -> Found:
    migrating: list[Resource] = []
    for container in containers(stack, TASK):
        if container.name == MIGRATING:
            migrating.append(container.resource)
            if container.definition.get("essential") is not False:
                yield Finding(
                    container.resource.name, "set essential of migrate to false: it ends, and the others go on"
                )
            waits = [
                other.name
                for other in containers(stack, TASK)
                if other.resource is container.resource
                and other.name in ("worker", "api", "console")
                and {"containerName": MIGRATING, "condition": "SUCCESS"} not in items(other.definition.get("dependsOn"))
            ]
            for name in waits:
                yield Finding(container.resource.name, f"let {name} wait: dependsOn migrate with condition SUCCESS")
    services = stack.of(ECS)
    if services and not migrating:
        yield Finding(stack.graph.stack, "add a first container that migrates to the worker's task")
    first = [service for service in services if stack.target(service.inputs.get("taskDefinition")) in migrating]
    for service in services:
        if first and service not in first and not any(_depends(stack, service, other) for other in first):
            yield Finding(service.name, f"let it wait for {first[0].name}, whose task migrates: depends_on")
        if service in first and service.inputs.get("waitForSteadyState") is not True:
            yield Finding(service.name, "set waitForSteadyState to true: the others wait for its migration")


def _sleeps(stack: Stack) -> Found:
    if not stack.of(*SCHEDULED):
        yield Finding(stack.graph.stack, "stop it at night and at weekends: cloudbill:switches.offHours")


def _cheap_ways(stack: Stack) -> Found:
    """Outside of production an interface endpoint costs more than the bytes that it saves."""
    for endpoint in stack.of(ENDPOINT):
        if endpoint.inputs.get("vpcEndpointType") == "Interface":
            yield Finding(endpoint.name, "leave it out: billed by the hour and zone, it costs more than it saves here")
    if len(stack.of("aws:ec2/natGateway:NatGateway")) > 1:
        yield Finding(stack.graph.stack, "use one NAT gateway: cloudbill:network.natPerZone false")


def _moves(stack: Stack) -> Found:
    for system in stack.of(EFS):
        if not any(found.get("transitionToIa") for found in rows(system.inputs.get("lifecyclePolicies"))):
            yield Finding(system.name, "set lifecyclePolicies with transitionToIa")


RULES = (
    rule(
        "migration.before-services",
        "The schema is changed before any service starts that needs it.",
        judged(_schema_before_services, RUN, POOL),
        judged(_schema_first_in_the_task, TASK, ECS),
        source="DATA-3; OPS-1",
        severity=Severity.CRITICAL,
    ),
    rule(
        "migration.one-at-a-time",
        "A migration runs once, by itself, and an end is set to it.",
        each(RUN_JOB, "template.taskCount", one_of(1)),
        each(RUN_JOB, "template.template.timeout", matching(r"^\d+s$", "a time limit")),
        source="DATA-3",
        severity=Severity.MEDIUM,
    ),
    rule(
        "cost.sleeps",
        "Staging stops at night and at weekends.",
        judged(_sleeps, *SCHEDULED, asks_for=True),
        source="COST-3",
        severity=Severity.MEDIUM,
        environments=("staging",),
    ),
    rule(
        "cost.cheap-ways",
        "Outside of production there is one way out, and no endpoint that is billed by the hour.",
        judged(_cheap_ways, ENDPOINT, "aws:ec2/natGateway:NatGateway"),
        source="COST-3; COST-5",
        severity=Severity.MEDIUM,
        environments=("staging", "development"),
    ),
    rule(
        "cost.old-files-cheaper",
        "What nobody reads moves to cheaper storage by itself.",
        judged(_moves, EFS),
        source="COST-3",
        severity=Severity.MEDIUM,
    ),
)
