"""The account that a stack is built in: what the credentials themselves say, and the ARNs that follow from it."""

from dataclasses import dataclass
from typing import Self

import pulumi_aws as aws
from pulumi import Input, InvokeOptions, Output, Resource


@dataclass(frozen=True)
class Account:
    """Its number and its partition (aws, aws-cn, aws-us-gov), and the region of the stack."""

    id: Output[str]
    partition: Output[str]
    region: str

    @classmethod
    def of(cls, parent: Resource, region: str) -> Self:
        """Asked of the provider of `parent`; needs no permission, so it is no lookup that could fail."""
        options = InvokeOptions(parent=parent)
        return cls(
            id=aws.get_caller_identity_output(opts=options).account_id,
            partition=aws.get_partition_output(opts=options).partition,
            region=region,
        )

    @property
    def root(self) -> Output[str]:
        """Everybody in the account whom its own identity policies allow it."""
        return Output.concat("arn:", self.partition, ":iam::", self.id, ":root")

    def arn(self, service: str, resource: Input[str], *, region: str | None = None) -> Output[str]:
        """`arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE`."""
        return Output.concat("arn:", self.partition, f":{service}:{region or self.region}:", self.id, ":", resource)

    def managed_policy(self, path: str) -> Output[str]:
        """One of AWS's own policies."""
        return Output.concat("arn:", self.partition, ":iam::aws:policy/", path)
