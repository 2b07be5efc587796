"""Who may speak to whom inside the network."""

from typing import Any

from infra.graph import Resource
from infra.policies.demand import ABSENT, PRESENT, at_most, matching, one_of
from infra.policies.kinds import ALB, EGRESS, GCP_FIREWALL, GROUP, INGRESS
from infra.policies.reading import Stack, items, rows, texts, value
from infra.policies.rule import Finding, Found, Severity, each, judged, rule

EVERYWHERE = {"0.0.0.0/0", "::/0"}


WEB_PORTS = (80, 443)


def _balancer_groups(stack: Stack) -> list[Resource]:
    return [group for balancer in stack.of(ALB) for group in stack.targets(balancer.inputs.get("securityGroups"))]


def is_open(resource: Resource) -> bool:
    return bool(EVERYWHERE & set(texts(resource.inputs)))


def _world_only_to_the_edge(stack: Stack) -> Found:
    edge = _balancer_groups(stack)
    for way in stack.of(INGRESS):
        if not is_open(way):
            continue
        if stack.target(way.inputs.get("securityGroupId")) not in edge:
            yield Finding(way.name, "name a referencedSecurityGroupId: only the load balancer may be open to all")
        elif way.inputs.get("fromPort") not in WEB_PORTS:
            yield Finding(way.name, "open 80 and 443 only")
    for way in stack.of(GCP_FIREWALL):
        tunnel = bool(stack.of("gcp:compute/vPNTunnel:VPNTunnel")) and not is_open(way)
        if way.inputs.get("direction") != "EGRESS" and way.inputs.get("allows") and not tunnel:
            yield Finding(
                way.name, "remove it: requests come from the load balancer beside the network, not through it"
            )


def _one_port(stack: Stack) -> Found:
    for way in stack.of(INGRESS, EGRESS):
        first, last = way.inputs.get("fromPort"), way.inputs.get("toPort")
        if way.inputs.get("ipProtocol") != "tcp" or first is None or first != last:
            yield Finding(way.name, f"{way.inputs.get('ipProtocol')} {first} to {last}: name tcp and one port")
    for way in stack.of(GCP_FIREWALL):
        for allowed in rows(way.inputs.get("allows")):
            ports = items(allowed.get("ports"))
            if allowed.get("protocol") != "tcp" or not ports or any(not str(port).isdigit() for port in ports):
                yield Finding(way.name, f"allows {allowed}: name tcp and single ports")


def _is_the_bridges(stack: Stack, way: Resource) -> bool:
    """The other cloud has no groups here: while its VPN is open, what is labelled so names its network."""
    until = value(way.inputs, "tags.until")
    return bool(until) and bool(stack.of("aws:ec2/vpnConnection:VpnConnection")) and not is_open(way)


def _group_to_group(stack: Stack) -> Found:
    edge = _balancer_groups(stack)
    for way in stack.of(INGRESS):
        inner = stack.target(way.inputs.get("securityGroupId")) not in edge
        referred = stack.target(way.inputs.get("referencedSecurityGroupId"))
        if _is_the_bridges(stack, way):
            continue
        if inner and (referred is None or referred.type != GROUP):
            yield Finding(way.name, "name the other group in referencedSecurityGroupId, not addresses")
    for way in stack.of(EGRESS):
        to_all = (is_open(way) and way.inputs.get("fromPort") == 443) or _is_the_bridges(stack, way)
        if not to_all and stack.target(way.inputs.get("referencedSecurityGroupId")) is None:
            yield Finding(way.name, "name the other group in referencedSecurityGroupId, not addresses")


def _both_ends(stack: Stack) -> Found:
    """A way out of one group into another is a way into the other, by the same port; and back."""

    def ways(kind: str, source: str, target: str) -> dict[tuple[str, str, Any], Resource]:
        found: dict[tuple[str, str, Any], Resource] = {}
        for way in stack.of(kind):
            ends = (stack.target(way.inputs.get(source)), stack.target(way.inputs.get(target)))
            if ends[0] is not None and ends[1] is not None:
                found[(ends[0].name, ends[1].name, way.inputs.get("fromPort"))] = way
        return found

    out = ways(EGRESS, "securityGroupId", "referencedSecurityGroupId")
    into = ways(INGRESS, "referencedSecurityGroupId", "securityGroupId")
    for key in out.keys() ^ into.keys():
        source, target, port = key
        yield Finding((out.get(key) or into[key]).name, f"say both ends of {source} to {target} by {port}")


def _lets_out(_: Stack, way: Resource) -> bool:
    return bool(way.inputs.get("allows")) and way.inputs.get("direction") != "INGRESS"


RULES = (
    rule(
        "firewall.world-only-to-the-edge",
        "Only the load balancer can be reached from anywhere, and only by 80 and 443.",
        judged(_world_only_to_the_edge, INGRESS, GCP_FIREWALL),
        source="INF-3; EC2.13; EC2.14; EC2.18; EC2.19; CIS AWS 5.2; CIS GCP 3.6; CIS GCP 3.7",
        severity=Severity.CRITICAL,
    ),
    rule(
        "firewall.one-port",
        "A way is one protocol and one port.",
        judged(_one_port, INGRESS, EGRESS, GCP_FIREWALL),
        source="INF-3; AWS-1; EC2.18",
    ),
    rule(
        "firewall.group-to-group",
        "Inside, groups speak to groups, not addresses to addresses.",
        judged(_group_to_group, INGRESS, EGRESS),
        source="AWS-1; INF-3",
    ),
    rule(
        "firewall.both-ends",
        "Each way between two groups is open at both ends, by the same port.",
        judged(_both_ends, INGRESS, EGRESS),
        source="AWS-1",
        severity=Severity.MEDIUM,
    ),
    rule(
        "firewall.no-rules-in-groups",
        "A security group lists no rules itself: each way is a resource that a reader finds.",
        each(GROUP, "ingress", ABSENT),
        each(GROUP, "egress", ABSENT),
        source="AWS-1; INF-7",
        severity=Severity.MEDIUM,
    ),
    rule(
        "firewall.ways-are-explained",
        "Each way says what it is for.",
        each(INGRESS, "description", PRESENT),
        each(EGRESS, "description", PRESENT),
        source="INF-3; PCI DSS 1.2.5",
        severity=Severity.MEDIUM,
    ),
    rule(
        "firewall.logged",
        "Firewall rules write a log line.",
        each(GCP_FIREWALL, "logConfig.metadata", matching("^(IN|EX)CLUDE_ALL_METADATA$", "set")),
        source="INF-3; https://cloud.google.com/firewall/docs/firewall-rules-logging",
        severity=Severity.MEDIUM,
    ),
    rule(
        "firewall.allows-by-tag",
        "What is allowed is allowed to named services, not to all that will ever stand in the network.",
        each(GCP_FIREWALL, "targetTags[]", PRESENT, when=_lets_out),
        each(GCP_FIREWALL, "priority", at_most(65533), when=_lets_out),
        each(GCP_FIREWALL, "direction", one_of("INGRESS", "EGRESS")),
        source="INF-3; https://cloud.google.com/firewall/docs/firewalls",
    ),
)
