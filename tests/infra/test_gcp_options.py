"""Google Cloud stacks with what no committed stack has: Valkey, a bridge, a canary, published images, replicas."""

import re

import pytest

from infra.graph import Graph
from infra.recording.program import record

DIGEST = "sha256:" + "ab" * 32
OPTIONS = {
    "cloudbill:cache": '{"engine": "valkey", "version": "8.0", "node": "STANDARD_SMALL"}',
    "cloudbill:bridge": '{"until": "2026-12-31", "peerAddress": "203.0.113.7", "peerCidr": "10.20.0.0/16"}',
    "cloudbill:release": f'{{"image": "images.example/app@{DIGEST}", "collector": "images.example/otel@{DIGEST}", '
    '"canary": 5}',
    "cloudbill:billingAccount": "012345-6789AB-CDEF01",
    "cloudbill:secretVersions": '{"cloudbill-cache-url": 3}',
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
    return record("dev-gcp", config=OPTIONS, secrets=SECRETS)


def test_a_secret_given_is_seen_nowhere(graph: Graph) -> None:
    text = graph.to_json()
    assert "a-canary-of" not in text
    assert graph.get("cloudbill-bridge-tunnel").inputs["sharedSecret"] == {"secret": True}
    assert graph.get("cloudbill-alerts-channels-pager").inputs["sensitiveLabels"]["serviceKey"] == {"secret": True}


def test_published_images_are_not_built(graph: Graph) -> None:
    assert not list(graph.of_type("docker-build:index:Image"))
    containers = graph.get("cloudbill-api-service").inputs["template"]["containers"]
    assert [container["image"] for container in containers] == [
        f"images.example/app@{DIGEST}",
        f"images.example/otel@{DIGEST}",
    ]
    # The image's digest, and a hash of the versions of the secrets: either changes what is migrated with.
    token = graph.get("cloudbill-migrate-job").inputs["runExecutionToken"]
    assert re.fullmatch("mabababababab[0-9a-f]{6}", token)


def test_a_canary_gets_its_share_while_the_stable_service_keeps_its_image(graph: Graph) -> None:
    split = graph.get("cloudbill-edge-api-routes").inputs["defaultRouteAction"]["weightedBackendServices"]
    assert split == [
        {"backendService": "${cloudbill-edge-api-backend.id}", "weight": 95},
        {"backendService": "${cloudbill-edge-api-canary-backend.id}", "weight": 5},
    ]
    assert graph.get("cloudbill-api-service").ignoreChanges == ["template.containers[0].image", "traffics"]
    assert graph.get("cloudbill-api-canary-service").inputs["name"] == "${cloudbill-api-service.name}-canary"


def test_a_rotated_secret_stays_at_the_version_that_is_named(graph: Graph) -> None:
    settings = graph.get("cloudbill-api-service").inputs["template"]["containers"][0]["envs"]
    [redis] = [setting for setting in settings if setting["name"] == "REDIS_URL"]
    assert redis["valueSource"]["secretKeyRef"]["version"] == "3"


def test_valkey_has_tls_a_key_a_user_and_no_default_user(graph: Graph) -> None:
    valkey = graph.get("cloudbill-cache-instance")
    assert valkey.type == "gcp:memorystore/instance:Instance"
    assert valkey.inputs["transitEncryptionMode"] == "SERVER_AUTHENTICATION"
    assert valkey.inputs["kmsKey"] == "${cloudbill-keys-data.id}"
    off, user = graph.get("cloudbill-cache-users").inputs["rules"]
    assert off == {"username": "default", "rule": "off"}
    assert user == {"username": "cloudbill", "rule": {"secret": True}}


def test_the_bridge_lets_postgresql_and_redis_pass_and_says_until_when(graph: Graph) -> None:
    tunnel = graph.get("cloudbill-bridge-tunnel").inputs
    assert tunnel["labels"] == {"until": "2026-12-31"}
    assert tunnel["remoteTrafficSelectors"] == ["10.20.0.0/16"]
    came_in = graph.get("cloudbill-bridge-in").inputs
    assert came_in["sourceRanges"] == ["10.20.0.0/16"]
    assert came_in["allows"] == [{"protocol": "tcp", "ports": ["5432", "6379", "6378"]}]
    assert graph.outputs["bridgeAddress"] == "${cloudbill-bridge-address.address}"


def test_a_replica_is_as_private_as_its_primary(graph: Graph) -> None:
    replica = graph.get("cloudbill-database-replica-1").inputs
    assert replica["masterInstanceName"] == "${cloudbill-database-instance.name}"
    assert replica["settings"]["ipConfiguration"]["ipv4Enabled"] is False
    assert "cloudbill-alerts-replica-lag" in {resource.name for resource in graph.resources}


def test_a_billing_account_has_a_budget(graph: Graph) -> None:
    budget = graph.get("cloudbill-alerts-budget").inputs
    assert budget["amount"] == {"specifiedAmount": {"currencyCode": "USD", "units": "250"}}
    assert [rule["thresholdPercent"] for rule in budget["thresholdRules"]] == [0.8, 1, 1]
