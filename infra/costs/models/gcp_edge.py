"""Load balancer, Cloud Armor, NAT, addresses, what leaves and what crosses zones, DNS, certificates, VPN."""

from collections.abc import Iterable
from decimal import Decimal

from infra.costs.items import HOURS, Category, Item, Model, Stack, fixed, used
from infra.costs.models.gcp_compute import POOL, SERVICE, bounds
from infra.costs.usage import Usage
from infra.graph import Resource

MILLION = Decimal(1_000_000)
FIRST_RULES = 5
MOST_NAT_INSTANCES = 32
"""Cloud NAT bills no more an hour than for these."""


def _forwarding_rule(resource: Resource, stack: Stack) -> Iterable[Item]:
    """The first five share one charge, which the first of them carries, as it does what flows through."""
    rules = sorted(other.name for other in stack.graph.of_type(resource.type))
    place = rules.index(resource.name)
    if place == 0:
        yield fixed(
            "forwarding rules", Category.EDGE, "lb/forwarding-rule/first-five", HOURS, f"{len(rules)} rules, one charge"
        )
        yield used("data in", Category.EDGE, "lb/data/in", lambda usage: usage.gb_in)
        yield used("data out", Category.EDGE, "lb/data/out", lambda usage: usage.gb_out)
        yield used("data to the internet", Category.NETWORK, "egress/internet/data", lambda usage: usage.gb_out)
    elif place >= FIRST_RULES:
        yield fixed("further forwarding rule", Category.EDGE, "lb/forwarding-rule/further", HOURS)


def _network(resource: Resource, stack: Stack) -> Iterable[Item]:
    yield used(
        "data between zones",
        Category.NETWORK,
        "transfer/between-zones/data",
        lambda usage: usage.gb_between_zones,
        "counted once, billed on both sides",
    )


def _nat(resource: Resource, stack: Stack) -> Iterable[Item]:
    running = list(stack.graph.of_type(SERVICE, POOL))

    def instances(usage: Usage) -> Decimal:
        return sum(
            (
                min(MOST_NAT_INSTANCES, least + usage.load * (most - least)) * stack.hours(one)
                for one in running
                for least, most in [bounds(one)]
            ),
            Decimal(0),
        )

    yield used(
        "NAT by instance",
        Category.NETWORK,
        "nat/gateway/instance",
        instances,
        "the services' instances; an hour costs as 32 of them at most",
    )
    yield used("data through NAT", Category.NETWORK, "nat/gateway/data", lambda usage: usage.gb_nat)


def _address(resource: Resource, stack: Stack) -> Iterable[Item]:
    if resource.inputs.get("addressType", "EXTERNAL") == "EXTERNAL":
        yield fixed("public address", Category.NETWORK, "ipv4/public/hour", HOURS)


def _firewall(resource: Resource, stack: Stack) -> Iterable[Item]:
    rules = len(resource.inputs.get("rules") or [])
    yield fixed("firewall", Category.FIREWALL, "armor/policy/month", 1)
    yield fixed("firewall rules", Category.FIREWALL, "armor/rule/month", rules, f"{rules} rules")
    yield used(
        "requests looked at", Category.FIREWALL, "armor/requests/million", lambda usage: usage.requests / MILLION
    )


def _zone(resource: Resource, stack: Stack) -> Iterable[Item]:
    yield fixed("DNS zone", Category.NETWORK, "dns/zone/month", 1)
    yield used(
        "DNS queries",
        Category.NETWORK,
        "dns/queries/million",
        lambda usage: usage.requests / 100 / MILLION,
        "one for 100 requests",
    )


def _certificate(resource: Resource, stack: Stack) -> Iterable[Item]:
    yield fixed("certificate", Category.EDGE, "certificates/managed/month", 1, "the first 100 are free")


def _tunnel(resource: Resource, stack: Stack) -> Iterable[Item]:
    yield fixed("VPN to the other cloud", Category.NETWORK, "vpn/tunnel/hour", HOURS, "while it is open")


MODELS: dict[str, Model] = {
    "gcp:compute/globalForwardingRule:GlobalForwardingRule": _forwarding_rule,
    "gcp:compute/network:Network": _network,
    "gcp:compute/routerNat:RouterNat": _nat,
    "gcp:compute/address:Address": _address,
    "gcp:compute/globalAddress:GlobalAddress": _address,
    "gcp:compute/securityPolicy:SecurityPolicy": _firewall,
    "gcp:dns/managedZone:ManagedZone": _zone,
    "gcp:certificatemanager/certificate:Certificate": _certificate,
    "gcp:compute/vPNTunnel:VPNTunnel": _tunnel,
}
