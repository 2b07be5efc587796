"""Which subnets have a way in or out, and in how many zones they lie."""

from collections.abc import Iterator

from infra.graph import Resource
from infra.policies.demand import NOT_TRUE, PRESENT, TRUE, at_least, one_of
from infra.policies.kinds import (
    ECS,
    ENDPOINT,
    GCP_NAT,
    INTERNET,
    ROUTE,
    SUBNET,
)
from infra.policies.reading import Stack, items, texts, value
from infra.policies.rule import Finding, Found, Severity, companion, each, judged, rule

ASSOCIATION = "aws:ec2/routeTableAssociation:RouteTableAssociation"


NAT = "aws:ec2/natGateway:NatGateway"


DATABASE_SUBNETS = "aws:rds/subnetGroup:SubnetGroup"


CACHE_SUBNETS = "aws:elasticache/subnetGroup:SubnetGroup"


MOUNT = "aws:efs/mountTarget:MountTarget"


EVERYWHERE = ("0.0.0.0/0", "::/0")


def _default_routes(stack: Stack, subnet: Resource) -> Iterator[Resource]:
    for association in stack.referring(subnet, ASSOCIATION, "subnetId"):
        table = stack.target(association.inputs.get("routeTableId"))
        if table is not None:
            for route in stack.referring(table, ROUTE, "routeTableId"):
                if set(texts(route.inputs)) & set(EVERYWHERE):
                    yield route


def _is_public(stack: Stack, subnet: Resource) -> bool:
    gateways = (stack.target(route.inputs.get("gatewayId")) for route in _default_routes(stack, subnet))
    return any(gateway is not None and gateway.type == INTERNET for gateway in gateways)


def _data_subnets_lead_nowhere(stack: Stack) -> Found:
    for group in stack.of(DATABASE_SUBNETS, CACHE_SUBNETS):
        for subnet in stack.targets(group.inputs.get("subnetIds")):
            for route in _default_routes(stack, subnet):
                yield Finding(route.name, f"remove this route: {subnet.name} holds {group.name}")


def _private_things_stand_in_private_subnets(stack: Stack) -> Found:
    for kind, path in ((ECS, "networkConfiguration.subnets"), (MOUNT, "subnetId"), (ENDPOINT, "subnetIds")):
        for resource in stack.of(kind):
            for subnet in stack.targets(value(resource.inputs, path)):
                if _is_public(stack, subnet):
                    yield Finding(resource.name, f"take {subnet.name} out of {path}: it has a way in from the internet")


def _only_gateways_lead_in(stack: Stack) -> Found:
    """No private table has a route to the internet gateway."""
    public = {nat.inputs.get("subnetId") for nat in stack.of(NAT)}
    for subnet in stack.of(SUBNET):
        named = any(f"${{{subnet.name}.id}}" == text for text in public)
        balanced = any(
            subnet in stack.targets(balancer.inputs.get("subnets"))
            for balancer in stack.of("aws:lb/loadBalancer:LoadBalancer")
        )
        if _is_public(stack, subnet) and not named and not balanced:
            yield Finding(subnet.name, "route it through a NAT gateway: nothing in it needs a way in")


def _nat_in_its_own_zone(stack: Stack) -> Found:
    for subnet in stack.of(SUBNET):
        for route in _default_routes(stack, subnet):
            nat = stack.target(route.inputs.get("natGatewayId"))
            if nat is None:
                continue
            place = stack.target(nat.inputs.get("subnetId"))
            if place is None or place.inputs.get("availabilityZone") != subnet.inputs.get("availabilityZone"):
                yield Finding(route.name, f"lead {subnet.name} to the NAT gateway of its own zone")


def _zones(stack: Stack) -> Found:
    groups = [(group, "subnetIds") for group in stack.of(DATABASE_SUBNETS, CACHE_SUBNETS)]
    groups += [(service, "networkConfiguration.subnets") for service in stack.of(ECS)]
    groups += [(balancer, "subnets") for balancer in stack.of("aws:lb/loadBalancer:LoadBalancer")]
    groups += [
        (endpoint, "subnetIds")
        for endpoint in stack.of(ENDPOINT)
        if value(endpoint.inputs, "vpcEndpointType") != "Gateway"
    ]
    for resource, path in groups:
        found = items(value(resource.inputs, path))
        zones = {subnet.inputs.get("availabilityZone") for subnet in stack.targets(found)}
        if len(zones - {None}) < 2 and (stack.targets(found) or len(found) < 2):
            yield Finding(resource.name, f"{path} names subnets of {len(zones - {None})} zones: name two or more")


RULES = (
    rule(
        "network.data-leads-nowhere",
        "The subnets of database and cache have no route to the internet.",
        judged(_data_subnets_lead_nowhere, DATABASE_SUBNETS, CACHE_SUBNETS),
        source="INF-3; AWS-1",
        severity=Severity.CRITICAL,
    ),
    rule(
        "network.private-subnets",
        "Services, shared folders and endpoints stand in private subnets.",
        judged(_private_things_stand_in_private_subnets, ECS, MOUNT, ENDPOINT),
        judged(_only_gateways_lead_in, SUBNET),
        source="INF-3; AWS-1",
        severity=Severity.CRITICAL,
    ),
    rule(
        "network.two-zones",
        "Load balancer, services, database and cache stand in two zones or more.",
        judged(_zones, DATABASE_SUBNETS, CACHE_SUBNETS, ECS, ENDPOINT, "aws:lb/loadBalancer:LoadBalancer"),
        source="AWS-1; ELB.13; RDS.5",
    ),
    rule(
        "network.own-routes",
        "Each subnet has routes of its own: none falls back to the network's main table, which nobody reads.",
        companion(SUBNET, ASSOCIATION, "subnetId"),
        source="AWS-1; https://docs.aws.amazon.com/vpc/latest/userguide/RouteTables.html",
        severity=Severity.MEDIUM,
    ),
    rule(
        "network.nat-in-each-zone",
        "In production each zone has its own way out, so that losing one zone cuts off no other.",
        judged(_nat_in_its_own_zone, SUBNET),
        source="AWS-1; INF-5",
        environments=("production",),
    ),
    rule(
        "network.nat-logged",
        "The way out is logged.",
        each(GCP_NAT, "logConfig.enable", TRUE),
        each(GCP_NAT, "logConfig.filter", one_of("ALL")),
        source="INF-3; https://cloud.google.com/nat/docs/monitoring",
        severity=Severity.MEDIUM,
    ),
    rule(
        "network.own-way-out",
        "The way out has the stack's own addresses, which others can let in, and shares no port.",
        each(GCP_NAT, "natIpAllocateOption", one_of("MANUAL_ONLY")),
        each(GCP_NAT, "natIps[]", PRESENT),
        each(GCP_NAT, "enableDynamicPortAllocation", TRUE),
        each(GCP_NAT, "minPortsPerVm", at_least(64)),
        each(GCP_NAT, "enableEndpointIndependentMapping", NOT_TRUE),
        each(NAT, "allocationId", PRESENT),
        source="INF-3; https://cloud.google.com/nat/docs/ports-and-addresses",
        severity=Severity.MEDIUM,
    ),
)
