"""RDS, ElastiCache, shared files, buckets, backups."""

from collections.abc import Iterable
from decimal import Decimal

from infra.costs.items import Category, Item, Model, Stack, fixed, used
from infra.graph import Resource


def _database(resource: Resource, stack: Stack) -> Iterable[Item]:
    main = _main(resource, stack)
    given = main.inputs | resource.inputs
    zones = "multi-az" if resource.inputs.get("multiAz") else "single-az"
    storage = Decimal(str(given["allocatedStorage"]))
    kind = "replica" if main is not resource else "instance"
    hours = stack.hours(resource)
    note = "a standby in another zone is in the price" if zones == "multi-az" else ""
    yield fixed(f"database {kind}", Category.DATABASE, f"rds/{zones}/{given['instanceClass']}", hours, note)
    yield used(
        "database storage",
        Category.DATABASE,
        f"rds/storage/gp3-{zones}",
        lambda usage: max(storage, usage.database_gb),
        "what was ordered, or what it grew to",
    )
    if main is resource:
        yield used(
            "backups beyond the database's size",
            Category.BACKUP,
            "rds/backup/beyond-storage",
            lambda usage: usage.backup_gb,
        )
        if resource.inputs.get("manageMasterUserPassword"):
            yield fixed("master password", Category.SECRETS, "secretsmanager/secret/month", 1, "made by RDS")


def _main(resource: Resource, stack: Stack) -> Resource:
    """Itself, or the one that it is a replica of."""
    return stack.referred(resource.inputs.get("replicateSourceDb")) or resource


def _copies(resource: Resource, stack: Stack) -> Iterable[Item]:
    yield used(
        "backups kept in another region",
        Category.BACKUP,
        "rds/snapshot-copy/storage",
        lambda usage: usage.database_gb + usage.gb_changed,
        "one whole copy and the changes since",
    )


def _cache(resource: Resource, stack: Stack) -> Iterable[Item]:
    nodes = int(resource.inputs.get("numCacheClusters", 1))
    engine = resource.inputs.get("engine", "redis")
    yield fixed(
        "cache nodes",
        Category.CACHE,
        f"elasticache/{engine}/{resource.inputs['nodeType']}",
        nodes * Decimal(730),
        f"{nodes} nodes",
    )
    if int(resource.inputs.get("snapshotRetentionLimit", 0)) > 1:
        yield used(
            "cache snapshots",
            Category.BACKUP,
            "elasticache/backup/storage",
            lambda usage: Decimal(int(resource.inputs["snapshotRetentionLimit"]) - 1) * Decimal("0.5"),
            "half a GB each, the first is free",
        )


def _files(resource: Resource, stack: Stack) -> Iterable[Item]:
    yield used("shared files", Category.STORAGE, "efs/storage/standard", lambda _: Decimal(1), "signed heads: 1 GB")


def _bucket(resource: Resource, stack: Stack) -> Iterable[Item]:
    part = stack.share(resource.type)
    yield used("objects", Category.STORAGE, "s3/storage/standard", lambda usage: usage.object_gb * part)


def _vault(resource: Resource, stack: Stack) -> Iterable[Item]:
    far = stack.region_of(resource) != stack.region
    yield used(
        "copies of recovery points" if far else "recovery points",
        Category.BACKUP,
        "backup/rds/warm",
        lambda usage: usage.backup_gb + usage.database_gb,
        "one whole and the changes since",
    )
    if far:
        return
    if any(stack.region_of(other) != stack.region for other in stack.graph.of_type(resource.type)):
        yield used(
            "copied to another region",
            Category.BACKUP,
            "transfer/other-region/data",
            lambda usage: usage.gb_changed * 2,
            "database and recovery points",
        )


def _restore_test(resource: Resource, stack: Stack) -> Iterable[Item]:
    yield used("restore tests", Category.BACKUP, "backup/restore-test/each", lambda _: Decimal(1) / 3, "each quarter")


def _secret(resource: Resource, stack: Stack) -> Iterable[Item]:
    part = stack.share(resource.type)
    yield fixed("secret", Category.SECRETS, "secretsmanager/secret/month", 1)
    yield used(
        "secret reads",
        Category.SECRETS,
        "secretsmanager/calls/10k",
        lambda usage: usage.secret_calls * part / 10_000,
    )


def _key(resource: Resource, stack: Stack) -> Iterable[Item]:
    part = stack.share(resource.type)
    yield fixed("encryption key", Category.SECRETS, "kms/key/month", 1, "each rotation adds 1 a month, twice at most")
    yield used("key uses", Category.SECRETS, "kms/calls/10k", lambda usage: usage.key_calls * part / 10_000)


MODELS: dict[str, Model] = {
    "aws:rds/instance:Instance": _database,
    "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication": _copies,
    "aws:elasticache/replicationGroup:ReplicationGroup": _cache,
    "aws:efs/fileSystem:FileSystem": _files,
    "aws:s3/bucket:Bucket": _bucket,
    "aws:s3/bucketV2:BucketV2": _bucket,
    "aws:backup/vault:Vault": _vault,
    "aws:backup/restoreTestingPlan:RestoreTestingPlan": _restore_test,
    "aws:secretsmanager/secret:Secret": _secret,
    "aws:kms/key:Key": _key,
}
