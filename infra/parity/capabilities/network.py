"""The private network, and who gets in and out."""

from infra.parity.capability import BY_CHOICE, PRODUCTION, Capability, both, every, has, of_type, several
from infra.policies import kinds

NAT = "aws:ec2/natGateway:NatGateway"

CAPABILITIES = (
    Capability(
        "network",
        "a network of its own",
        aws=has(kinds.VPC, "cidrBlock"),
        gcp=has(kinds.GCP_NETWORK, "autoCreateSubnetworks", False),
    ),
    Capability(
        "network",
        "subnets in several zones",
        aws=has("aws:rds/subnetGroup:SubnetGroup", "subnetIds", several),
        gcp=has(kinds.GCP_SUBNET, "region"),
    ),
    Capability(
        "network", "way out from fixed addresses", aws=has(NAT, "allocationId"), gcp=has(kinds.GCP_NAT, "natIps")
    ),
    Capability(
        "network",
        "way out that outlives a zone",
        aws=of_type(NAT, least=2),
        gcp=has(kinds.GCP_NAT, "region"),
        environments=PRODUCTION,
    ),
    Capability(
        "network",
        "the cloud's own services without the internet",
        aws=has(kinds.ENDPOINT, "serviceName"),
        gcp=has(kinds.GCP_SUBNET, "privateIpGoogleAccess", True),
    ),
    Capability(
        "network",
        "flow logs",
        aws=has("aws:ec2/flowLog:FlowLog", "trafficType", "ALL"),
        gcp=has(kinds.GCP_SUBNET, "logConfig"),
    ),
    Capability(
        "network",
        "nothing allowed that no rule names",
        aws=of_type("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"),
        gcp=has(kinds.GCP_FIREWALL, "denies[].protocol", "all"),
    ),
    Capability(
        "network",
        "rules from part to part",
        aws=has(kinds.INGRESS, "referencedSecurityGroupId"),
        gcp=has(kinds.GCP_FIREWALL, "targetTags"),
    ),
    Capability(
        "network",
        "database without a public address",
        aws=every(kinds.RDS, "publiclyAccessible", False),
        gcp=every(kinds.SQL, "settings.ipConfiguration.ipv4Enabled", False),
    ),
    Capability(
        "network",
        "services reached through the load balancer only",
        aws=every(kinds.ECS, "networkConfiguration.assignPublicIp", False),
        gcp=both(
            every(kinds.RUN, "ingress", "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"),
            every(kinds.RUN, "defaultUriDisabled", True),
        ),
    ),
    Capability(
        "network",
        "way to the other cloud (while config bridge is set)",
        aws=of_type("aws:ec2/vpnConnection:VpnConnection"),
        gcp=of_type("gcp:compute/vPNTunnel:VPNTunnel"),
        environments=BY_CHOICE,
    ),
)
