"""PostgreSQL and the cache: what they write down, how they are kept up, and how they grow."""

from infra.graph import Resource
from infra.policies.demand import (
    FALSE,
    NOT_TRUE,
    PRESENT,
    TRUE,
    at_least,
    between,
    by_environment,
    containing,
    matching,
    one_of,
)
from infra.policies.kinds import RDS, RDS_PARAMETERS, SQL
from infra.policies.reading import Stack
from infra.policies.rule import Check, Severity, each, rule, setting

FLAGS = "settings.databaseFlags"


FINITE = between(1, 300_000)
"""Milliseconds."""


IN_PRODUCTION = ("production",)


def is_primary(_: Stack, database: Resource) -> bool:
    """No read replica."""
    return "replicateSourceDb" not in database.inputs and "masterInstanceName" not in database.inputs


def both(name: str, *asked: str) -> tuple[Check, ...]:
    """A parameter of PostgreSQL that has the same name on both clouds."""
    return (
        setting(RDS_PARAMETERS, "parameters", name, one_of(*asked)),
        setting(SQL, FLAGS, name, one_of(*asked)),
    )


RULES = (
    rule(
        "database.supported-version",
        "PostgreSQL is of a version that is supported without a surcharge, and is never moved into paid support.",
        each(RDS, "engineVersion", matching("^1[5-9]", "15 or newer"), when=is_primary),
        each(RDS, "engine", one_of("postgres"), when=is_primary),
        each(RDS, "engineLifecycleSupport", one_of("open-source-rds-extended-support-disabled")),
        each(SQL, "databaseVersion", matching("^POSTGRES_1[5-9]$", "POSTGRES_15 or newer")),
        source="DATA-1; COST-5; https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/extended-support.html",
    ),
    rule(
        "database.can-be-moved",
        "Logical replication is on from day 0: a move to the other cloud needs no restart.",
        setting(RDS_PARAMETERS, "parameters", "rds.logical_replication", one_of("1")),
        setting(SQL, FLAGS, "cloudsql.logical_decoding", one_of("on")),
        source="MOVE-2; AWS-3",
    ),
    rule(
        "database.audited",
        "Changes of structure and of rights are written down (pgaudit).",
        setting(RDS_PARAMETERS, "parameters", "shared_preload_libraries", containing("pgaudit")),
        setting(RDS_PARAMETERS, "parameters", "pgaudit.log", containing("ddl", "role")),
        setting(SQL, FLAGS, "cloudsql.enable_pgaudit", one_of("on")),
        setting(SQL, FLAGS, "pgaudit.log", containing("ddl", "role")),
        source="DATA-4; CIS GCP 6.2.8; RDS.36",
    ),
    rule(
        "database.sign-ins-logged",
        "Who comes and goes is written down.",
        *both("log_connections", "1", "on", "all"),
        *both("log_disconnections", "1", "on"),
        source="DATA-4; CIS GCP 6.2.2; CIS GCP 6.2.3",
        severity=Severity.MEDIUM,
    ),
    rule(
        "database.slow-queries-logged",
        "Queries that take long, and waits for locks, are written down.",
        setting(RDS_PARAMETERS, "parameters", "log_min_duration_statement", between(100, 5000)),
        setting(SQL, FLAGS, "log_min_duration_statement", between(100, 5000)),
        *both("log_lock_waits", "1", "on"),
        source="AWS-3; OPS-4; CIS GCP 6.2.7",
        severity=Severity.MEDIUM,
    ),
    rule(
        "database.parameters-not-logged",
        "What is written down of a query holds no values: they may be somebody's e-mail address.",
        setting(RDS_PARAMETERS, "parameters", "log_parameter_max_length", one_of("0")),
        setting(RDS_PARAMETERS, "parameters", "log_parameter_max_length_on_error", one_of("0")),
        each(SQL, "settings.insightsConfig.recordClientAddress", NOT_TRUE),
        source="DATA-4; OPS-10; GDPR 32",
        severity=Severity.MEDIUM,
    ),
    rule(
        "database.temporary-files-logged",
        "Checkpoints and temporary files, by which a query that is too large is found, are written down.",
        setting(SQL, FLAGS, "log_temp_files", one_of("0")),
        setting(SQL, FLAGS, "log_checkpoints", one_of("on")),
        setting(RDS_PARAMETERS, "parameters", "track_io_timing", one_of("1", "on")),
        source="OPS-4",
        severity=Severity.MEDIUM,
    ),
    rule(
        "database.idle-transactions-end",
        "A transaction that somebody left open ends within five minutes, before it holds up all others.",
        setting(RDS_PARAMETERS, "parameters", "idle_in_transaction_session_timeout", FINITE),
        setting(SQL, FLAGS, "idle_in_transaction_session_timeout", FINITE),
        source="OPS-7; https://www.postgresql.org/docs/15/runtime-config-client.html",
        severity=Severity.MEDIUM,
    ),
    rule(
        "database.slots-bounded",
        "A replication slot whose reader is gone cannot fill the disk; connections are bounded.",
        setting(RDS_PARAMETERS, "parameters", "max_slot_wal_keep_size", at_least(1)),
        setting(SQL, FLAGS, "max_connections", between(100, 1000)),
        source="MOVE-1; OPS-3; https://www.postgresql.org/docs/15/runtime-config-replication.html",
        severity=Severity.MEDIUM,
    ),
    rule(
        "database.passwords-by-scram",
        "Passwords are kept and sent as SCRAM, never as MD5.",
        setting(RDS_PARAMETERS, "parameters", "password_encryption", one_of("scram-sha-256")),
        setting(RDS_PARAMETERS, "parameters", "rds.accepted_password_auth_method", one_of("scram")),
        source="DATA-5; https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/PostgreSQL_Password_Encryption_configuration.html",
    ),
    rule(
        "database.queries-measured",
        "What queries cost is measured (Performance Insights, Query Insights).",
        each(RDS, "performanceInsightsEnabled", TRUE),
        each(RDS, "performanceInsightsRetentionPeriod", at_least(7)),
        each(SQL, "settings.insightsConfig.queryInsightsEnabled", TRUE),
        each(SQL, "settings.insightsConfig.queryPlansPerMinute", at_least(1)),
        each(SQL, "settings.insightsConfig.recordApplicationTags", TRUE),
        source="AWS-3; OPS-4; https://cloud.google.com/sql/docs/postgres/using-query-insights",
        severity=Severity.MEDIUM,
    ),
    rule(
        "database.machine-measured",
        "The machine below the database is measured each minute.",
        each(RDS, "monitoringInterval", between(1, 60)),
        each(RDS, "monitoringRoleArn", PRESENT),
        source="AWS-3; RDS.6",
        severity=Severity.MEDIUM,
    ),
    rule(
        "database.logs-leave-it",
        "The database's log is kept outside of the database.",
        each(RDS, "enabledCloudwatchLogsExports", containing("postgresql", "upgrade")),
        source="AWS-5; RDS.9; RDS.36",
        severity=Severity.MEDIUM,
    ),
    rule(
        "database.active",
        "In production the database runs, and by no way that the network does not see.",
        each(SQL, "settings.activationPolicy", one_of("ALWAYS").or_absent(), when=is_primary),
        each(SQL, "settings.edition", by_environment({"production": one_of("ENTERPRISE", "ENTERPRISE_PLUS")})),
        each(SQL, "settings.ipConfiguration.enablePrivatePathForGoogleCloudServices", FALSE.or_absent()),
        source="GCP-2",
        severity=Severity.MEDIUM,
        environments=IN_PRODUCTION,
    ),
)
