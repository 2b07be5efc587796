"""Encryption keys by purpose."""

import pulumi_aws as aws
from pulumi import ComponentResource, Output, ResourceOptions

from infra.aws.account import Account
from infra.aws.backup_region import BackupRegion
from infra.aws.key import encryption_key
from infra.aws.names import named
from infra.aws.statements import Statement
from infra.contract import KeysArgs

# They send to our topics, which are encrypted: without this it would fail, and nobody would hear of it.
_SENDERS = ("cloudwatch.amazonaws.com", "budgets.amazonaws.com")


class Keys(ComponentResource):
    """Four keys of KMS, rotated every year, each deleted 30 days after it is asked for at the soonest.

    RDS, ElastiCache, EFS, ECR and Secrets Manager use theirs through grants of whoever creates them, so those keys
    trust the account alone. The logs' key names the services that write: logs, topics, the trail.
    On Google Cloud keys lie in a ring that is never deleted, and each service agent is granted its own.
    """

    data: Output[str]
    secrets: Output[str]
    logs: Output[str]
    images: Output[str]
    elsewhere: BackupRegion | None
    """The region that backups are copied to, with a key of its own: KMS keys do not leave theirs."""

    def __init__(self, name: str, args: KeysArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:aws:Keys", name, None, opts)
        account = Account.of(self, args.config.region)
        stack = args.config.stack

        def key(purpose: str, description: str, *statements: Statement) -> aws.kms.Key:
            return encryption_key(
                f"{name}-{purpose}",
                f"{description} ({stack})",
                statements,
                alias=f"alias/cloudbill/{stack}/{purpose}",
                account=account,
                parent=self,
            )

        self.data = key("data", "Database, cache, files and their backups").arn
        self.secrets = key("secrets", "Secrets").arn
        self.logs = key("logs", "Logs, topics and the trail", *_writers(account, named(args.config))).arn
        self.images = key("images", "Images").arn
        region = args.config.database.backup_region
        self.elsewhere = (
            BackupRegion(f"{name}-{region}", config=args.config, region=region, opts=ResourceOptions(parent=self))
            if region
            else None
        )
        self.register_outputs({"data": self.data, "secrets": self.secrets, "logs": self.logs, "images": self.images})


def _writers(account: Account, trail: str) -> tuple[Statement, ...]:
    return (
        Statement(
            services=[f"logs.{account.region}.amazonaws.com"],
            actions=[
                "kms:Decrypt",
                "kms:DescribeKey",
                "kms:Encrypt",
                "kms:GenerateDataKey",
                "kms:GenerateDataKeyWithoutPlaintext",
                "kms:ReEncryptFrom",
                "kms:ReEncryptTo",
            ],
            resources=["*"],
            conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": account.arn("logs", "log-group:*")}},
        ),
        Statement(
            services=list(_SENDERS),
            actions=["kms:Decrypt", "kms:GenerateDataKey"],
            resources=["*"],
            conditions={"StringEquals": {"aws:SourceAccount": account.id}},
        ),
        # EventBridge does not say for which account it asks: with a condition nothing would ever arrive (Amazon SNS,
        # key management). The topics' own policies say who may publish.
        Statement(services=["events.amazonaws.com"], actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=["*"]),
        Statement(
            services=["cloudtrail.amazonaws.com"],
            actions=["kms:DescribeKey", "kms:GenerateDataKey"],
            resources=["*"],
            conditions={
                "StringEquals": {"aws:SourceArn": account.arn("cloudtrail", f"trail/{trail}")},
            },
        ),
    )
