"""AWS stacks with what no committed stack has: Redis, a bridge, a canary, published images, replicas, ARM."""

import json

import pytest

from infra.graph import Graph
from infra.recording.program import record

DIGEST = "sha256:" + "ab" * 32
REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
OPTIONS = {
    "cloudbill:cache": '{"engine": "redis", "version": "7.1", "node": "cache.t4g.micro"}',
    "cloudbill:bridge": '{"until": "2026-12-31", "peerAddress": "203.0.113.7", "peerCidr": "10.40.0.0/16"}',
    "cloudbill:release": f'{{"image": "{REGISTRY}/app@{DIGEST}", "collector": "{REGISTRY}/otel@{DIGEST}", '
    '"canary": 5, "architecture": "arm64"}',
    "cloudbill:database": '{"replicas": 1}',
}
SECRETS = {
    "cloudbill:bridgeKey": "a-canary-of-the-bridge",
    "cloudbill:pagerKey": "a-canary-of-the-pager",
    "cloudbill:stripeSecretKey": "a-canary-of-stripe",
    "cloudbill:stripeWebhookSecret": "a-canary-of-its-webhooks",
}


@pytest.fixture(scope="module")
def graph() -> Graph:
    return record("dev", config=OPTIONS, secrets=SECRETS)


def test_a_secret_given_is_seen_nowhere(graph: Graph) -> None:
    assert "a-canary-of" not in graph.to_json()
    tunnel = graph.get("cloudbill-bridge-connection").inputs
    assert tunnel["tunnel1PresharedKey"] == {"secret": True}
    assert tunnel["tunnel2PresharedKey"] == {"secret": True}
    assert graph.get("cloudbill-alerts-channels-pager").inputs["endpoint"] == {"secret": True}
    assert graph.get("cloudbill-secrets-stripe-secret-key-first").inputs["secretString"] == {"secret": True}


def test_published_images_are_not_built_and_may_be_pulled(graph: Graph) -> None:
    assert not list(graph.of_type("docker-build:index:Image"))
    task = graph.get("cloudbill-api-task-definition").inputs
    assert [container["image"] for container in json.loads(task["containerDefinitions"])] == [
        f"{REGISTRY}/app@{DIGEST}",
        f"{REGISTRY}/otel@{DIGEST}",
    ]
    assert task["runtimePlatform"]["cpuArchitecture"] == "ARM64"
    rights = json.loads(graph.get("cloudbill-api-task-start-role-policy").inputs["policy"])["Statement"]
    assert rights[1]["Resource"] == [
        "arn:${getPartition.partition}:ecr:eu-west-1:123456789012:repository/app",
        "arn:${getPartition.partition}:ecr:eu-west-1:123456789012:repository/otel",
    ]


def test_a_canary_gets_its_share_while_the_service_keeps_its_release(graph: Graph) -> None:
    [action] = graph.get("cloudbill-edge-listening-api-1").inputs["actions"]
    assert action["forward"]["targetGroups"] == [
        {"arn": "${edge-api-main.arn}", "weight": 95},
        {"arn": "${edge-api-next.arn}", "weight": 5},
    ]
    assert graph.get("cloudbill-api-service").ignoreChanges == ["desiredCount", "taskDefinition"]
    canary = graph.get("cloudbill-api-canary")
    assert canary.ignoreChanges == ["desiredCount"]
    assert canary.inputs["loadBalancers"][0]["targetGroupArn"] == "${edge-api-next.arn}"


def test_the_bridge_opens_database_and_cache_to_the_peer_and_says_until_when(graph: Graph) -> None:
    rules = {
        (rule.name, rule.inputs["cidrIpv4"], rule.inputs["fromPort"])
        for rule in graph.resources
        if rule.name.startswith("cloudbill-bridge-to-")
    }
    assert rules == {
        ("cloudbill-bridge-to-cache", "10.40.0.0/16", 6379),
        ("cloudbill-bridge-to-database", "10.40.0.0/16", 5432),
    }
    connection = graph.get("cloudbill-bridge-connection").inputs
    assert connection["tags"]["until"] == "2026-12-31"
    assert connection["tunnel1IkeVersions"] == ["ikev2"]
    assert connection["staticRoutesOnly"] is True


def test_with_replicas_the_owners_password_is_ours(graph: Graph) -> None:
    primary = graph.get("cloudbill-database-primary").inputs
    assert "manageMasterUserPassword" not in primary
    assert primary["password"] == {"secret": True}
    replica = graph.get("cloudbill-database-replica-1").inputs
    assert replica["replicateSourceDb"] == "${cloudbill-database-primary.identifier}"
    assert replica["publiclyAccessible"] is False
    assert replica["storageEncrypted"] is True


def test_redis_has_its_default_user_switched_off(graph: Graph) -> None:
    assert graph.get("cloudbill-cache-default-user").inputs["accessString"] == "off ~* -@all"
    assert graph.get("cloudbill-cache-users").inputs["userIds"] == [
        "${cloudbill-cache-user.userId}",
        "${cloudbill-cache-default-user.userId}",
    ]
