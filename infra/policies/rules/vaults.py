"""Backups by plan: vaults, copies, restores that are tried."""

from infra.policies.demand import (
    at_least,
    matching,
    number,
    refers_to,
)
from infra.policies.kinds import EFS, RDS, RDS_COPY, SQL
from infra.policies.reading import Stack, items, rows, value
from infra.policies.rule import Finding, Found, Severity, each, judged, rule, some
from infra.policies.rules.backups import DAY, IN_PRODUCTION, KEPT
from infra.policies.rules.database import is_primary

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
        entries = rows(plan.inputs.get("backupRules"))
        for entry in entries:
            if not KEPT.holds(entry.get("backupRetentionDays"), stack):
                yield Finding(plan.name, f"keep backups {KEPT.wording(stack)} days: backupRetentionDays")
        if not {value(entry, "standardSchedule.recurrenceType") for entry in entries} & {"DAILY", "HOURLY"}:
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


RULES = (
    rule(
        "backups.in-another-region",
        "In production a copy of the backups lies in another region.",
        judged(_elsewhere, RDS, SQL),
        source="DR-1; DR-5",
        environments=IN_PRODUCTION,
    ),
    rule(
        "backups.by-plan",
        "A plan backs up what the database's own backups do not reach, as long as the environment asks.",
        judged(_planned, PLAN, GCP_PLAN),
        some(PLAN, GCP_PLAN, why="the shared folder and the database have no backup out of their own reach"),
        each(GCP_PLAN, "backupVault", refers_to(GCP_VAULT)),
        each(GCP_PLAN, "logRetentionDays", at_least(1)),
        source="DR-1; AWS-3",
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
)
