"""Signing in with accounts elsewhere, by the stack's configuration."""

import json
from typing import Any

import pytest

from infra.config import InvalidConfig, read_config
from infra.graph import Graph
from infra.recording.program import record

CLIENTS = {"cloudbill:signIn": '{"google": "a-client.apps.googleusercontent.com", "github": "Iv1.a-client"}'}
SECRETS = {"cloudbill:googleClientSecret": "of-google", "cloudbill:githubClientSecret": "of-github"}
NAMES = {"GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET", "GITHUB_CLIENT_ID", "GITHUB_CLIENT_SECRET"}


def told_aws(graph: Graph, role: str) -> dict[str, Any]:
    task = graph.get(f"cloudbill-{role}-task-definition").inputs
    containers = json.loads(task["containerDefinitions"])
    return {
        entry["name"]: entry.get("value", entry.get("valueFrom"))
        for container in containers
        for entry in [*container.get("environment", []), *container.get("secrets", [])]
    }


def told_gcp(graph: Graph, role: str) -> dict[str, Any]:
    containers = graph.get(f"cloudbill-{role}-service").inputs["template"]["containers"]
    return {
        entry["name"]: entry.get("value") or entry["valueSource"]["secretKeyRef"]["secret"]
        for container in containers
        for entry in container.get("envs", [])
    }


def test_on_aws_the_api_alone_knows_the_clients() -> None:
    graph = record("prod", config=CLIENTS, secrets=SECRETS)

    api = told_aws(graph, "api")
    assert api["GOOGLE_CLIENT_ID"] == "a-client.apps.googleusercontent.com"
    assert api["GITHUB_CLIENT_ID"] == "Iv1.a-client"
    assert "google-client-secret" in api["GOOGLE_CLIENT_SECRET"]
    assert "github-client-secret" in api["GITHUB_CLIENT_SECRET"]
    for role in ("worker", "console"):
        assert not NAMES & told_aws(graph, role).keys()


def test_on_google_cloud_the_api_alone_knows_the_clients() -> None:
    graph = record("prod-gcp", config=CLIENTS, secrets=SECRETS)

    api = told_gcp(graph, "api")
    assert api["GOOGLE_CLIENT_ID"] == "a-client.apps.googleusercontent.com"
    assert api["GITHUB_CLIENT_ID"] == "Iv1.a-client"
    assert "google-client" in api["GOOGLE_CLIENT_SECRET"]
    assert "github-client" in api["GITHUB_CLIENT_SECRET"]
    assert not NAMES & told_gcp(graph, "console").keys()
    worker = json.dumps(graph.get("cloudbill-worker-pool").inputs)
    assert not any(name in worker for name in NAMES)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"signIn": '{"google": "a-client"}'},
            "cloudbill:signIn.google: is a client without its secret, so that nobody could sign in: "
            "pulumi config set --secret googleClientSecret",
        ),
        (
            {"githubClientSecret": "hidden"},
            "cloudbill:githubClientSecret: is the secret of a client that is not set: set signIn.github to its id",
        ),
        (
            {"signIn": '{"github": "Iv1.a"}', "githubClientSecret": "hidden"},
            "cloudbill:signIn.github: needs a domain: people are led back to https://api.DOMAIN, as registered there",
        ),
        ({"signIn": '{"gitlab": "x"}'}, "cloudbill:signIn.gitlab is no key: did you mean github?"),
    ],
)
def test_a_client_that_could_not_sign_anybody_in_is_refused(changed: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        read_config("dev", {"cloud": "aws", "environment": "development", **changed})

    assert said in str(refused.value)
    assert "hidden" not in str(refused.value)
