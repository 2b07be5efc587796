"""The program as a whole: what it is labelled, what it waits for, what it was built with, and what it costs."""

from collections.abc import Iterator

from infra.policies.containers import containers
from infra.policies.demand import TRUE, one_of
from infra.policies.kinds import ECS, POOL, RUN, RUN_JOB, TASK
from infra.policies.reading import ENVIRONMENTS, TOKEN, Stack, texts
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
