"""The shared folder outside of the database: a bucket, mounted into the services."""

import pulumi
from pulumi_gcp import storage

from infra.contract import FilesArgs
from infra.gcp.keys import Keys, continent_of
from infra.gcp.network import Network

DAY = 24 * 3600
MOUNT_OPTIONS = ("uid=10001", "gid=10001", "file-mode=640", "dir-mode=750", "implicit-dirs")
"""The image's own user; Cloud Run would mount it for root."""


class Files(pulumi.ComponentResource):
    """Every version of every head, for ever: the bucket has versions, and nobody has public access.

    In two regions where a backup region of the same continent is given. AWS has a file system (EFS) in the network;
    here the folder is a bucket that Cloud Run mounts, which holds whole files well and knows no locks: what is
    written there is one file a head, written once.
    """

    id: pulumi.Output[str]

    def __init__(self, name: str, args: FilesArgs[Network, Keys], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:gcp:Files", name, None, opts)
        config, keys = args.config, args.keys
        continent = continent_of(config)
        two_regions = continent is not None and keys.continent_data is not None
        other = config.database.backup_region
        self.bucket = storage.Bucket(
            f"{name}-bucket",
            location=continent[1] if continent and two_regions else config.region.upper(),
            custom_placement_config={"data_locations": sorted([config.region.upper(), other.upper()])}
            if two_regions and other
            else None,
            storage_class="STANDARD",
            uniform_bucket_level_access=True,
            public_access_prevention="enforced",
            versioning={"enabled": True},
            soft_delete_policy={"retention_duration_seconds": 30 * DAY},
            encryption={
                "default_kms_key_name": keys.continent_data if keys.continent_data and two_regions else keys.data
            },
            force_destroy=False,
            opts=pulumi.ResourceOptions(parent=self, protect=config.environment != "development"),
        )
        self.id = self.bucket.name
        self.register_outputs({"id": self.id})
