"""The way to the other cloud's network for a move: a tunnel that is there while `config.bridge` is."""

import pulumi
from pulumi_gcp import compute

from infra.contract import BridgeArgs
from infra.gcp.firewall import JOB_TAG, POSTGRES, REDIS, REDIS_TLS
from infra.gcp.network import Network

IKE_VERSION = 2
FORWARDED = (("esp", "ESP", None), ("ike", "UDP", "500"), ("nat-traversal", "UDP", "4500"))
"""What a VPN gateway takes from outside: its name here, protocol, port."""


class Bridge(pulumi.ComponentResource):
    """A site-to-site tunnel with a shared key and fixed routes, labelled with the day on which it ends.

    A classic gateway: the high-available one wants BGP on both sides and two tunnels, for a way that is open for days.
    Nothing of Google's closes it on that day; the policies refuse the stack from then on, and removing `bridge` from
    the configuration takes all of it away. Only PostgreSQL and Redis pass. `address` is the other side's
    `bridge.peerAddress`.
    """

    address: pulumi.Output[str]

    def __init__(self, name: str, args: BridgeArgs[Network], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:gcp:Bridge", name, None, opts)
        self._name, self._args = name, args
        config, network = args.config, args.network
        assert config.bridge is not None
        assert config.bridge_key is not None
        bridge, under = config.bridge, pulumi.ResourceOptions(parent=self)
        address = compute.Address(f"{name}-address", region=config.region, address_type="EXTERNAL", opts=under)
        gateway = compute.VPNGateway(
            f"{name}-gateway",
            network=network.id,
            region=config.region,
            description=f"Open until {bridge.until}",
            opts=under,
        )
        rules = [
            compute.ForwardingRule(
                f"{name}-{purpose}",
                region=config.region,
                ip_address=address.address,
                ip_protocol=protocol,
                port_range=port,
                target=gateway.self_link,
                opts=under,
            )
            for purpose, protocol, port in FORWARDED
        ]
        tunnel = compute.VPNTunnel(
            f"{name}-tunnel",
            region=config.region,
            target_vpn_gateway=gateway.id,
            peer_ip=bridge.peer_address,
            shared_secret=pulumi.Output.secret(config.bridge_key.get_secret_value()),
            ike_version=IKE_VERSION,
            local_traffic_selectors=[str(network.ranges.services), str(network.ranges.managed)],
            remote_traffic_selectors=[bridge.peer_cidr],
            labels={"until": bridge.until},
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=rules, additional_secret_outputs=["sharedSecret", "sharedSecretHash"]
            ),
        )
        compute.Route(
            f"{name}-route",
            network=network.id,
            dest_range=bridge.peer_cidr,
            priority=1000,
            next_hop_vpn_tunnel=tunnel.id,
            opts=under,
        )
        # Cloud SQL and Memorystore lie in Google's network: the way back has to be told to it.
        compute.NetworkPeeringRoutesConfig(
            f"{name}-way-back",
            network=network.network.name,
            peering=network.peering,
            export_custom_routes=True,
            import_custom_routes=False,
            opts=under,
        )
        self._passes("in", "INGRESS")
        self._passes("out", "EGRESS")
        self.address = address.address
        self.register_outputs({"address": self.address})

    def _passes(self, purpose: str, direction: str) -> None:
        bridge = self._args.config.bridge
        assert bridge is not None
        compute.Firewall(
            f"{self._name}-{purpose}",
            network=self._args.network.id,
            direction=direction,
            priority=900,
            description=f"The bridge, open until {bridge.until}",
            allows=[{"protocol": "tcp", "ports": [str(port) for port in (POSTGRES, REDIS, REDIS_TLS)]}],
            source_ranges=[bridge.peer_cidr] if direction == "INGRESS" else None,
            destination_ranges=[bridge.peer_cidr] if direction == "EGRESS" else None,
            # Who moves data is a job; what serves has no business over there.
            target_tags=[JOB_TAG] if direction == "EGRESS" else None,
            log_config={"metadata": "INCLUDE_ALL_METADATA"},
            opts=pulumi.ResourceOptions(parent=self),
        )
