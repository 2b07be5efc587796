"""Single ways through the firewall: to which part, from which part."""

from collections.abc import Iterator

from infra.graph import Resource
from infra.policies.demand import refers_to
from infra.policies.kinds import ALB, ECS, EGRESS, ELASTICACHE, ENDPOINT, GCP_FIREWALL, GROUP, INGRESS, RDS
from infra.policies.reading import Stack, items, rows, value
from infra.policies.rule import Finding, Found, Severity, each, judged, rule
from infra.policies.rules.firewall import EVERYWHERE, is_open

OUTWARD_PORTS = ("443", "587")
"""HTTPS, and mail by submission."""


DATA_PORTS = {"5432": "PostgreSQL", "6378": "Redis", "6379": "Redis", "2049": "files"}


def _narrow_way_out(stack: Stack) -> Found:
    for way in stack.of(EGRESS):
        if is_open(way) and str(way.inputs.get("fromPort")) not in OUTWARD_PORTS:
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


def _outward(stack: Stack) -> list[Resource]:
    return [way for way in stack.of(GCP_FIREWALL) if way.inputs.get("direction") == "EGRESS"]


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
    for way in _outward(stack):
        tags = " ".join(items(way.inputs.get("targetTags")))
        if "5432" in _data_ports(way) and ("console" in tags or not tags):
            yield Finding(way.name, "take the console out of targetTags: it asks the API, never the database")


def _data_inside(stack: Stack) -> Found:
    for way in _outward(stack):
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
