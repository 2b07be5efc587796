"""The private network: four tiers of subnets over the zones, the ways out, and the cluster of its tasks."""

from collections.abc import Mapping

import pulumi_aws as aws
from pulumi import ComponentResource, Input, Output, ResourceOptions

from infra import contract
from infra.aws.account import Account
from infra.aws.cluster import Cluster
from infra.aws.endpoints import Endpoints
from infra.aws.firewall import EVERYWHERE, Firewall, Part
from infra.aws.keys import Keys
from infra.aws.logs import log_group
from infra.aws.names import named
from infra.aws.roles import service_role
from infra.aws.statements import Statement
from infra.aws.subnets import Tier, plan, zones

NetworkArgs = contract.NetworkArgs[Keys]


class Network(ComponentResource):
    """A VPC. Public subnets hold the load balancer and the NAT gateways only; database and cache have no way out.

    A NAT gateway in each zone (`network.natPerZone`), or one for all, whose zone is then everybody's way out. The
    default security group is emptied, so that what forgets its own reaches nothing. On Google Cloud one subnet spans
    the region and the zones are not ours to choose.
    """

    id: Output[str]
    subnets: Mapping[Tier, list[Output[str]]]
    groups: Mapping[Part, aws.ec2.SecurityGroup]
    private_routes: Mapping[Tier, list[Output[str]]]
    """Route tables of the tiers that a bridge must be reachable from."""
    cluster: Cluster
    logs_key: Output[str]
    """Of what a bridge logs."""

    def __init__(self, name: str, args: NetworkArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:aws:Network", name, None, opts)
        self._name, self._config = name, args.config
        vpc = aws.ec2.Vpc(
            f"{name}-vpc",
            cidr_block=args.config.network.cidr,
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags=self._tag("vpc"),
            opts=ResourceOptions(parent=self),
        )
        self._vpc = vpc
        self.id = vpc.id
        self.logs_key = args.keys.logs
        aws.ec2.DefaultSecurityGroup(
            f"{name}-default", vpc_id=vpc.id, tags=self._tag("unused"), opts=ResourceOptions(parent=self)
        )
        self._resources = {
            subnet: aws.ec2.Subnet(
                f"{name}-{subnet.name}",
                vpc_id=vpc.id,
                availability_zone=subnet.zone,
                cidr_block=subnet.cidr,
                map_public_ip_on_launch=False,
                tags=self._tag(subnet.name),
                opts=ResourceOptions(parent=self),
            )
            for subnet in plan(args.config)
        }
        self.subnets = {
            tier: [made.id for subnet, made in self._resources.items() if subnet.tier is tier] for tier in Tier
        }
        self._route_public()
        self.private_routes = {Tier.TASKS: self._route_tasks(), **self._route_isolated()}
        firewall = Firewall(f"{name}-firewall", config=args.config, vpc_id=vpc.id, opts=ResourceOptions(parent=self))
        self.groups = firewall.groups
        Endpoints(
            f"{name}-endpoints",
            config=args.config,
            vpc_id=vpc.id,
            route_tables=self.private_routes[Tier.TASKS],
            subnets=self.subnets[Tier.TASKS],
            group=self.groups[Part.ENDPOINTS].id,
            opts=ResourceOptions(parent=self),
        )
        self._log_flows(args.keys)
        self.cluster = Cluster(
            f"{name}-cluster", config=args.config, keys=args.keys, vpc_id=vpc.id, opts=ResourceOptions(parent=self)
        )
        self.register_outputs({"id": self.id})

    def group(self, part: Part) -> Output[str]:
        """The security group of a part."""
        return self.groups[part].id

    def _tag(self, what: str) -> dict[str, Input[str]]:
        return {"Name": named(self._config, what)}

    def _table(self, what: str) -> aws.ec2.RouteTable:
        # Its routes are resources of their own.
        return aws.ec2.RouteTable(
            f"{self._name}-{what}",
            vpc_id=self.id,
            tags=self._tag(what),
            opts=ResourceOptions(parent=self._vpc, ignore_changes=["routes"]),
        )

    def _associate(self, tier: Tier, table: aws.ec2.RouteTable, zone: str | None = None) -> None:
        for subnet, made in self._resources.items():
            if subnet.tier is tier and zone in (None, subnet.zone):
                aws.ec2.RouteTableAssociation(
                    f"{self._name}-{subnet.name}-routes",
                    subnet_id=made.id,
                    route_table_id=table.id,
                    opts=ResourceOptions(parent=table),
                )

    def _route_public(self) -> None:
        gateway = aws.ec2.InternetGateway(
            f"{self._name}-internet", vpc_id=self.id, tags=self._tag("internet"), opts=ResourceOptions(parent=self)
        )
        table = self._table("public")
        self._way_out = aws.ec2.Route(
            f"{self._name}-public-default",
            route_table_id=table.id,
            destination_cidr_block=EVERYWHERE,
            gateway_id=gateway.id,
            opts=ResourceOptions(parent=table),
        )
        self._associate(Tier.PUBLIC, table)

    def _route_tasks(self) -> list[Output[str]]:
        every = zones(self._config)
        gateways = {zone: self._nat(zone) for zone in (every if self._config.network.nat_per_zone else every[:1])}
        tables: list[Output[str]] = []
        for zone in every:
            table = self._table(f"tasks-{zone[-1]}-table")
            aws.ec2.Route(
                f"{self._name}-tasks-{zone[-1]}-default",
                route_table_id=table.id,
                destination_cidr_block=EVERYWHERE,
                nat_gateway_id=(gateways.get(zone) or gateways[every[0]]).id,
                opts=ResourceOptions(parent=table),
            )
            self._associate(Tier.TASKS, table, zone)
            tables.append(table.id)
        return tables

    def _route_isolated(self) -> dict[Tier, list[Output[str]]]:
        found: dict[Tier, list[Output[str]]] = {}
        for tier in (Tier.DATABASE, Tier.CACHE):
            table = self._table(tier.name.lower())
            self._associate(tier, table)
            found[tier] = [table.id]
        return found

    def _nat(self, zone: str) -> aws.ec2.NatGateway:
        letter = zone[-1]
        address = aws.ec2.Eip(
            f"{self._name}-nat-{letter}-address",
            domain="vpc",
            tags=self._tag(f"nat-{letter}"),
            opts=ResourceOptions(parent=self),
        )
        place = next(
            made for subnet, made in self._resources.items() if (subnet.tier, subnet.zone) == (Tier.PUBLIC, zone)
        )
        return aws.ec2.NatGateway(
            f"{self._name}-nat-{letter}",
            allocation_id=address.id,
            subnet_id=place.id,
            tags=self._tag(f"nat-{letter}"),
            # It is made in vain, and fails, while the network has no internet gateway.
            opts=ResourceOptions(parent=self, depends_on=[self._way_out]),
        )

    def _log_flows(self, keys: Keys) -> None:
        account = Account.of(self, self._config.region)
        group = log_group(
            f"{self._name}-flows",
            f"/cloudbill/{self._config.stack}/flows",
            config=self._config,
            key=keys.logs,
            parent=self,
        )
        role = service_role(
            f"{self._name}-flows-role",
            "vpc-flow-logs.amazonaws.com",
            [
                Statement(
                    actions=["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                    resources=[Output.concat(group.arn, ":*")],
                ),
                # The service asks for it before it writes; the list of names cannot be limited to one.
                Statement(actions=["logs:DescribeLogGroups"], resources=[account.arn("logs", "log-group:*")]),
            ],
            parent=self,
            account=account,
        )
        aws.ec2.FlowLog(
            f"{self._name}-flow-log",
            vpc_id=self.id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            max_aggregation_interval=60 if self._config.is_production else 600,
            tags=self._tag("flows"),
            opts=ResourceOptions(parent=self),
        )
