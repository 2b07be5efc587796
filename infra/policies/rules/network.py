"""The private network: what has a public address, what has a way out, and what is seen of the traffic."""

import ipaddress

from infra.graph import Resource
from infra.policies.demand import ABSENT, FALSE, NOT_TRUE, PRESENT, TRUE, at_least, by_environment, matching, one_of
from infra.policies.kinds import (
    ECS,
    ENDPOINT,
    GCP_NETWORK,
    GCP_SUBNET,
    POOL,
    RDS,
    REDIS,
    RUN,
    RUN_JOB,
    SQL,
    SUBNET,
    VPC,
)
from infra.policies.reading import Stack, value, values
from infra.policies.rule import Finding, Found, Severity, companion, each, judged, rule, some

DEFAULT_GROUP = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"


FLOW_LOG = "aws:ec2/flowLog:FlowLog"


PEERING = "gcp:servicenetworking/connection:Connection"


GLOBAL_ADDRESS = "gcp:compute/globalAddress:GlobalAddress"


PRIVATE = tuple(ipaddress.ip_network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


NEEDED_ENDPOINTS = ("ecr.api", "ecr.dkr", "logs", "secretsmanager", "kms")
"""What a task needs to start and to be heard while the way to the internet is down."""


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


SCHEDULE = "aws:scheduler/schedule:Schedule"
_TASK_NETWORK = "target.ecsParameters.networkConfiguration"


def _runs_task(stack: Stack, schedule: Resource) -> bool:
    return value(schedule.inputs, "target.ecsParameters") is not None


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
        "Services and scheduled tasks have no public address; tasks stand in a security group of their own.",
        each(ECS, "networkConfiguration.assignPublicIp", FALSE),
        each(SCHEDULE, f"{_TASK_NETWORK}.assignPublicIp", FALSE, when=_runs_task),
        each(SCHEDULE, f"{_TASK_NETWORK}.securityGroups", PRESENT, when=_runs_task),
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
        source="AWS-1; EC2.2; CIS AWS 5.4",
    ),
    rule(
        "network.flow-logs",
        "All traffic of the network is logged: on Google Cloud half of the flows at least.",
        companion(VPC, FLOW_LOG, "vpcId"),
        each(FLOW_LOG, "trafficType", one_of("ALL")),
        each(FLOW_LOG, "logDestination", PRESENT),
        each(FLOW_LOG, "maxAggregationInterval", by_environment({"production": one_of(60)})),
        each(GCP_SUBNET, "logConfig.flowSampling", at_least(0.5)),
        each(GCP_SUBNET, "logConfig.metadata", one_of("INCLUDE_ALL_METADATA")),
        source="AWS-1; EC2.6; CIS AWS 3.7; CIS GCP 3.8",
        severity=Severity.MEDIUM,
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
        "network.managed-services-inside",
        "What Google runs for the stack takes its addresses from a range of the stack's own network.",
        each(PEERING, "reservedPeeringRanges[]", matching(".", "a reserved range")),
        each(GLOBAL_ADDRESS, "addressType", one_of("INTERNAL"), when=lambda _, found: "network" in found.inputs),
        some(PEERING, why="Cloud SQL and Memorystore have no private address without it"),
        source="GCP-2; https://cloud.google.com/vpc/docs/private-services-access",
    ),
)
