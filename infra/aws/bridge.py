"""The way to the other cloud's network, for the days of a move."""

import pulumi_aws as aws
from pulumi import ComponentResource, Output, ResourceOptions

from infra import contract
from infra.aws.firewall import POSTGRESQL, REDIS, Part
from infra.aws.logs import log_group
from infra.aws.names import named
from infra.aws.network import Network
from infra.aws.subnets import Tier
from infra.config import Bridge as BridgeConfig

BridgeArgs = contract.BridgeArgs[Network]

# The strongest that both clouds offer; nothing older is accepted.
_ENCRYPTION, _INTEGRITY, _GROUP = "AES256-GCM-16", "SHA2-384", 20
_UNUSED_NUMBER = "65010"
"""A private number for the routing protocol, which a VPN with fixed routes asks for and never uses."""


class Bridge(ComponentResource):
    """A site-to-site VPN to `bridge.peerAddress`, with fixed routes: IKEv2 and a shared key, the secret `bridgeKey`.

    Through it the other side reaches the database and the cache here and nothing else, and the jobs here reach those
    there. All of it carries the tag `until`, after which the policies refuse the stack until the bridge is taken out
    of its configuration, which closes it.
    """

    def __init__(self, name: str, args: BridgeArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:aws:Bridge", name, None, opts)
        config, network = args.config, args.network
        bridge, key = config.bridge, config.bridge_key
        assert bridge is not None, "a bridge has a configuration"
        assert key is not None, "a bridge has a key"
        self._name, self._network, self._bridge = name, network, bridge
        self._tags = {"Name": named(config, "bridge"), "until": bridge.until}
        here = ResourceOptions(parent=self)
        gateway = aws.ec2.VpnGateway(f"{name}-gateway", vpc_id=network.id, tags=self._tags, opts=here)
        peer = aws.ec2.CustomerGateway(
            f"{name}-peer",
            type="ipsec.1",
            ip_address=bridge.peer_address,
            bgp_asn=_UNUSED_NUMBER,
            tags=self._tags,
            opts=here,
        )
        logs = log_group(
            f"{name}-logs",
            f"/cloudbill/{config.stack}/bridge",
            config=config,
            key=network.logs_key,
            parent=self,
        )
        shared = Output.secret(key.get_secret_value())
        connection = aws.ec2.VpnConnection(
            f"{name}-connection",
            type="ipsec.1",
            vpn_gateway_id=gateway.id,
            customer_gateway_id=peer.id,
            static_routes_only=True,
            tunnel1_preshared_key=shared,
            tunnel1_ike_versions=["ikev2"],
            tunnel1_phase1_encryption_algorithms=[_ENCRYPTION],
            tunnel1_phase1_integrity_algorithms=[_INTEGRITY],
            tunnel1_phase1_dh_group_numbers=[_GROUP],
            tunnel1_phase2_encryption_algorithms=[_ENCRYPTION],
            tunnel1_phase2_integrity_algorithms=[_INTEGRITY],
            tunnel1_phase2_dh_group_numbers=[_GROUP],
            tunnel1_dpd_timeout_action="restart",
            tunnel1_startup_action="start",
            tunnel1_log_options={
                "cloudwatch_log_options": {
                    "log_enabled": True,
                    "log_group_arn": logs.arn,
                    "log_output_format": "json",
                }
            },
            # AWS has two tunnels always; the peer may use either.
            tunnel2_preshared_key=shared,
            tunnel2_ike_versions=["ikev2"],
            tunnel2_phase1_encryption_algorithms=[_ENCRYPTION],
            tunnel2_phase1_integrity_algorithms=[_INTEGRITY],
            tunnel2_phase1_dh_group_numbers=[_GROUP],
            tunnel2_phase2_encryption_algorithms=[_ENCRYPTION],
            tunnel2_phase2_integrity_algorithms=[_INTEGRITY],
            tunnel2_phase2_dh_group_numbers=[_GROUP],
            tunnel2_dpd_timeout_action="restart",
            tunnel2_startup_action="start",
            tunnel2_log_options={
                "cloudwatch_log_options": {
                    "log_enabled": True,
                    "log_group_arn": logs.arn,
                    "log_output_format": "json",
                }
            },
            tags=self._tags,
            opts=here,
        )
        aws.ec2.VpnConnectionRoute(
            f"{name}-route",
            destination_cidr_block=bridge.peer_cidr,
            vpn_connection_id=connection.id,
            opts=here,
        )
        self._route(gateway)
        self._open(bridge)
        self.addresses = (connection.tunnel1_address, connection.tunnel2_address)
        self.register_outputs({})

    def _route(self, gateway: aws.ec2.VpnGateway) -> None:
        for tier in (Tier.TASKS, Tier.DATABASE, Tier.CACHE):
            for number, table in enumerate(self._network.private_routes[tier], start=1):
                aws.ec2.VpnGatewayRoutePropagation(
                    f"{self._name}-routes-{tier.name.lower()}-{number}",
                    vpn_gateway_id=gateway.id,
                    route_table_id=table,
                    opts=ResourceOptions(parent=self),
                )

    def _open(self, bridge: BridgeConfig) -> None:
        for part, port in ((Part.DATABASE, POSTGRESQL), (Part.CACHE, REDIS)):
            aws.vpc.SecurityGroupIngressRule(
                f"{self._name}-to-{part}",
                security_group_id=self._network.group(part),
                description=f"The other cloud to {part}, until {bridge.until}",
                ip_protocol="tcp",
                from_port=port,
                to_port=port,
                cidr_ipv4=bridge.peer_cidr,
                tags=self._tags,
                opts=ResourceOptions(parent=self),
            )
            aws.vpc.SecurityGroupEgressRule(
                f"{self._name}-from-jobs-{port}",
                security_group_id=self._network.group(Part.JOB),
                description=f"Jobs to the other cloud's {part}, until {bridge.until}",
                ip_protocol="tcp",
                from_port=port,
                to_port=port,
                cidr_ipv4=bridge.peer_cidr,
                tags=self._tags,
                opts=ResourceOptions(parent=self),
            )
