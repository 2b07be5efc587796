"""A copy that was held catches up with what the payment provider did meanwhile: nothing is charged or booked twice."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from core.cli.recovery import app
from core.foundation.database import Database
from core.foundation.runtime import Runtime
from core.foundation.settings import Settings
from core.operations.recovery import evidence, holding
from core.operations.recovery.holding import hold_copy
from core.operations.recovery.releasing import release_all
from core.worker.held import wait_while_held
from tests.billing.payments.conftest import shop as shop  # the fixture
from tests.billing.payments.shop import Shop
from tests.support.servers import Servers


@pytest.fixture
def held(servers: Servers, database_name: str) -> datetime:
    """The state that the copy is of."""
    state_of = datetime.now(UTC) - timedelta(minutes=1)
    assert hold_copy(servers.url("owner", database_name), reason="restored in a test", state_of=state_of)
    return state_of


async def test_what_was_paid_meanwhile_is_booked_once_and_what_was_known_is_not_booked_again(
    shop: Shop, held: datetime, settings: Settings, database: Database
) -> None:
    known, meanwhile = await shop.buy(), await shop.buy()
    shop.pay(known)
    await shop.tell(shop.events())
    shop.pay(meanwhile)  # its event went to the server that is gone
    assert await shop.wallet() == ("5", "5", "0")
    released = await release_all(database, settings, by="a test")
    assert released is not None
    assert released.events == len(shop.events()) > 2
    await shop.work()
    assert await shop.wallet() == ("10", "10", "0")
    assert await shop.ledger() == [("purchase", "5", "5"), ("purchase", "5", "10")]
    assert (await shop.look(meanwhile))["status"] == "paid"
    await shop.tell(shop.events())  # and Stripe repeats itself
    assert await shop.wallet() == ("10", "10", "0")
    kept = await evidence.list_pieces(database)
    assert [(piece.kind, piece.document["events"]) for piece in kept] == [("release", released.events)]


async def test_the_worker_waits_until_it_is_released(held: datetime, runtime: Runtime, settings: Settings) -> None:
    waiting = asyncio.create_task(wait_while_held(runtime))
    done, _ = await asyncio.wait([waiting], timeout=0.5)
    assert not done
    assert await runtime.cache.exists("worker:heartbeat")
    (hold,) = await holding.list_open(runtime.database)
    assert hold.state_of == held
    assert await holding.release(runtime.database, hold, how="by hand")
    assert not await holding.release(runtime.database, hold, how="again")
    await asyncio.wait_for(waiting, 10)


async def test_a_copy_that_a_cloud_restored_is_held_by_a_command(
    servers: Servers, database_name: str, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", servers.url("owner", database_name))
    words = ["hold", "--state-of", "2026-11-21T21:18:32+01:00"]
    done = await asyncio.to_thread(CliRunner().invoke, app, words)
    assert (done.exit_code, "with the state of 2026-11-21 20:18:32Z" in done.output) == (0, True)
    (hold,) = await holding.list_open(runtime.database)
    assert (hold.reason, hold.state_of) == ("restored in the cloud", datetime(2026, 11, 21, 20, 18, 32, tzinfo=UTC))
    assert CliRunner().invoke(app, ["hold", "--state-of", "yesterday"]).exit_code == 2
    assert await holding.release(runtime.database, hold, how="by hand")
