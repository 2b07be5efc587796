"""Backups, copies, restore tests."""

from infra.parity.capability import ABOVE_DEVELOPMENT, PRODUCTION, Capability, every, has, of_type, says
from infra.policies import kinds

SCHEDULE = "gcp:cloudscheduler/job:Job"

CAPABILITIES = (
    Capability(
        "recovery",
        "days back to any second",
        aws=has(kinds.RDS, "backupRetentionPeriod", amount=True),
        gcp=has(kinds.SQL, "settings.backupConfiguration.transactionLogRetentionDays", amount=True),
    ),
    Capability(
        "recovery",
        "daily backups kept",
        aws=has(kinds.RDS, "backupRetentionPeriod", amount=True),
        gcp=has(kinds.SQL, "settings.backupConfiguration.backupRetentionSettings.retainedBackups", amount=True),
    ),
    Capability(
        "recovery",
        "backup at 3 at night",
        aws=has(kinds.RDS, "backupWindow", says("03:00")),
        gcp=has(kinds.SQL, "settings.backupConfiguration.startTime", "03:00"),
    ),
    Capability(
        "recovery",
        "backups outlive the database",
        aws=has(kinds.RDS, "deleteAutomatedBackups", False),
        gcp=has(kinds.SQL, "settings.retainBackupsOnDelete", True),
        environments=ABOVE_DEVELOPMENT,
    ),
    Capability(
        "recovery",
        "a last backup at its end",
        aws=every(kinds.RDS, "skipFinalSnapshot", False),
        gcp=every(kinds.SQL, "settings.finalBackupConfig.enabled", True),
        environments=ABOVE_DEVELOPMENT,
    ),
    Capability(
        "recovery",
        "backups in another region",
        aws=of_type(kinds.RDS_COPY),
        gcp=has("gcp:storage/bucket:Bucket", "retentionPolicy.retentionPeriod"),
        environments=PRODUCTION,
    ),
    Capability(
        "recovery",
        "any second in another region",
        aws=of_type(kinds.RDS_COPY),
        gcp=has(kinds.SQL, "masterInstanceName"),
        environments=PRODUCTION,
    ),
    Capability(
        "recovery",
        "a vault whose backups nobody deletes before their time",
        aws=has("aws:backup/vaultLockConfiguration:VaultLockConfiguration", "minRetentionDays"),
        gcp=has("gcp:backupdisasterrecovery/backupVault:BackupVault", "backupMinimumEnforcedRetentionDuration"),
        environments=PRODUCTION,
    ),
    Capability(
        "recovery",
        "monthly backups kept for a year",
        aws=has("aws:backup/plan:Plan", "rules[].lifecycle.deleteAfter", 365),
        gcp=has("gcp:backupdisasterrecovery/backupPlan:BackupPlan", "backupRules[].backupRetentionDays", 365),
        environments=ABOVE_DEVELOPMENT,
    ),
    Capability(
        "recovery",
        "restore tested every quarter",
        aws=has("aws:backup/restoreTestingPlan:RestoreTestingPlan", "scheduleExpression", says("1,4,7,10")),
        gcp=has(SCHEDULE, "schedule", says("1,4,7,10")),
        environments=PRODUCTION,
    ),
)
