"""Log groups: ours before a service would make one itself, unencrypted and kept forever."""

import pulumi_aws as aws
from pulumi import Input, Resource, ResourceOptions

from infra.config import StackConfig


def log_group(
    name: str, path: str, *, config: StackConfig, key: Input[str], parent: Resource
) -> aws.cloudwatch.LogGroup:
    """Encrypted with our key and kept for `logDays`."""
    return aws.cloudwatch.LogGroup(
        name, name=path, retention_in_days=config.log_days, kms_key_id=key, opts=ResourceOptions(parent=parent)
    )
