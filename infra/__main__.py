"""The program: reads the stack's configuration, picks the cloud once, builds the platform, exports what people use."""

import os

import pulumi
from pulumi.runtime.config import get_config_env

from infra.config import NAMESPACE, Cloud, read_config
from infra.contract import PlatformArgs
from infra.teardown import take_protection_off


def main() -> None:
    """Register everything."""
    prefix = f"{NAMESPACE}:"
    values = {key.removeprefix(prefix): text for key, text in get_config_env().items()}
    config = read_config(pulumi.get_stack(), values)
    take_protection_off(os.environ)
    if config.cloud is Cloud.AWS:
        from infra.aws.platform import Platform
    else:
        from infra.gcp.platform import Platform
    platform = Platform("cloudbill", PlatformArgs(config=config))
    for name, value in platform.outputs.items():
        pulumi.export(name, value)


main()
