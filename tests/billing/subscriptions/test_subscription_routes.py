"""Subscribing: once a key, on the tenant's clock, within the tenant."""

from collections.abc import Awaitable, Callable
from uuid import uuid4

from tests.support.callers import Caller


async def test_the_call_from_the_texts_works(sign_up: Callable[..., Awaitable[Caller]]) -> None:
    tenant = await sign_up("acme", testClock="2026-01-31T10:00:00Z")
    made = await tenant.post("/billing/subscriptions", {"planId": "starter", "tenantId": "acme"})
    assert made.status_code == 201
    body = made.json()
    assert (body["status"], body["planCode"], body["amountMinor"], body["currency"], body["interval"]) == (
        "incomplete",
        "starter",
        1900,
        "USD",
        "month",
    )
    assert (body["currentPeriodStart"], body["currentPeriodEnd"], body["createdAt"]) == (
        "2026-01-31T10:00:00Z",
        "2026-02-28T10:00:00Z",
        "2026-01-31T10:00:00Z",
    )
    by_id = await tenant.post("/billing/subscriptions", {"planId": body["planId"], "tenantId": "acme"})
    assert by_id.json()["planId"] == body["planId"]
    listed = (await tenant.get("/billing/subscriptions")).json()
    assert [row["subscriptionId"] for row in listed["data"]] == [
        by_id.json()["subscriptionId"],
        body["subscriptionId"],
    ]
    first = (await tenant.get("/billing/subscriptions", limit=1)).json()
    second = (await tenant.get("/billing/subscriptions", limit=1, cursor=first["nextCursor"])).json()
    assert ([row["subscriptionId"] for row in second["data"]], second["nextCursor"]) == ([body["subscriptionId"]], None)
    one = await tenant.get(f"/billing/subscriptions/{body['subscriptionId']}")
    assert one.json() == body


async def test_a_key_subscribes_once(tenant: Caller) -> None:
    body = {"planId": "starter", "tenantId": tenant.tenant}
    refused = await tenant.post("/billing/subscriptions", {**body, "planId": "nothing"}, key="k")
    assert (refused.status_code, refused.json()["code"]) == (404, "plan_not_found")
    first = await tenant.post("/billing/subscriptions", body, key="k")
    again = await tenant.post("/billing/subscriptions", body, key="k")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == {**first.json(), "replayed": True}
    other = await tenant.post("/billing/subscriptions", {**body, "planId": "team"}, key="k")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert len((await tenant.get("/billing/subscriptions")).json()["data"]) == 1


async def test_another_tenant_is_forbidden_and_unseen(tenant: Caller, other: Caller) -> None:
    refused = await tenant.post("/billing/subscriptions", {"planId": "starter", "tenantId": other.tenant})
    assert (refused.status_code, refused.json()["code"]) == (403, "tenant_forbidden")
    mine = (await tenant.post("/billing/subscriptions", {"planId": "starter", "tenantId": tenant.tenant})).json()
    assert (await other.get(f"/billing/subscriptions/{mine['subscriptionId']}")).status_code == 404
    stranger = (await other.post("/billing/subscriptions", {"planId": "starter"})).json()["customerId"]
    refused = await tenant.post("/billing/subscriptions", {"planId": "starter", "customerId": stranger})
    assert (refused.status_code, refused.json()["code"]) == (404, "customer_not_found")


async def test_wrong_subscriptions_are_refused(tenant: Caller) -> None:
    for body, status in (
        ({}, 422),
        ({"planId": 1}, 422),
        ({"planId": ""}, 422),
        ({"planId": "x" * 64}, 422),
        ({"planId": "starter", "customerId": "x"}, 422),
        ({"planId": str(uuid4())}, 404),
        ({"planId": "starter'; DROP TABLE plans; --"}, 404),
        ({"planId": "starter", "tenantId": "nobody"}, 403),
    ):
        assert ((await tenant.post("/billing/subscriptions", body)).status_code, body) == (status, body)
    assert (await tenant.get(f"/billing/subscriptions/{uuid4()}")).status_code == 404


async def test_a_plan_without_a_price_in_the_currency_is_not_sold(sign_up: Callable[..., Awaitable[Caller]]) -> None:
    tenant = await sign_up("tokyo", currency="JPY")
    assert (await tenant.get("/billing/plans")).json()["data"] == []
    refused = await tenant.post("/billing/subscriptions", {"planId": "starter"})
    assert (refused.status_code, refused.json()["code"]) == (422, "not_sold_in_currency")
