"""What the worker and the one-off task ask of AWS is what the program grants them, and the other way round."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.operations.clouds.aws_backups import AwsBackups
from core.operations.clouds.aws_standbys import AwsStandbys
from core.operations.clouds.base import Place
from core.operations.recovery import looking
from tests.infra import grants
from tests.infra.recorded import recorded
from tests.operations.clouds.aws import original
from tests.operations.clouds.aws.conftest import REGION
from tests.support.aws_calls import Call, recording
from tests.support.faults import Faults

PLACE = Place(cloud="aws", region=REGION)
CLUSTER = original.NAME


@pytest.fixture
def made(aws: Faults) -> original.Original:
    found = original.make()
    original.client("rds").create_db_instance_read_replica(
        DBInstanceIdentifier=f"{found.name}-replica-1", SourceDBInstanceIdentifier=found.name
    )
    ecs = original.client("ecs")
    ecs.create_cluster(clusterName=CLUSTER)
    ecs.register_task_definition(family="api", containerDefinitions=[{"name": "api", "image": "a", "memory": 64}])
    ecs.create_service(cluster=CLUSTER, serviceName=f"{CLUSTER}-api", taskDefinition="api", desiredCount=1)
    return found


def granted(role: str) -> set[str]:
    """Of the production's task role, without what is configured and not called."""
    (policy,) = [
        of for of in recorded("prod").of_type("aws:iam/rolePolicy:RolePolicy")
        if of.name == f"cloudbill-{role}-task-task-role-policy"
    ]  # fmt: skip
    found: list[dict[str, Any]] = json.loads(policy.inputs["policy"])["Statement"]
    configured = {call.action for call in (*grants.AWS, *grants.AWS_SESSIONS) if role in call.roles}
    return {action for statement in found for action in statement["Action"]} - (configured - {"kms:CreateGrant"})


def actions(seen: set[Call]) -> set[str]:
    return {action for action, _, _ in seen}


def test_the_workers_look_and_its_backup_ask_for_what_it_is_granted(made: original.Original) -> None:
    with recording() as seen:
        document = looking._backups(None, (PLACE, made.name), datetime.now(UTC))
        assert document["place"] == {"cloud": "aws", "name": made.name, "region": REGION, "project": None}
        assert [one["reason"] for one in document["backups"]] == ["automated"]
        assert looking._standbys(PLACE, made.name)["replicas"][0]["name"] == f"{made.name}-replica-1"
        assert looking._watched(PLACE, made.name)["versions"] == [
            {"service": "api", "version": "a", "wanted": 1, "running": 0}
        ]
        AwsBackups(PLACE, made.name, poll_seconds=0.01).create("asked for in the console")
    assert actions(seen) == granted("worker")


def test_the_one_off_task_asks_for_what_it_is_granted(
    aws: Faults, made: original.Original, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "<ReadReplicaSourceDBInstanceIdentifier>.*?</ReadReplicaSourceDBInstanceIdentifier>"
    aws.once_asked("PromoteReadReplica", "DescribeDBInstances", source, "")
    with recording() as seen:
        looking._watched(PLACE, made.name)
        looking._standbys(PLACE, made.name)
        backups = AwsBackups(PLACE, made.name, poll_seconds=0.01)
        first = backups.create("manual").name
        backups.copy(first, region="us-west-2")
        backups.restore(first, into="drill-1")
        backups.restore("latest", into="drill-2")
        backups.drop("drill-1")
        backups.drop("drill-2")
        original.client("rds").create_db_snapshot(
            DBInstanceIdentifier=made.name,
            DBSnapshotIdentifier="newest",
            Tags=[{"Key": "made-by", "Value": "cloudbill"}],
        )
        later = datetime.now(UTC) + timedelta(days=8)
        monkeypatch.setattr("core.operations.clouds.aws_backups.wall_now", lambda: later)
        assert backups.prune() == [first]
        AwsStandbys(PLACE, made.name, poll_seconds=0.01).promote(f"{made.name}-replica-1")
    assert actions(seen) == granted("job")
