"""Cloud SQL, Memorystore, buckets, backups, secrets, keys."""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from infra.costs.errors import UnknownPrice
from infra.costs.items import HOURS, Category, Item, Model, Stack, fixed, used
from infra.graph import Resource

REDIS_TIERS = ((4, "m1"), (10, "m2"), (35, "m3"), (100, "m4"), (300, "m5"))
"""Memorystore for Redis: a capacity tier by GB."""


def _database(resource: Resource, stack: Stack) -> Iterable[Item]:
    settings: Mapping[str, Any] = resource.inputs["settings"]
    tier = re.fullmatch(r"db-custom-(\d+)-(\d+)", str(settings["tier"]))
    if tier is None:
        raise UnknownPrice(
            f"{resource.name}: the tier {settings['tier']} has no price in gcp {stack.region}: custom tiers "
            "(db-custom-CPU-MiB) of the Enterprise edition have; add it to infra/costs/snapshots and models/gcp_data.py"
        )
    vcpu, gibibytes = Decimal(tier[1]), Decimal(tier[2]) / 1024
    zones = "regional" if settings.get("availabilityType") == "REGIONAL" else "zonal"
    note = "a standby in another zone is in the price" if zones == "regional" else ""
    kind = "replica" if resource.inputs.get("masterInstanceName") else "database"
    hours = stack.hours(resource)
    yield fixed(f"{kind} vCPU", Category.DATABASE, f"cloudsql/vcpu/{zones}", vcpu * hours, note)
    yield fixed(f"{kind} memory", Category.DATABASE, f"cloudsql/memory/{zones}", gibibytes * hours, note)
    ordered = Decimal(int(settings.get("diskSize") or 10))
    yield used(
        f"{kind} storage",
        Category.DATABASE,
        f"cloudsql/storage/ssd-{zones}",
        lambda usage: max(ordered, usage.database_gb),
        "what was ordered, or what it grew to",
    )
    if kind == "database":
        yield used(
            "backups",
            Category.BACKUP,
            "cloudsql/backup/storage",
            lambda usage: usage.database_gb + usage.backup_gb,
            "one whole and the changes since: none is free here",
        )


def _redis(resource: Resource, stack: Stack) -> Iterable[Item]:
    size = int(resource.inputs["memorySizeGb"])
    capacity = next(name for most, name in REDIS_TIERS if size <= most)
    product = "redis-standard" if resource.inputs.get("tier") == "STANDARD_HA" else "redis-basic"
    note = "a replica is in the price" if product == "redis-standard" else ""
    yield fixed("cache", Category.CACHE, f"memorystore/{product}/{capacity}", size * HOURS, note)


def _valkey(resource: Resource, stack: Stack) -> Iterable[Item]:
    shards, replicas = int(resource.inputs["shardCount"]), int(resource.inputs.get("replicaCount") or 0)
    nodes = shards * (1 + replicas)
    node = resource.inputs["nodeType"]
    yield fixed("cache nodes", Category.CACHE, f"memorystore/valkey/{node}", nodes * HOURS, f"{nodes} nodes")


def _bucket(resource: Resource, stack: Stack) -> Iterable[Item]:
    part = stack.share(resource.type)
    place = "dual-region" if resource.inputs.get("customPlacementConfig") else "regional"
    yield used("objects", Category.STORAGE, f"storage/standard/{place}", lambda usage: usage.object_gb * part)


def _vault(resource: Resource, stack: Stack) -> Iterable[Item]:
    yield used(
        "recovery points",
        Category.BACKUP,
        "cloudsql/backup/storage",
        lambda usage: usage.backup_gb + usage.database_gb,
        "one whole and the changes since, at the price of Cloud SQL's own backups",
    )


def _secret(resource: Resource, stack: Stack) -> Iterable[Item]:
    part = stack.share(resource.type)
    replication: Mapping[str, Any] = resource.inputs.get("replication") or {}
    managed: Mapping[str, Any] = replication.get("userManaged") or {}
    places = len(managed.get("replicas") or [None])
    yield fixed(
        "secret version", Category.SECRETS, "secretmanager/version/month", places, f"one version in {places} regions"
    )
    yield used(
        "secret reads", Category.SECRETS, "secretmanager/calls/10k", lambda usage: usage.secret_calls * part / 10_000
    )
    if resource.inputs.get("rotation"):
        yield used(
            "rotations", Category.SECRETS, "secretmanager/rotation/each", lambda _: Decimal(1) / 3, "each quarter"
        )


def _key(resource: Resource, stack: Stack) -> Iterable[Item]:
    part = stack.share(resource.type)
    yield fixed("encryption key", Category.SECRETS, "kms/version/month", 1, "each rotation adds a version")
    yield used("key uses", Category.SECRETS, "kms/calls/10k", lambda usage: usage.key_calls * part / 10_000)


MODELS: dict[str, Model] = {
    "gcp:sql/databaseInstance:DatabaseInstance": _database,
    "gcp:redis/instance:Instance": _redis,
    "gcp:memorystore/instance:Instance": _valkey,
    "gcp:storage/bucket:Bucket": _bucket,
    "gcp:backupdisasterrecovery/backupVault:BackupVault": _vault,
    "gcp:secretmanager/secret:Secret": _secret,
    "gcp:kms/cryptoKey:CryptoKey": _key,
}
