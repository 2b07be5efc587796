"""Backups: how long, how far away, and that a restore is tried."""

from infra.policies.demand import (
    FALSE,
    NOT_TRUE,
    PRESENT,
    TRUE,
    at_least,
    by_environment,
    none_of,
    one_of,
)
from infra.policies.kinds import EFS, ELASTICACHE, GCS, RDS, RDS_COPY, REDIS, SQL, VALKEY
from infra.policies.reading import Stack, value
from infra.policies.rule import Finding, Found, Severity, companion, each, judged, rule
from infra.policies.rules.database import is_primary

DAY = 86_400


PUBLIC_HEADS = "aws:efs/backupPolicy:BackupPolicy"


KEPT = by_environment({"production": at_least(30), "staging": at_least(7), "development": at_least(1)})


IN_PRODUCTION = ("production",)


def _versions_or_held(stack: Stack) -> Found:
    """What is overwritten in a bucket can be brought back, by versions or because it could not be overwritten."""
    for bucket in stack.of(GCS):
        versions = value(bucket.inputs, "versioning.enabled") is True
        held = at_least(DAY).holds(value(bucket.inputs, "retentionPolicy.retentionPeriod"), stack)
        if not versions and not (held or stack.environment != "production"):
            yield Finding(bucket.name, "set versioning.enabled, or a retentionPolicy")
        if held and not value(bucket.inputs, "retentionPolicy.isLocked"):
            yield Finding(bucket.name, "lock the retentionPolicy: isLocked true")


RULES = (
    rule(
        "backups.kept",
        "Automated backups are kept for 30 days in production, 7 in staging, 1 in development.",
        each(RDS, "backupRetentionPeriod", KEPT, when=is_primary),
        each(RDS_COPY, "retentionPeriod", KEPT),
        each(SQL, "settings.backupConfiguration.enabled", TRUE, when=is_primary),
        each(SQL, "settings.backupConfiguration.backupRetentionSettings.retainedBackups", KEPT, when=is_primary),
        source="INF-5; DR-1; AWS-3; RDS.11; CIS GCP 6.7",
        severity=Severity.CRITICAL,
    ),
    rule(
        "backups.to-any-second",
        "The database can be restored to any second of the last days: seven in production.",
        each(SQL, "settings.backupConfiguration.pointInTimeRecoveryEnabled", TRUE, when=is_primary),
        each(
            SQL,
            "settings.backupConfiguration.transactionLogRetentionDays",
            by_environment({"production": at_least(7), "staging": at_least(7), "development": at_least(1)}),
            when=is_primary,
        ),
        each(RDS, "backupRetentionPeriod", at_least(1), when=is_primary),
        source="DR-1; DR-3; AWS-3; GCP-2; https://cloud.google.com/sql/docs/postgres/backup-recovery/pitr",
        severity=Severity.CRITICAL,
    ),
    rule(
        "backups.a-last-one",
        "A last backup is made before the database goes.",
        each(RDS, "skipFinalSnapshot", FALSE, when=is_primary),
        each(RDS, "finalSnapshotIdentifier", PRESENT, when=is_primary),
        each(
            SQL,
            "settings.finalBackupConfig.enabled",
            by_environment({"production": TRUE, "staging": TRUE}),
            when=is_primary,
        ),
        each(ELASTICACHE, "finalSnapshotIdentifier", by_environment({"production": PRESENT})),
        source="DR-1; INF-5",
    ),
    rule(
        "backups.outlive-the-database",
        "Backups stay when the database is gone.",
        each(RDS, "deleteAutomatedBackups", FALSE, when=is_primary),
        each(
            SQL,
            "settings.retainBackupsOnDelete",
            by_environment({"production": TRUE, "staging": TRUE}),
            when=is_primary,
        ),
        each(
            SQL,
            "settings.finalBackupConfig.retentionDays",
            by_environment({"production": at_least(30), "staging": at_least(7)}),
            when=is_primary,
        ),
        source="DR-1; INF-5; https://cloud.google.com/sql/docs/postgres/backup-recovery/backups",
        severity=Severity.CRITICAL,
    ),
    rule(
        "backups.files",
        "The ledger's signed heads are backed up, and no version of one is lost.",
        companion(EFS, PUBLIC_HEADS, "fileSystemId"),
        each(PUBLIC_HEADS, "backupPolicy.status", one_of("ENABLED")),
        judged(_versions_or_held, GCS),
        source="DR-1; CRED-5; EFS.2; S3.14",
    ),
    rule(
        "backups.buckets-forgive",
        "What is deleted in a bucket can be brought back for a week or more.",
        each(GCS, "softDeletePolicy.retentionDurationSeconds", at_least(7 * DAY)),
        source="DR-1; https://cloud.google.com/storage/docs/soft-delete",
        severity=Severity.MEDIUM,
    ),
    rule(
        "backups.cache",
        "In production the cache's content survives a restart; on ElastiCache seven days of snapshots are kept.",
        each(ELASTICACHE, "snapshotRetentionLimit", at_least(7)),
        each(ELASTICACHE, "snapshotWindow", PRESENT),
        each(REDIS, "persistenceConfig.persistenceMode", one_of("RDB")),
        each(REDIS, "persistenceConfig.rdbSnapshotPeriod", PRESENT),
        each(VALKEY, "persistenceConfig.mode", one_of("RDB", "AOF")),
        source="AWS-4; GCP-2; ElastiCache.1",
        severity=Severity.MEDIUM,
        environments=IN_PRODUCTION,
    ),
    rule(
        "backups.labelled",
        "Backups carry the tags of what they are of, by which they are found and billed.",
        each(RDS, "copyTagsToSnapshot", TRUE),
        source="COST-6; RDS.17",
        severity=Severity.MEDIUM,
    ),
    rule(
        "backups.units-are-days",
        "Backups are counted, one a day.",
        each(
            SQL,
            "settings.backupConfiguration.backupRetentionSettings.retentionUnit",
            none_of("RETENTION_UNIT_UNSPECIFIED"),
            when=is_primary,
        ),
        each(SQL, "settings.backupConfiguration.binaryLogEnabled", NOT_TRUE, when=is_primary),
        source="DR-1",
        severity=Severity.MEDIUM,
    ),
)
