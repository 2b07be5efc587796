"""Cards are saved at the provider; here stands only what may be shown, and one of them is a customer's default."""

from typing import Any
from uuid import uuid4

from tests.billing.payments.shop import Shop


async def methods(shop: Shop, **query: str) -> list[dict[str, Any]]:
    return (await shop.tenant.get("/billing/payment-methods", **query)).json()["data"]


async def test_a_card_is_saved_on_the_providers_page_and_only_what_may_be_shown_is_kept(shop: Shop) -> None:
    card = await shop.save_card("pm_card_mastercard")
    assert {
        name: card[name] for name in ("brand", "last4", "expMonth", "expYear", "country", "isDefault", "status")
    } == {
        "brand": "mastercard",
        "last4": "4444",
        "expMonth": 12,
        "expYear": 2034,
        "country": "US",
        "isDefault": True,
        "status": "active",
    }
    ((row,),) = await shop.stored("SELECT to_jsonb(m) FROM payment_methods m")
    assert set(row) == {
        "tenant_id", "id", "customer_id", "provider_account_id", "provider_id", "brand", "last4", "exp_month",
        "exp_year", "country", "state", "is_default", "default_since", "created_at", "detached_at",
    }  # fmt: skip


async def test_a_form_of_ones_own_saves_by_a_client_secret_and_the_event_is_enough(shop: Shop) -> None:
    answer = await shop.tenant.post("/billing/payment-methods/setups", {"means": "intent"})
    started = answer.json()
    assert (answer.status_code, started["status"], started["pageUrl"]) == (201, "pending", None)
    assert started["clientSecret"].startswith(started["setupIntentId"] + "_secret_")
    shop.client.v1.setup_intents.confirm(started["setupIntentId"], {"payment_method": "pm_card_visa"})
    told = shop.events("setup_intent.succeeded")
    await shop.tell([*told, *told])
    (card,) = await methods(shop)
    assert (card["last4"], card["isDefault"]) == ("4242", True)
    setup = (await shop.tenant.get(f"/billing/payment-methods/setups/{started['setupId']}")).json()
    assert (setup["status"], setup["paymentMethodId"]) == ("succeeded", card["paymentMethodId"])
    told = await shop.stored("SELECT kind, document->>'last4' FROM outbox_events WHERE kind LIKE 'payment_method.%'")
    assert told == [("payment_method.attached", "4242")]


async def test_the_same_key_begins_to_save_once_and_another_body_under_it_is_refused(shop: Shop) -> None:
    first = await shop.tenant.post("/billing/payment-methods/setups", {"means": "intent"}, key="save")
    again = await shop.tenant.post("/billing/payment-methods/setups", {"means": "intent"}, key="save")
    assert (first.json()["replayed"], again.json()["replayed"]) == (False, True)
    assert again.json() | {"replayed": False} == first.json()
    other = await shop.tenant.post("/billing/payment-methods/setups", {"means": "page"}, key="save")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")


async def test_a_refused_card_is_not_saved_and_says_why(shop: Shop) -> None:
    started = (await shop.tenant.post("/billing/payment-methods/setups")).json()
    page = started["pageUrl"].rpartition("/")[2]
    try:
        shop.stripe.control(f"checkout/{page}", card="pm_card_chargeDeclinedInsufficientFunds")
    except Exception as refusal:
        assert "402" in str(refusal)  # noqa: PT017
    await shop.tell(shop.events("setup_intent.setup_failed"))
    setup = (await shop.tenant.get(f"/billing/payment-methods/setups/{started['setupId']}")).json()
    assert (setup["status"], setup["failureCode"]) == ("failed", "insufficient_funds")
    assert await methods(shop) == []
    shop.stripe.control(f"checkout/{page}", card="pm_card_visa")
    synced = (await shop.tenant.post(f"/billing/payment-methods/setups/{started['setupId']}/sync")).json()
    assert (synced["status"], synced["failureCode"]) == ("succeeded", None)


async def test_one_card_of_a_customers_is_the_default_and_a_removed_one_never_is(shop: Shop) -> None:
    first = await shop.save_card()
    second = await shop.save_card("pm_card_mastercard", makeDefault=False)
    third = await shop.save_card("pm_card_amex")
    assert [card["last4"] for card in await methods(shop) if card["isDefault"]] == ["8431"]
    path = f"/billing/payment-methods/{second['paymentMethodId']}"
    assert (await shop.tenant.patch(path, {"isDefault": True})).json()["isDefault"] is True
    assert [card["last4"] for card in await methods(shop) if card["isDefault"]] == ["4444"]
    removed = await shop.tenant.delete(path)
    assert (removed.status_code, removed.json()["status"], removed.json()["isDefault"]) == (200, "detached", False)
    assert (await shop.tenant.delete(path)).json()["detachedAt"] == removed.json()["detachedAt"]
    assert [card["last4"] for card in await methods(shop) if card["isDefault"]] == []
    refused = await shop.tenant.patch(path, {"isDefault": True})
    assert (refused.status_code, refused.json()["code"]) == (409, "payment_method_detached")
    await shop.work()
    customers = {method.customer for method in shop.client.v1.payment_methods.list({"limit": 10}).data}
    assert len(customers) == 2  # the customer's, and none for the one that was removed there, too
    assert [card["last4"] for card in await methods(shop, status="active")] == [third["last4"], first["last4"]]


async def test_each_customer_has_cards_of_its_own(shop: Shop) -> None:
    own = await shop.save_card()
    theirs = await shop.save_card("pm_card_mastercard", customerId="client-7")
    assert own["customerId"] != theirs["customerId"]
    assert (own["isDefault"], theirs["isDefault"]) == (True, True)
    assert [card["last4"] for card in await methods(shop, customerId=theirs["customerId"])] == ["4444"]


async def test_a_card_that_the_provider_removes_or_renews_changes_here(shop: Shop) -> None:
    await shop.save_card()
    (event,) = shop.events("payment_method.attached")
    renewed = event["data"]["object"] | {"card": event["data"]["object"]["card"] | {"exp_year": 2039, "last4": "1881"}}
    await shop.tell(
        [event | {"type": "payment_method.automatically_updated", "id": "evt_1", "data": {"object": renewed}}]
    )
    (card,) = await methods(shop)
    assert (card["last4"], card["expYear"], card["isDefault"]) == ("1881", 2039, True)
    await shop.tell([event | {"type": "payment_method.detached", "id": "evt_2"}])
    (card,) = await methods(shop)
    assert (card["status"], card["isDefault"]) == ("detached", False)


async def test_what_is_not_there_is_named(shop: Shop) -> None:
    missing = uuid4()
    for method, path, code in (
        ("GET", f"/billing/payment-methods/setups/{missing}", "payment_setup_not_found"),
        ("POST", f"/billing/payment-methods/setups/{missing}/sync", "payment_setup_not_found"),
        ("DELETE", f"/billing/payment-methods/{missing}", "payment_method_not_found"),
    ):
        answer = await shop.tenant.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (404, code)
    for body in ({"isDefault": False}, {}, {"isDefault": True, "last4": "1234"}):
        assert (await shop.tenant.patch(f"/billing/payment-methods/{missing}", body)).status_code == 422
