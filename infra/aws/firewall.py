"""Who may speak to whom: a security group for each part, and one table of the ways between them."""

from collections.abc import Mapping
from enum import StrEnum

import pulumi_aws as aws
from pulumi import ComponentResource, Input, ResourceOptions

from infra.config import Role, StackConfig
from infra.contract import PORTS

POSTGRESQL, REDIS, NFS, HTTPS, HTTP = 5432, 6379, 2049, 443, 80
EVERYWHERE = "0.0.0.0/0"


class Part(StrEnum):
    """A part of the installation that has an address in the network."""

    EDGE = "edge"
    API = "api"
    WORKER = "worker"
    CONSOLE = "console"
    JOB = "job"
    DATABASE = "database"
    CACHE = "cache"
    FILES = "files"
    ENDPOINTS = "endpoints"


TASKS = (Part.API, Part.WORKER, Part.CONSOLE, Part.JOB)
WAYS: tuple[tuple[Part, Part, int], ...] = (
    (Part.EDGE, Part.API, PORTS[Role.API]),
    (Part.EDGE, Part.CONSOLE, PORTS[Role.CONSOLE]),
    (Part.CONSOLE, Part.API, PORTS[Role.API]),
    *((part, Part.DATABASE, POSTGRESQL) for part in (Part.API, Part.WORKER, Part.JOB)),
    *((part, Part.CACHE, REDIS) for part in TASKS),
    *((part, Part.FILES, NFS) for part in (Part.WORKER, Part.JOB)),
    *((part, Part.ENDPOINTS, HTTPS) for part in TASKS),
)
"""From, to, port. The console has no way to the database: what it shows it asks of the API."""


class Firewall(ComponentResource):
    """The groups and their rules. Nothing is reachable from outside but the load balancer; tasks reach out by 443 only.

    A rule names the other group, not addresses, so that it holds for whatever instance stands there next. On Google
    Cloud the same is said with service accounts and tags.
    """

    groups: Mapping[Part, aws.ec2.SecurityGroup]

    def __init__(
        self, name: str, *, config: StackConfig, vpc_id: Input[str], opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("cloudbill:aws:Firewall", name, None, opts)
        self.groups = {
            part: aws.ec2.SecurityGroup(
                f"{name}-{part}",
                vpc_id=vpc_id,
                description=f"CloudBill {part} ({config.stack})",
                # The rules are resources of their own: a group that lists them too would take them away.
                opts=ResourceOptions(parent=self, ignore_changes=["ingress", "egress"]),
                tags={"Name": f"cloudbill-{config.stack}-{part}"},
            )
            for part in Part
        }
        for source, target, port in WAYS:
            self._between(f"{name}-{source}-to-{target}", source, target, port)
        for port in (HTTPS, HTTP):
            aws.vpc.SecurityGroupIngressRule(
                f"{name}-world-to-{Part.EDGE}-{port}",
                security_group_id=self.groups[Part.EDGE].id,
                description="HTTPS from anywhere" if port == HTTPS else "HTTP from anywhere, only to be redirected",
                ip_protocol="tcp",
                from_port=port,
                to_port=port,
                cidr_ipv4=EVERYWHERE,
                opts=ResourceOptions(parent=self),
            )
        for part in TASKS:
            aws.vpc.SecurityGroupEgressRule(
                f"{name}-{part}-to-world",
                security_group_id=self.groups[part].id,
                description="Payment provider, identity providers and the cloud's own services, over TLS",
                ip_protocol="tcp",
                from_port=HTTPS,
                to_port=HTTPS,
                cidr_ipv4=EVERYWHERE,
                opts=ResourceOptions(parent=self),
            )
        self.register_outputs({})

    def _between(self, name: str, source: Part, target: Part, port: int) -> None:
        aws.vpc.SecurityGroupEgressRule(
            f"{name}-out",
            security_group_id=self.groups[source].id,
            referenced_security_group_id=self.groups[target].id,
            description=f"{source} to {target}",
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            opts=ResourceOptions(parent=self),
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-in",
            security_group_id=self.groups[target].id,
            referenced_security_group_id=self.groups[source].id,
            description=f"{source} to {target}",
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            opts=ResourceOptions(parent=self),
        )
