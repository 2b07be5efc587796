"""Load balancer, firewall, NAT, endpoints, addresses, what leaves and what crosses zones, DNS, VPN."""

import re
from collections.abc import Iterable
from decimal import Decimal

from infra.costs.items import HOURS, Category, Item, Model, Stack, fixed, used
from infra.costs.usage import Usage
from infra.graph import Resource

REQUESTS_A_CONNECTION = 10
CONNECTIONS_AN_LCU_HOUR = 25 * 3600
GB_AN_LCU_HOUR = 1
MILLION = Decimal(1_000_000)


def _load_balancer(resource: Resource, stack: Stack) -> Iterable[Item]:
    zones = len(resource.inputs.get("subnets") or resource.inputs.get("subnetMappings") or [])
    yield fixed("load balancer", Category.EDGE, "alb/load-balancer/hour", HOURS)
    yield used(
        "load balancer capacity", Category.EDGE, "alb/capacity/lcu", _lcu_hours, "the larger of data and connections"
    )
    yield fixed(
        "public addresses", Category.NETWORK, "ipv4/public/hour", zones * HOURS, f"one in each of {zones} zones"
    )
    yield used("data to the internet", Category.NETWORK, "egress/internet/data", lambda usage: usage.gb_out)


def _lcu_hours(usage: Usage) -> Decimal:
    connections = usage.requests / REQUESTS_A_CONNECTION / CONNECTIONS_AN_LCU_HOUR
    return max((usage.gb_in + usage.gb_out) / GB_AN_LCU_HOUR, connections)


def _network(resource: Resource, stack: Stack) -> Iterable[Item]:
    yield used(
        "data between zones",
        Category.NETWORK,
        "transfer/between-zones/data",
        lambda usage: usage.gb_between_zones,
        "counted once, billed on both sides",
    )


def _nat(resource: Resource, stack: Stack) -> Iterable[Item]:
    part = stack.share(resource.type)
    private = any(
        str(one.inputs.get("serviceName", "")).endswith(".logs")
        for one in stack.graph.of_type("aws:ec2/vpcEndpoint:VpcEndpoint")
    )
    yield fixed("NAT gateway", Category.NETWORK, "nat/gateway/hour", HOURS)
    yield used(
        "data through NAT",
        Category.NETWORK,
        "nat/gateway/data",
        lambda usage: (usage.gb_nat + (0 if private else usage.gb_logs)) * part,
        "" if private else "with the logs, which have no private endpoint",
    )


def _address(resource: Resource, stack: Stack) -> Iterable[Item]:
    yield fixed("public address", Category.NETWORK, "ipv4/public/hour", HOURS)


def _endpoint(resource: Resource, stack: Stack) -> Iterable[Item]:
    if resource.inputs.get("vpcEndpointType") == "Interface":
        zones = len(resource.inputs.get("subnetIds") or [])
        name = re.sub(r"^com\.amazonaws\.[a-z0-9-]+\.", "", str(resource.inputs.get("serviceName", "")))
        yield fixed(
            "private endpoint", Category.NETWORK, "endpoint/interface/hour", zones * HOURS, f"{name}, {zones} zones"
        )
        yield used(
            "data through private endpoints",
            Category.NETWORK,
            "endpoint/interface/data",
            lambda usage: usage.gb_logs * stack.share(resource.type),
            "mostly logs",
        )


def _firewall(resource: Resource, stack: Stack) -> Iterable[Item]:
    rules = len(resource.inputs.get("rules") or [])
    yield fixed("firewall", Category.FIREWALL, "waf/acl/month", 1)
    yield fixed("firewall rules", Category.FIREWALL, "waf/rule/month", rules, f"{rules} rules and managed groups")
    yield used("requests looked at", Category.FIREWALL, "waf/requests/million", lambda usage: usage.requests / MILLION)


def _zone(resource: Resource, stack: Stack) -> Iterable[Item]:
    yield fixed("DNS zone", Category.NETWORK, "route53/zone/month", 1)
    yield used(
        "DNS queries",
        Category.NETWORK,
        "route53/queries/million",
        lambda usage: usage.requests / 100 / MILLION,
        "one for 100 requests",
    )


def _health_check(resource: Resource, stack: Stack) -> Iterable[Item]:
    yield fixed("health check from outside", Category.MONITORING, "route53/health-check/month", 1)


def _vpn(resource: Resource, stack: Stack) -> Iterable[Item]:
    yield fixed("VPN to the other cloud", Category.NETWORK, "vpn/connection/hour", HOURS, "while it is open")


MODELS: dict[str, Model] = {
    "aws:lb/loadBalancer:LoadBalancer": _load_balancer,
    "aws:ec2/vpc:Vpc": _network,
    "aws:ec2/natGateway:NatGateway": _nat,
    "aws:ec2/eip:Eip": _address,
    "aws:ec2/vpcEndpoint:VpcEndpoint": _endpoint,
    "aws:wafv2/webAcl:WebAcl": _firewall,
    "aws:route53/zone:Zone": _zone,
    "aws:route53/healthCheck:HealthCheck": _health_check,
    "aws:ec2/vpnConnection:VpnConnection": _vpn,
}
