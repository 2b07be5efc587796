"""The smoke test passes on an installation that works, and says where one does not."""

import asyncio
import json
from typing import Any

from sqlalchemy import text
from typer.testing import CliRunner

from core.cli.smoke import app
from core.foundation.database import Database
from core.foundation.embedded.ports import free_port
from core.foundation.settings import Settings
from tests.support import environment


async def _smoke(settings: Settings, *words: str, **changes: Any) -> tuple[int, dict[str, Any]]:
    env = {**environment.of_process(settings), **changes}
    url = f"http://127.0.0.1:{settings.port}"
    result = await asyncio.to_thread(CliRunner().invoke, app, [url, "--format", "json", *words], env=env)
    return result.exit_code, json.loads(result.stdout)


async def test_a_working_installation_passes(installation: Settings, database: Database) -> None:
    code, document = await _smoke(installation)
    outcomes = {step["step"]: (step["outcome"], step["detail"]) for step in document["steps"]}
    assert {name for name, (outcome, _) in outcomes.items() if outcome == "fail"} == set(), outcomes
    assert (code, document["passed"]) == (0, True)
    assert [name for name, (outcome, _) in outcomes.items() if outcome == "skipped"] == ["TLS"]
    assert outcomes["purchase"] == ("pass", "5 USD credited by the provider's webhook")
    assert outcomes["reconcile"] == ("pass", "charged 0.0075 USD, balance 4.9925")
    assert outcomes["rate limit"][1].startswith("429 after 5 requests")
    async with database.reading() as session:
        rows = (await session.execute(text("SELECT is_probe, is_test FROM tenants WHERE slug LIKE 'probe-%'"))).all()
    assert [tuple(row) for row in rows] == [(True, True)]


async def test_without_a_test_key_nothing_is_paid_and_the_rest_is_checked(installation: Settings) -> None:
    code, document = await _smoke(installation, STRIPE_SECRET_KEY="sk_live_x")
    outcomes = {step["step"]: (step["outcome"], step["detail"]) for step in document["steps"]}
    assert outcomes["purchase"][0] == "skipped"
    assert "no test key" in outcomes["purchase"][1]
    assert outcomes["reconcile"] == ("pass", "charged 0.0075 USD, balance 0")
    assert code == 0


def test_an_installation_that_is_not_there_fails() -> None:
    env = {"STRIPE_SECRET_KEY": ""}
    result = CliRunner().invoke(app, [f"http://127.0.0.1:{free_port()}"], env=env)
    assert result.exit_code == 1
    assert "FAIL  health of every group" in result.stdout
    assert "0 passed" in result.stdout
    wrong = CliRunner().invoke(app, ["localhost:8080"])
    assert wrong.exit_code == 2
