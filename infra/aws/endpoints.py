"""Ways to AWS's own services that do not leave the network."""

from collections.abc import Sequence

import pulumi_aws as aws
from pulumi import ComponentResource, Input, Output, ResourceOptions

from infra.aws.account import Account
from infra.aws.statements import Statement, policy
from infra.config import StackConfig

INTERFACES = ("ecr.api", "ecr.dkr", "logs", "secretsmanager", "kms", "ssmmessages")
"""What a task needs to start and to be heard, so that it does even while the way to the internet is down."""


class Endpoints(ComponentResource):
    """A gateway to S3 everywhere, since it costs nothing and carries the images' layers; interfaces in production only.

    An interface is billed by the hour in each zone, whether used or not: below production's traffic the same bytes
    through the NAT gateway are cheaper. Google Cloud needs none: Private Google Access is a switch of the subnet.
    """

    def __init__(
        self,
        name: str,
        *,
        config: StackConfig,
        vpc_id: Input[str],
        route_tables: Sequence[Input[str]],
        subnets: Sequence[Input[str]],
        group: Input[str],
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("cloudbill:aws:Endpoints", name, None, opts)
        account = Account.of(self, config.region)
        aws.ec2.VpcEndpoint(
            f"{name}-s3",
            vpc_id=vpc_id,
            vpc_endpoint_type="Gateway",
            service_name=f"com.amazonaws.{config.region}.s3",
            route_table_ids=list(route_tables),
            policy=policy(*_storage(account)),
            tags={"Name": f"cloudbill-{config.stack}-s3"},
            opts=ResourceOptions(parent=self),
        )
        for service in INTERFACES if config.is_production else ():
            aws.ec2.VpcEndpoint(
                f"{name}-{service.replace('.', '-')}",
                vpc_id=vpc_id,
                vpc_endpoint_type="Interface",
                service_name=f"com.amazonaws.{config.region}.{service}",
                private_dns_enabled=True,
                subnet_ids=list(subnets),
                security_group_ids=[group],
                tags={"Name": f"cloudbill-{config.stack}-{service}"},
                opts=ResourceOptions(parent=self),
            )
        self.register_outputs({})


def _storage(account: Account) -> tuple[Statement, ...]:
    """The registry's layers, which lie in a bucket of AWS's, and our own buckets: no way to carry data elsewhere."""
    layers = Output.concat("arn:", account.partition, f":s3:::prod-{account.region}-starport-layer-bucket/*")
    return (
        Statement(everybody=True, actions=["s3:GetObject"], resources=[layers]),
        Statement(
            everybody=True,
            actions=[
                "s3:AbortMultipartUpload",
                "s3:DeleteObject",
                "s3:GetBucketLocation",
                "s3:GetObject",
                "s3:ListBucket",
                "s3:PutObject",
            ],
            resources=["*"],
            conditions={"StringEquals": {"aws:ResourceAccount": account.id}},
        ),
    )
