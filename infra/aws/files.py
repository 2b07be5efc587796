"""A shared folder outside of the database: the ledger's signed heads."""

import pulumi_aws as aws
from pulumi import ComponentResource, Output, ResourceOptions

from infra import contract
from infra.aws.account import Account
from infra.aws.firewall import Part
from infra.aws.keys import Keys
from infra.aws.network import Network
from infra.aws.statements import Statement, only_tls, policy
from infra.aws.subnets import Tier
from infra.config import Environment

FilesArgs = contract.FilesArgs[Network, Keys]

USER_ID = 10001
"""The image's."""
READS = ("elasticfilesystem:ClientMount",)
ACCESS = (*READS, "elasticfilesystem:ClientWrite")


class Files(ComponentResource):
    """EFS, reached through one access point by roles that may: a folder of the image's own user, over TLS only.

    On Google Cloud it is a bucket that is mounted: there what is written once cannot be changed before its time.
    """

    id: Output[str]
    arn: Output[str]
    access_point: Output[str]
    access_point_arn: Output[str]

    def __init__(self, name: str, args: FilesArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:aws:Files", name, None, opts)
        here = ResourceOptions(parent=self)
        system = aws.efs.FileSystem(
            f"{name}-system",
            encrypted=True,
            kms_key_id=args.keys.data,
            performance_mode="generalPurpose",
            throughput_mode="elastic",
            lifecycle_policies=[
                {"transition_to_ia": "AFTER_30_DAYS"},
                {"transition_to_primary_storage_class": "AFTER_1_ACCESS"},
            ],
            tags={"Name": f"cloudbill-{args.config.stack}-heads"},
            opts=ResourceOptions(parent=self, protect=args.config.environment is not Environment.DEVELOPMENT),
        )
        aws.efs.BackupPolicy(
            f"{name}-backups", file_system_id=system.id, backup_policy={"status": "ENABLED"}, opts=here
        )
        point = aws.efs.AccessPoint(
            f"{name}-heads",
            file_system_id=system.id,
            posix_user={"uid": USER_ID, "gid": USER_ID},
            root_directory={
                "path": "/heads",
                "creation_info": {"owner_uid": USER_ID, "owner_gid": USER_ID, "permissions": "0750"},
            },
            opts=here,
        )
        targets = [
            aws.efs.MountTarget(
                f"{name}-target-{number}",
                file_system_id=system.id,
                subnet_id=subnet,
                security_groups=[args.network.group(Part.FILES)],
                opts=here,
            )
            for number, subnet in enumerate(args.network.subnets[Tier.TASKS], start=1)
        ]
        account = Account.of(self, args.config.region)
        aws.efs.FileSystemPolicy(
            f"{name}-policy",
            file_system_id=system.id,
            policy=policy(
                Statement(
                    accounts=[account.root],
                    actions=ACCESS,
                    resources=[system.arn],
                    conditions={"StringEquals": {"elasticfilesystem:AccessPointArn": point.arn}},
                ),
                only_tls(system.arn, actions=["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]),
            ),
            opts=here,
        )
        self.id, self.arn, self.access_point_arn = system.id, system.arn, point.arn
        # A task mounts by a target in its zone; without one it fails to start.
        self.access_point: Output[str] = Output.all(point.id, *[target.id for target in targets]).apply(
            lambda of: of[0]
        )
        self.register_outputs({"id": self.id})
