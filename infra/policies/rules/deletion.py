"""That nothing which cannot be made again is deleted by mistake."""

from infra.graph import Resource
from infra.policies.demand import FALSE, NOT_TRUE, PRESENT, TRUE, by_environment
from infra.policies.kinds import (
    ALB,
    CRYPTO_KEY,
    ECR,
    EFS,
    GCS,
    GSM,
    LOG_BUCKET,
    POOL,
    RDS,
    REDIS,
    RUN,
    RUN_JOB,
    S3,
    SQL,
    TASK,
    VALKEY,
    ZONE,
)
from infra.policies.reading import Stack
from infra.policies.rule import Finding, Found, Severity, each, judged, rule
from infra.policies.rules.database import is_primary

ROUTE53 = "aws:route53/zone:Zone"
VAULT = "aws:backup/vault:Vault"
GCP_VAULT = "gcp:backupdisasterrecovery/backupVault:BackupVault"
ADDRESS = "gcp:compute/globalAddress:GlobalAddress"
SERVICE = "gcp:projects/service:Service"
HOLDING = (RDS, EFS, SQL, GCS, CRYPTO_KEY, GSM, LOG_BUCKET, ROUTE53, ZONE, GCP_VAULT, REDIS, VALKEY, ALB, RUN, POOL)
"""What holds data, names or keys: the provider protects it, or nothing does."""
IN_PRODUCTION = ("production",)
KEPT = by_environment({"production": TRUE})
NEVER_FORCED = by_environment({"production": NOT_TRUE})


def _protected(stack: Stack) -> Found:
    for resource in [*stack.of(*HOLDING), *(found for found in stack.of(ADDRESS) if _is_public(found))]:
        if not resource.protect and is_primary(stack, resource):
            yield Finding(resource.name, "protect it: ResourceOptions(protect=True)")


def _is_public(address: Resource) -> bool:
    return address.inputs.get("addressType") == "EXTERNAL"


def _replaced_in_the_open(stack: Stack) -> Found:
    """What holds data is never deleted before its successor stands, nor left to the cloud when the program goes."""
    for resource in stack.of(*HOLDING):
        if resource.options.get("deleteBeforeReplace"):
            yield Finding(resource.name, "take deleteBeforeReplace away: what it holds would go first")


RULES = (
    rule(
        "deletion.database",
        "In production the cloud itself refuses to delete the database.",
        each(RDS, "deletionProtection", KEPT),
        each(SQL, "deletionProtection", KEPT, when=is_primary),
        each(SQL, "settings.deletionProtectionEnabled", KEPT, when=is_primary),
        source="INF-5; RDS.8; https://cloud.google.com/sql/docs/postgres/deletion-protection",
        severity=Severity.CRITICAL,
    ),
    rule(
        "deletion.protected",
        "In production Pulumi refuses to delete what holds data, names or keys.",
        judged(_protected, *HOLDING, ADDRESS),
        judged(_replaced_in_the_open, *HOLDING),
        source="INF-5; https://www.pulumi.com/docs/iac/concepts/resources/options/protect/",
        severity=Severity.CRITICAL,
        environments=IN_PRODUCTION,
    ),
    rule(
        "deletion.services",
        "In production the cloud refuses to delete load balancer, services and cache.",
        each(ALB, "enableDeletionProtection", KEPT),
        each(RUN, "deletionProtection", KEPT),
        each(POOL, "deletionProtection", KEPT),
        each(RUN_JOB, "deletionProtection", KEPT),
        each(REDIS, "deletionProtection", KEPT),
        each(VALKEY, "deletionProtectionEnabled", KEPT),
        source="INF-5; ELB.6",
    ),
    rule(
        "deletion.never-by-force",
        "In production a bucket, a zone or a registry that holds something is not emptied by deleting the stack.",
        each(S3, "forceDestroy", NEVER_FORCED),
        each(GCS, "forceDestroy", NEVER_FORCED),
        each(ECR, "forceDelete", NEVER_FORCED),
        each(ROUTE53, "forceDestroy", NEVER_FORCED),
        each(ZONE, "forceDestroy", NEVER_FORCED),
        each(VAULT, "forceDestroy", NEVER_FORCED),
        source="INF-5; DR-1",
    ),
    rule(
        "deletion.former-releases-stay",
        "Former releases stay, so that a deployment can go back.",
        each(TASK, "skipDestroy", TRUE),
        source="OPS-2",
        severity=Severity.MEDIUM,
    ),
    rule(
        "deletion.services-of-the-project-stay",
        "Deleting a stack switches off none of Google's services, which another stack may use.",
        each(SERVICE, "disableOnDestroy", FALSE),
        each(SERVICE, "disableDependentServices", NOT_TRUE),
        each(SERVICE, "service", PRESENT),
        source="INF-7; https://cloud.google.com/service-usage/docs/enable-disable",
        severity=Severity.MEDIUM,
    ),
)
