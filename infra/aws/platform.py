"""A stack on AWS, whole."""

from collections.abc import Mapping
from typing import Any

from pulumi import ComponentResource, Input, ResourceOptions

from infra.aws.keys import Keys, KeysArgs
from infra.aws.network import Network, NetworkArgs
from infra.aws.provider import provider
from infra.contract import PlatformArgs


class Platform(ComponentResource):
    """All parts, wired. `outputs` is what people use next."""

    outputs: Mapping[str, Input[Any]]

    def __init__(self, name: str, args: PlatformArgs, opts: ResourceOptions | None = None) -> None:
        config = args.config
        cloud = provider(f"{name}-provider", config, region=config.region)
        super().__init__("cloudbill:aws:Platform", name, None, ResourceOptions(provider=cloud))
        here = ResourceOptions(parent=self)
        keys = Keys(f"{name}-keys", KeysArgs(config=config), here)
        network = Network(f"{name}-network", NetworkArgs(config=config, keys=keys), here)
        self.outputs = {"network": network.id}
        self.register_outputs({})
