"""Where the load balancer writes who asked for what."""

from collections.abc import Sequence

from pulumi import Output, Resource, ResourceOptions

from infra.aws.account import Account
from infra.aws.bucket import LogBucket
from infra.aws.statements import Statement
from infra.config import StackConfig


def access_logs(name: str, *, config: StackConfig, parent: Resource) -> LogBucket:
    """A bucket that the load balancers of this account and region may write to."""
    account = Account.of(parent, config.region)

    def writers(bucket: Output[str]) -> Sequence[Statement]:
        return [
            Statement(
                services=["logdelivery.elasticloadbalancing.amazonaws.com"],
                actions=["s3:PutObject"],
                resources=[
                    Output.concat(bucket, f"/{kind}/AWSLogs/", account.id, "/*") for kind in ("access", "connections")
                ],
                conditions={"ArnLike": {"aws:SourceArn": account.arn("elasticloadbalancing", "loadbalancer/*")}},
            )
        ]

    return LogBucket(
        name,
        days=config.log_days,
        writers=writers,
        kept=config.is_production,
        opts=ResourceOptions(parent=parent),
    )
