"""What is encrypted at rest, and that each key is the stack's own."""

from infra.policies.demand import OWN_KEY, TRUE, one_of
from infra.policies.kinds import (
    ARTIFACTS,
    ASM,
    CLUSTER,
    ECR,
    EFS,
    ELASTICACHE,
    GCS,
    GSM,
    LOG_BUCKET,
    LOGS,
    POOL,
    PUBSUB,
    RDS,
    RDS_COPY,
    REDIS,
    RUN,
    RUN_JOB,
    S3,
    SQL,
    TOPIC,
    VALKEY,
)
from infra.policies.reading import Stack, entries, rows, value
from infra.policies.rule import Finding, Found, Severity, companion, each, judged, rule

S3_ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
VAULT = "aws:backup/vault:Vault"
GCP_VAULT = "gcp:backupdisasterrecovery/backupVault:BackupVault"
TRAIL = "aws:cloudtrail/trail:Trail"
BALANCER = "aws:lb/loadBalancer:LoadBalancer"


def _buckets(stack: Stack) -> Found:
    """By the stack's own key; by Amazon S3's where a load balancer writes, which can write with no other."""
    balancers = stack.of(BALANCER)
    for encryption in stack.of(S3_ENCRYPTION):
        bucket = stack.target(encryption.inputs.get("bucket"))
        written_by_balancer = bucket is not None and any(
            bucket in stack.targets([one.inputs.get("accessLogs"), one.inputs.get("connectionLogs")])
            for one in balancers
        )
        for entry in rows(encryption.inputs.get("rules")):
            chosen = entries(value(entry, "applyServerSideEncryptionByDefault"))
            algorithm, key = chosen.get("sseAlgorithm"), chosen.get("kmsMasterKeyId")
            if algorithm == "AES256" and written_by_balancer:
                continue
            if algorithm not in ("aws:kms", "aws:kms:dsse") or not OWN_KEY.holds(key, stack):
                yield Finding(encryption.name, "encrypt by aws:kms with a key of this stack as kmsMasterKeyId")
            elif not entry.get("bucketKeyEnabled"):
                yield Finding(encryption.name, "set bucketKeyEnabled: without it KMS bills each object")


RULES = (
    rule(
        "encryption.database",
        "Databases, and the copies of their backups, are encrypted with the stack's own key.",
        each(RDS, "storageEncrypted", TRUE),
        each(RDS, "kmsKeyId", OWN_KEY),
        each(RDS_COPY, "kmsKeyId", OWN_KEY),
        each(SQL, "encryptionKeyName", OWN_KEY),
        source="INF-2; DR-1; RDS.3; CIS AWS 2.2.1; https://cloud.google.com/sql/docs/postgres/cmek",
        severity=Severity.CRITICAL,
    ),
    rule(
        "encryption.cache",
        "Caches are encrypted with the stack's own key.",
        each(ELASTICACHE, "atRestEncryptionEnabled", TRUE),
        each(ELASTICACHE, "kmsKeyId", OWN_KEY),
        each(REDIS, "customerManagedKey", OWN_KEY),
        each(VALKEY, "kmsKey", OWN_KEY),
        source="INF-2; AWS-4; ElastiCache.4",
    ),
    rule(
        "encryption.files",
        "Shared folders are encrypted with the stack's own key.",
        each(EFS, "encrypted", TRUE),
        each(EFS, "kmsKeyId", OWN_KEY),
        each(GCS, "encryption.defaultKmsKeyName", OWN_KEY),
        source="INF-2; EFS.1; CIS AWS 2.4.1",
    ),
    rule(
        "encryption.buckets",
        "Every bucket says how it encrypts, with the stack's own key wherever its writer can use one.",
        companion(S3, S3_ENCRYPTION, "bucket"),
        judged(_buckets, S3_ENCRYPTION),
        source="INF-2; S3.17; CIS AWS 2.1.1",
    ),
    rule(
        "encryption.secrets",
        "Secrets are encrypted with the stack's own key, in each region that holds a copy.",
        each(ASM, "kmsKeyId", OWN_KEY),
        each(GSM, "replication.userManaged.replicas[].customerManagedEncryption.kmsKeyName", OWN_KEY),
        each(
            RDS,
            "masterUserSecretKmsKeyId",
            OWN_KEY,
            when=lambda _, found: bool(found.inputs.get("manageMasterUserPassword")),
        ),
        source="INF-2; AWS-5; GCP-3; https://cloud.google.com/secret-manager/docs/cmek",
        severity=Severity.CRITICAL,
    ),
    rule(
        "encryption.logs",
        "Logs are encrypted with the stack's own key.",
        each(LOGS, "kmsKeyId", OWN_KEY),
        each(LOG_BUCKET, "cmekSettings.kmsKeyName", OWN_KEY),
        each(TRAIL, "kmsKeyId", OWN_KEY),
        each("aws:cfg/deliveryChannel:DeliveryChannel", "s3KmsKeyArn", OWN_KEY),
        source="INF-2; CloudTrail.2; CIS AWS 3.5",
    ),
    rule(
        "encryption.images",
        "Images, and the revisions that run them, are encrypted with the stack's own key.",
        each(ECR, "encryptionConfigurations[].encryptionType", one_of("KMS", "KMS_DSSE")),
        each(ECR, "encryptionConfigurations[].kmsKey", OWN_KEY),
        each(ARTIFACTS, "kmsKeyName", OWN_KEY),
        each(RUN, "template.encryptionKey", OWN_KEY),
        each(POOL, "template.encryptionKey", OWN_KEY),
        each(RUN_JOB, "template.template.encryptionKey", OWN_KEY),
        source="INF-2; ECR.5; https://cloud.google.com/artifact-registry/docs/cmek",
        severity=Severity.MEDIUM,
    ),
    rule(
        "encryption.messages",
        "Topics are encrypted with the stack's own key.",
        each(TOPIC, "kmsMasterKeyId", OWN_KEY),
        each(PUBSUB, "kmsKeyName", OWN_KEY),
        source="INF-2; SNS.1",
        severity=Severity.MEDIUM,
    ),
    rule(
        "encryption.backups",
        "Vaults of backups are encrypted with the stack's own key.",
        each(VAULT, "kmsKeyArn", OWN_KEY),
        each(GCP_VAULT, "encryptionConfig.kmsKeyName", OWN_KEY),
        source="DR-1; INF-2; Backup.1",
        severity=Severity.CRITICAL,
    ),
    rule(
        "encryption.queries",
        "What is kept of queries for their speed is encrypted with the stack's own key.",
        each(RDS, "performanceInsightsKmsKeyId", OWN_KEY),
        source="INF-2; AWS-3",
        severity=Severity.MEDIUM,
    ),
    rule(
        "encryption.sessions",
        "Sessions into a container are encrypted with the stack's own key and written down.",
        each(CLUSTER, "configuration.executeCommandConfiguration.kmsKeyId", OWN_KEY),
        each(CLUSTER, "configuration.executeCommandConfiguration.logging", one_of("OVERRIDE")),
        each(
            CLUSTER,
            "configuration.executeCommandConfiguration.logConfiguration.cloudWatchEncryptionEnabled",
            TRUE,
        ),
        source="INF-2; AWS-2; https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html",
    ),
)
