"""The cache: its version, its users, its log; and how database and cache are kept up."""

from infra.policies.demand import (
    NOT_TRUE,
    PRESENT,
    TRUE,
    matching,
    none_of,
    number,
    one_of,
    refers_to,
)
from infra.policies.kinds import ELASTICACHE, RDS, REDIS, SQL, VALKEY
from infra.policies.reading import Stack, rows, value
from infra.policies.rule import Finding, Found, Severity, each, judged, rule, setting
from infra.policies.rules.database import is_primary

ACL = "gcp:memorystore/aclPolicy:AclPolicy"


def _grows(stack: Stack) -> Found:
    for instance in stack.of(RDS):
        most, first = (
            number(instance.inputs.get("maxAllocatedStorage")),
            number(instance.inputs.get("allocatedStorage")),
        )
        if most is None or most <= (first or 0):
            yield Finding(instance.name, "set maxAllocatedStorage above allocatedStorage, or a full disk stops it")
    for instance in stack.of(SQL):
        most, first = (number(value(instance.inputs, f"settings.{key}")) for key in ("diskAutoresizeLimit", "diskSize"))
        if value(instance.inputs, "settings.diskAutoresize") is not True:
            yield Finding(instance.name, "set settings.diskAutoresize to true, or a full disk stops it")
        elif most is not None and most != 0 and most <= (first or 0):
            yield Finding(instance.name, "set settings.diskAutoresizeLimit above settings.diskSize")


def _both_logs(stack: Stack) -> Found:
    for group in stack.of(ELASTICACHE):
        kinds = {found.get("logType") for found in rows(group.inputs.get("logDeliveryConfigurations"))}
        for kind in ("slow-log", "engine-log"):
            if kind not in kinds:
                yield Finding(group.name, f"deliver the {kind}: logDeliveryConfigurations")


def _cache_user_of_valkey(stack: Stack) -> Found:
    for policy in stack.of(ACL):
        for entry in rows(policy.inputs.get("rules")):
            if entry.get("username") == "default" and entry.get("rule") != "off":
                yield Finding(policy.name, "switch the user default off")


RULES = (
    rule(
        "database.kept-up",
        "Minor versions come by themselves; major ones never do.",
        each(RDS, "autoMinorVersionUpgrade", TRUE),
        each(RDS, "allowMajorVersionUpgrade", NOT_TRUE),
        each(ELASTICACHE, "autoMinorVersionUpgrade", TRUE),
        each(SQL, "settings.maintenanceWindow.updateTrack", one_of("stable", "week5"), when=is_primary),
        source="RDS.13; CIS AWS 2.2.2; ElastiCache.2",
    ),
    rule(
        "database.changed-in-its-window",
        "What restarts database or cache waits for the window: Monday, 04:00 to 06:00 UTC, after the backup of 03:00.",
        each(RDS, "applyImmediately", NOT_TRUE),
        each(RDS, "maintenanceWindow", one_of("mon:04:00-mon:05:00")),
        each(RDS, "backupWindow", one_of("03:00-04:00"), when=is_primary),
        each(ELASTICACHE, "applyImmediately", NOT_TRUE),
        each(ELASTICACHE, "maintenanceWindow", matching("^mon:0[456]:00-mon:0[56]:00$", "within mon:04:00-mon:06:00")),
        each(SQL, "settings.maintenanceWindow.day", one_of(1), when=is_primary),
        each(SQL, "settings.maintenanceWindow.hour", one_of(4), when=is_primary),
        each(SQL, "settings.backupConfiguration.startTime", one_of("03:00"), when=is_primary),
        each(REDIS, "maintenancePolicy.weeklyMaintenanceWindows[].day", one_of("MONDAY")),
        source="AWS-3; INF-8",
        severity=Severity.MEDIUM,
    ),
    rule(
        "database.storage-grows",
        "The database's disk grows by itself, up to a bound.",
        judged(_grows, RDS, SQL),
        source="INF-9; AWS-3; GCP-2",
    ),
    rule(
        "database.solid-storage",
        "The database stands on solid-state disks whose speed does not run out.",
        each(RDS, "storageType", one_of("gp3", "io1", "io2")),
        each(SQL, "settings.diskType", one_of("PD_SSD", "HYPERDISK_BALANCED")),
        source="AWS-3; https://cloud.google.com/sql/docs/postgres/instance-settings",
        severity=Severity.MEDIUM,
    ),
    rule(
        "database.cache-is-current",
        "The cache is Redis 7 or Valkey, and forgets what has an end when memory is short.",
        each(ELASTICACHE, "engineVersion", matching("^([78]|9)", "7 or newer")),
        each(ELASTICACHE, "engine", one_of("valkey", "redis")),
        each(REDIS, "redisVersion", matching("^REDIS_7", "REDIS_7_0 or newer")),
        each(VALKEY, "engineVersion", matching("^VALKEY_[789]", "VALKEY_7_2 or newer")),
        setting(
            "aws:elasticache/parameterGroup:ParameterGroup", "parameters", "maxmemory-policy", one_of("volatile-lru")
        ),
        each(ELASTICACHE, "parameterGroupName", refers_to("aws:elasticache/parameterGroup:ParameterGroup")),
        each(REDIS, "redisConfigs.maxmemory-policy", one_of("volatile-lru")),
        source="DATA-1; AWS-4; GCP-2",
        severity=Severity.MEDIUM,
    ),
    rule(
        "database.cache-logged",
        "Slow commands and the engine's own log of the cache are kept.",
        judged(_both_logs, ELASTICACHE),
        each(ELASTICACHE, "logDeliveryConfigurations[].destination", PRESENT),
        each(ELASTICACHE, "logDeliveryConfigurations[].destinationType", one_of("cloudwatch-logs")),
        source="AWS-4; OPS-4; https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Log_Delivery.html",
        severity=Severity.MEDIUM,
    ),
    rule(
        "database.cache-default-user-off",
        "The cache's own first user, which every client becomes that names none, can do nothing.",
        judged(_cache_user_of_valkey, ACL),
        each(
            "aws:elasticache/user:User",
            "userName",
            none_of("default"),
            when=lambda _, user: "off" not in str(user.inputs.get("accessString")),
        ),
        source="AWS-4; ElastiCache.6",
    ),
)
