"""The command itself, against an installation that runs: smoke-tested, and the deployment is in its own list."""

import asyncio
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from core.cli.deploy import app
from core.foundation.settings import Settings
from core.identity.users.operators import create_installation_user
from core.operations.rollouts.errors import NotConfirmed
from core.operations.rollouts.project import Project
from tests.operations.rollouts.conftest import Engine
from tests.support import environment

EMAIL, PASSWORD = "operator@example.com", "A-long-Word-of-9!"


async def test_what_is_deployed_is_smoke_tested_and_kept_by_the_installation(
    installation: Settings, engine: Engine, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://127.0.0.1:{installation.port}"
    await asyncio.to_thread(
        create_installation_user,
        installation.owner_url,
        email=EMAIL,
        role="operator",
        password=PASSWORD,
        if_missing=False,
    )
    engine.init("dev")
    engine.answers(apiUrl=url)
    monkeypatch.chdir(project.root)
    given = {**environment.of_process(installation), "CLOUDBILL_EMAIL": EMAIL, "CLOUDBILL_PASSWORD": PASSWORD}

    def run(*words: str) -> Any:
        return CliRunner().invoke(app, list(words), env=given)

    refused = await asyncio.to_thread(run, "dev")
    assert isinstance(refused.exception, NotConfirmed)
    assert "Nobody can answer here: give --yes" in str(refused.exception)
    done = await asyncio.to_thread(run, "dev", "--yes")
    assert done.exit_code == 0, (done.output, done.exception)
    assert f"{url} passes" in done.output
    assert PASSWORD not in done.output
    async with httpx.AsyncClient(base_url=url) as client:
        token = (await client.post("/auth/login", json={"email": EMAIL, "password": PASSWORD})).json()["accessToken"]
        client.headers["Authorization"] = f"Bearer {token}"
        [kept] = (await client.get("/operations/deployments", params={"stack": "dev"})).json()["data"]
        whole = (await client.get(f"/operations/deployments/{kept['deploymentId']}")).json()
    assert (kept["stack"], kept["kind"], kept["outcome"]) == ("dev", "deployed", "succeeded")
    assert whole["outputs"]["apiUrl"] == url
    assert [(step["name"], step["state"]) for step in whole["steps"]] == [
        ("preflight", "succeeded"), ("snapshot", "skipped"), ("update", "succeeded"), ("smoke", "succeeded"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("dev", "--notify", "example.com"), "must begin with http"),
        (("dev", "--preview", "--build"), "give the stack alone"),
        (("dev", "--unknown"), "No such option"),
        ((), "Missing argument"),
    ],
)
def test_odd_options_are_refused(engine: Engine, words: tuple[str, ...], says: str) -> None:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 2
    assert says in result.output


def test_an_image_by_tag_is_refused(engine: Engine, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)
    before = project.file("dev").read_bytes()
    result = CliRunner().invoke(app, ["dev", "--image", "registry/cloudbill:latest"])
    assert result.exit_code == 1
    assert "must be REPOSITORY@sha256:DIGEST" in str(result.exception)
    assert project.file("dev").read_bytes() == before
