"""What runs on AWS: images by digest, and the database's newest figures."""

from datetime import UTC, datetime, timedelta

import pytest

from core.operations.clouds.aws_watched import AwsWatched
from core.operations.clouds.base import Place, RunningVersion
from core.operations.clouds.errors import CloudRefused
from tests.operations.clouds.aws import original
from tests.operations.clouds.aws.conftest import REGION
from tests.support.faults import Faults

IMAGE = f"registry.example/cloudbill@sha256:{'a' * 64}"
PLACE = Place(cloud="aws", region=REGION)


def test_each_services_image_is_that_of_its_own_container(aws: Faults) -> None:
    ecs = original.client("ecs")
    ecs.create_cluster(clusterName="cloudbill-test")
    for role in ("worker", "api"):
        ecs.register_task_definition(
            family=role,
            containerDefinitions=[
                {"name": "migrate", "image": "another", "memory": 64},
                {"name": role, "image": IMAGE, "memory": 64},
                {"name": "collector", "image": "collector", "memory": 64},
            ],
        )
        ecs.create_service(
            cluster="cloudbill-test", serviceName=f"cloudbill-test-{role}", taskDefinition=role, desiredCount=2
        )
    assert AwsWatched(PLACE, "cloudbill-test").versions() == [
        RunningVersion(service="api", version=IMAGE, wanted=2, running=0),
        RunningVersion(service="worker", version=IMAGE, wanted=2, running=0),
    ]


def test_the_newest_of_each_figure_is_told_and_what_is_old_is_not(aws: Faults) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    for name, value, age in (
        ("CPUUtilization", 10.0, 4), ("CPUUtilization", 12.5, 2), ("DatabaseConnections", 7.0, 1),
        ("FreeStorageSpace", 1e9, 60),
    ):  # fmt: skip
        original.client("cloudwatch").put_metric_data(
            Namespace="AWS/RDS",
            MetricData=[
                {
                    "MetricName": name,
                    "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": "cloudbill-test"}],
                    "Timestamp": now - timedelta(minutes=age),
                    "Value": value,
                }
            ],
        )
    found = AwsWatched(PLACE, "cloudbill-test").measures()
    assert [(one.name, one.value) for one in found] == [("cpu_percent", 12.5), ("connections", 7.0)]


def test_a_cluster_that_is_not_there_is_named(aws: Faults) -> None:
    with pytest.raises(CloudRefused, match=r"there is no cluster nothing in us-east-1"):
        AwsWatched(PLACE, "nothing").versions()
