"""Who takes over on RDS: replicas with their lag, promotion that is done once, a fence that asks nothing of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.operations.clouds.aws_standbys import AwsStandbys
from core.operations.clouds.base import Place
from core.operations.clouds.errors import CloudRefused, CloudUnreachable, DatabaseNotFound
from tests.operations.clouds.aws import original
from tests.operations.clouds.aws.conftest import REGION
from tests.operations.clouds.aws.original import Original, instance
from tests.support.faults import Faults

ANY = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
REPLICA = "cloudbill-test-replica-1"


@pytest.fixture
def made(aws: Faults) -> Original:
    found = original.make()
    original.client("rds").create_db_instance_read_replica(
        DBInstanceIdentifier=REPLICA, SourceDBInstanceIdentifier=found.name
    )
    aws.heal()
    return found


@pytest.fixture
def promoting(aws: Faults, made: Original) -> None:
    """A promoted replica follows nobody; the emulator leaves what it followed in its description."""
    source = "<ReadReplicaSourceDBInstanceIdentifier>.*?</ReadReplicaSourceDBInstanceIdentifier>"
    aws.once_asked("PromoteReadReplica", "DescribeDBInstances", source, "")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def standbys(made: Original, said: list[str]) -> AwsStandbys:
    return AwsStandbys(
        Place(cloud="aws", region=REGION), made.name, say=said.append, poll_seconds=0.01, longest_seconds=20
    )


def test_the_standing_tells_the_standby_and_each_replica_with_its_lag(aws: Faults, standbys: AwsStandbys) -> None:
    original.client("cloudwatch").put_metric_data(
        Namespace="AWS/RDS",
        MetricData=[
            {
                "MetricName": "ReplicaLag",
                "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": REPLICA}],
                "Timestamp": datetime.now(UTC) - timedelta(minutes=2),
                "Value": 1.5,
            }
        ],
    )
    found = standbys.standing()
    assert (found.engine_version, found.state, found.is_serving) == ("postgres 15.10", "available", True)
    assert found.has_standby is True
    (replica,) = found.replicas
    assert (replica.name, replica.region, replica.state, replica.is_healthy) == (REPLICA, REGION, "available", True)
    assert replica.lag_seconds == 1.5
    up = "<DBInstanceStatus>available</DBInstanceStatus>"
    broken = (
        "<StatusInfos><DBInstanceStatusInfo><StatusType>read replication</StatusType><Normal>false</Normal>"
        "<Status>error</Status></DBInstanceStatusInfo></StatusInfos>"
    )
    aws.alter("DescribeDBInstances", f"(<StatusInfos>.*?</StatusInfos>|<StatusInfos/>)?{up}", up + broken)
    assert standbys.standing().replicas[0].is_healthy is False


def test_without_figures_nobody_can_say_how_far_a_replica_is_behind(standbys: AwsStandbys) -> None:
    assert standbys.standing().replicas[0].lag_seconds is None


def test_a_replica_is_promoted_once_and_awaited(
    aws: Faults, standbys: AwsStandbys, promoting: None, said: list[str]
) -> None:
    promoted = standbys.promote(REPLICA)
    after = instance(REPLICA)
    assert {"Key": "cloudbill-promoted-from", "Value": "cloudbill-test"} in after["TagList"]
    assert (promoted.name, promoted.endpoint) == (
        REPLICA,
        f"{after['Endpoint']['Address']}:{after['Endpoint']['Port']}",
    )
    assert after.get("ReadReplicaSourceDBInstanceIdentifier") is None
    asked = next(one for one in aws.asked if one.name == "PromoteReadReplica")
    assert b"BackupRetentionPeriod=7" in asked.body
    assert standbys.promote(REPLICA) == promoted
    assert aws.count("PromoteReadReplica") == 1
    assert said[-1].startswith(f"database {REPLICA}: available")


def test_what_is_no_replica_of_it_is_not_promoted(aws: Faults, standbys: AwsStandbys, made: Original) -> None:
    with pytest.raises(CloudRefused, match="cloudbill-test is no replica of cloudbill-test"):
        standbys.promote(made.name)
    with pytest.raises(DatabaseNotFound, match="there is no database nobody in us-east-1"):
        standbys.promote("nobody")
    other = AwsStandbys(Place(cloud="aws", region=REGION), "another", poll_seconds=0.01)
    with pytest.raises(CloudRefused, match="follows cloudbill-test, not another: it is not promoted"):
        other.promote(REPLICA)
    assert aws.count("PromoteReadReplica") == 0


def test_a_promotion_that_does_not_end_is_taken_up_again(aws: Faults, made: Original) -> None:
    hasty = AwsStandbys(Place(cloud="aws", region=REGION), made.name, poll_seconds=0.01, longest_seconds=0.05)
    with pytest.raises(CloudUnreachable, match=r"is promoting after .*run the same command again"):
        hasty.promote(REPLICA)
    source = "<ReadReplicaSourceDBInstanceIdentifier>.*?</ReadReplicaSourceDBInstanceIdentifier>"
    aws.alter("DescribeDBInstances", source, "")
    assert hasty.promote(REPLICA).name == REPLICA
    assert aws.count("PromoteReadReplica") == 1


def test_the_fence_closes_the_network_first_and_then_ends_what_is_connected(
    aws: Faults, standbys: AwsStandbys, made: Original, said: list[str]
) -> None:
    _empty_default_group(made)
    aws.refuse("StopDBInstance", 400, "InvalidDBInstanceState", says="it has a read replica")
    standbys.fence()
    (group,) = instance(made.name)["VpcSecurityGroups"]
    assert group["VpcSecurityGroupId"] == _default_group(made)["GroupId"] != made.group
    order = [one.name for one in aws.asked if one.name in ("ModifyDBInstance", "StopDBInstance", "RebootDBInstance")]
    assert order == ["ModifyDBInstance", "StopDBInstance", "RebootDBInstance"]
    assert said[-1] == "cloudbill-test: restarted, which ends what was connected"
    assert standbys.standing().replicas[0].name == REPLICA


def test_without_replicas_the_old_primary_is_stopped_and_a_second_fence_does_nothing(aws: Faults) -> None:
    made = original.make()
    _empty_default_group(made)
    aws.heal()
    standbys = AwsStandbys(Place(cloud="aws", region=REGION), made.name, poll_seconds=0.01)
    standbys.fence()
    assert instance(made.name)["DBInstanceStatus"] == "stopped"
    standbys.fence()
    assert [aws.count(name) for name in ("ModifyDBInstance", "StopDBInstance", "RebootDBInstance")] == [1, 1, 0]
    assert standbys.standing().is_serving is False


def test_a_fence_that_was_interrupted_goes_on_where_it_stopped(
    aws: Faults, standbys: AwsStandbys, made: Original
) -> None:
    _empty_default_group(made)
    fault = aws.refuse("StopDBInstance", 403, "AccessDenied", says="no")
    with pytest.raises(CloudRefused, match="may not rds:StopDBInstance"):
        standbys.fence()
    fault.times = 0
    aws.refuse("StopDBInstance", 400, "InvalidDBInstanceState")
    standbys.fence()
    assert (aws.count("ModifyDBInstance"), aws.count("RebootDBInstance")) == (1, 1)


def test_a_default_group_that_lets_something_in_is_refused_before_anything_is_changed(
    aws: Faults, standbys: AwsStandbys, made: Original
) -> None:
    group = _default_group(made)
    original.client("ec2").authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=[ANY])
    with pytest.raises(CloudRefused, match="lets something in, so that it fences nobody"):
        standbys.fence()
    assert (aws.count("ModifyDBInstance"), instance(made.name)["VpcSecurityGroups"][0]["VpcSecurityGroupId"]) == (
        0,
        made.group,
    )


def _default_group(made: Original) -> dict[str, Any]:
    vpc = instance(made.name)["DBSubnetGroup"]["VpcId"]
    filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
    return original.client("ec2").describe_security_groups(Filters=filters)["SecurityGroups"][0]


def _empty_default_group(made: Original) -> None:
    """As the program does."""
    group = _default_group(made)
    if group["IpPermissions"]:
        original.client("ec2").revoke_security_group_ingress(
            GroupId=group["GroupId"], IpPermissions=group["IpPermissions"]
        )
