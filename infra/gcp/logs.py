"""Where logs are kept, how long, and under which key."""

from dataclasses import dataclass

import pulumi
from pulumi_gcp import logging, projects

from infra.config import StackConfig
from infra.gcp.keys import Keys

KEPT_APART = (
    'resource.type=("cloud_run_revision" OR "cloud_run_job" OR "cloud_run_worker_pool" OR "cloudsql_database" OR '
    '"http_load_balancer" OR "gce_subnetwork" OR "nat_gateway" OR "redis_instance" OR "cloud_scheduler_job" OR '
    '"dns_query" OR "network_security_policy")'
)
"""Logs of the installation; the project's audit logs stay where Google keeps them, for 400 days."""
READ = ("cloudkms.googleapis.com", "cloudsql.googleapis.com", "secretmanager.googleapis.com")
"""Whose reading is written down in production too: who opened a secret, used a key, asked for the database. Changes
always are; reading Google writes down only when it is told to.
"""


@dataclass(frozen=True, kw_only=True)
class LogsArgs:
    """Kept for `config.log_days`."""

    config: StackConfig
    keys: Keys


class Logs(pulumi.ComponentResource):
    """A log bucket with a key of its own, to which the installation's logs go, and nowhere else.

    On AWS each part has a log group. Here all logs of a project arrive in one stream: a sink takes ours into this
    bucket, and an exclusion keeps them out of the project's default one, or each line would be paid for twice.
    """

    bucket: pulumi.Output[str]

    def __init__(self, name: str, args: LogsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:gcp:Logs", name, None, opts)
        config = args.config
        assert config.project is not None
        under = pulumi.ResourceOptions(parent=self)
        bucket = logging.ProjectBucketConfig(
            f"{name}-bucket",
            project=config.project,
            location=config.region,
            bucket_id=f"cloudbill-{config.stack}",
            description="CloudBill's logs",
            retention_days=config.log_days,
            enable_analytics=True,
            cmek_settings={"kms_key_name": args.keys.logs},
            # Its key cannot be changed, and a bucket that is deleted keeps its name for a week.
            opts=pulumi.ResourceOptions(parent=self, protect=config.is_production),
        )
        sink = logging.ProjectSink(
            f"{name}-sink",
            destination=pulumi.Output.concat("logging.googleapis.com/", bucket.id),
            filter=KEPT_APART,
            unique_writer_identity=True,
            opts=under,
        )
        logging.ProjectExclusion(
            f"{name}-not-twice",
            description="They lie in CloudBill's own bucket",
            filter=KEPT_APART,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[sink]),
        )
        for service in READ if config.is_production else ():
            projects.IAMAuditConfig(
                f"{name}-reading-{service.partition('.')[0]}",
                project=config.project,
                service=service,
                audit_log_configs=[{"log_type": "DATA_READ"}, {"log_type": "DATA_WRITE"}],
                opts=under,
            )
        self.bucket = bucket.id
        self.register_outputs({"bucket": self.bucket})
