"""The region that backups are copied to: its own provider, key and vault."""

import pulumi_aws as aws
from pulumi import ComponentResource, Output, ResourceOptions

from infra.aws.account import Account
from infra.aws.key import encryption_key
from infra.aws.provider import provider
from infra.config import StackConfig


class BackupRegion(ComponentResource):
    """What a copy needs where it arrives. `here` are the options of everything that is made in that region."""

    key: Output[str]
    here: ResourceOptions

    def __init__(self, name: str, *, config: StackConfig, region: str, opts: ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:aws:BackupRegion", name, None, opts)
        self.provider: aws.Provider = provider(
            f"{name}-provider", config, region=region, opts=ResourceOptions(parent=self)
        )
        self.here = ResourceOptions(parent=self, provider=self.provider)
        self.key = encryption_key(
            f"{name}-data",
            f"Copies of backups ({config.stack})",
            (),
            alias=f"alias/cloudbill/{config.stack}/data",
            account=Account.of(self, region),
            parent=self,
            opts=self.here,
        ).arn
        self.register_outputs({"key": self.key})
