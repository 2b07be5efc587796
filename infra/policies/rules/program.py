"""The program as a whole: what it is labelled, what it waits for, what it was built with, and what it costs."""

from collections.abc import Iterator

from infra.graph import Resource
from infra.policies.containers import MIGRATING, containers
from infra.policies.demand import TRUE, matching, one_of
from infra.policies.kinds import ECS, EFS, ENDPOINT, POOL, RUN, RUN_JOB, TASK
from infra.policies.reading import ENVIRONMENTS, TOKEN, Stack, items, rows, texts, value
from infra.policies.rule import Finding, Found, Severity, each, judged, rule

STACK = "pulumi:pulumi:Stack"
PROVIDERS = ("pulumi:providers:aws", "pulumi:providers:gcp")
PREFIXES = {"prod": "production", "staging": "staging", "dev": "development"}
ASKED_OF_THE_ACCOUNT = (
    "getCallerIdentity",
    "getPartition",
    "getProject",
    "getProjectCmekSettings",
    "getProjectServiceAccount",
)
SCHEDULED = (
    "aws:appautoscaling/scheduledAction:ScheduledAction",
    "gcp:cloudscheduler/job:Job",
    "aws:scheduler/schedule:Schedule",
)


def _labelled(stack: Stack) -> Found:
    for provider, labels in stack.labels.items():
        for label in ("project", "stack", "environment"):
            if not labels.get(label):
                yield Finding(provider, f"label all that it makes with {label}")
        if labels.get("environment") not in ENVIRONMENTS:
            yield Finding(provider, f"label it environment {', '.join(ENVIRONMENTS)}")
        for prefix, environment in PREFIXES.items():
            own = stack.graph.stack == prefix or stack.graph.stack.startswith(f"{prefix}-")
            if own and labels.get("environment") not in (environment, None):
                yield Finding(
                    provider, f"label {stack.graph.stack} environment {environment}, whose rules it is held to"
                )
    if not stack.labels:
        yield Finding(stack.graph.stack, "make everything by a provider that labels it")


def _made_by_a_labelled_provider(stack: Stack) -> Found:
    for resource in stack.graph.resources:
        if resource.custom and resource.type.split(":")[0] in ("aws", "gcp") and resource.provider is None:
            yield Finding(resource.name, "make it by the stack's own provider, which labels it")


def _references_lead_somewhere(stack: Stack) -> Found:
    for resource in stack.graph.resources:
        for name in {name for text in texts(resource.inputs) for name in TOKEN.findall(text)}:
            if stack.find(name) is None and name not in ASKED_OF_THE_ACCOUNT:
                yield Finding(resource.name, f"it refers to {name}, which is no resource of the stack")


def _pinned(stack: Stack) -> Found:
    versions: dict[str, set[str]] = {}
    for resource in stack.graph.resources:
        package = resource.type.removeprefix("pulumi:providers:").split(":")[0]
        if resource.custom and package in ("aws", "gcp", "random", "tls", "docker-build"):
            if not resource.version:
                yield Finding(resource.name, f"make it with a version of {package} that is pinned")
            versions.setdefault(package, set()).add(resource.version)
    for package, found in versions.items():
        if len(found - {""}) > 1:
            yield Finding(stack.graph.stack, f"use one version of {package}: {', '.join(sorted(found))}")


def _credentials_checked(stack: Stack) -> Found:
    """Whoever runs the program is asked for, and no key stands in it."""
    for provider in stack.of(*PROVIDERS):
        for key in ("accessKey", "secretKey", "token", "credentials", "accessToken"):
            if provider.inputs.get(key):
                yield Finding(provider.name, f"take {key} out: credentials come from the environment")
        if str(provider.inputs.get("skipCredentialsValidation", "false")).lower() == "true":
            yield Finding(
                provider.name, "set skipCredentialsValidation to false: a wrong account shows before it is changed"
            )
        if provider.inputs.get("insecure") in (True, "true"):
            yield Finding(provider.name, "set insecure to false")


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


def _settings_of_production(stack: Stack) -> Found:
    for container in containers(stack):
        for name, wanted in (
            ("LOG_LEVEL", ("info", "warning", "error")),
            ("REGISTRATION", ("invited",)),
            ("LOG_FORMAT", ("json",)),
        ):
            found = container.environment.get(name)
            if found is not None and str(found).lower() not in wanted:
                yield Finding(
                    container.resource.name, f"set {name} of {container.name} to {' or '.join(wanted)}: it is {found}"
                )
        origin = str(container.environment.get("CORS_ORIGIN", "https://"))
        if "*" in origin or not origin.startswith(("https://", "${")):
            yield Finding(
                container.resource.name, f"name the console's address as CORS_ORIGIN of {container.name}, not {origin}"
            )


def _proxies(stack: Stack) -> Found:
    """Who may say for whom a request is: our own front and network, or callers would choose their address."""
    for container in containers(stack):
        for block in str(container.environment.get("TRUSTED_PROXIES", "")).split(","):
            if block.strip() in ("*", "0.0.0.0/0", "::/0") or block.strip().endswith("/0"):
                yield Finding(
                    container.resource.name, f"name the front's own addresses as TRUSTED_PROXIES of {container.name}"
                )


def _outputs(stack: Stack) -> Iterator[Finding]:
    for name in ("apiUrl", "consoleUrl"):
        found = stack.graph.outputs.get(name)
        if found is not None and not str(found).startswith(("https://", "${")):
            yield Finding(stack.graph.stack, f"give {name} as https, not {found}")


def _moves(stack: Stack) -> Found:
    for system in stack.of(EFS):
        if not any(found.get("transitionToIa") for found in rows(system.inputs.get("lifecyclePolicies"))):
            yield Finding(system.name, "set lifecyclePolicies with transitionToIa")


RULES = (
    rule(
        "program.labelled",
        "Everything is labelled with project, stack and environment, by which it is billed, and by which it is judged.",
        judged(_labelled, STACK, *PROVIDERS),
        judged(_made_by_a_labelled_provider, STACK),
        each(ECS, "enableEcsManagedTags", TRUE),
        each(ECS, "propagateTags", one_of("SERVICE", "TASK_DEFINITION")),
        source="COST-6; INF-5; ECS.13; https://cloud.google.com/resource-manager/docs/best-practices-labels",
        severity=Severity.MEDIUM,
    ),
    rule(
        "program.references-lead-somewhere",
        "What a resource refers to is in the stack.",
        judged(_references_lead_somewhere, STACK),
        source="INF-7",
        severity=Severity.MEDIUM,
    ),
    rule(
        "program.pinned",
        "Everything is made with a version of its provider that is pinned, one of each.",
        judged(_pinned, STACK),
        source="INF-7",
    ),
    rule(
        "program.no-credentials",
        "No provider has credentials of its own, and each is asked whose it has.",
        judged(_credentials_checked, *PROVIDERS),
        source="INF-2; INF-7",
        severity=Severity.CRITICAL,
    ),
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
    rule(
        "settings.production",
        "Services log as JSON without debugging, take in only who is invited, and answer one origin.",
        judged(_settings_of_production, TASK, RUN, POOL, RUN_JOB),
        source="API-3; AUTH-5; DATA-4",
        environments=("production",),
    ),
    rule(
        "settings.proxies",
        "Only the front and the network itself may say for whom a request is.",
        judged(_proxies, TASK, RUN, POOL, RUN_JOB),
        source="API-2; AUTH-6",
    ),
    rule(
        "settings.addresses",
        "The addresses that people are given are https.",
        judged(_outputs, STACK),
        source="INF-2; INF-8",
        severity=Severity.MEDIUM,
    ),
)
