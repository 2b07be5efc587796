"""The provider: one region of the account, with the tags that everything in it carries."""

import pulumi_aws as aws
from pulumi import ResourceOptions

from infra.config import StackConfig


def provider(name: str, config: StackConfig, *, region: str, opts: ResourceOptions | None = None) -> aws.Provider:
    """Credentials come from where the AWS tools find them: the environment, a profile or the pipeline's role."""
    return aws.Provider(
        name,
        region=region,
        default_tags={"tags": {"project": "cloudbill", "stack": config.stack, "environment": config.environment.value}},
        opts=opts,
    )
