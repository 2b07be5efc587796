"""`cloudbill deployments record`: a stack recorded offline and kept over the API, once for each change."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from core.cli.deployments import app
from core.foundation.settings import Settings
from tests.support.callers import PASSWORD, create_installation_user
from tests.support.deployed import graph_of
from tests.support.processes import Process

EMAIL = "recorder@installation.test"
Cloudbill = Callable[..., Result]


@pytest.fixture
def deployments(api_server: Process, settings: Settings) -> Cloudbill:
    """`cloudbill deployments ...` against an API of its own, as an operator."""
    create_installation_user(settings.owner_url, EMAIL, "operator")

    def run(*words: str, api: str = api_server.url, password: str = PASSWORD) -> Result:
        signed_in = {"CLOUDBILL_EMAIL": EMAIL, "CLOUDBILL_PASSWORD": password}
        return CliRunner().invoke(app, [*words, "--api", api], env=signed_in)

    return run


@pytest.fixture
def graph_file(tmp_path: Path) -> Path:
    """A graph that was recorded before."""
    path = tmp_path / "graph.json"
    path.write_text(json.dumps(graph_of("dev")))
    return path


def test_a_stack_is_recorded_judged_and_kept_and_again_only_when_changed(deployments: Cloudbill) -> None:
    first = deployments("record", "dev", "--if-changed")
    assert (first.exit_code, first.output[:13]) == (0, "dev: kept as "), first.output
    assert deployments("record", "dev", "--if-changed").output == "dev: unchanged\n"
    again = deployments("record", "dev")
    assert again.output.startswith("dev: kept as ")
    lines = deployments("list").output.splitlines()
    assert len(lines) == 2
    assert all("dev          recorded" in line and "USD a month" in line for line in lines)


def test_a_graph_that_was_recorded_before_is_kept_with_its_policies(
    deployments: Cloudbill, graph_file: Path, api_server: Process
) -> None:
    assert deployments("record", str(graph_file)).exit_code == 0

    async def read() -> dict[str, object]:
        import httpx

        async with httpx.AsyncClient(base_url=api_server.url) as client:
            issued = await client.post("/auth/login", json={"email": EMAIL, "password": PASSWORD})
            headers = {"Authorization": f"Bearer {issued.json()['accessToken']}"}
            return (await client.get("/operations/deployments", headers=headers)).json()["data"][0]

    row = asyncio.run(read())
    assert (row["stack"], row["revision"], row["sourceDigest"]) == ("dev", None, None)
    assert isinstance(row["policyViolations"], int)
    assert isinstance(row["policyRules"], int)
    assert row["policyRules"] > 100


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("record", "nowhere"), "nowhere: "),
        (("record", "missing.json"), "missing.json: missing.json cannot be read: No such file or directory"),
        (("record",), "give stacks or recorded graphs, or --all"),
        (("record", "dev", "--all"), "give stacks or recorded graphs, or --all"),
    ],
)
def test_what_cannot_be_recorded_is_named_and_nothing_is_kept(
    deployments: Cloudbill, words: tuple[str, ...], said: str
) -> None:
    result = deployments(*words)
    assert result.exit_code != 0
    assert said in result.output
    assert "No deployment is kept" in deployments("list").output


def test_a_wrong_sign_in_and_a_wrong_address_say_so(deployments: Cloudbill, graph_file: Path) -> None:
    refused = deployments("record", str(graph_file), password="wrong")
    assert refused.exit_code == 1
    assert "CLOUDBILL_EMAIL and CLOUDBILL_PASSWORD are an operator's sign-in" in str(refused.exception)
    nobody = deployments("record", str(graph_file), api="http://127.0.0.1:9")
    assert "is the API up, and --api right?" in str(nobody.exception)
