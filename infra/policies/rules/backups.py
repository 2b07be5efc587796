"""Backups: how long, how far away, and that a restore is tried."""

from infra.policies.demand import (
    FALSE,
    NOT_TRUE,
    PRESENT,
    TRUE,
    at_least,
    by_environment,
    matching,
    none_of,
    number,
    one_of,
    refers_to,
)
from infra.policies.kinds import EFS, ELASTICACHE, GCS, RDS, RDS_COPY, REDIS, SQL, VALKEY
from infra.policies.reading import Stack, items, rows, value
from infra.policies.rule import Finding, Found, Severity, companion, each, judged, rule, some
from infra.policies.rules.database import is_primary

DAY = 86_400
PLAN = "aws:backup/plan:Plan"
SELECTION = "aws:backup/selection:Selection"
VAULT = "aws:backup/vault:Vault"
LOCK = "aws:backup/vaultLockConfiguration:VaultLockConfiguration"
RESTORE_PLAN = "aws:backup/restoreTestingPlan:RestoreTestingPlan"
RESTORE_SELECTION = "aws:backup/restoreTestingSelection:RestoreTestingSelection"
GCP_VAULT = "gcp:backupdisasterrecovery/backupVault:BackupVault"
GCP_PLAN = "gcp:backupdisasterrecovery/backupPlan:BackupPlan"
GCP_ASSOCIATION = "gcp:backupdisasterrecovery/backupPlanAssociation:BackupPlanAssociation"
SCHEDULED = "gcp:cloudscheduler/job:Job"
PUBLIC_HEADS = "aws:efs/backupPolicy:BackupPolicy"
KEPT = by_environment({"production": at_least(30), "staging": at_least(7), "development": at_least(1)})
IN_PRODUCTION = ("production",)


def _elsewhere(stack: Stack) -> Found:
    for instance in stack.of(RDS):
        if is_primary(stack, instance) and not stack.referring(instance, RDS_COPY, "sourceDbInstanceArn"):
            yield Finding(instance.name, "copy its backups: an InstanceAutomatedBackupsReplication in another region")
    for copy in stack.of(RDS_COPY):
        source = stack.target(copy.inputs.get("sourceDbInstanceArn"))
        if source is not None and copy.provider is not None and copy.provider == source.provider:
            yield Finding(copy.name, "make it by a provider of another region")
    for instance in stack.of(SQL):
        location = value(instance.inputs, "settings.backupConfiguration.location")
        if is_primary(stack, instance) and (not location or location == instance.inputs.get("region")):
            yield Finding(instance.name, "set settings.backupConfiguration.location to another region")


def _planned(stack: Stack) -> Found:
    for plan in stack.of(PLAN):
        for entry in rows(plan.inputs.get("rules")):
            kept = value(entry, "lifecycle.deleteAfter")
            if not KEPT.holds(kept, stack):
                yield Finding(plan.name, f"keep backups {KEPT.wording(stack)} days: lifecycle.deleteAfter is {kept}")
            for copy in rows(entry.get("copyActions")):
                if not KEPT.holds(value(copy, "lifecycle.deleteAfter"), stack):
                    yield Finding(
                        plan.name, f"keep copies {KEPT.wording(stack)} days: copyActions[].lifecycle.deleteAfter"
                    )
            if not entry.get("schedule"):
                yield Finding(plan.name, "set a schedule")
            if stack.environment == "production" and not items(entry.get("copyActions")):
                yield Finding(plan.name, "copy to a vault of another region: copyActions")
        if not stack.referring(plan, SELECTION, "planId"):
            yield Finding(plan.name, "add a Selection: a plan alone backs up nothing")
    for plan in stack.of(GCP_PLAN):
        for entry in rows(plan.inputs.get("backupRules")):
            if not KEPT.holds(entry.get("backupRetentionDays"), stack):
                yield Finding(plan.name, f"keep backups {KEPT.wording(stack)} days: backupRetentionDays")
            if value(entry, "standardSchedule.recurrenceType") not in ("DAILY", "HOURLY"):
                yield Finding(plan.name, "back up daily: standardSchedule.recurrenceType")
        if not stack.referring(plan, GCP_ASSOCIATION, "backupPlan"):
            yield Finding(plan.name, "add a BackupPlanAssociation: a plan alone backs up nothing")


def _held(stack: Stack) -> Found:
    """In production nobody can empty the vault."""
    for vault in stack.of(VAULT):
        if not stack.referring(vault, LOCK, "backupVaultName"):
            yield Finding(vault.name, "lock it: a VaultLockConfiguration with minRetentionDays")
        if vault.inputs.get("forceDestroy"):
            yield Finding(vault.name, "set forceDestroy to false")
    longest = [
        number(value(entry, "lifecycle.deleteAfter")) or 0
        for plan in stack.of(PLAN)
        for entry in rows(plan.inputs.get("rules"))
    ]
    for lock in stack.of(LOCK):
        most = number(lock.inputs.get("maxRetentionDays"))
        if most is not None and most < max(longest, default=0):
            yield Finding(lock.name, f"set maxRetentionDays to {max(longest):g} or more: the plan keeps as long")
        if not at_least(7).holds(lock.inputs.get("minRetentionDays"), stack):
            yield Finding(lock.name, "set minRetentionDays to 7 or more")
    for vault in stack.of(GCP_VAULT):
        if not at_least(30 * DAY).holds(vault.inputs.get("backupMinimumEnforcedRetentionDuration"), stack):
            yield Finding(vault.name, "hold backups 30 days: backupMinimumEnforcedRetentionDuration 2592000s")
        for switch in (
            "forceDelete",
            "forceUpdate",
            "ignoreBackupPlanReferences",
            "ignoreInactiveDatasources",
            "allowMissing",
        ):
            if vault.inputs.get(switch):
                yield Finding(vault.name, f"set {switch} to false")
        if vault.inputs.get("accessRestriction") not in ("WITHIN_PROJECT", "WITHIN_ORGANIZATION"):
            yield Finding(vault.name, "set accessRestriction to WITHIN_PROJECT")


def _tried(stack: Stack) -> Found:
    if stack.graph.cloud == "aws":
        if not stack.of(RESTORE_PLAN):
            yield Finding(stack.graph.stack, "add a RestoreTestingPlan")
        for plan in stack.of(RESTORE_PLAN):
            if not plan.inputs.get("scheduleExpression"):
                yield Finding(plan.name, "set scheduleExpression")
            tested = {found.inputs.get("protectedResourceType") for found in stack.of(RESTORE_SELECTION)}
            for kind, word in ((RDS, "RDS"), (EFS, "EFS")):
                if stack.of(kind) and word not in tested:
                    yield Finding(plan.name, f"add a RestoreTestingSelection of {word}: a plan alone restores nothing")
            if not at_least(1).holds(value(plan.inputs, "recoveryPointSelection.selectionWindowDays"), stack):
                yield Finding(plan.name, "set recoveryPointSelection.selectionWindowDays to 1 or more")
    elif not any(str(value(job.inputs, "httpTarget.uri")).endswith(":run") for job in stack.of(SCHEDULED)):
        yield Finding(stack.graph.stack, "add a scheduled Job that runs the drill")


def _scheduled_with_retries(stack: Stack) -> Found:
    for job in stack.of(SCHEDULED):
        if not at_least(1).holds(value(job.inputs, "retryConfig.retryCount"), stack) or job.inputs.get("paused"):
            yield Finding(job.name, "let it try again and run: retryConfig.retryCount 1 or more, not paused")
        if not value(job.inputs, "httpTarget.oauthToken.serviceAccountEmail"):
            yield Finding(job.name, "let it sign in: httpTarget.oauthToken.serviceAccountEmail")


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
        source="DR-1; INF-5; RDS.7",
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
        "backups.in-another-region",
        "In production a copy of the backups lies in another region.",
        judged(_elsewhere, RDS, SQL),
        source="DR-1; DR-5; Backup.2",
        environments=IN_PRODUCTION,
    ),
    rule(
        "backups.by-plan",
        "A plan backs up what the database's own backups do not reach, as long as the environment asks.",
        judged(_planned, PLAN, GCP_PLAN),
        some(PLAN, GCP_PLAN, why="the shared folder and the database have no backup out of their own reach"),
        each(GCP_PLAN, "backupVault", refers_to(GCP_VAULT)),
        each(GCP_PLAN, "logRetentionDays", at_least(1)),
        source="DR-1; AWS-3; Backup.5",
    ),
    rule(
        "backups.cannot-be-emptied",
        "In production nobody, with whatever credentials, empties a vault before its time.",
        judged(_held, VAULT, LOCK, GCP_VAULT),
        source="DR-1; INF-5; https://docs.aws.amazon.com/aws-backup/latest/devguide/vault-lock.html",
        environments=IN_PRODUCTION,
    ),
    rule(
        "backups.tried",
        "Restores are tried on a schedule.",
        judged(_tried, RESTORE_PLAN, SCHEDULED, asks_for=True),
        source="DR-4; https://docs.aws.amazon.com/aws-backup/latest/devguide/restore-testing.html",
        environments=IN_PRODUCTION,
    ),
    rule(
        "backups.schedules-hold",
        "A scheduled call tries again, and says who it is.",
        judged(_scheduled_with_retries, SCHEDULED),
        each(SCHEDULED, "httpTarget.uri", matching("^https://", "an https address")),
        source="DR-4; OPS-6; https://cloud.google.com/scheduler/docs/http-target-auth",
        severity=Severity.MEDIUM,
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
