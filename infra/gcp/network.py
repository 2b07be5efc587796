"""The private network: where services reach the database, and the one way out."""

import ipaddress
from dataclasses import dataclass

import pulumi
from pulumi_gcp import compute, networkconnectivity, servicenetworking

from infra.contract import NetworkArgs
from infra.gcp.firewall import Firewall, FirewallArgs
from infra.gcp.keys import Keys

NAT_ADDRESSES = 2
"""Own ones, so that others can let us in by address; 64,512 connections to one destination each."""


@dataclass(frozen=True)
class Ranges:
    """The parts of `network.cidr`, a sixteenth each: for a /16 a /20, 4,096 addresses."""

    services: ipaddress.IPv4Network
    """Cloud Run's instances. Two addresses each while a revision is replaced."""
    managed: ipaddress.IPv4Network
    """What Google runs for us: Cloud SQL, Memorystore for Redis."""
    endpoints: ipaddress.IPv4Network
    """Private Service Connect: Memorystore for Valkey."""

    @classmethod
    def of(cls, cidr: str) -> "Ranges":
        """Of the stack's network."""
        services, managed, endpoints, *_ = ipaddress.IPv4Network(cidr).subnets(prefixlen_diff=4)
        return cls(services, managed, endpoints)


class Network(pulumi.ComponentResource):
    """One region: a subnet for Cloud Run's direct egress, Google's managed side, addresses for the way out.

    Other than on AWS a subnet spans all zones, and nothing of ours has a public subnet: the load balancer is Google's
    and stands outside of the network. NAT is no machine in a zone but a property of the region's router.
    """

    id: pulumi.Output[str]
    subnet: pulumi.Output[str]
    managed_range: pulumi.Output[str]
    """Name of the range that Google's managed services take their addresses from; waits until it may be used."""
    nat_addresses: list[pulumi.Output[str]]
    """What the outside sees us come from."""

    def __init__(self, name: str, args: NetworkArgs[Keys], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:gcp:Network", name, None, opts)
        self._name, self._config = name, args.config
        self.ranges = Ranges.of(args.config.network.cidr)
        self._under = pulumi.ResourceOptions(parent=self)

        self.network = compute.Network(
            f"{name}-vpc",
            auto_create_subnetworks=False,
            routing_mode="REGIONAL",
            # The default route stays: without it neither Stripe nor Google's APIs were in reach. What may use it is
            # the firewall's decision.
            delete_default_routes_on_create=False,
            opts=self._under,
        )
        self.id = self.network.id
        self.subnet = self._subnet("services", self.ranges.services).id
        self.managed_range = self._managed_services()
        self.nat_addresses = self._way_out()
        if args.config.cache.engine == "valkey":
            self._private_service_connect()
        Firewall(f"{name}-firewall", FirewallArgs(network=self.network, ranges=self.ranges), self._under)
        self.register_outputs({"id": self.id})

    def _subnet(self, purpose: str, block: ipaddress.IPv4Network) -> compute.Subnetwork:
        return compute.Subnetwork(
            f"{self._name}-{purpose}",
            network=self.network.id,
            region=self._config.region,
            ip_cidr_range=str(block),
            # Google's APIs are reached from inside, without a public address.
            private_ip_google_access=True,
            stack_type="IPV4_ONLY",
            # Flow logs: half of the flows, which shows every lasting one, for half the price.
            log_config={
                "aggregation_interval": "INTERVAL_5_SEC",
                "flow_sampling": 0.5,
                "metadata": "INCLUDE_ALL_METADATA",
            },
            opts=self._under,
        )

    def _managed_services(self) -> pulumi.Output[str]:
        block = self.ranges.managed
        reserved = compute.GlobalAddress(
            f"{self._name}-managed-range",
            purpose="VPC_PEERING",
            address_type="INTERNAL",
            address=str(block.network_address),
            prefix_length=block.prefixlen,
            network=self.network.id,
            opts=self._under,
        )
        connection = servicenetworking.Connection(
            f"{self._name}-managed",
            network=self.network.id,
            service="servicenetworking.googleapis.com",
            reserved_peering_ranges=[reserved.name],
            # Google refuses to cut the connection for hours after the last database is gone.
            deletion_policy="ABANDON",
            opts=self._under,
        )
        self.peering = connection.peering
        return pulumi.Output.all(reserved.name, connection.id).apply(lambda found: str(found[0]))

    def _way_out(self) -> list[pulumi.Output[str]]:
        router = compute.Router(
            f"{self._name}-router", network=self.network.id, region=self._config.region, opts=self._under
        )
        addresses = [
            compute.Address(
                f"{self._name}-nat-{number}",
                region=self._config.region,
                address_type="EXTERNAL",
                network_tier="PREMIUM",
                opts=self._under,
            )
            for number in range(1, NAT_ADDRESSES + 1)
        ]
        compute.RouterNat(
            f"{self._name}-nat",
            router=router.name,
            region=self._config.region,
            nat_ip_allocate_option="MANUAL_ONLY",
            nat_ips=[address.self_link for address in addresses],
            source_subnetwork_ip_ranges_to_nat="ALL_SUBNETWORKS_ALL_IP_RANGES",
            enable_dynamic_port_allocation=True,
            enable_endpoint_independent_mapping=False,
            min_ports_per_vm=64,
            max_ports_per_vm=4096,
            log_config={"enable": True, "filter": "ALL"},
            opts=self._under,
        )
        return [address.address for address in addresses]

    def _private_service_connect(self) -> None:
        """Memorystore for Valkey lies in Google's network and shows itself by endpoints in a subnet of ours."""
        endpoints = self._subnet("endpoints", self.ranges.endpoints)
        policy = networkconnectivity.ServiceConnectionPolicy(
            f"{self._name}-valkey",
            location=self._config.region,
            network=self.network.id,
            service_class="gcp-memorystore",
            psc_config={"subnetworks": [endpoints.id]},
            opts=self._under,
        )
        self.id = pulumi.Output.all(self.network.id, policy.id).apply(lambda found: str(found[0]))
