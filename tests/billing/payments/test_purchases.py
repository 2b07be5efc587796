"""Buying: begun once a key, paid by whichever way is first, and shown as it is."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import stripe

from core.billing.payments.gateway import close_providers
from core.foundation import job_queue
from core.foundation.settings import Settings
from tests.billing.payments.shop import DECLINED, Shop


async def test_a_purchase_can_be_paid_in_two_ways_and_waits(shop: Shop) -> None:
    bought = await shop.buy("starter")

    assert {name: bought[name] for name in ("status", "packageCode", "amountMinor", "currency", "credits")} == {
        "status": "pending",
        "packageCode": "starter",
        "amountMinor": 500,
        "currency": "USD",
        "credits": "5",
    }
    assert bought["replayed"] is False
    assert bought["clientSecret"].startswith(f"{bought['paymentIntentId']}_secret_")
    assert bought["checkoutUrl"].startswith("http")
    intent = shop.client.v1.payment_intents.retrieve(bought["paymentIntentId"])
    assert (intent.amount, intent.currency) == (500, "usd")
    assert await shop.ledger() == []


async def test_paid_by_intent_it_gives_credits_and_closes_the_page(shop: Shop) -> None:
    bought = await shop.buy()
    shop.pay(bought)
    await shop.tell(shop.events())

    paid = await shop.look(bought)
    assert (paid["status"], paid["paidBy"]) == ("paid", "intent")
    assert await shop.wallet() == ("5", "5", "0")
    assert await shop.ledger() == [("purchase", "5", "5")]
    assert shop.client.v1.checkout.sessions.retrieve(shop.checkout_id(bought)).status == "expired"


async def test_paid_on_the_page_it_gives_credits_and_cancels_the_intent(shop: Shop) -> None:
    bought = await shop.buy()
    shop.pay_on_page(bought)
    await shop.tell(shop.events())

    assert (await shop.look(bought))["paidBy"] == "checkout"
    assert await shop.ledger() == [("purchase", "5", "5")]
    assert shop.client.v1.payment_intents.retrieve(bought["paymentIntentId"]).status == "canceled"


async def test_the_same_key_gives_the_first_answer_again_even_when_paid(shop: Shop) -> None:
    first = await shop.buy(key="k1")
    assert await shop.buy(key="k1") == {**first, "replayed": True}
    shop.pay(first)
    await shop.tell(shop.events())

    again = await shop.buy(key="k1")
    assert again == {**first, "checkoutUrl": None, "replayed": True}
    assert await shop.ledger() == [("purchase", "5", "5")]
    refused = await shop.tenant.post("/api/purchases", {"packageCode": "team"}, key="k1")
    assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_key_reused")


async def test_without_a_key_each_request_is_a_purchase(shop: Shop) -> None:
    first, second = await shop.buy(), await shop.buy()
    assert first["purchaseId"] != second["purchaseId"]
    listed = (await shop.tenant.get("/api/purchases", limit=1)).json()
    assert [row["purchaseId"] for row in listed["data"]] == [second["purchaseId"]]
    rest = (await shop.tenant.get("/api/purchases", limit=1, cursor=listed["nextCursor"])).json()
    assert ([row["purchaseId"] for row in rest["data"]], rest["nextCursor"]) == ([first["purchaseId"]], None)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"packageCode": "golden"}, 404, "unknown_package"),
        ({}, 422, "invalid_input"),
        ({"packageCode": "a\0b"}, 422, "invalid_input"),
        ({"packageCode": "starter", "successUrl": "javascript:alert(1)"}, 422, "invalid_input"),
        ({"packageCode": "starter", "successUrl": "https://user@host/"}, 422, "invalid_input"),
        ({"packageCode": "starter", "amountMinor": 1}, 422, "invalid_input"),
    ],
)
async def test_bad_purchases_change_nothing(shop: Shop, body: dict[str, Any], status: int, code: str) -> None:
    refused = await shop.tenant.post("/api/purchases", body)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert (await shop.tenant.get("/api/purchases")).json()["data"] == []


async def test_a_provider_that_is_down_leaves_a_purchase_that_the_same_key_continues(shop: Shop) -> None:
    shop.stripe.control("faults", count=20, status=500, executed=False)
    refused = await shop.tenant.post("/api/purchases", {"packageCode": "starter"}, key="k1")
    assert (refused.status_code, refused.json()["code"]) == (503, "payment_provider_unavailable")
    (waiting,) = (await shop.tenant.get("/api/purchases")).json()["data"]
    assert waiting["status"] == "pending"

    shop.stripe.control("faults", count=0)
    bought = await shop.buy(key="k1")
    assert (bought["purchaseId"], bought["replayed"]) == (waiting["purchaseId"], True)


async def test_an_answer_that_was_lost_is_asked_for_again_with_the_same_key(shop: Shop) -> None:
    shop.stripe.control("faults", count=4, status=500, executed=True)
    await shop.buy(key="k1")
    assert len(shop.client.v1.payment_intents.list().data) == 1
    assert len(shop.client.v1.checkout.sessions.list().data) == 1


async def test_after_a_crash_the_same_key_goes_on_once_the_lease_is_over(
    shop: Shop, connect: Callable[[str], Awaitable[Any]]
) -> None:
    first = await shop.buy(key="k1")
    owner = await connect("admin")

    # As a process leaves it that died between its two transactions.
    await owner.execute("SET session_replication_role = replica")
    await owner.execute("UPDATE payments SET provider_id = NULL, provider_intent_id = NULL")
    await owner.execute("UPDATE purchases SET lease_until = now() + interval '20 s'")
    await owner.commit()
    busy = await shop.tenant.post("/api/purchases", {"packageCode": "starter"}, key="k1")
    assert (busy.status_code, busy.json()["code"]) == (409, "idempotency_key_in_flight")
    assert busy.headers["Retry-After"] == "1"

    await owner.execute("UPDATE purchases SET lease_until = now() - interval '1 s'")
    await owner.commit()
    assert await shop.buy(key="k1") == {**first, "replayed": True}


async def test_many_requests_with_one_key_at_once_make_one_purchase(shop: Shop) -> None:
    answers = await asyncio.gather(
        *(shop.tenant.post("/api/purchases", {"packageCode": "starter"}, key="k1") for _ in range(6))
    )
    codes = {answer.status_code for answer in answers}
    assert codes <= {201, 409}
    assert 201 in codes
    assert len((await shop.tenant.get("/api/purchases")).json()["data"]) == 1
    assert len(shop.client.v1.payment_intents.list().data) == 1


async def test_an_event_that_overtakes_the_answer_settles_all_the_same(
    shop: Shop, connect: Callable[[str], Awaitable[Any]]
) -> None:
    bought = await shop.buy()
    shop.pay(bought)
    owner = await connect("admin")
    await owner.execute("SET session_replication_role = replica")
    await owner.execute("UPDATE payments SET provider_id = NULL, provider_intent_id = NULL")
    await owner.commit()

    await shop.tell(shop.events())
    assert (await shop.look(bought))["paidBy"] == "intent"
    assert await shop.ledger() == [("purchase", "5", "5")]


async def test_declined_then_paid_counts(shop: Shop) -> None:
    bought = await shop.buy()
    with pytest.raises(stripe.CardError):
        shop.pay(bought, DECLINED)
    await shop.tell(shop.events())
    failed = await shop.look(bought)
    assert (failed["status"], failed["failureCode"]) == ("failed", "generic_decline")

    shop.pay(bought)
    # Late and out of order: the failure once more, after the success.
    await shop.tell([*shop.events("payment_intent.succeeded"), *shop.events("payment_intent.payment_failed")])
    paid = await shop.look(bought)
    assert (paid["status"], paid["failureCode"]) == ("paid", None)
    assert await shop.ledger() == [("purchase", "5", "5")]


async def test_paid_twice_the_second_payment_goes_back_and_is_reported(
    shop: Shop, connect: Callable[[str], Awaitable[Any]]
) -> None:
    bought = await shop.buy()
    shop.pay(bought)
    shop.pay_on_page(bought)
    await shop.tell([*shop.events("payment_intent.succeeded", "checkout.session.completed")])

    paid = await shop.look(bought)
    assert (paid["status"], paid["paidBy"], paid["refundedMinor"]) == ("paid", "intent", 0)
    (refund,) = paid["refunds"]
    assert (refund["origin"], refund["status"], refund["amountMinor"]) == ("duplicate", "succeeded", 500)
    (sent,) = shop.client.v1.refunds.list().data
    assert (sent.amount, sent.payment_intent) != (500, bought["paymentIntentId"])
    await shop.tell(shop.events())
    assert await shop.ledger() == [("purchase", "5", "5")]
    audit = await (await connect("admin")).execute("SELECT subject FROM audit_log WHERE action = 'purchase.paid_twice'")
    assert [row[0] for row in await audit.fetchall()] == [bought["purchaseId"]]


async def test_what_events_did_not_tell_is_asked_for(shop: Shop, connect: Callable[[str], Awaitable[Any]]) -> None:
    bought = await shop.buy()
    shop.pay(bought)
    assert (await shop.look(bought))["status"] == "pending"
    answer = await shop.tenant.post(f"/api/purchases/{bought['purchaseId']}/sync")
    assert (answer.status_code, answer.json()["status"]) == (200, "paid")
    assert answer.json()["checkoutUrl"] is None
    assert await shop.ledger() == [("purchase", "5", "5")]


async def test_a_payment_can_be_continued_until_it_is_paid_or_closed(shop: Shop) -> None:
    bought, closed = await shop.buy(), await shop.buy()
    asked = await shop.tenant.post(f"/api/purchases/{bought['purchaseId']}/sync")
    assert (asked.json()["status"], asked.json()["checkoutUrl"]) == ("pending", bought["checkoutUrl"])
    assert asked.json()["packageName"] == "Starter"
    shop.client.v1.checkout.sessions.expire(shop.checkout_id(closed))
    asked = await shop.tenant.post(f"/api/purchases/{closed['purchaseId']}/sync")
    assert (asked.status_code, asked.json()["checkoutUrl"]) == (200, None)
    shop.pay_on_page(bought)
    asked = await shop.tenant.post(f"/api/purchases/{bought['purchaseId']}/sync")
    assert (asked.json()["status"], asked.json()["checkoutUrl"]) == ("paid", None)


async def test_the_sweep_finds_what_was_paid_and_what_was_never_made(
    shop: Shop, connect: Callable[[str], Awaitable[Any]]
) -> None:
    paid, bare = await shop.buy(), await shop.buy()
    shop.pay(paid)
    owner = await connect("admin")
    await owner.execute("SET session_replication_role = replica")
    await owner.execute("UPDATE purchases SET recorded_at = now() - interval '2 min'")
    await owner.execute(
        "UPDATE payments SET created_at = now() - interval '2 min', updated_at = now() - interval '2 min'"
    )
    await owner.execute(
        "UPDATE payments SET provider_id = NULL, provider_intent_id = NULL WHERE purchase_id = %s", [bare["purchaseId"]]
    )
    await owner.commit()
    await sweep(shop)

    assert (await shop.look(paid))["status"] == "paid"
    known = await owner.execute("SELECT count(*) FROM payments WHERE provider_id IS NULL")
    assert (await known.fetchone())[0] == 0
    assert len(shop.client.v1.payment_intents.list().data) == 2


async def test_a_purchase_that_nobody_paid_for_a_day_is_closed(
    shop: Shop, connect: Callable[[str], Awaitable[Any]]
) -> None:
    bought = await shop.buy()
    owner = await connect("admin")
    await owner.execute("UPDATE purchases SET recorded_at = now() - interval '25 hours'")
    await owner.execute("UPDATE payments SET updated_at = now() - interval '25 hours'")
    await owner.commit()
    await sweep(shop)

    assert (await shop.look(bought))["status"] == "canceled"
    assert shop.client.v1.payment_intents.retrieve(bought["paymentIntentId"]).status == "canceled"
    assert shop.client.v1.checkout.sessions.retrieve(shop.checkout_id(bought)).status == "expired"


async def test_what_the_provider_keeps_refusing_is_closed_after_a_day_and_never_piles_up(
    shop: Shop, connect: Callable[[str], Awaitable[Any]]
) -> None:
    shop.stripe.control("faults", count=1000, status=401, executed=False)
    refused = await shop.tenant.post("/api/purchases", {"packageCode": "starter"}, key="k1")
    assert (refused.status_code, refused.json()["code"]) == (502, "provider_credentials")
    owner = await connect("admin")
    for age in ("2 min", "25 hours"):
        await owner.execute(f"UPDATE purchases SET recorded_at = now() - interval '{age}'")
        await owner.execute(f"UPDATE payments SET updated_at = now() - interval '{age}'")
        await owner.commit()
        await sweep(shop)
    async with shop.runtime.database.reading() as session:
        assert await job_queue.count_parked(session) == 0
    assert [row["status"] for row in (await shop.tenant.get("/api/purchases")).json()["data"]] == ["canceled"]


async def sweep(shop: Shop) -> None:
    from core.foundation.jobs import defer

    async with shop.runtime.database.nobody() as session:
        await defer(session, "payments:sweep", timestamp=0)
    await shop.work()
    await shop.work()


async def test_a_customer_of_the_tenant_buys_for_itself(shop: Shop) -> None:
    bought = await shop.buy(customerId="cus-7")
    shop.pay(bought)
    await shop.tell(shop.events())
    assert await shop.wallet() == ("0", "0", "0")
    wallets = (await shop.tenant.get("/billing/wallets")).json()["data"]
    assert {wallet["balance"] for wallet in wallets if wallet["customerId"] == bought["customerId"]} == {"5"}
    again = await shop.buy(customerId=bought["customerId"])
    assert again["customerId"] == bought["customerId"]
    listed = (await shop.tenant.get("/api/purchases", customerId=bought["customerId"], status="pending")).json()["data"]
    assert [row["purchaseId"] for row in listed] == [again["purchaseId"]]


class TestLiveKey:
    @pytest.fixture
    def settings(self, make_settings: Callable[..., Settings]) -> Settings:
        return make_settings(stripe_secret_key="sk_live_x", stripe_api_base=None)

    async def test_a_test_tenant_never_reaches_a_live_provider(self, sign_up: Callable[..., Awaitable[Any]]) -> None:
        tenant = await sign_up("trial", testTenant=True)
        refused = await tenant.post("/api/purchases", {"packageCode": "starter"})
        assert (refused.status_code, refused.json()["code"]) == (409, "test_tenant_live_key")
        assert (await tenant.get("/api/purchases")).json()["data"] == []
        await close_providers()


class TestNoKey:
    @pytest.fixture
    def settings(self, make_settings: Callable[..., Settings]) -> Settings:
        return make_settings(stripe_secret_key=None)

    async def test_without_a_provider_nothing_is_sold(self, sign_up: Callable[..., Awaitable[Any]]) -> None:
        tenant = await sign_up("acme")
        refused = await tenant.post("/api/purchases", {"packageCode": "starter"})
        assert (refused.status_code, refused.json()["code"]) == (503, "payment_provider_unavailable")
