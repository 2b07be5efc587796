"""Who may speak to whom inside the network."""

from collections.abc import Iterator
from typing import Any

from infra.graph import Resource
from infra.policies.demand import ABSENT, PRESENT, at_most, matching, one_of, refers_to
from infra.policies.kinds import ALB, ECS, EGRESS, ELASTICACHE, ENDPOINT, GCP_FIREWALL, GROUP, INGRESS, RDS
from infra.policies.reading import Stack, items, rows, texts, value
from infra.policies.rule import Finding, Found, Severity, each, judged, rule

EVERYWHERE = {"0.0.0.0/0", "::/0"}
WEB_PORTS = (80, 443)
OUTWARD_PORTS = ("443", "587")
"""HTTPS, and mail by submission."""
DATA_PORTS = {"5432": "PostgreSQL", "6378": "Redis", "6379": "Redis", "2049": "files"}


def _balancer_groups(stack: Stack) -> list[Resource]:
    return [group for balancer in stack.of(ALB) for group in stack.targets(balancer.inputs.get("securityGroups"))]


def _is_open(resource: Resource) -> bool:
    return bool(EVERYWHERE & set(texts(resource.inputs)))


def _world_only_to_the_edge(stack: Stack) -> Found:
    edge = _balancer_groups(stack)
    for way in stack.of(INGRESS):
        if not _is_open(way):
            continue
        if stack.target(way.inputs.get("securityGroupId")) not in edge:
            yield Finding(way.name, "name a referencedSecurityGroupId: only the load balancer may be open to all")
        elif way.inputs.get("fromPort") not in WEB_PORTS:
            yield Finding(way.name, "open 80 and 443 only")
    for way in stack.of(GCP_FIREWALL):
        tunnel = bool(stack.of("gcp:compute/vPNTunnel:VPNTunnel")) and not _is_open(way)
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
    return bool(until) and bool(stack.of("aws:ec2/vpnConnection:VpnConnection")) and not _is_open(way)


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
        to_all = (_is_open(way) and way.inputs.get("fromPort") == 443) or _is_the_bridges(stack, way)
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


def _narrow_way_out(stack: Stack) -> Found:
    for way in stack.of(EGRESS):
        if _is_open(way) and str(way.inputs.get("fromPort")) not in OUTWARD_PORTS:
            yield Finding(way.name, "let out to everywhere by 443 only")
    for way in stack.of(GCP_FIREWALL):
        if way.inputs.get("direction") != "EGRESS" or not EVERYWHERE & set(items(way.inputs.get("destinationRanges"))):
            continue
        for allowed in rows(way.inputs.get("allows")):
            if not set(items(allowed.get("ports"))) <= set(OUTWARD_PORTS):
                yield Finding(way.name, "let out to everywhere by 443 and 587 only")


def _denied(stack: Stack, direction: str) -> bool:
    return any(
        way.inputs.get("direction") == direction
        and any(entry.get("protocol") == "all" for entry in rows(way.inputs.get("denies")))
        and EVERYWHERE & set(items(way.inputs.get("sourceRanges")) + items(way.inputs.get("destinationRanges")))
        and not way.inputs.get("targetTags")
        and not way.inputs.get("disabled")
        and isinstance(way.inputs.get("priority"), int)
        and 1000 < int(way.inputs["priority"]) < 65535
        for way in stack.of(GCP_FIREWALL)
    )


def _denied_by_default(stack: Stack) -> Found:
    for direction in ("INGRESS", "EGRESS"):
        if not _denied(stack, direction):
            yield Finding(
                stack.graph.stack,
                f"add a Firewall that denies all {direction} of 0.0.0.0/0 with a priority between 1001 and 65534",
            )


def _data_ports(way: Resource) -> Iterator[str]:
    for allowed in rows(way.inputs.get("allows")):
        yield from (str(port) for port in items(allowed.get("ports")) if str(port) in DATA_PORTS)


def _console_asks_the_api(stack: Stack) -> Found:
    databases = [group for one in stack.of(RDS) for group in stack.targets(one.inputs.get("vpcSecurityGroupIds"))]
    consoles = [
        group
        for service in stack.of(ECS)
        if "console" in service.name
        for group in stack.targets(value(service.inputs, "networkConfiguration.securityGroups"))
    ]
    for way in stack.of(INGRESS):
        into, source = stack.target(way.inputs.get("securityGroupId")), way.inputs.get("referencedSecurityGroupId")
        if into in databases and stack.target(source) in consoles:
            yield Finding(way.name, "remove it: the console asks the API, never the database")
    for way in stack.of(GCP_FIREWALL):
        tags = " ".join(items(way.inputs.get("targetTags")))
        if "5432" in _data_ports(way) and ("console" in tags or not tags):
            yield Finding(way.name, "take the console out of targetTags: it asks the API, never the database")


def _data_inside(stack: Stack) -> Found:
    for way in stack.of(GCP_FIREWALL):
        ranges = items(way.inputs.get("destinationRanges"))
        for port in _data_ports(way):
            if not ranges or EVERYWHERE & set(ranges):
                yield Finding(way.name, f"name the range that serves {DATA_PORTS[port]} in destinationRanges")


def _ways_lead_from_our_own(stack: Stack) -> Found:
    """Each part stands in a group of its own, so that a rule opens one way and no other."""
    taken: dict[str, str] = {}
    for kind, path in (
        (ALB, "securityGroups"),
        (RDS, "vpcSecurityGroupIds"),
        (ECS, "networkConfiguration.securityGroups"),
    ):
        for resource in stack.of(kind):
            role = f"{kind}:{resource.name}" if kind == ECS else kind
            groups = stack.targets(value(resource.inputs, path))
            if not groups:
                yield Finding(resource.name, f"name its own security group in {path}")
            for group in groups:
                if taken.setdefault(group.name, role) != role and "canary" not in resource.name:
                    yield Finding(resource.name, f"give it a security group of its own: {group.name} is another's")


def _is_interface(_: Stack, endpoint: Resource) -> bool:
    return endpoint.inputs.get("vpcEndpointType") == "Interface"


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
        "firewall.narrow-way-out",
        "What leaves the network goes by HTTPS, or as mail by submission.",
        judged(_narrow_way_out, EGRESS, GCP_FIREWALL),
        source="INF-3; PCI DSS 1.3.2",
    ),
    rule(
        "firewall.denied-by-default",
        "What no rule names is denied, in both directions.",
        judged(_denied_by_default, GCP_FIREWALL, asks_for=True),
        source="INF-3; CIS GCP 3.6",
        severity=Severity.CRITICAL,
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
        each(GCP_FIREWALL, "targetTags[]", PRESENT, when=lambda _, found: bool(found.inputs.get("allows"))),
        each(GCP_FIREWALL, "priority", at_most(65533), when=lambda _, found: bool(found.inputs.get("allows"))),
        each(GCP_FIREWALL, "direction", one_of("INGRESS", "EGRESS")),
        source="INF-3; https://cloud.google.com/firewall/docs/firewalls",
    ),
    rule(
        "firewall.console-asks-the-api",
        "The console has no way to the database.",
        judged(_console_asks_the_api, INGRESS, GCP_FIREWALL),
        source="INF-3; DATA-5",
    ),
    rule(
        "firewall.data-inside",
        "Database and cache are asked for by their own range of addresses.",
        judged(_data_inside, GCP_FIREWALL),
        source="INF-3",
    ),
    rule(
        "firewall.own-groups",
        "Load balancer, database, cache, folders and each service stand in a security group of their own.",
        judged(_ways_lead_from_our_own, ALB, RDS, ECS),
        each(ELASTICACHE, "securityGroupIds[]", refers_to(GROUP)),
        each("aws:efs/mountTarget:MountTarget", "securityGroups[]", refers_to(GROUP)),
        each(ENDPOINT, "securityGroupIds[]", refers_to(GROUP), when=_is_interface),
        source="INF-3; AWS-1",
    ),
)
