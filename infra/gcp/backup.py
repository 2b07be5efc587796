"""What is kept beyond the database's own backups: a vault that nobody empties, exports that outlive a region."""

from typing import Any

import pulumi
from pulumi_gcp import backupdisasterrecovery as recovery
from pulumi_gcp import storage

from infra.contract import BackupArgs
from infra.gcp.database import Database
from infra.gcp.files import Files
from infra.gcp.keys import Keys
from infra.gcp.schedule import Call, Schedule, ScheduleArgs

DAY = 24 * 3600
MONTHLY_DAYS = 365
"""As long as AWS Backup keeps its monthly ones."""
LOCKED_DAYS = 30
"""How long neither we nor a thief of our credentials can delete a backup of production."""
WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
EXPORT_LOCKED_DAYS = 6
"""An export is overwritten after a week: until the day before it is locked."""


class Backup(pulumi.ComponentResource):
    """Two copies beside Cloud SQL's own backups, each out of reach of who can delete the database.

    A backup vault (Backup and DR) takes a backup each day and holds it for an enforced time. An export, a plain dump
    in a bucket of the backup region, is encrypted there with that region's own key: it is what a lost region is
    rebuilt from, since backups stay encrypted with a key that was lost with it. Cloud SQL makes the dump, told by the
    scheduler, on a machine of its own (`offload`). AWS Backup copies across regions and tests restores by itself;
    here the restore test is ours: `cloudbill drill`, as a job on a schedule.
    """

    vault: pulumi.Output[str]
    exports: pulumi.Output[str]

    def __init__(
        self, name: str, args: BackupArgs[Keys, Database, Files], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("cloudbill:gcp:Backup", name, None, opts)
        self._name, self._args = name, args
        self.vault = self._vault()
        self.exports = self._exports()
        self.register_outputs({"vault": self.vault, "exports": self.exports})

    def _vault(self) -> pulumi.Output[str]:
        config, name = self._args.config, self._name
        under = pulumi.ResourceOptions(parent=self)
        held = LOCKED_DAYS if config.is_production else 1
        vault = recovery.BackupVault(
            f"{name}-vault",
            backup_vault_id=f"cloudbill-{config.stack}",
            location=config.region,
            description="CloudBill's database",
            backup_minimum_enforced_retention_duration=f"{held * DAY}s",
            access_restriction="WITHIN_PROJECT",
            encryption_config={"kms_key_name": self._args.keys.data},
            # Outside of production an emptied stack should go away, vault and all.
            force_delete=not config.is_production,
            ignore_backup_plan_references=not config.is_production,
            ignore_inactive_datasources=not config.is_production,
            opts=pulumi.ResourceOptions(parent=self, protect=config.is_production),
        )
        plan = recovery.BackupPlan(
            f"{name}-plan",
            backup_plan_id=f"cloudbill-{config.stack}",
            location=config.region,
            resource_type="sqladmin.googleapis.com/Instance",
            backup_vault=vault.id,
            log_retention_days=config.database.pitr_days,
            backup_rules=[
                _rule("daily", max(config.database.backups_kept, held), {"recurrence_type": "DAILY"}),
                _rule("monthly", MONTHLY_DAYS, {"recurrence_type": "MONTHLY", "days_of_months": [1]}),
            ],
            opts=under,
        )
        recovery.BackupPlanAssociation(
            f"{name}-database",
            backup_plan_association_id=f"cloudbill-{config.stack}",
            location=config.region,
            backup_plan=plan.id,
            resource=pulumi.Output.concat(f"projects/{config.project}/instances/", self._args.database.instance.name),
            resource_type="sqladmin.googleapis.com/Instance",
            opts=under,
        )
        return vault.id

    def _exports(self) -> pulumi.Output[str]:
        config, name, keys = self._args.config, self._name, self._args.keys
        elsewhere = config.database.backup_region
        bucket = storage.Bucket(
            f"{name}-exports",
            location=(elsewhere or config.region).upper(),
            storage_class="NEARLINE",
            uniform_bucket_level_access=True,
            public_access_prevention="enforced",
            # What is overwritten or deleted can be brought back for a month.
            soft_delete_policy={"retention_duration_seconds": LOCKED_DAYS * DAY},
            encryption={"default_kms_key_name": keys.standby_data or keys.data},
            # Locked, not even the project's owner can shorten it: production only, since it cannot be undone.
            retention_policy={"retention_period": str(EXPORT_LOCKED_DAYS * DAY), "is_locked": True}
            if config.is_production
            else None,
            force_destroy=not config.is_production,
            opts=pulumi.ResourceOptions(parent=self, protect=config.is_production),
        )
        instance = self._args.database.instance
        writer = storage.BucketIAMMember(
            f"{name}-exports-writer",
            bucket=bucket.name,
            role="roles/storage.objectCreator",
            member=pulumi.Output.concat("serviceAccount:", instance.service_account_email_address),
            opts=pulumi.ResourceOptions(parent=self),
        )
        if elsewhere is not None:
            self._schedule(bucket, writer)
        return bucket.name

    def _schedule(self, bucket: storage.Bucket, writer: storage.BucketIAMMember) -> None:
        """Each day's export under the weekday's name, since a schedule cannot write a date."""
        config, database = self._args.config, self._args.database
        target = pulumi.Output.concat(
            f"https://sqladmin.googleapis.com/v1/projects/{config.project}/instances/",
            database.instance.name,
            "/export",
        )
        Schedule(
            f"{self._name}-export",
            ScheduleArgs(
                config=config,
                description="exports the database",
                permissions=("cloudsql.instances.export", "cloudsql.instances.get"),
                calls=[
                    Call(
                        name=day,
                        description=f"A dump of the database to the backup region, each {day}",
                        cron=f"30 4 * * {number}",
                        method="POST",
                        url=target,
                        body={
                            "exportContext": {
                                "fileType": "SQL",
                                "uri": pulumi.Output.concat("gs://", bucket.name, f"/{day}.sql.gz"),
                                "databases": [database.name],
                                "offload": True,
                            }
                        },
                    )
                    for number, day in enumerate(WEEKDAYS)
                ],
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[writer]),
        )


def _rule(name: str, days: int, recurrence: dict[str, Any]) -> Any:
    window = {"start_hour_of_day": 3, "end_hour_of_day": 9}
    return {
        "rule_id": name,
        "backup_retention_days": days,
        "standard_schedule": {**recurrence, "time_zone": "UTC", "backup_window": window},
    }
