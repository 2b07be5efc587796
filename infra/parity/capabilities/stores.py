"""PostgreSQL, the cache, and the shared folder."""

from infra.parity.capability import (
    ABOVE_DEVELOPMENT,
    BY_CHOICE,
    PRODUCTION,
    Capability,
    at_least,
    either,
    entry,
    every,
    has,
    kept,
    nowhere,
    says,
)
from infra.policies import kinds

PARAMETERS = "parameters[]"
FLAGS = "settings.databaseFlags[]"

CAPABILITIES = (
    Capability(
        "database",
        "PostgreSQL 15 or newer",
        aws=has(kinds.RDS, "engineVersion"),
        gcp=has(kinds.SQL, "databaseVersion"),
    ),
    Capability(
        "database",
        "standby in another zone",
        aws=has(kinds.RDS, "multiAz", True),
        gcp=has(kinds.SQL, "settings.availabilityType", "REGIONAL"),
        environments=PRODUCTION,
    ),
    Capability(
        "database",
        "key of its own",
        aws=every(kinds.RDS, "kmsKeyId"),
        gcp=every(kinds.SQL, "encryptionKeyName"),
    ),
    Capability(
        "database",
        "TLS only",
        aws=has(kinds.RDS_PARAMETERS, PARAMETERS, entry("rds.force_ssl", "1")),
        gcp=every(kinds.SQL, "settings.ipConfiguration.sslMode", "ENCRYPTED_ONLY"),
    ),
    Capability(
        "database",
        "server known by its authority",
        aws=has(kinds.TASK, "containerDefinitions[].environment[]", entry("DB_TLS_CA")),
        gcp=has(kinds.RUN, "template.volumes[].secret.secret", says("database-ca")),
    ),
    Capability(
        "database",
        "sign-in by IAM",
        aws=every(kinds.RDS, "iamDatabaseAuthenticationEnabled", True),
        gcp=has(kinds.SQL, FLAGS, entry("cloudsql.iam_authentication", "on")),
    ),
    Capability(
        "database",
        "owner's password made and rotated by the cloud",
        aws=has(kinds.RDS, "manageMasterUserPassword", True),
        gcp=nowhere,
    ),
    Capability(
        "database",
        "logical replication from day 0",
        aws=has(kinds.RDS_PARAMETERS, PARAMETERS, entry("rds.logical_replication", "1")),
        gcp=has(kinds.SQL, FLAGS, entry("cloudsql.logical_decoding", "on")),
    ),
    Capability(
        "database",
        "audited by pgaudit",
        aws=has(kinds.RDS_PARAMETERS, PARAMETERS, entry("pgaudit.log")),
        gcp=has(kinds.SQL, FLAGS, entry("pgaudit.log")),
    ),
    Capability(
        "database",
        "log of slow queries",
        aws=has(kinds.RDS_PARAMETERS, PARAMETERS, entry("log_min_duration_statement")),
        gcp=has(kinds.SQL, FLAGS, entry("log_min_duration_statement")),
    ),
    Capability(
        "database",
        "insight into queries",
        aws=every(kinds.RDS, "performanceInsightsEnabled", True),
        gcp=every(kinds.SQL, "settings.insightsConfig.queryInsightsEnabled", True),
    ),
    Capability(
        "database",
        "storage grows by itself, up to a limit",
        aws=has(kinds.RDS, "maxAllocatedStorage"),
        gcp=has(kinds.SQL, "settings.diskAutoresizeLimit"),
    ),
    Capability(
        "database",
        "protected from deletion",
        aws=has(kinds.RDS, "deletionProtection", True),
        gcp=has(kinds.SQL, "settings.deletionProtectionEnabled", True),
        environments=ABOVE_DEVELOPMENT,
    ),
    Capability(
        "database",
        "kept by Pulumi",
        aws=kept(kinds.RDS),
        gcp=kept(kinds.SQL),
        environments=ABOVE_DEVELOPMENT,
    ),
    Capability(
        "database",
        "maintenance on Monday at 4",
        aws=has(kinds.RDS, "maintenanceWindow", says("mon:04:00")),
        gcp=has(kinds.SQL, "settings.maintenanceWindow.hour", 4),
    ),
    Capability(
        "database",
        "no paid support for old versions",
        aws=every(kinds.RDS, "engineLifecycleSupport", "open-source-rds-extended-support-disabled"),
        gcp=nowhere,
    ),
    Capability(
        "database",
        "read replicas (config database.replicas)",
        aws=has(kinds.RDS, "replicateSourceDb"),
        gcp=has(kinds.SQL, "masterInstanceName"),
        environments=BY_CHOICE,
    ),
    Capability(
        "cache",
        "standby in another zone",
        aws=has(kinds.ELASTICACHE, "automaticFailoverEnabled", True),
        gcp=either(has(kinds.REDIS, "tier", "STANDARD_HA"), has(kinds.VALKEY, "replicaCount", at_least(1))),
        environments=PRODUCTION,
    ),
    Capability(
        "cache",
        "TLS only",
        aws=every(kinds.ELASTICACHE, "transitEncryptionMode", "required"),
        gcp=either(
            has(kinds.REDIS, "transitEncryptionMode", "SERVER_AUTHENTICATION"),
            has(kinds.VALKEY, "transitEncryptionMode", "SERVER_AUTHENTICATION"),
        ),
    ),
    Capability(
        "cache",
        "key of its own",
        aws=every(kinds.ELASTICACHE, "kmsKeyId"),
        gcp=either(has(kinds.REDIS, "customerManagedKey"), has(kinds.VALKEY, "kmsKey")),
    ),
    Capability(
        "cache",
        "asks who is there",
        aws=has(kinds.ELASTICACHE, "userGroupIds"),
        gcp=either(has(kinds.REDIS, "authEnabled", True), has(kinds.VALKEY, "authorizationMode", "IAM_AUTH")),
    ),
    Capability(
        "cache",
        "a user with rights of its own",
        aws=has(kinds.ELASTICACHE_USER, "accessString"),
        gcp=nowhere,
    ),
    Capability(
        "cache",
        "survives a restart with its data",
        aws=has(kinds.ELASTICACHE, "snapshotRetentionLimit", at_least(1)),
        gcp=either(
            has(kinds.REDIS, "persistenceConfig.persistenceMode", "RDB"), has(kinds.VALKEY, "persistenceConfig.mode")
        ),
        environments=PRODUCTION,
    ),
    Capability(
        "cache",
        "snapshots kept for days",
        aws=has(kinds.ELASTICACHE, "snapshotRetentionLimit", at_least(1)),
        gcp=has(kinds.VALKEY, "automatedBackupConfig.retention"),
    ),
    Capability(
        "cache",
        "slow log",
        aws=has(kinds.ELASTICACHE, "logDeliveryConfigurations[].logType", "slow-log"),
        gcp=nowhere,
    ),
    Capability(
        "cache",
        "maintenance on Monday at 5",
        aws=has(kinds.ELASTICACHE, "maintenanceWindow", says("mon:05:00")),
        gcp=either(
            has(kinds.REDIS, "maintenancePolicy.weeklyMaintenanceWindows[].startTime.hours", 5),
            has(kinds.VALKEY, "maintenancePolicy"),
        ),
    ),
    Capability(
        "files",
        "shared folder under a key of its own",
        aws=every(kinds.EFS, "kmsKeyId"),
        gcp=every(kinds.GCS, "encryption.defaultKmsKeyName"),
    ),
    Capability(
        "files",
        "former versions, or backups",
        aws=has("aws:efs/backupPolicy:BackupPolicy", "backupPolicy.status"),
        gcp=has(kinds.GCS, "versioning.enabled", True),
    ),
)
