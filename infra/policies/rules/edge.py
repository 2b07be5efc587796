"""The public front: what it accepts, what it refuses, and what it writes down."""

from infra.graph import Resource
from infra.policies.demand import (
    NOT_TRUE,
    PRESENT,
    TRUE,
    at_least,
    one_of,
    refers_to,
)
from infra.policies.kinds import ALB, ARMOR, BACKEND, HTTP_PROXY, LISTENER, RUN, URL_MAP, WAF
from infra.policies.reading import Stack, entries, items, rows, value
from infra.policies.rule import Finding, Found, Severity, companion, each, judged, rule

LISTENER_RULE = "aws:lb/listenerRule:ListenerRule"


FORWARDING = "gcp:compute/globalForwardingRule:GlobalForwardingRule"


def _http_only_redirects(stack: Stack) -> Found:
    for listener in stack.of(LISTENER):
        if listener.inputs.get("protocol") == "HTTPS":
            continue
        for action in rows(listener.inputs.get("defaultActions")):
            redirect = entries(action.get("redirect"))
            if action.get("type") != "redirect" or redirect.get("protocol") != "HTTPS":
                yield Finding(listener.name, "redirect to HTTPS: defaultActions of type redirect, protocol HTTPS")
            elif redirect.get("statusCode") != "HTTP_301":
                yield Finding(listener.name, "redirect for good: statusCode HTTP_301")
    for proxy in stack.of(HTTP_PROXY):
        routes = stack.target(proxy.inputs.get("urlMap"))
        redirect = entries(value(routes.inputs, "defaultUrlRedirect")) if routes else {}
        branches = routes is not None and routes.inputs.get("pathMatchers")
        if redirect.get("httpsRedirect") is not True or branches:
            yield Finding(proxy.name, "lead it to a URL map that only redirects: defaultUrlRedirect.httpsRedirect true")
        elif redirect.get("redirectResponseCode") != "MOVED_PERMANENTLY_DEFAULT":
            yield Finding(proxy.name, "redirect for good: redirectResponseCode MOVED_PERMANENTLY_DEFAULT")


def _is_metrics_refused(listener_rule: Resource) -> bool:
    conditions = rows(listener_rule.inputs.get("conditions"))
    if len(conditions) != 1:  # another one, of a host say, would leave the other hosts' open
        return False
    paths = value(listener_rule.inputs, "conditions[].pathPattern.values")
    answers = [action.get("type") for action in rows(listener_rule.inputs.get("actions"))]
    codes = [value(action, "fixedResponse.statusCode") for action in rows(listener_rule.inputs.get("actions"))]
    return "/metrics" in items(paths) and answers == ["fixed-response"] and codes in (["403"], ["404"])


def _metrics_refused(stack: Stack) -> Found:
    rules = stack.of(LISTENER_RULE)
    refusing = [found for found in rules if _is_metrics_refused(found)]
    forwarding = [found for found in rules if found not in refusing]
    for listener in stack.of(LISTENER):
        if listener.inputs.get("protocol") == "HTTPS":
            own = [found for found in refusing if stack.target(found.inputs.get("listenerArn")) is listener]
            least = min((found.inputs.get("priority") or 0 for found in own), default=None)
            if least is None:
                yield Finding(listener.name, "add a ListenerRule that answers /metrics of all hosts with 404")
            elif any((found.inputs.get("priority") or 0) <= least for found in forwarding):
                yield Finding(own[0].name, "give it the lowest priority number, or another rule forwards /metrics")
    for policy in stack.of(ARMOR):
        denying = [
            found
            for found in rows(policy.inputs.get("rules"))
            if "metrics" in str(value(found, "match.expr.expression")) and str(found.get("action")).startswith("deny")
        ]
        least = min((found.get("priority", 0) for found in rows(policy.inputs.get("rules"))), default=0)
        if not denying or denying[0].get("priority") != least or denying[0].get("preview"):
            yield Finding(policy.name, "put first a rule that denies request paths of /metrics")


def _strangers_refused(stack: Stack) -> Found:
    for listener in stack.of(LISTENER):
        if listener.inputs.get("protocol") == "HTTPS":
            types = [action.get("type") for action in rows(listener.inputs.get("defaultActions"))]
            if types != ["fixed-response"]:
                yield Finding(listener.name, "answer unknown hosts with a fixed response by default")
    for routes in stack.of(URL_MAP):
        if routes.inputs.get("hostRules") and not routes.inputs.get("defaultUrlRedirect"):
            yield Finding(routes.name, "answer unknown hosts with a redirect by default")


def _redirects_are_https(stack: Stack) -> Found:
    for routes in stack.of(URL_MAP):
        redirect = entries(routes.inputs.get("defaultUrlRedirect"))
        if redirect and redirect.get("httpsRedirect") is not True:
            yield Finding(routes.name, "set defaultUrlRedirect.httpsRedirect to true")


def _only_web_ports(stack: Stack) -> Found:
    for listener in stack.of(LISTENER):
        wanted = {443: "HTTPS", 80: "HTTP"}.get(listener.inputs.get("port") or 0)
        if wanted is None or listener.inputs.get("protocol") != wanted:
            yield Finding(listener.name, "listen by HTTPS on 443, or by HTTP on 80")
    for forwarding in stack.of(FORWARDING):
        target = stack.target(forwarding.inputs.get("target"))
        ports = forwarding.inputs.get("portRange")
        if target is not None and target.type == HTTP_PROXY and ports not in ("80", "80-80"):
            yield Finding(forwarding.name, "lead nothing but port 80 to the proxy that redirects")
        if not str(ports).split("-", maxsplit=1)[0].isdigit() or len(set(str(ports).split("-"))) != 1:
            yield Finding(forwarding.name, "name one port in portRange")


RULES = (
    rule(
        "edge.https-only",
        "HTTP is answered with a permanent redirect to HTTPS, and with nothing else.",
        judged(_http_only_redirects, LISTENER, HTTP_PROXY),
        judged(_redirects_are_https, URL_MAP),
        source="INF-2; AWS-2; ELB.1; API-3",
        severity=Severity.CRITICAL,
    ),
    rule(
        "edge.web-ports-only",
        "The front listens by HTTPS, and by HTTP on port 80 to redirect.",
        judged(_only_web_ports, LISTENER, FORWARDING),
        source="INF-3",
    ),
    rule(
        "edge.metrics-refused",
        "From outside nobody reads /metrics.",
        judged(_metrics_refused, LISTENER, ARMOR),
        source="API-4; OPS-3",
    ),
    rule(
        "edge.strangers-refused",
        "A host that is not ours reaches no service.",
        judged(_strangers_refused, LISTENER, URL_MAP),
        source="INF-3; API-3",
        severity=Severity.MEDIUM,
    ),
    rule(
        "edge.behind-the-firewall",
        "Every public front has a web application firewall before it.",
        companion(ALB, "aws:wafv2/webAclAssociation:WebAclAssociation", "resourceArn"),
        each("aws:wafv2/webAclAssociation:WebAclAssociation", "webAclArn", refers_to(WAF)),
        each(BACKEND, "securityPolicy", refers_to(ARMOR)),
        source="INF-6; ELB.16",
        severity=Severity.CRITICAL,
    ),
    rule(
        "edge.only-through-the-front",
        "Services on Cloud Run are reached through the load balancer only.",
        each(RUN, "ingress", one_of("INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER")),
        each(RUN, "defaultUriDisabled", TRUE),
        source="INF-3; GCP-1; https://cloud.google.com/run/docs/securing/ingress",
        severity=Severity.CRITICAL,
    ),
    rule(
        "edge.odd-requests-dropped",
        "Requests that two servers could read differently are dropped.",
        each(ALB, "dropInvalidHeaderFields", TRUE),
        each(ALB, "desyncMitigationMode", one_of("defensive", "strictest")),
        source="AWS-2; ELB.4; ELB.12",
    ),
    rule(
        "edge.firewall-fails-closed",
        "Without its firewall the load balancer serves nothing.",
        each(ALB, "enableWafFailOpen", NOT_TRUE),
        source="INF-6",
    ),
    rule(
        "edge.access-logs",
        "Every request is written down.",
        each(ALB, "accessLogs.enabled", TRUE),
        each(ALB, "accessLogs.bucket", PRESENT),
        each(ALB, "connectionLogs.enabled", TRUE),
        each(ALB, "connectionLogs.bucket", PRESENT),
        each(BACKEND, "logConfig.enable", TRUE),
        each(BACKEND, "logConfig.sampleRate", at_least(1)),
        source="AWS-2; ELB.5; CIS GCP 2.16",
        severity=Severity.MEDIUM,
    ),
)
