"""What watches the account rather than the application: GuardDuty, Config, CloudTrail. Each is a switch."""

from collections.abc import Callable, Sequence

import pulumi_aws as aws
from pulumi import ComponentResource, Output, ResourceOptions

from infra.aws.account import Account
from infra.aws.bucket import LogBucket
from infra.aws.keys import Keys
from infra.aws.logs import log_group
from infra.aws.names import named
from infra.aws.roles import service_role
from infra.aws.statements import Statement
from infra.config import StackConfig

TRAIL_DAYS = 400
"""A year and the month of its audit."""
GUARD_FEATURES = ("S3_DATA_EVENTS", "RDS_LOGIN_EVENTS", "RUNTIME_MONITORING")
RULES = (
    "CLOUD_TRAIL_ENABLED",
    "RDS_INSTANCE_PUBLIC_ACCESS_CHECK",
    "RDS_STORAGE_ENCRYPTED",
    "S3_BUCKET_PUBLIC_READ_PROHIBITED",
    "S3_BUCKET_SSL_REQUESTS_ONLY",
    "VPC_DEFAULT_SECURITY_GROUP_CLOSED",
)


class Oversight(ComponentResource):
    """Off where the organization has them already: an account takes one detector and one recorder in a region.

    On Google Cloud audit logs are always on, and Security Command Center is the organization's.
    """

    def __init__(self, name: str, *, config: StackConfig, keys: Keys, opts: ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:aws:Oversight", name, None, opts)
        self._name, self._config, self._keys = name, config, keys
        self._account = Account.of(self, config.region)
        if config.switches.guard_duty:
            self._guard()
        if config.switches.config_recorder:
            self._record()
        if config.switches.cloud_trail:
            self._trail()
        self.register_outputs({})

    def _guard(self) -> None:
        detector = aws.guardduty.Detector(
            f"{self._name}-guard",
            enable=True,
            finding_publishing_frequency="FIFTEEN_MINUTES",
            opts=ResourceOptions(parent=self),
        )
        for feature in GUARD_FEATURES:
            aws.guardduty.DetectorFeature(
                f"{self._name}-guard-{feature.lower().replace('_', '-')}",
                detector_id=detector.id,
                name=feature,
                status="ENABLED",
                additional_configurations=(
                    [{"name": "ECS_FARGATE_AGENT_MANAGEMENT", "status": "ENABLED"}]
                    if feature == "RUNTIME_MONITORING"
                    else None
                ),
                opts=ResourceOptions(parent=detector),
            )

    def _record(self) -> None:
        account = self._account

        def writers(bucket: Output[str]) -> Sequence[Statement]:
            ours = {"aws:SourceAccount": account.id}
            return [
                Statement(
                    services=["config.amazonaws.com"],
                    actions=["s3:GetBucketAcl", "s3:ListBucket"],
                    resources=[bucket],
                    conditions={"StringEquals": ours},
                ),
                Statement(
                    services=["config.amazonaws.com"],
                    actions=["s3:PutObject"],
                    resources=[Output.concat(bucket, "/AWSLogs/", account.id, "/Config/*")],
                    conditions={"StringEquals": ours},
                ),
            ]

        bucket = self._bucket("config", writers)
        role = service_role(
            f"{self._name}-config-role",
            "config.amazonaws.com",
            [
                Statement(
                    actions=["s3:PutObject"],
                    resources=[Output.concat(bucket.arn, "/AWSLogs/", account.id, "/Config/*")],
                ),
                Statement(actions=["s3:GetBucketAcl"], resources=[bucket.arn]),
                Statement(actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=[self._keys.logs]),
            ],
            parent=self,
            account=account,
            managed=["service-role/AWS_ConfigRole"],
        )
        recorder = aws.cfg.Recorder(
            f"{self._name}-recorder",
            role_arn=role.arn,
            recording_group={"all_supported": True, "include_global_resource_types": True},
            opts=ResourceOptions(parent=self),
        )
        channel = aws.cfg.DeliveryChannel(
            f"{self._name}-recorder-channel",
            s3_bucket_name=bucket.name,
            s3_kms_key_arn=self._keys.logs,
            snapshot_delivery_properties={"delivery_frequency": "TwentyFour_Hours"},
            opts=ResourceOptions(parent=self, depends_on=[recorder]),
        )
        started = aws.cfg.RecorderStatus(
            f"{self._name}-recorder-status",
            name=recorder.name,
            is_enabled=True,
            opts=ResourceOptions(parent=self, depends_on=[channel]),
        )
        for rule in RULES:
            aws.cfg.Rule(
                f"{self._name}-{rule.lower().replace('_', '-')}",
                name=named(self._config, rule.lower().replace("_", "-")),
                source={"owner": "AWS", "source_identifier": rule},
                opts=ResourceOptions(parent=self, depends_on=[started]),
            )

    def _trail(self) -> None:
        account = self._account
        title = named(self._config)
        this = {"aws:SourceArn": account.arn("cloudtrail", f"trail/{title}")}

        def writers(bucket: Output[str]) -> Sequence[Statement]:
            return [
                Statement(
                    services=["cloudtrail.amazonaws.com"],
                    actions=["s3:GetBucketAcl"],
                    resources=[bucket],
                    conditions={"StringEquals": this},
                ),
                Statement(
                    services=["cloudtrail.amazonaws.com"],
                    actions=["s3:PutObject"],
                    resources=[Output.concat(bucket, "/AWSLogs/", account.id, "/*")],
                    conditions={"StringEquals": {**this, "s3:x-amz-acl": "bucket-owner-full-control"}},
                ),
            ]

        bucket = self._bucket("trail", writers)
        group = log_group(
            f"{self._name}-trail-log",
            f"/cloudbill/{self._config.stack}/trail",
            config=self._config,
            key=self._keys.logs,
            parent=self,
        )
        role = service_role(
            f"{self._name}-trail-role",
            "cloudtrail.amazonaws.com",
            [
                Statement(
                    actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[Output.concat(group.arn, ":*")]
                )
            ],
            parent=self,
            account=account,
        )
        aws.cloudtrail.Trail(
            f"{self._name}-trail",
            name=title,
            s3_bucket_name=bucket.name,
            kms_key_id=self._keys.logs,
            is_multi_region_trail=True,
            include_global_service_events=True,
            enable_log_file_validation=True,
            enable_logging=True,
            cloud_watch_logs_group_arn=Output.concat(group.arn, ":*"),
            cloud_watch_logs_role_arn=role.arn,
            opts=ResourceOptions(parent=self),
        )

    def _bucket(self, what: str, writers: Callable[[Output[str]], Sequence[Statement]]) -> LogBucket:
        return LogBucket(
            f"{self._name}-{what}-files",
            days=TRAIL_DAYS,
            writers=writers,
            key=self._keys.logs,
            kept=self._config.is_production,
            opts=ResourceOptions(parent=self),
        )
