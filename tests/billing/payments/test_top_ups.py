"""A low wallet is told of once a crossing and filled by the saved card once, whoever looks and whatever breaks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from core.billing.clocks import service as clocks
from core.billing.payments import asking
from core.billing.payments.gateway import close_providers
from core.billing.payments.providers.simulator.main import Simulator
from core.billing.payments.topping import asking as topping
from core.foundation.runtime import Runtime
from tests.billing.payments.shop import Shop
from tests.support.callers import Caller

CALL = {"model": "gpt-4o", "inputTokens": 0}


@pytest.fixture
async def shop(
    own_stripe: Simulator, sign_up: Callable[..., Awaitable[Caller]], runtime: Runtime
) -> AsyncIterator[Shop]:
    """A tenant with a clock that buys."""
    yield Shop(await sign_up("topped", testClock="2026-05-10T00:00:00Z"), own_stripe, runtime)
    await close_providers()


async def wallet(shop: Shop) -> dict[str, Any]:
    return (await shop.tenant.get("/billing/wallets/self")).json()


async def watch(shop: Shop, **wanted: Any) -> dict[str, Any]:
    customer = (await wallet(shop))["customerId"]
    answer = await shop.tenant.request("PUT", f"/billing/wallets/{customer}/watch", json=wanted)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def watched(shop: Shop) -> dict[str, Any]:
    customer = (await wallet(shop))["customerId"]
    return (await shop.tenant.get(f"/billing/wallets/{customer}/watch")).json()


def top_up(below: str = "2", limit: int = 5_000) -> dict[str, Any]:
    return {"packageCode": "starter", "below": below, "monthlyLimitMinor": limit}


async def grant(shop: Shop, amount: str) -> None:
    assert (await shop.tenant.post("/billing/credits/grants", {"amount": amount})).status_code == 201


async def use(shop: Shop, key: str, dollars: float) -> None:
    body = {**CALL, "outputTokens": int(100_000 * dollars), "idempotencyKey": key}
    answer = await shop.tenant.post("/api/usage/reconcile", body)
    assert answer.status_code == 200, answer.text


async def pass_time(shop: Shop, now: str) -> None:
    answer = await shop.tenant.post("/billing/test-clock", {"now": now})
    assert answer.status_code == 200, answer.text


async def told(shop: Shop, kind: str) -> list[Any]:
    async with shop.runtime.database.reading() as session:
        statement = text("SELECT document FROM outbox_events WHERE kind = :kind ORDER BY recorded_at, id")
        return [row.document for row in await session.execute(statement, {"kind": kind})]


async def test_a_wallet_below_its_mark_is_filled_by_the_default_card_and_stays_filled(shop: Shop) -> None:
    await shop.save_card()
    await grant(shop, "3")
    await watch(shop, topUp=top_up())
    await use(shop, "a", 2)
    await pass_time(shop, "2026-05-10T00:01:00Z")
    assert (await wallet(shop))["balance"] == "6"
    await pass_time(shop, "2026-05-12T00:00:00Z")
    await shop.work()
    await shop.tell(shop.events("payment_intent.succeeded"))
    assert (await wallet(shop))["balance"] == "6"
    assert [intent.amount for intent in shop.client.v1.payment_intents.list().data] == [500]
    assert (await watched(shop))["topUp"]["made"] == 1
    assert [(row["currency"], row["amountMinor"]) for row in await told(shop, "credits.topped_up")] == [("USD", 500)]


async def test_many_who_look_at_once_buy_one_top_up(shop: Shop) -> None:
    await shop.save_card()
    await watch(shop, topUp=top_up())
    async with shop.runtime.database.reading() as session:
        tenant_id = await session.scalar(text("SELECT id FROM tenants WHERE slug = 'topped'"))
    now = datetime.now(UTC)
    await asyncio.gather(
        *(clocks.drain(shop.runtime.database, tenant_id=tenant_id, wall_now=now) for _ in range(8)),
        pass_time(shop, "2026-05-10T00:00:01Z"),
        shop.work(concurrency=4),
    )
    await pass_time(shop, "2026-05-10T00:00:02Z")
    await shop.work()
    assert (await wallet(shop))["balance"] == "5"
    assert len(shop.client.v1.payment_intents.list().data) == 1
    assert (await watched(shop))["topUp"]["made"] == 1


async def test_an_answer_that_is_lost_after_the_charge_does_not_charge_again(shop: Shop) -> None:
    await shop.save_card()
    await watch(shop, topUp=top_up())
    shop.stripe.control("faults", count=6, status=500, executed=True)
    answer = await shop.tenant.post("/billing/test-clock", {"now": "2026-05-10T00:00:01Z"})
    assert answer.status_code in (200, 503), answer.text
    shop.stripe.control("faults", count=0)
    await pass_time(shop, "2026-05-10T00:00:02Z")
    assert (await wallet(shop))["balance"] == "5"
    paid = [intent for intent in shop.client.v1.payment_intents.list().data if intent.status == "succeeded"]
    assert len(paid) == 1


class Killed(BaseException):
    pass


async def test_two_workers_of_whom_one_dies_between_the_charge_and_its_booking_top_up_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.save_card()
    await watch(shop, topUp=top_up())
    ((tenant_id,),) = await shop.stored("SELECT id FROM tenants WHERE slug = 'topped'")
    ask, waits, booked = asking.ask, asyncio.Event(), asyncio.Event()

    async def die(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(asking, "ask", die)
        with pytest.raises(BaseException):  # noqa: B017, PT011  (the death itself, or what the stack makes of it)
            await clocks.move(
                shop.runtime.database,
                tenant_id=tenant_id,
                to=datetime(2026, 5, 10, 0, 0, 1, tzinfo=UTC),
                settings=shop.runtime.settings,
            )
    # The card is charged, and nobody has written that.
    assert [intent.status for intent in shop.client.v1.payment_intents.list().data] == ["succeeded"]
    ((purchase_id, state),) = await shop.stored("SELECT id, state FROM purchases")
    assert (state, (await wallet(shop))["balance"]) == ("pending", "0")

    async def charge() -> None:
        given = {"tenant_id": tenant_id, "purchase_id": purchase_id, "wall": datetime.now(UTC)}
        await topping.charge(shop.runtime.database, shop.runtime.settings, **given)

    async def die_when_the_other_has_booked(*given: Any, **named: Any) -> Any:
        if waits.is_set():
            return await ask(*given, **named)
        waits.set()
        await booked.wait()
        raise Killed

    async def dies() -> bool:
        try:
            await charge()
        except Killed:
            return True
        return False

    with monkeypatch.context() as patched:
        patched.setattr(asking, "ask", die_when_the_other_has_booked)
        dying = asyncio.create_task(dies())
        await waits.wait()
        await charge()
        booked.set()
        assert await dying
    await asyncio.gather(charge(), charge(), shop.work(concurrency=2))
    await pass_time(shop, "2026-05-10T00:00:02Z")
    await shop.tell(shop.events("payment_intent.succeeded"))
    assert (await wallet(shop))["balance"] == "5"
    assert [(one.status, one.amount) for one in shop.client.v1.payment_intents.list().data] == [("succeeded", 500)]
    assert await shop.ledger() == [("purchase", "5", "5")]
    assert (await watched(shop))["topUp"]["made"] == 1
    assert len(await told(shop, "credits.topped_up")) == 1


async def test_the_months_limit_holds_until_the_next_month(shop: Shop) -> None:
    await shop.save_card()
    await watch(shop, topUp=top_up(below="4", limit=1_000))
    await pass_time(shop, "2026-05-10T00:00:01Z")
    for number in range(4):
        balance = float((await wallet(shop))["balance"])
        await use(shop, f"use-{number}", min(4, balance))
        await pass_time(shop, f"2026-05-1{number + 1}T00:00:00Z")
    found = (await watched(shop))["topUp"]
    assert (found["made"], found["blockedUntil"]) == (2, "2026-06-01T00:00:00Z")
    await pass_time(shop, "2026-06-01T00:00:00Z")
    assert (await watched(shop))["topUp"]["made"] == 3


async def test_a_refused_card_stops_top_ups_until_there_is_another(shop: Shop) -> None:
    await shop.save_card()
    shop.turn_card("4242", decline_code="insufficient_funds")
    await watch(shop, topUp=top_up())
    await pass_time(shop, "2026-05-10T00:01:00Z")
    await pass_time(shop, "2026-05-15T00:00:00Z")
    found = (await watched(shop))["topUp"]
    assert (found["made"], found["failedCode"]) == (1, "insufficient_funds")
    assert [row["declineCode"] for row in await told(shop, "credits.top_up_failed")] == ["insufficient_funds"]
    await shop.save_card("pm_card_mastercard")
    await pass_time(shop, "2026-05-15T00:01:00Z")
    assert (await wallet(shop))["balance"] == "5"
    assert ((await watched(shop))["topUp"]["made"], (await watched(shop))["topUp"]["failedCode"]) == (2, None)


async def test_low_is_told_once_a_crossing(shop: Shop) -> None:
    await grant(shop, "5")
    await watch(shop, alertBelow="2")
    await use(shop, "a", 4)
    for minute in range(3):
        await pass_time(shop, f"2026-05-10T00:0{minute}:30Z")
    await use(shop, "b", 0.5)
    await pass_time(shop, "2026-05-10T00:05:00Z")
    assert [row["availableMicro"] for row in await told(shop, "credits.low")] == [1_000_000]
    await grant(shop, "5")
    await pass_time(shop, "2026-05-10T00:06:00Z")
    await use(shop, "c", 5)
    await pass_time(shop, "2026-05-10T00:07:00Z")
    assert len(await told(shop, "credits.low")) == 2


async def test_bad_watches_are_named(shop: Shop) -> None:
    customer = (await wallet(shop))["customerId"]
    for body, field in (
        ({"alertBelow": "0"}, "alertBelow"),
        ({"topUp": top_up(below="0")}, "topUp.below"),
        ({"topUp": top_up(limit=499)}, "topUp.monthlyLimitMinor"),
        ({"topUp": {"packageCode": "starter", "below": "1"}}, "monthlyLimitMinor"),
    ):
        answer = await shop.tenant.request("PUT", f"/billing/wallets/{customer}/watch", json=body)
        assert answer.status_code == 422, answer.text
        assert field in answer.text
    wrong = {"topUp": top_up() | {"packageCode": "nothing"}}
    answer = await shop.tenant.request("PUT", f"/billing/wallets/{customer}/watch", json=wrong)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_package")


async def test_first_watches_of_a_wallet_that_are_set_at_once_take_turns(shop: Shop) -> None:
    customer = (await wallet(shop))["customerId"]
    path = f"/billing/wallets/{customer}/watch"
    answers = await asyncio.gather(
        *(shop.tenant.request("PUT", path, json={"alertBelow": str(mark)}) for mark in range(1, 7))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert (await watched(shop))["alertBelow"] in {"1", "2", "3", "4", "5", "6"}
