"""Production's graph, applied by the real provider to moto's server: all but a short list, which is true."""

from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.graph import Graph
from tests.provider.cloud import emulated
from tests.provider.emulation import ADJUSTED, ONE_AT_A_TIME, UNHELD
from tests.provider.judging import Judge, Judgement
from tests.provider.once import once
from tests.provider.stacks import graph_of

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def applied(judge: Judge, shared: Path) -> dict[str, Any]:
    """The provider's judgement, and what was on the server at the end."""

    def apply() -> dict[str, Any]:
        graph = graph_of("prod")
        with emulated() as endpoint:
            judgement = judge.applied(graph, "applied", endpoint)
            return {"judgement": judgement.to_json(), "seen": _seen(endpoint, graph)}

    return once(shared, "applied", apply)


@pytest.fixture
def judgement(applied: dict[str, Any]) -> Judgement:
    return Judgement.from_json(applied["judgement"])


@pytest.fixture
def seen(applied: dict[str, Any]) -> dict[str, Any]:
    return applied["seen"]


def test_all_but_the_short_list_is_made(judgement: Judgement) -> None:
    unheld = {resource.name for resource in graph_of("prod").resources if resource.type in UNHELD}
    assert [str(refused) for refused in judgement.refused if refused.place.split(".")[1] not in unheld] == []
    assert [
        address for address in judgement.asked if address not in judgement.done and _name(address) not in unheld
    ] == []
    assert len(judgement.done) == len(judgement.asked) - len(unheld) > 300


def test_each_entry_of_the_short_list_is_refused_still(judgement: Judgement) -> None:
    unheld = {resource.name: resource.type for resource in graph_of("prod").resources if resource.type in UNHELD}
    refused = {refused.place.split(".")[1] for refused in judgement.refused}
    held = {kind for name, kind in unheld.items() if name not in refused}
    assert held == set(), "moto holds these after all: take them from UNHELD"
    assert set(unheld.values()) == set(UNHELD), "the program has none of these any longer: take them from UNHELD"


def test_what_is_told_to_moto_otherwise_is_needed(seen: dict[str, Any]) -> None:
    assert seen["windows_that_touch"] == "The backup window and maintenance window must not overlap."
    assert seen["tasks_running"] == [0, 0, 0]
    assert seen["features_kept"] == 1
    assert set(ADJUSTED) == {"aws:rds/instance:Instance", "aws:ecs/service:Service"}
    assert set(ONE_AT_A_TIME) == {"aws:guardduty/detectorFeature:DetectorFeature"}


def test_what_was_made_is_there_and_in_its_region(seen: dict[str, Any]) -> None:
    assert seen["vaults"] == {"us-east-1": ["cloudbill-prod"], "us-west-2": ["cloudbill-prod-copies"]}
    assert seen["database"] == {
        "MultiAZ": True,
        "StorageEncrypted": True,
        "PubliclyAccessible": False,
        "DeletionProtection": True,
        "BackupRetentionPeriod": 30,
    }
    assert seen["services"] == ["cloudbill-prod-api", "cloudbill-prod-console", "cloudbill-prod-worker"]
    assert seen["listeners"] == [[80, "HTTP"], [443, "HTTPS"]]
    assert seen["tls"] == ["ELBSecurityPolicy-TLS13-1-2-Res-2021-06"]


def _name(address: str) -> str:
    return address.split(".")[1]


def _seen(endpoint: str, graph: Graph) -> dict[str, Any]:
    def client(service: str, region: str = "us-east-1") -> Any:
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=endpoint,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            config=Config(retries={"total_max_attempts": 1}),
        )

    ecs, rds, guard, balancers = client("ecs"), client("rds"), client("guardduty"), client("elbv2")
    arns = ecs.list_services(cluster="cloudbill-prod")["serviceArns"]
    services = ecs.describe_services(cluster="cloudbill-prod", services=arns)["services"]
    [database] = rds.describe_db_instances()["DBInstances"]
    [detector] = guard.list_detectors()["DetectorIds"]
    [balancer] = balancers.describe_load_balancers()["LoadBalancers"]
    listeners = balancers.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    regions = ("us-east-1", "us-west-2")
    return {
        "windows_that_touch": _refusal_of_windows(rds, graph),
        "tasks_running": [service["runningCount"] for service in services],
        "features_kept": len(guard.get_detector(DetectorId=detector)["Features"]),
        "vaults": {
            region: [
                vault["BackupVaultName"] for vault in client("backup", region).list_backup_vaults()["BackupVaultList"]
            ]
            for region in regions
        },
        "database": {
            key: database[key]
            for key in (
                "MultiAZ",
                "StorageEncrypted",
                "PubliclyAccessible",
                "DeletionProtection",
                "BackupRetentionPeriod",
            )
        },
        "services": sorted(service["serviceName"] for service in services),
        "listeners": sorted([found["Port"], found["Protocol"]] for found in listeners),
        "tls": [found["SslPolicy"] for found in listeners if found["Protocol"] == "HTTPS"],
    }


def _refusal_of_windows(rds: Any, graph: Graph) -> str:
    asked = graph.get("cloudbill-database-primary").inputs
    try:
        rds.create_db_instance(
            DBInstanceIdentifier="windows",
            DBInstanceClass=asked["instanceClass"],
            Engine=asked["engine"],
            MasterUsername="owner",
            MasterUserPassword="a-password-of-nothing",
            AllocatedStorage=asked["allocatedStorage"],
            PreferredBackupWindow=asked["backupWindow"],
            PreferredMaintenanceWindow=asked["maintenanceWindow"],
        )
    except ClientError as error:
        return error.response["Error"]["Message"]
    return "accepted"
