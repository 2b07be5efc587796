"""Backups on RDS: like the original, waited for, repeated without harm, and refused in words."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.operations.clouds.aws_backups import AwsBackups
from core.operations.clouds.base import Fault, Place
from core.operations.clouds.errors import BackupNotFound, CloudRefused, CloudUnreachable, DatabaseNotFound
from tests.operations.clouds.aws import original
from tests.operations.clouds.aws.conftest import REGION
from tests.operations.clouds.aws.original import Original, instance, instances, snapshots, window
from tests.support.faults import Faults

AVAILABLE = "<DBInstanceStatus>available</DBInstanceStatus>"


@pytest.fixture
def made(aws: Faults) -> Original:
    found = original.make()
    aws.heal()
    return found


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def backups(made: Original, said: list[str]) -> AwsBackups:
    place = Place(cloud="aws", region=REGION)
    return AwsBackups(place, made.name, say=said.append, poll_seconds=0.01, longest_seconds=30)


def test_a_backup_is_made_listed_described_and_awaited_through_its_states(
    aws: Faults, backups: AwsBackups, said: list[str]
) -> None:
    aws.alter("DescribeDBSnapshots", "<Status>available</Status>", "<Status>creating</Status>", times=2)
    made = backups.create("manual")
    assert [word.partition(" after")[0].rpartition(": ")[2] for word in said] == ["creating", "available"]
    assert (made.reason, made.size_bytes, made.name in snapshots()) == ("manual", 20 * 2**30, True)
    listed = backups.list_backups()
    assert listed[-1] == made == backups.describe(made.name)
    assert [one.reason for one in listed] == ["automated", "manual"]


def test_throttling_and_lost_answers_make_no_second_backup(aws: Faults, backups: AwsBackups) -> None:
    aws.refuse("CreateDBSnapshot", 400, "Throttling", times=2)
    aws.cut("CreateDBSnapshot", times=1)  # made, and the answer was lost on the way
    backups.create("manual")
    assert (aws.count("CreateDBSnapshot"), len(snapshots())) == (4, 1)
    aws.heal()
    aws.refuse("DescribeDBSnapshots", 503, "Throttling")
    with pytest.raises(CloudUnreachable, match=r"AWS throttles, .* asked 5 times in vain"):
        backups.list_backups()
    assert aws.count("DescribeDBSnapshots") == 5


def test_a_cloud_that_is_silent_for_a_while_is_asked_again_while_a_backup_is_under_way(
    aws: Faults, backups: AwsBackups, said: list[str]
) -> None:
    aws.hang_up("DescribeDBSnapshots", times=7)
    assert backups.create("manual").name in snapshots()
    aws.alter("DescribeDBSnapshots", "<Status>available</Status>", "<Status>failed</Status>")
    with pytest.raises(CloudRefused, match=r"snapshot .* ended as failed"):
        backups.create("again")


def test_what_lasts_too_long_goes_on_by_itself_and_is_taken_up_again(aws: Faults, made: Original) -> None:
    place = Place(cloud="aws", region=REGION)
    hasty = AwsBackups(place, made.name, poll_seconds=0.01, longest_seconds=0.05)
    name = hasty.create("manual").name
    creating = aws.alter("DescribeDBInstances", AVAILABLE, AVAILABLE.replace("available", "creating"))
    with pytest.raises(CloudUnreachable, match=r"database again is creating after .* run the same command again"):
        hasty.restore(name, into="again")
    creating.times = 0
    assert hasty.restore(name, into="again").name == "again"
    assert instances() == ["again", made.name]


@pytest.mark.parametrize("to", ["backup", "latest", "instant"])
def test_a_restore_is_a_new_database_like_the_original_and_closed_as_it(
    aws: Faults, backups: AwsBackups, made: Original, said: list[str], to: str
) -> None:
    target: Any = to
    if to == "backup":
        target = backups.create("manual").name
    if to == "instant":
        window(aws, start="2026-11-20T00:00:00Z", end="2026-11-21T12:00:00Z")
        target = datetime(2026, 11, 21, 12, 30, 15, tzinfo=UTC) - timedelta(hours=1)
    aws.alter("DescribeDBInstances", AVAILABLE, AVAILABLE.replace("available", "backing-up"), times=2)
    said.clear()
    restored = backups.restore(target, into="before-it")
    before, after = instance(made.name), instance("before-it")
    assert restored.endpoint == f"{after['Endpoint']['Address']}:5432"
    for key in (
        "DBInstanceClass", "MultiAZ", "StorageType", "VpcSecurityGroups", "DBParameterGroups", "KmsKeyId",
        "StorageEncrypted", "IAMDatabaseAuthenticationEnabled", "EnabledCloudwatchLogsExports",
        "CACertificateIdentifier",
    ):  # fmt: skip
        assert after[key] == before[key], key
    assert after["DBSubnetGroup"]["DBSubnetGroupName"] == "private"
    assert after["PubliclyAccessible"] is False
    (asked,) = [one for one in aws.asked if one.name.startswith("RestoreDBInstance")]
    sent = dict(part.split("=") for part in asked.body.decode().split("&"))
    assert (sent["PubliclyAccessible"], sent["DeletionProtection"], sent["CopyTagsToSnapshot"]) == ("false",) * 3
    assert (sent.get("UseLatestRestorableTime"), sent.get("RestoreTime")) == {
        "backup": (None, None), "latest": ("true", None), "instant": (None, "2026-11-21T11%3A30%3A15Z"),
    }[to]  # fmt: skip
    assert said[0].startswith("database before-it: ")
    assert said[-1].startswith("database before-it: available")
    assert instance(made.name)["TagList"] == [{"Key": "stack", "Value": "test"}]


def test_a_restore_asked_twice_is_made_once_and_a_name_in_use_is_refused(backups: AwsBackups, made: Original) -> None:
    name = backups.create("manual").name
    first = backups.restore(name, into="again")
    assert (backups.restore(name, into="again").endpoint, instances()) == (first.endpoint, ["again", made.name])
    with pytest.raises(
        CloudRefused, match=r"there is a database again already, and it is not a restore of .* to latest"
    ):
        backups.restore("latest", into="again")


def test_only_what_a_restore_made_is_dropped(backups: AwsBackups, made: Original) -> None:
    backups.restore("latest", into="again")
    with pytest.raises(CloudRefused, match="nothing was dropped: cloudbill-test was not made by a restore"):
        backups.drop(made.name)
    with pytest.raises(DatabaseNotFound, match="nothing was dropped: there is no database nothing"):
        backups.drop("nothing")
    backups.drop("again")
    assert instances() == [made.name]


def test_an_instant_outside_of_the_window_is_refused_before_anything_is_made(
    aws: Faults, backups: AwsBackups, made: Original
) -> None:
    window(aws, start="2026-11-20T00:00:00Z", end="2026-11-21T12:00:00Z")
    with pytest.raises(
        CloudRefused, match=r"2000-01-01T00:00:00Z cannot be reached; what can be: 2026-11-20T00:00:00Z to"
    ):
        backups.restore(datetime(2000, 1, 1, tzinfo=UTC), into="again")
    assert (aws.count("RestoreDBInstanceToPointInTime"), instances()) == (0, [made.name])


@pytest.mark.parametrize("name", ["Prod", "-a", "a--b", "a-", "1a", "a" * 64, "a_b", ""])
def test_a_name_that_rds_would_refuse_is_named(backups: AwsBackups, name: str) -> None:
    with pytest.raises(CloudRefused, match="cannot be a database's name"):
        backups.restore("latest", into=name)


def test_a_restore_never_goes_over_the_database_itself(backups: AwsBackups, made: Original) -> None:
    with pytest.raises(CloudRefused, match="a restore never goes over it"):
        backups.restore("latest", into=made.name)


def test_what_cannot_come_up_is_said_with_its_state(aws: Faults, backups: AwsBackups) -> None:
    aws.alter("DescribeDBInstances", AVAILABLE, AVAILABLE.replace("available", "incompatible-network"))
    with pytest.raises(CloudRefused, match="database again ended as incompatible-network"):
        backups.restore("latest", into="again")


def test_the_window_is_as_the_automated_backups_tell_it(aws: Faults, backups: AwsBackups) -> None:
    window(aws, start="2026-11-14T03:10:00Z", end="2026-11-21T12:00:00Z")
    (span,) = backups.restorable()
    assert (span.start, span.end) == (
        datetime(2026, 11, 14, 3, 10, tzinfo=UTC),
        datetime(2026, 11, 21, 12, 0, tzinfo=UTC),
    )


def test_the_retention_drops_our_own_old_ones_and_nothing_else(
    aws: Faults, backups: AwsBackups, made: Original, monkeypatch: pytest.MonkeyPatch
) -> None:
    rds, ours = original.client("rds"), [{"Key": "made-by", "Value": "cloudbill"}]
    for name, tags in (
        ("old-1", ours), ("old-2", ours), ("somebodys", []), ("cloudbill-test-destroy-1", ours),
        ("cloudbill-test-final", ours), ("newest", ours),
    ):  # fmt: skip
        rds.create_db_snapshot(DBInstanceIdentifier=made.name, DBSnapshotIdentifier=name, Tags=tags)
    assert backups.prune() == []
    later = datetime.now(UTC) + timedelta(days=8)
    monkeypatch.setattr("core.operations.clouds.aws_backups.wall_now", lambda: later)
    assert backups.prune(dry_run=True) == ["old-1", "old-2"]
    assert len(snapshots()) == 6
    aws.refuse("DeleteDBSnapshot", 400, "InvalidDBSnapshotState", says="it is being copied").met = 0
    with pytest.raises(CloudRefused, match=r"it is being copied \(0 of 2 went; run it again for the rest\)"):
        backups.prune()
    aws.heal()
    assert backups.prune() == ["old-1", "old-2"]
    assert snapshots() == ["cloudbill-test-destroy-1", "cloudbill-test-final", "newest", "somebodys"]
    assert backups.prune() == []


def test_verify_names_state_encryption_key_and_window(aws: Faults, backups: AwsBackups, made: Original) -> None:
    now = datetime.now(UTC)
    window(aws, start="2026-11-14T03:10:00Z", end=f"{now:%Y-%m-%dT%H:%M:%SZ}")
    name = backups.create("manual").name
    assert backups.verify() == []
    aws.heal()
    window(aws, start="2026-11-14T03:10:00Z", end=f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}")
    aws.alter("DescribeDBSnapshots", made.key, "arn:aws:kms:us-east-1:123456789012:key/another", times=1)
    found = backups.verify()
    assert [(fault.check, fault.subject) for fault in found] == [("backup_key", name), ("log_behind", made.name)]
    aws.heal()
    window(aws, start="2026-11-14T03:10:00Z", end=f"{now:%Y-%m-%dT%H:%M:%SZ}")
    aws.alter("DescribeDBSnapshots", "<Encrypted>true</Encrypted>", "<Encrypted>false</Encrypted>", times=1)
    assert [fault.check for fault in backups.verify()] == ["backup_not_encrypted"]
    aws.heal()
    window(aws, start="2026-11-14T03:10:00Z", end=f"{now:%Y-%m-%dT%H:%M:%SZ}")
    aws.alter("DescribeDBSnapshots", "<Status>available</Status>", "<Status>failed</Status>", times=2)
    assert {fault.check for fault in backups.verify()} == {"backup_state", "no_backup"}


def test_a_database_without_automated_backups_is_a_fault(aws: Faults) -> None:
    made = original.make(backups=0)
    found = AwsBackups(Place(cloud="aws", region=REGION), made.name).verify()
    assert (
        Fault(
            check="window",
            subject=made.name,
            detail="keeps no automated backups (retention 0): no instant can be restored",
        )
        in found
    )


def test_a_missing_permission_is_reported_by_its_name_and_its_role(
    made: Original, as_role: Callable[..., AbstractContextManager[None]]
) -> None:
    place = Place(cloud="aws", region=REGION)
    with as_role("cloudbill-worker", "rds:DescribeDBInstances"):
        backups = AwsBackups(place, made.name)
        with pytest.raises(
            CloudRefused,
            match=r"AWS refused for a snapshot of cloudbill-test: arn:aws:sts::\d+:assumed-role/cloudbill-worker/\w+ "
            r"may not rds:CreateDBSnapshot \(AccessDenied\)\. Grant that action to it",
        ):
            backups.create("manual")
        for ask, action in (
            (backups.list_backups, "rds:DescribeDBSnapshots"),
            (backups.restorable, "rds:DescribeDBInstanceAutomatedBackups"),
            (lambda: backups.restore("none", into="again"), "rds:DescribeDBSnapshots"),
        ):
            with pytest.raises(CloudRefused, match=f"may not {action} "):
                ask()


def test_another_regions_database_is_explained(aws: Faults, made: Original) -> None:
    elsewhere = AwsBackups(Place(cloud="aws", region="eu-west-1"), made.name)
    for ask in (elsewhere.prune, lambda: elsewhere.create("manual")):
        with pytest.raises(DatabaseNotFound, match=r"no database cloudbill-test in eu-west-1: is the region right"):
            ask()


def test_an_unknown_backup_is_named(backups: AwsBackups) -> None:
    for ask in (lambda: backups.describe("none"), lambda: backups.restore("none", into="again")):
        with pytest.raises(BackupNotFound, match="there is no backup none in us-east-1"):
            ask()


def test_a_copy_elsewhere_is_sealed_with_a_key_of_that_region_and_made_once(aws: Faults, backups: AwsBackups) -> None:
    name = backups.create("manual").name
    copied = backups.copy(name, region="eu-west-1")
    assert (copied.name, snapshots("eu-west-1")) == (name, [name])
    assert backups.copy(name, region="eu-west-1").name == name
    assert snapshots("eu-west-1") == [name]
    first = next(one for one in aws.asked if one.name == "CopyDBSnapshot")
    assert first.region == "eu-west-1"
    assert b"KmsKeyId=alias%2Faws%2Frds" in first.body
    assert b"PreSignedUrl=" in first.body
    with pytest.raises(CloudRefused, match="us-east-1 is where the backup is"):
        backups.copy(name, region=REGION)
