"""Products and coupons through the API: made once, listed, archived instead of deleted, redeemed within their limit."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import errors

from core.billing.catalog.coupons import service
from core.billing.catalog.coupons.errors import CouponUsedUp
from core.foundation.database import Database
from tests.support.callers import Caller
from tests.support.furnished import made

Connection = psycopg.AsyncConnection[Any]
TENTH = {"code": "tenth", "name": "A tenth", "percent": "10"}


async def test_products_are_made_once_listed_by_page_and_renamed(tenant: Caller, other: Caller) -> None:
    body = {"code": "app", "name": "App", "description": "All of it"}
    first = await made(tenant.post("/billing/products", body, key="k"))
    assert (first["code"], first["owner"], first["archivedAt"], first["replayed"]) == ("app", "tenant", None, False)
    assert await made(tenant.post("/billing/products", body, key="k")) == {**first, "replayed": True}
    taken = await tenant.post("/billing/products", body)
    assert (taken.status_code, taken.json()["code"]) == (409, "code_taken")
    await made(tenant.post("/billing/products", {"code": "api", "name": "API"}))

    page = await made(tenant.get("/billing/products", limit=1))
    then = await made(tenant.get("/billing/products", limit=1, cursor=page["nextCursor"]))
    assert [row["code"] for row in (*page["data"], *then["data"])] == ["api", "app"]
    assert then["nextCursor"] is None
    assert (await made(other.get("/billing/products")))["data"] == []

    changed = await made(tenant.patch("/billing/products/app", {"name": "The app", "description": ""}))
    assert (changed["name"], changed["description"]) == ("The app", None)
    assert await made(tenant.get(f"/billing/products/{first['productId']}")) == changed
    gone = await made(tenant.delete("/billing/products/app"))
    assert gone["archivedAt"] is not None
    assert [row["code"] for row in (await made(tenant.get("/billing/products")))["data"]] == ["api"]
    assert [row["code"] for row in (await made(tenant.get("/billing/products", archived=True)))["data"]] == ["app"]


async def test_the_installations_product_is_seen_and_not_sold_by_tenants(tenant: Caller, operator: Caller) -> None:
    entered = operator.entering("installation", reason="a product")
    await made(entered.post("/billing/products", {"code": "cloud", "name": "Cloud"}))
    assert (await made(tenant.get("/billing/products/cloud")))["owner"] == "installation"
    plan = {"code": "a", "name": "A", "amountMinor": 100, "product": "cloud"}
    for method, path, body in (
        ("POST", "/billing/plans", plan),
        ("PATCH", "/billing/products/cloud", {"name": "Mine"}),
        ("DELETE", "/billing/products/cloud", None),
    ):
        refused = await tenant.request(method, path, json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "product_of_installation"), path


async def test_a_coupon_is_shown_with_its_terms(tenant: Caller) -> None:
    await made(tenant.post("/billing/products", {"code": "app", "name": "App"}))
    plan = await made(tenant.post("/billing/plans", {"code": "gold", "name": "Gold", "amountMinor": 2000}))
    body = {
        "code": "spring",
        "name": "Spring",
        "amountMinor": 500,
        "currency": "USD",
        "duration": "repeating",
        "periods": 3,
        "redeemBy": "2099-01-01T00:00:00Z",
        "maxRedemptions": 100,
        "plans": ["gold", plan["planId"]],
        "products": ["app"],
    }
    coupon = await made(tenant.post("/billing/coupons", body, key="k"))
    assert await made(tenant.post("/billing/coupons", body, key="k")) == {**coupon, "replayed": True}
    kept = {
        name: coupon[name] for name in ("code", "name", "percent", "amountMinor", "currency", "duration", "periods")
    }
    assert kept == {**{name: body.get(name) for name in kept}, "percent": None}
    assert (coupon["redeemBy"], coupon["maxRedemptions"], coupon["redeemed"]) == ("2099-01-01T00:00:00Z", 100, 0)
    assert (coupon["plans"], len(coupon["products"])) == ([plan["planId"]], 1)
    assert (await made(tenant.get("/billing/coupons")))["data"] == [coupon]
    renamed = await made(tenant.patch("/billing/coupons/spring", {"name": "Late spring"}))
    assert renamed == {**coupon, "name": "Late spring"}
    assert (await made(tenant.delete("/billing/coupons/spring")))["archivedAt"] is not None
    assert (await made(tenant.get("/billing/coupons")))["data"] == []
    refused = await tenant.post("/billing/plans/gold/quote", {"coupons": ["spring"]})
    assert (refused.status_code, refused.json()["code"]) == (404, "coupon_not_found")
    assert (await made(tenant.patch("/billing/coupons/spring", {"archived": False})))["archivedAt"] is None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"percent": None}, "coupon_invalid"),
        ({"amountMinor": 100, "currency": "USD"}, "coupon_invalid"),
        ({"percent": "0"}, "coupon_invalid"),
        ({"percent": "100.1"}, "coupon_invalid"),
        ({"percent": 10}, "coupon_invalid"),
        ({"percent": "1e1"}, "coupon_invalid"),
        ({"percent": None, "amountMinor": 100}, "coupon_invalid"),
        ({"percent": None, "amountMinor": 0, "currency": "USD"}, "amount_invalid"),
        ({"percent": None, "amountMinor": 100, "currency": "XXX"}, "currency_unknown"),
        ({"currency": "USD"}, "coupon_invalid"),
        ({"duration": "repeating"}, "coupon_invalid"),
        ({"periods": 3}, "coupon_invalid"),
        ({"duration": "for a while"}, "invalid_input"),
        ({"redeemBy": "2020-01-01T00:00:00Z"}, "coupon_invalid"),
        ({"maxRedemptions": 0}, "invalid_input"),
        ({"plans": ["nothing"]}, "coupon_invalid"),
        ({"plans": ["starter"]}, "coupon_invalid"),
        ({"products": ["nothing"]}, "coupon_invalid"),
        ({"code": "TENTH"}, "invalid_input"),
    ],
)
async def test_coupons_that_say_nothing_are_refused_by_name(tenant: Caller, change: dict[str, Any], code: str) -> None:
    refused = await tenant.post("/billing/coupons", {**TENTH, **change})
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert (await made(tenant.get("/billing/coupons")))["data"] == []


async def test_a_coupon_is_redeemed_no_more_often_than_it_may_be_however_many_race(
    tenant: Caller, database: Database, connect: Callable[..., Awaitable[Connection]]
) -> None:
    plan = await made(tenant.post("/billing/plans", {"code": "gold", "name": "Gold", "amountMinor": 2000}))
    coupon = await made(tenant.post("/billing/coupons", {**TENTH, "maxRedemptions": 3}))
    admin = await connect("admin")
    found = await (await admin.execute("SELECT id FROM tenants WHERE slug = %s", [tenant.tenant])).fetchone()
    assert found
    of = {
        "tenant_id": found[0],
        "seller_id": found[0],
        "plan_id": UUID(plan["planId"]),
        "product_id": None,
        "currency": "USD",
        "now": datetime.now(UTC),
    }

    async def redeem() -> bool:
        try:
            async with database.tenant(found[0]) as session:
                await service.redeem(session, "tenth", **of)
        except CouponUsedUp:
            return False
        return True

    assert sorted(await asyncio.gather(*(redeem() for _ in range(8)))) == [False] * 5 + [True] * 3
    assert (await made(tenant.get("/billing/coupons/tenth")))["redeemed"] == 3
    used = await tenant.request("DELETE", f"/billing/coupons/{coupon['couponId']}")
    assert (used.status_code, used.json()["code"], used.json()["redeemed"]) == (409, "coupon_in_use", 3)
    refused = await tenant.post("/billing/plans/gold/quote", {"coupons": ["tenth"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "coupon_used_up")
    with pytest.raises(errors.CheckViolation):
        await admin.execute("UPDATE coupons SET redeemed = redeemed + 1 WHERE id = %s", [coupon["couponId"]])
