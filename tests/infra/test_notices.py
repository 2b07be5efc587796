"""What the clouds' alarms say reaches the API, which proves each notice before the console shows it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from core.operations.alerts.routes import router
from infra.contract import NOTICES_PATH
from infra.graph import Graph

Graphs = Callable[[str], Graph]


def of_api(graph: Graph, key: str) -> dict[str, Any]:
    """The environment or the secrets of the API's own container on AWS, by setting."""
    found = json.loads(graph.get("cloudbill-api-task-definition").inputs["containerDefinitions"])
    [container] = [one for one in found if one["name"] == "api"]
    return {one["name"]: one.get("value") or one.get("valueFrom") for one in container[key]}


def test_the_path_is_the_apis_own() -> None:
    assert NOTICES_PATH in {route.path for route in router.routes if "POST" in route.methods}


@pytest.mark.parametrize(
    ("stack", "host"), [("prod", "billing.example.com"), ("staging", "billing.staging.example.com")]
)
def test_sns_tells_the_api_which_knows_the_topics(graphs: Graphs, stack: str, host: str) -> None:
    graph = graphs(stack)
    topics = of_api(graph, "environment")["ALERT_SNS_TOPICS"].split(",")
    for severity, known in zip(("critical", "warning"), topics, strict=True):
        topic = graph.get(f"cloudbill-alerts-channels-{severity}")
        told = graph.get(f"cloudbill-alerts-channels-{severity}-console")
        assert known.endswith(f":{topic.inputs['name']}")
        assert (told.inputs["protocol"], told.inputs["endpoint"]) == ("https", f"https://api.{host}{NOTICES_PATH}")
        assert told.inputs["endpointAutoConfirms"] is True
        assert told.inputs["topic"] == f"${{{topic.name}.arn}}"
        assert any(urn.endswith("::cloudbill-api-service") for urn in told.dependsOn)  # nobody else could confirm it


@pytest.mark.parametrize("stack", ["prod-gcp", "staging-gcp"])
def test_cloud_monitoring_tells_the_api_with_a_password_that_only_the_api_reads(graphs: Graphs, stack: str) -> None:
    graph = graphs(stack)
    channel = graph.get("cloudbill-alerts-channels-console")
    assert channel.inputs["type"] == "webhook_basicauth"
    assert channel.inputs["labels"]["url"].endswith(NOTICES_PATH)
    assert channel.inputs["sensitiveLabels"] == {"password": {"secret": True}}
    readers = {resource.name for resource in graph.resources if '"ALERT_WEBHOOK_SECRET"' in json.dumps(resource.inputs)}
    assert readers == {"cloudbill-api-service"}
    policies = [one for one in graph.resources if one.type == "gcp:monitoring/alertPolicy:AlertPolicy"]
    told = [
        one for one in policies if "${cloudbill-alerts-channels-console.name}" in one.inputs["notificationChannels"]
    ]
    assert len(told) > 25
    assert {one.inputs["userLabels"]["class"] for one in told} == {"critical", "warning"}


@pytest.mark.parametrize("stack", ["dev", "dev-gcp"])
def test_without_a_domain_nobody_is_told_over_a_certificate_that_nobody_trusts(graphs: Graphs, stack: str) -> None:
    graph = graphs(stack)
    assert [one.name for one in graph.resources if one.name.endswith("-console") and "channels" in one.name] == []
    assert "ALERT_" not in json.dumps([one.inputs for one in graph.resources])
