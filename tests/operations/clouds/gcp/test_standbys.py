"""Who could take a Cloud SQL primary's place: told, promoted, and the old primary fenced."""

import pytest

from core.operations.clouds.base import Place, Replica
from core.operations.clouds.errors import CloudRefused
from core.operations.clouds.gcp_standbys import GcpStandbys
from tests.support.cloud_sql import DATABASE, PROJECT, CloudSql
from tests.support.google import Broken, Google, Refused
from tests.support.google_metrics import Metrics

SQL = "cloudsql.googleapis.com/database/"


@pytest.fixture
def standbys(sql: CloudSql, place: Place) -> GcpStandbys:
    sql.instances[DATABASE]["replicaNames"] = ["replica-1"]
    replica = sql.add(
        "replica-1", instanceType="READ_REPLICA_INSTANCE", masterInstanceName=f"{PROJECT}:{DATABASE}", region="us-east1"
    )
    replica["settings"]["availabilityType"] = "ZONAL"
    replica["settings"]["backupConfiguration"] = {"enabled": False}
    return GcpStandbys(place, DATABASE, poll_seconds=0)


def test_the_standby_and_the_replicas_stand_as_google_tells(
    google: Google, sql: CloudSql, standbys: GcpStandbys
) -> None:
    metrics = Metrics(google)
    metrics.add(f"{SQL}available_for_failover", 1, database_id=f"{PROJECT}:{DATABASE}")
    metrics.add(f"{SQL}replication/replica_lag", 2.5, database_id=f"{PROJECT}:replica-1")
    standing = standbys.standing()
    assert (standing.engine_version, standing.state, standing.is_serving) == ("15.10", "RUNNABLE", True)
    assert (standing.has_standby, standing.standby_is_healthy) == (True, True)
    assert standing.replicas == (
        Replica(name="replica-1", region="us-east1", state="RUNNABLE", is_healthy=True, lag_seconds=2.5),
    )
    metrics.series.clear()
    metrics.add(f"{SQL}available_for_failover", 0, database_id=f"{PROJECT}:{DATABASE}")
    sql.instances["replica-1"]["settings"]["databaseReplicationEnabled"] = False
    standing = standbys.standing()
    assert standing.standby_is_healthy is False
    assert standing.replicas == (
        Replica(name="replica-1", region="us-east1", state="replication stopped", is_healthy=False, lag_seconds=None),
    )
    metrics.series.clear()
    assert standbys.standing().standby_is_healthy is None, "nobody said"
    sql.instances[DATABASE]["settings"]["availabilityType"] = "ZONAL"
    sql.instances[DATABASE]["state"] = "FAILED"
    del sql.instances["replica-1"]
    standing = standbys.standing()
    assert (standing.state, standing.is_serving, standing.has_standby) == ("FAILED", False, False)
    assert [(one.state, one.is_healthy) for one in standing.replicas] == [("gone", False)]


@pytest.mark.parametrize("is_done", [None, True, False], ids=["answered", "lost, begun", "lost, not begun"])
def test_a_replica_is_promoted_once_and_then_has_backups(
    google: Google, sql: CloudSql, standbys: GcpStandbys, is_done: bool | None
) -> None:
    if is_done is not None:
        google.fail("sql.instances.promoteReplica", Broken("cut"), is_done=is_done)
    promoted = [standbys.promote("replica-1") for _ in range(2)]
    assert [(one.name, one.endpoint) for one in promoted] == [("replica-1", "10.20.0.4:5432")] * 2
    assert google.changes == ["sql.instances.promoteReplica", "sql.instances.patch"]
    replica = sql.instances["replica-1"]
    assert (replica["instanceType"], sql.instances[DATABASE]["replicaNames"]) == ("CLOUD_SQL_INSTANCE", [])
    assert replica["settings"]["backupConfiguration"] == {
        "enabled": True,
        "pointInTimeRecoveryEnabled": True,
        "backupRetentionSettings": {"retainedBackups": 30, "retentionUnit": "COUNT"},
        "transactionLogRetentionDays": 7,
    }


def test_a_promotion_waits_for_what_the_instance_is_at(google: Google, sql: CloudSql, standbys: GcpStandbys) -> None:
    sql.operations.append(
        {
            "kind": "sql#operation",
            "name": "maintenance-1",
            "operationType": "MAINTENANCE",
            "status": "RUNNING",
            "targetId": "replica-1",
            "insertTime": "2026-01-01T00:00:00Z",
        }
    )
    sql.effects["maintenance-1"] = lambda: None
    assert standbys.promote("replica-1").name == "replica-1"
    assert google.calls.count("sql.instances.promoteReplica") == 2


def test_what_cannot_be_promoted_is_refused_and_said(google: Google, sql: CloudSql, standbys: GcpStandbys) -> None:
    sql.add("another", instanceType="READ_REPLICA_INSTANCE", masterInstanceName=f"{PROJECT}:somebody")
    for name, says in (
        ("nowhere", "there is no replica nowhere"),
        ("another", f"follows {PROJECT}:somebody"),
        (DATABASE, "is the primary itself"),
    ):
        with pytest.raises(CloudRefused, match=says):
            standbys.promote(name)
    assert google.changes == []
    google.fail(
        "sql.instances.promoteReplica",
        Refused(403, "The client is not authorized to make this request.", reason="notAuthorized"),
    )
    with pytest.raises(CloudRefused, match=r"may not cloudsql\.instances\.promoteReplica"):
        standbys.promote("replica-1")
    sql.failing["PROMOTE_REPLICA"] = ("REPLICA_NOT_READY", "the replica has not caught up")
    with pytest.raises(CloudRefused, match="REPLICA_NOT_READY: the replica has not caught up"):
        standbys.promote("replica-1")


def test_the_old_primary_is_stopped_once_whether_it_answers_or_not(
    google: Google, sql: CloudSql, standbys: GcpStandbys
) -> None:
    sql.instances[DATABASE]["state"] = "FAILED"
    standbys.fence()
    standbys.fence()
    assert sql.instances[DATABASE]["settings"]["activationPolicy"] == "NEVER"
    assert google.changes == ["sql.instances.patch"]
    sql.instances[DATABASE]["state"] = "RUNNABLE"
    Metrics(google)
    standing = standbys.standing()
    assert (standing.state, standing.is_serving) == ("STOPPED", False)
    sql.instances.pop(DATABASE)
    standbys.fence()


def test_a_fence_that_does_not_hold_is_an_error(google: Google, sql: CloudSql, standbys: GcpStandbys) -> None:
    sql.failing["UPDATE"] = ("INTERNAL_ERROR", "the zone does not answer")
    with pytest.raises(CloudRefused, match="the zone does not answer"):
        standbys.fence()
    google.fail("sql.instances.patch", Refused(500, "Internal error"), times=99)
    sql.instances[DATABASE]["settings"]["activationPolicy"] = "ALWAYS"
    with pytest.raises(Exception, match="asked 6 times: 500"):
        standbys.fence()
