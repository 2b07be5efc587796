"""Cloud SQL's backups by their REST API: taken, listed, kept elsewhere, pruned, restored, dropped."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.operations.clouds.base import Place
from core.operations.clouds.errors import BackupNotFound, CloudRefused, CloudUnreachable
from core.operations.clouds.gcp_backups import GcpBackups
from tests.support.cloud_sql import DATABASE, KEY, NETWORK, PROJECT, CloudSql
from tests.support.google import Broken, Call, Google, Refused

INSERT, CLONE, RESTORE = "sql.instances.insert", "sql.instances.clone", "sql.instances.restoreBackup"


def backups(place: Place, **named: Any) -> GcpBackups:
    return GcpBackups(place, DATABASE, poll_seconds=0, **named)


def whole(at: datetime) -> datetime:
    """As Google writes it: to the millisecond."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def test_a_backup_is_taken_listed_and_described(google: Google, sql: CloudSql, place: Place) -> None:
    old = sql.add_run(sql.now - timedelta(days=2))
    sql.add_run(sql.now - timedelta(days=1), status="FAILED", error={"message": "no space"})
    made = backups(place).create("before the great move")
    assert (made.reason.partition(" [")[0], made.size_bytes) == ("before the great move", 5368709120)
    assert made.finished_at == whole(sql.now)
    assert [one.reason.partition(" [")[0] for one in backups(place).list_backups()] == [
        "automated",
        "before the great move",
    ]
    assert backups(place).describe(old).name == old
    assert google.calls.count("sql.backupRuns.insert") == 1
    for name in ("1", "yesterday", sql.runs[DATABASE][1]["id"]):
        with pytest.raises(BackupNotFound, match=f"has no backup {name}"):
            backups(place).describe(name)


@pytest.mark.parametrize("is_done", [True, False], ids=["it was begun", "it was not"])
@pytest.mark.parametrize("error", [Broken("cut"), Refused(500, "Internal error"), Broken("garbled")], ids=str)
def test_a_backup_whose_answer_is_lost_is_taken_once(
    google: Google, sql: CloudSql, place: Place, error: Refused | Broken, is_done: bool
) -> None:
    google.fail("sql.backupRuns.insert", error, is_done=is_done)
    if is_done:
        # Nobody polls an operation whose name was lost; Google goes on all the same.
        google.answers["sql.backupRuns.get"] = _ending(sql)
    backups(place).create("x")
    assert len(sql.runs[DATABASE]) == 1
    assert google.calls.count("sql.backupRuns.insert") == (1 if is_done else 2)


def _ending(sql: CloudSql) -> Any:
    def answer(call: Call) -> dict[str, Any]:
        for operation in sql.operations:
            if operation["status"] != "DONE":
                sql.end(operation)
        return sql.run(call)

    return answer


def test_a_backup_that_fails_is_an_error_with_googles_reason(google: Google, sql: CloudSql, place: Place) -> None:
    sql.failing["BACKUP_VOLUME"] = ("INTERNAL_ERROR", "the disk could not be read")
    with pytest.raises(CloudRefused, match="INTERNAL_ERROR: the disk could not be read"):
        backups(place).create("x")


def test_what_takes_too_long_is_given_up_with_progress_said(google: Google, sql: CloudSql, place: Place) -> None:
    sql.polls = 10**9
    with pytest.raises(CloudRefused, match=r"did not finish backing up .* within 0 s"):
        backups(place, longest=0.05).create("x")


def test_the_window_is_what_google_says_and_older_backups_stand_alone(
    google: Google, sql: CloudSql, place: Place
) -> None:
    sql.add_run(sql.now - timedelta(days=9))
    sql.add_run(sql.now - timedelta(days=3))
    alone, window = backups(place).restorable()
    assert (alone.start, alone.end) == (whole(sql.now - timedelta(days=9)),) * 2
    assert (window.start, window.end) == (
        whole(sql.now - timedelta(days=7)),
        whole(sql.now - timedelta(seconds=40)),
    )
    sql.window = None
    assert [span.end - span.start for span in backups(place).restorable()] == [timedelta()] * 2
    sql.instances[DATABASE]["settings"]["backupConfiguration"]["pointInTimeRecoveryEnabled"] = False
    before = google.calls.count("sql.projects.instances.getLatestRecoveryTime")
    assert len(backups(place).restorable()) == 2
    assert google.calls.count("sql.projects.instances.getLatestRecoveryTime") == before


def test_a_backup_for_another_region_is_taken_anew_and_once(google: Google, sql: CloudSql, place: Place) -> None:
    name = sql.add_run(sql.now - timedelta(days=1))
    first, again = (backups(place).copy(name, region="us-east1") for _ in range(2))
    assert first == again
    assert first.reason == f"taken anew in us-east1 in place of a copy of {name}"
    assert [run["location"] for run in sql.runs[DATABASE]] == ["us-central1", "us-east1"]
    assert backups(place).copy(name, region="us-central1").name == name, "it lies there already"
    with pytest.raises(BackupNotFound):
        backups(place).copy("17", region="us-east1")


def test_pruning_drops_old_ones_of_ours_and_no_other(google: Google, sql: CloudSql, place: Place) -> None:
    def add(days: int, kind: str, said: str = "") -> str:
        return sql.add_run(sql.now - timedelta(days=days), kind=kind, **({"description": said} if said else {}))

    ours = add(31, "ON_DEMAND", "cloudbill: before x [1]")
    kept = [
        add(200, "AUTOMATED"),
        add(40, "ON_DEMAND", "cloudbill-prod-gcp-deploy-1"),
        add(29, "ON_DEMAND", "cloudbill: before y [2]"),
        add(60, "ON_DEMAND"),
    ]
    assert backups(place).prune(dry_run=True) == [ours]
    assert google.changes == []
    assert backups(place).prune() == [ours]
    assert [run["id"] for run in sql.runs[DATABASE]] == kept
    assert backups(place).prune() == []
    sql.runs[DATABASE].clear()
    add(90, "ON_DEMAND", "cloudbill: the only one [3]")
    assert backups(place).prune() == [], "the newest stays"


def test_what_is_wrong_with_the_backups_is_named(google: Google, sql: CloudSql, place: Place) -> None:
    def faults() -> list[tuple[str, str]]:
        return [(one.check, one.detail) for one in backups(place).verify()]

    assert faults() == [("no_backup", "has no backup at all")]
    sql.add_run(sql.now - timedelta(hours=40))
    assert [check for check, _ in faults()] == ["backup_old"]
    sql.add_run(sql.now - timedelta(hours=1), diskEncryptionConfiguration={"kmsKeyName": KEY})
    assert faults() == []
    sql.add_run(sql.now, status="FAILED", error={"message": "no space"})
    sql.add_run(sql.now, diskEncryptionConfiguration={"kmsKeyName": "another"})
    assert faults() == [
        ("backup_state", "ended as FAILED: no space"),
        ("backup_key", f"is encrypted with another, the database with {KEY}"),
    ]
    del sql.runs[DATABASE][2:]
    sql.window = (sql.now - timedelta(days=7), sql.now - timedelta(seconds=301))
    [(check, said)] = faults()
    assert (check, said.startswith("its log ends 30")) == ("window", True)
    sql.window = None
    assert [check for check, _ in faults()] == ["window"]
    settings = sql.instances[DATABASE]["settings"]["backupConfiguration"]
    settings |= {"enabled": False, "pointInTimeRecoveryEnabled": False}
    assert [check for check, _ in faults()] == ["backup_state", "window"]


def test_a_backup_is_restored_into_an_instance_like_the_original_without_its_protections(
    google: Google, sql: CloudSql, place: Place
) -> None:
    name = sql.add_run(sql.now - timedelta(days=1))
    said: list[str] = []
    restored = backups(place, say=said.append).restore(name, into="drill-1")
    assert (restored.name, restored.endpoint) == ("drill-1", "10.20.0.4:5432")
    assert restored.reached_at == whole(sql.now - timedelta(days=1, minutes=4)), "when the backup began"
    assert "drill-1" in str(restored.ca)
    assert sql.restored == {"drill-1": name}
    assert said == ["making drill-1", f"restoring the backup {name} into drill-1"]
    made, settings = sql.instances["drill-1"], sql.instances["drill-1"]["settings"]
    assert (made["databaseVersion"], made["diskEncryptionConfiguration"]) == ("POSTGRES_15", {"kmsKeyName": KEY})
    assert settings["ipConfiguration"] == {
        "ipv4Enabled": False,
        "privateNetwork": NETWORK,
        "allocatedIpRange": "cloudbill-managed",
        "sslMode": "ENCRYPTED_ONLY",
        "serverCaMode": "GOOGLE_MANAGED_INTERNAL_CA",
    }
    assert (settings["tier"], settings["databaseFlags"][0]["value"]) == ("db-custom-2-7680", "on")
    assert (settings["deletionProtectionEnabled"], settings["retainBackupsOnDelete"]) == (False, False)
    assert settings["finalBackupConfig"] == {"enabled": False}
    assert settings["userLabels"] == {
        "project": "cloudbill",
        "stack": "prod-gcp",
        "environment": "production",
        "cloudbill-restored-from": DATABASE,
        "cloudbill-restored-to": f"backup-{name}",
        "cloudbill-restored-state": "done",
    }


def test_an_instant_is_restored_by_a_clone(google: Google, sql: CloudSql, place: Place) -> None:
    at = whole(sql.now - timedelta(hours=3))
    restored = backups(place).restore(at, into="drill-2")
    assert (restored.endpoint, restored.reached_at) == ("10.20.0.4:5432", at)
    assert datetime.fromisoformat(sql.restored["drill-2"]) == at
    settings = sql.instances["drill-2"]["settings"]
    assert settings["deletionProtectionEnabled"] is False
    assert settings["userLabels"]["cloudbill-restored-to"] == f"{at.astimezone(UTC):%Y%m%dt%H%M%S-%fz}"
    assert sql.instances[DATABASE]["settings"]["deletionProtectionEnabled"] is True, "the original keeps its own"


def test_latest_is_the_end_of_the_window_or_without_one_the_newest_backup(
    google: Google, sql: CloudSql, place: Place
) -> None:
    newest = sql.add_run(sql.now - timedelta(hours=1))
    backups(place).restore("latest", into="drill-3")
    start, end = sql.window or (sql.now, sql.now)
    sql.window = (start, end + timedelta(seconds=5))
    backups(place).restore("latest", into="drill-3")
    assert google.changes.count(CLONE) == 1, "the same words are the same restore"
    assert datetime.fromisoformat(sql.restored["drill-3"]) == whole(sql.now - timedelta(seconds=40))
    sql.window = None
    backups(place).restore("latest", into="drill-4")
    assert sql.restored["drill-4"] == newest
    sql.runs[DATABASE].clear()
    with pytest.raises(CloudRefused, match="neither a backup nor a log"):
        backups(place).restore("latest", into="drill-5")


def test_what_cannot_be_reached_is_refused_before_anything_is_made(google: Google, sql: CloudSql, place: Place) -> None:
    sql.add("somebody-elses")
    name = sql.add_run(sql.now - timedelta(days=1))
    for to, into, says in (
        (sql.now + timedelta(days=1), "drill-6", "cannot be reached; what can be: "),
        (sql.now - timedelta(days=8), "drill-6", "cannot be reached"),
        (name, "somebody-elses", "there is an instance somebody-elses already"),
        (name, DATABASE, "already"),
        (name, "Drill_6", "cannot be an instance's name"),
    ):
        with pytest.raises(CloudRefused, match=says):
            backups(place).restore(to, into=into)
    with pytest.raises(BackupNotFound):
        backups(place).restore("42", into="drill-6")
    assert google.changes == []


@pytest.mark.parametrize("method", [INSERT, RESTORE, CLONE])
@pytest.mark.parametrize("is_done", [True, False], ids=["it was begun", "it was not"])
def test_a_restore_whose_answer_is_lost_is_done_once(
    google: Google, sql: CloudSql, place: Place, method: str, is_done: bool
) -> None:
    name = sql.add_run(sql.now - timedelta(days=1))
    google.fail(method, Broken("cut"), is_done=is_done)
    usual = google.answers["sql.instances.get"]

    def get(call: Call) -> dict[str, Any]:
        if call.path["instance"] == "drill-7" and google.calls.count("sql.instances.get") > 4:
            for operation in sql.operations:
                if operation["status"] != "DONE" and operation["operationType"] in ("CREATE", "CLONE"):
                    sql.end(operation)
        return usual(call)

    google.answers["sql.instances.get"] = get
    to = sql.now - timedelta(hours=1) if method == CLONE else name
    assert backups(place).restore(to, into="drill-7").endpoint == "10.20.0.4:5432"
    assert google.calls.count(method) == (1 if is_done else 2)
    assert google.changes.count(method) == 1
    assert sql.instances["drill-7"]["settings"]["userLabels"]["cloudbill-restored-state"] == "done"


def test_a_restore_that_was_killed_goes_on_where_it_stands(google: Google, sql: CloudSql, place: Place) -> None:
    name = sql.add_run(sql.now - timedelta(days=1))
    google.fail(RESTORE, Refused(403, "The client is not authorized to make this request.", reason="notAuthorized"))
    with pytest.raises(CloudRefused, match=r"may not cloudsql.backupRuns.get and cloudsql.instances.restoreBackup"):
        backups(place).restore(name, into="drill-8")
    assert sql.restored == {}
    backups(place).restore(name, into="drill-8")
    assert (sql.restored, google.changes.count(INSERT)) == ({"drill-8": name}, 1)
    before = len(google.changes)
    backups(place).restore(name, into="drill-8")
    assert len(google.changes) == before, "what is done is done"


def test_an_operation_that_ends_in_an_error_names_it(google: Google, sql: CloudSql, place: Place) -> None:
    sql.failing["CLONE"] = ("RESOURCE_EXHAUSTED", "the range cloudbill-managed has no address left")
    with pytest.raises(CloudRefused, match="RESOURCE_EXHAUSTED: the range cloudbill-managed has no address left"):
        backups(place).restore("latest", into="drill-9")


def test_only_what_a_restore_of_this_database_made_is_dropped(google: Google, sql: CloudSql, place: Place) -> None:
    name = sql.add_run(sql.now - timedelta(days=1))
    backups(place).restore(name, into="drill-10")
    sql.instances["drill-10"]["settings"]["deletionProtectionEnabled"] = True
    sql.add("drill-of-others", settings={"userLabels": {"cloudbill-restored-from": "another"}})
    for kept in (DATABASE, "drill-of-others"):
        with pytest.raises(CloudRefused, match="left alone"):
            backups(place).drop(kept)
    backups(place).drop("drill-10")
    backups(place).drop("drill-10")
    assert sorted(sql.instances) == [DATABASE, "drill-of-others"]
    assert google.changes.count("sql.instances.delete") == 1


def test_a_lost_answer_to_a_deletion_is_asked_for_again(google: Google, sql: CloudSql, place: Place) -> None:
    backups(place).restore("latest", into="drill-11")
    google.fail("sql.instances.delete", Refused(503, "Try later", headers={"Retry-After": "1"}), times=2)
    backups(place).drop("drill-11")
    assert (google.calls.count("sql.instances.delete"), "drill-11" in sql.instances) == (3, False)
    google.fail("sql.instances.get", Refused(503, "Try later"), times=99)
    with pytest.raises(CloudUnreachable, match="asked 6 times"):
        backups(place).drop("drill-11")


def test_the_projects_other_region_is_not_touched(google: Google, sql: CloudSql) -> None:
    elsewhere = GcpBackups(Place(cloud="gcp", region="europe-west1", project=PROJECT), DATABASE, poll_seconds=0)
    with pytest.raises(CloudRefused, match="is in us-central1"):
        elsewhere.create("x")
    assert google.changes == []
