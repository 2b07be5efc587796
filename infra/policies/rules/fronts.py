"""Health, records and requests of the public front."""

from infra.graph import Resource
from infra.policies.demand import (
    FALSE,
    NOT_TRUE,
    TRUE,
    between,
    by_environment,
    matching,
    one_of,
)
from infra.policies.kinds import ALB, BACKEND, LISTENER, TARGETS
from infra.policies.reading import Stack, texts
from infra.policies.rule import Finding, Found, Severity, each, judged, rule
from infra.policies.rules.edge import FORWARDING

HEALTH_CHECK = "aws:route53/healthCheck:HealthCheck"


def _security_headers(stack: Stack) -> Found:
    for backend in stack.of(BACKEND):
        headers = " ".join(texts(backend.inputs.get("customResponseHeaders"))).lower()
        for header in ("strict-transport-security: max-age=63072000", "x-content-type-options: nosniff"):
            if header not in headers:
                yield Finding(backend.name, f"add {header} to customResponseHeaders")


def _is_https(_: Stack, listener: Resource) -> bool:
    return listener.inputs.get("protocol") == "HTTPS"


RULES = (
    rule(
        "edge.caller-known",
        "The front adds the caller's address itself, so that nobody chooses their own.",
        each(ALB, "xffHeaderProcessingMode", one_of("append").or_absent()),
        each(ALB, "preserveHostHeader", NOT_TRUE),
        source="API-2; https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html",
        severity=Severity.MEDIUM,
    ),
    rule(
        "edge.health-checked",
        "A target gets requests only while its health path, which reaches the database, answers 200.",
        each(TARGETS, "healthCheck.enabled", TRUE),
        each(TARGETS, "healthCheck.path", matching("^/", "a path")),
        each(TARGETS, "healthCheck.matcher", one_of("200")),
        each(TARGETS, "healthCheck.unhealthyThreshold", between(2, 5)),
        each(TARGETS, "healthCheck.healthyThreshold", between(2, 5)),
        each(TARGETS, "healthCheck.interval", between(5, 30)),
        each(HEALTH_CHECK, "type", one_of("HTTPS")),
        source="INF-8",
    ),
    rule(
        "edge.names-checked-from-outside",
        "A record leads nowhere while what it leads to is ill, and each host is asked from outside.",
        each(HEALTH_CHECK, "failureThreshold", between(1, 5)),
        each(HEALTH_CHECK, "disabled", NOT_TRUE),
        each(HEALTH_CHECK, "resourcePath", matching("^/", "a path")),
        each(
            "aws:route53/record:Record",
            "aliases[].evaluateTargetHealth",
            TRUE,
            when=lambda _, found: bool(found.inputs.get("aliases")),
        ),
        source="INF-8; DR-5",
        severity=Severity.MEDIUM,
    ),
    rule(
        "edge.requests-drained",
        "An instance that stops ends the requests that it has, and no longer.",
        each(TARGETS, "deregistrationDelay", between(30, 120)),
        source="INF-8; OPS-2",
        severity=Severity.MEDIUM,
    ),
    rule(
        "edge.security-headers",
        "The front says that there is only HTTPS, and that a type is what it says.",
        judged(_security_headers, BACKEND),
        source="API-3",
        severity=Severity.MEDIUM,
    ),
    rule(
        "edge.says-nothing-of-itself",
        "The front does not name its server.",
        each(LISTENER, "routingHttpResponseServerEnabled", FALSE, when=_is_https),
        source="API-3",
        severity=Severity.MEDIUM,
    ),
    rule(
        "edge.nothing-cached",
        "Answers to signed-in callers are cached by nobody on the way.",
        each(BACKEND, "enableCdn", NOT_TRUE),
        source="API-3; CON-2",
    ),
    rule(
        "edge.public-front-is-the-only-one",
        "The one public load balancer is the front itself, by HTTP routing.",
        each(ALB, "loadBalancerType", one_of("application")),
        each(ALB, "internal", NOT_TRUE),
        each(FORWARDING, "loadBalancingScheme", one_of("EXTERNAL_MANAGED")),
        each(FORWARDING, "networkTier", by_environment({"production": one_of("PREMIUM").or_absent()})),
        source="GCP-1; AWS-2",
        severity=Severity.MEDIUM,
    ),
)
