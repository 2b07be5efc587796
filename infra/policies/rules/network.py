"""The private network: what has a public address, what has a way out, and what is seen of the traffic."""

import ipaddress
from collections.abc import Iterator

from infra.graph import Resource
from infra.policies.demand import ABSENT, FALSE, NOT_TRUE, PRESENT, TRUE, at_least, matching, one_of
from infra.policies.kinds import (
    ECS,
    ENDPOINT,
    GCP_NAT,
    GCP_NETWORK,
    GCP_SUBNET,
    INTERNET,
    POOL,
    RDS,
    REDIS,
    ROUTE,
    RUN,
    RUN_JOB,
    SQL,
    SUBNET,
    VPC,
)
from infra.policies.reading import Stack, items, texts, value, values
from infra.policies.rule import Finding, Found, Severity, companion, each, judged, rule, some

ASSOCIATION = "aws:ec2/routeTableAssociation:RouteTableAssociation"
DEFAULT_GROUP = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
FLOW_LOG = "aws:ec2/flowLog:FlowLog"
NAT = "aws:ec2/natGateway:NatGateway"
DATABASE_SUBNETS = "aws:rds/subnetGroup:SubnetGroup"
CACHE_SUBNETS = "aws:elasticache/subnetGroup:SubnetGroup"
MOUNT = "aws:efs/mountTarget:MountTarget"
PEERING = "gcp:servicenetworking/connection:Connection"
GLOBAL_ADDRESS = "gcp:compute/globalAddress:GlobalAddress"
EVERYWHERE = ("0.0.0.0/0", "::/0")
PRIVATE = tuple(ipaddress.ip_network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
NEEDED_ENDPOINTS = ("ecr.api", "ecr.dkr", "logs", "secretsmanager", "kms")
"""What a task needs to start and to be heard while the way to the internet is down."""


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


def _blocks_are_private(stack: Stack) -> Found:
    blocks: list[tuple[Resource, str, str]] = []
    for kind, path in ((VPC, "cidrBlock"), (SUBNET, "cidrBlock"), (GCP_SUBNET, "ipCidrRange")):
        for resource in stack.of(kind):
            blocks.append((resource, path, str(value(resource.inputs, path))))
    subnets: list[tuple[Resource, ipaddress.IPv4Network]] = []
    for resource, path, text in blocks:
        try:
            block = ipaddress.IPv4Network(text)
        except ValueError:
            yield Finding(resource.name, f"{path} is {text}: it must be an IPv4 block such as 10.20.0.0/16")
            continue
        if not any(block.subnet_of(private) for private in PRIVATE):  # pyright: ignore[reportArgumentType]  # both are IPv4
            yield Finding(resource.name, f"{path} is {text}: take it from 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")
        if resource.type != VPC:
            for other, taken in subnets:
                if block.overlaps(taken):
                    yield Finding(resource.name, f"{path} {text} overlaps {other.name}: give each its own block")
            subnets.append((resource, block))


def _needed_endpoints(stack: Stack) -> Found:
    there = {str(endpoint.inputs.get("serviceName")) for endpoint in stack.of(ENDPOINT)}
    for service in NEEDED_ENDPOINTS:
        if not any(name.endswith(f".{service}") for name in there):
            yield Finding(stack.graph.stack, f"add an interface endpoint for {service}")


def _storage_endpoint(stack: Stack) -> Found:
    for endpoint in stack.of(ENDPOINT):
        if str(endpoint.inputs.get("serviceName")).endswith(".s3"):
            if not stack.targets(endpoint.inputs.get("routeTableIds")):
                yield Finding(endpoint.name, "name the private route tables in routeTableIds")
            return
    yield Finding(stack.graph.stack, "add a gateway endpoint for S3 on the private route tables")


def _own_network_only(stack: Stack) -> Found:
    """Cloud SQL lets nobody in by address, and its private network is ours."""
    for instance in stack.of(SQL):
        for place, found in values(instance.inputs, "settings.ipConfiguration.authorizedNetworks[].value"):
            if found is not None:
                yield Finding(instance.name, f"remove {place}: nobody is let in by address")


RULES = (
    rule(
        "network.database-not-public",
        "No database has a public address.",
        each(RDS, "publiclyAccessible", FALSE),
        each(SQL, "settings.ipConfiguration.ipv4Enabled", FALSE),
        each(SQL, "settings.ipConfiguration.privateNetwork", PRESENT),
        judged(_own_network_only, SQL),
        source="INF-3; RDS.2; CIS AWS 2.2.3; CIS GCP 6.2.9; CIS GCP 6.6",
        severity=Severity.CRITICAL,
    ),
    rule(
        "network.cache-in-the-private-network",
        "A cache is reached through the private network only.",
        each(REDIS, "connectMode", one_of("PRIVATE_SERVICE_ACCESS")),
        each(REDIS, "authorizedNetwork", PRESENT),
        each("aws:elasticache/replicationGroup:ReplicationGroup", "subnetGroupName", PRESENT),
        source="INF-3; ElastiCache.7",
        severity=Severity.CRITICAL,
    ),
    rule(
        "network.tasks-have-no-public-address",
        "Services have no public address.",
        each(ECS, "networkConfiguration.assignPublicIp", FALSE),
        source="INF-3; ECS.2",
        severity=Severity.CRITICAL,
    ),
    rule(
        "network.subnets-give-no-public-addresses",
        "No subnet gives out public addresses by itself.",
        each(SUBNET, "mapPublicIpOnLaunch", NOT_TRUE),
        each(GCP_SUBNET, "stackType", one_of("IPV4_ONLY").or_absent()),
        source="INF-3; EC2.15",
    ),
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
        "network.all-traffic-through-the-network",
        "What a service sends goes through the private network, where firewall and flow logs see it.",
        each(RUN, "template.vpcAccess.egress", one_of("ALL_TRAFFIC")),
        each(RUN, "template.vpcAccess.networkInterfaces[].network", PRESENT),
        each(POOL, "template.vpcAccess.egress", one_of("ALL_TRAFFIC")),
        each(POOL, "template.vpcAccess.networkInterfaces[].network", PRESENT),
        each(RUN_JOB, "template.template.vpcAccess.egress", one_of("ALL_TRAFFIC")),
        each(RUN_JOB, "template.template.vpcAccess.networkInterfaces[].network", PRESENT),
        source="INF-3; GCP-1; https://cloud.google.com/run/docs/configuring/vpc-direct-vpc",
    ),
    rule(
        "network.default-group-closed",
        "The network's default security group lets nothing in or out.",
        companion(VPC, DEFAULT_GROUP, "vpcId"),
        each(DEFAULT_GROUP, "ingress", ABSENT),
        each(DEFAULT_GROUP, "egress", ABSENT),
        source="AWS-1; EC2.2; CIS AWS 5.5",
    ),
    rule(
        "network.flow-logs",
        "All traffic of the network is logged: on Google Cloud half of the flows at least.",
        companion(VPC, FLOW_LOG, "vpcId"),
        each(FLOW_LOG, "trafficType", one_of("ALL")),
        each(FLOW_LOG, "logDestination", PRESENT),
        each(FLOW_LOG, "maxAggregationInterval", one_of(60)),
        each(GCP_SUBNET, "logConfig.flowSampling", at_least(0.5)),
        each(GCP_SUBNET, "logConfig.metadata", one_of("INCLUDE_ALL_METADATA")),
        source="AWS-1; EC2.6; CIS AWS 3.7; CIS GCP 3.8",
        severity=Severity.MEDIUM,
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
        "network.own-services-inside",
        "The cloud's own services are reached without a public address.",
        judged(_needed_endpoints, VPC),
        each(
            ENDPOINT,
            "privateDnsEnabled",
            TRUE,
            when=lambda _, found: found.inputs.get("vpcEndpointType") == "Interface",
        ),
        each(GCP_SUBNET, "privateIpGoogleAccess", TRUE),
        source="AWS-1; EC2.10; EC2.55; https://cloud.google.com/vpc/docs/private-google-access",
        severity=Severity.MEDIUM,
        environments=("production",),
    ),
    rule(
        "network.storage-inside",
        "Images and backups come through a gateway endpoint, not through the NAT gateway that bills each byte.",
        judged(_storage_endpoint, VPC),
        source="AWS-1; COST-5",
        severity=Severity.MEDIUM,
    ),
    rule(
        "network.no-automatic-subnets",
        "The network has only the subnets that the program makes.",
        each(GCP_NETWORK, "autoCreateSubnetworks", FALSE),
        source="INF-3; CIS GCP 3.1",
    ),
    rule(
        "network.names-resolve-inside",
        "Names resolve in the network, or endpoints and databases would be looked up outside.",
        each(VPC, "enableDnsSupport", TRUE),
        each(VPC, "enableDnsHostnames", TRUE),
        source="AWS-1; https://docs.aws.amazon.com/vpc/latest/privatelink/create-interface-endpoint.html",
        severity=Severity.MEDIUM,
    ),
    rule(
        "network.private-blocks",
        "Networks and subnets have private addresses that do not overlap.",
        judged(_blocks_are_private, VPC, SUBNET, GCP_SUBNET),
        source="AWS-1; INF-3",
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
    rule(
        "network.managed-services-inside",
        "What Google runs for the stack takes its addresses from a range of the stack's own network.",
        each(PEERING, "reservedPeeringRanges[]", matching(".", "a reserved range")),
        each(GLOBAL_ADDRESS, "addressType", one_of("INTERNAL"), when=lambda _, found: "network" in found.inputs),
        some(PEERING, why="Cloud SQL and Memorystore have no private address without it"),
        source="GCP-2; https://cloud.google.com/vpc/docs/private-services-access",
    ),
)
