"""`cloudbill invoices` as an operator on the server meets it: nothing there, an unknown tenant, one parked, let go."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from core.cli import invoices
from core.cli.explanations import explain
from core.foundation.runtime import Runtime
from core.foundation.settings import Settings
from tests.billing.invoices.conftest import Shop
from tests.support.callers import Caller

Run = Callable[..., Awaitable[Result]]


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A command on an installation of this test's own, beside what the test itself does."""
    monkeypatch.setattr(invoices, "load_settings", lambda: settings)

    async def run_beside(*arguments: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, invoices.app, [*arguments])

    return run_beside


@pytest.fixture
async def shop(sign_up: Callable[..., Awaitable[Caller]], runtime: Runtime) -> Shop:
    """A tenant whose customers are parked at twice of what they paid before."""
    caller = await sign_up("shop", testClock="2026-01-31T10:00:00Z")
    async with runtime.database.reading() as session:
        tenant_id = await session.scalar(text("SELECT id FROM tenants WHERE slug = 'shop'"))
    shop = Shop(caller, runtime, tenant_id)
    await shop.settings(graceHours=0)
    await shop.rules(timesHistory=2, freeBelowMinor=0)
    return shop


async def test_nothing_to_recompute_is_a_document_too(run: Run, runtime: Runtime) -> None:
    done = await run("recompute", "--format", "json")
    assert (done.exit_code, json.loads(done.stdout)) == (
        0, {"recomputed": 0, "drifted": 0, "parked": 0, "drifts": []}
    )  # fmt: skip
    assert (await run("parked", "--format", "json")).stdout.strip() == "[]"


async def test_a_tenant_that_is_not_there_is_refused_by_name(run: Run, shop: Shop) -> None:
    refused = await run("recompute", "--tenant", "unknown", "--format", "json")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.exception is not None
    assert "tenant" in explain(refused.exception).lower()
    # One that has no invoice yet is there.
    assert (await run("recompute", "--tenant", "shop")).stdout.strip() == "0 recomputed, 0 drifted, 0 parked"


async def test_a_parked_customer_is_counted_told_and_billed_once_it_is_let_go(run: Run, shop: Shop) -> None:
    ada = await shop.customer()
    await shop.items(ada, 1_000)
    await shop.move("2026-02-01T00:00:00Z")
    await shop.items(ada, 9_000)
    await shop.move("2026-02-02T00:00:00Z")
    done = await run("recompute", "--format", "json")
    assert json.loads(done.stdout) == {"recomputed": 1, "drifted": 0, "parked": 1, "drifts": []}
    (parked,) = json.loads((await run("parked", "--format", "json")).stdout)
    assert (parked["tenant"], parked["customer"], parked["code"]) == ("shop", ada, "times_history")
    assert (await run("replay", "shop", ada, "--allow")).exit_code == 0
    await shop.move("2026-02-03T00:00:00Z")
    assert [one["totalMinor"] for one in await shop.invoices()] == [1_190, 10_710]
    done = await run("recompute", "--tenant", "shop", "--format", "json")
    assert json.loads(done.stdout) == {"recomputed": 2, "drifted": 0, "parked": 0, "drifts": []}
