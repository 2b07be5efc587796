"""Tenant A on every route of the OpenAPI document, with tenant B's ids: refused each time, and nothing of B changes."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql

from core.billing.notifications.spreading import spread
from core.billing.payments.providers.simulator.main import Simulator
from core.foundation.clock import wall_now
from core.foundation.runtime import Runtime
from core.identity.tenants.repository import find_tenant_by_slug
from tests.support.callers import Caller, issue_key
from tests.support.furnished import Furnished, furnish, made
from tests.support.rows import read_shapes

Connection = psycopg.AsyncConnection[Any]

METHODS = ("get", "post", "put", "patch", "delete")

# Bodies that would do something if the ids were A's own. A path that is not here takes no body.
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("PATCH", "/auth/members/{user_id}"): {"role": "read_only"},
    ("POST", "/api/purchases/{purchase_id}/refunds"): {"amountMinor": 1},
    ("PATCH", "/notification/webhooks/{webhook_id}"): {"description": "Taken"},
    ("POST", "/notification/webhooks/{webhook_id}/secret"): {},
    ("POST", "/notification/webhooks/{webhook_id}/replay"): {"since": "2026-11-01T00:00:00Z"},
    ("PUT", "/notification/opt-outs/{customer_id}"): {"optOuts": []},
    ("PATCH", "/billing/meters/{meter_id}"): {"name": "Taken"},
    ("POST", "/billing/invoices/{invoice_id}/lines"): {"lines": [{"description": "Taken", "amountMinor": 1}]},
    ("PATCH", "/billing/payment-methods/{payment_method_id}"): {"isDefault": True},
    ("PUT", "/billing/wallets/{customer_id}/watch"): {"alertBelow": "1"},
    ("POST", "/billing/usage/events/{metered_event_id}/amendments"): {"kind": "void", "reason": "taken"},
    ("POST", "/billing/usage/backfills/{backfill_id}/revert"): {"reason": "taken"},
    ("PATCH", "/billing/plans/{plan}"): {"archived": True},
    ("PATCH", "/billing/customers/{customer_id}"): {"name": "Taken"},
    ("POST", "/billing/subscriptions/{subscription_id}/change"): {"addOns": []},
    ("POST", "/billing/subscriptions/{subscription_id}/cancel"): {"when": "now"},
    ("POST", "/billing/subscriptions/{subscription_id}/pause"): {},
    ("POST", "/billing/subscriptions/{subscription_id}/coupons"): {"coupon": "own-coupon"},
    ("PATCH", "/billing/products/{product}"): {"archived": True},
    ("PATCH", "/billing/coupons/{coupon}"): {"archived": True},
    ("POST", "/billing/plans/{plan}/quote"): {},
    ("POST", "/billing/invoices/{invoice_id}/credit-notes"): {},
    ("POST", "/billing/invoices/{invoice_id}/payments"): {"amountMinor": 1, "reference": "taken"},
    ("POST", "/billing/parked-customers/{customer_id}/replay"): {"allow": True},
    ("POST", "/billing/subscriptions/{subscription_id}/change/preview"): {"addOns": []},
    ("POST", "/billing/subscriptions/{subscription_id}/cancel/preview"): {"when": "now"},
    ("POST", "/billing/subscriptions/{subscription_id}/pause/preview"): {},
    ("POST", "/billing/plans/{plan}/versions"): {
        "prices": [
            {
                "currency": "USD",
                "components": [{"code": "base", "name": "Base", "price": {"model": "flat", "amount": "1"}}],
            }
        ]
    },
}
# Calls on routes without a path parameter that name something of B in body or query.
NAMING: list[tuple[str, str, Callable[[Furnished], dict[str, Any]]]] = [
    ("POST", "/billing/subscriptions", lambda b: {"planId": "starter", "tenantId": b.owner.tenant}),
    ("POST", "/billing/subscriptions", lambda b: {"planId": b.ids["plan_id"]}),
    ("POST", "/billing/subscriptions", lambda b: {"planId": "own-plan"}),
    ("POST", "/billing/subscriptions", lambda b: {"planId": "starter", "customerId": b.ids["customer_id"]}),
    ("POST", "/billing/subscriptions", lambda b: {"planId": "starter", "coupons": [b.ids["coupon"]]}),
    ("POST", "/billing/plans", lambda b: {"code": "a", "name": "A", "amountMinor": 1, "product": b.ids["product"]}),
    ("POST", "/billing/plans", lambda b: {"code": "a", "name": "A", "amountMinor": 1, "product": "own-product"}),
    ("POST", "/billing/coupons", lambda b: {"code": "a", "name": "A", "percent": "1", "plans": [b.ids["plan"]]}),
    ("POST", "/billing/coupons", lambda b: {"code": "a", "name": "A", "percent": "1", "products": [b.ids["product"]]}),
    ("POST", "/billing/plans/starter/quote", lambda b: {"coupons": [b.ids["coupon"]]}),
    ("POST", "/billing/plans/starter/quote", lambda b: {"coupons": ["own-coupon"]}),
    ("POST", "/billing/invoices", lambda b: {**WORK, "customerId": b.ids["customer_id"]}),
    ("POST", "/billing/invoices/items", lambda b: {**WORK, "customerId": b.ids["customer_id"]}),
    ("POST", "/billing/subscriptions/preview", lambda b: {"planId": "own-plan"}),
    ("POST", "/api/purchases", lambda b: {"packageCode": "own-package"}),
    (
        "POST",
        "/api/usage/holds",
        lambda b: {"amount": "0.01", "customerId": b.ids["customer_id"], "idempotencyKey": "a"},
    ),
    ("POST", "/api/usage/reconcile", lambda b: {**CALL, "customerId": b.ids["customer_id"], "idempotencyKey": "b"}),
    ("POST", "/api/usage/reconcile", lambda b: {**CALL, "holdId": b.ids["hold_id"], "idempotencyKey": "c"}),
]
WORK = {"lines": [{"description": "Work", "amountMinor": 100}]}
CALL = {"model": "gpt-4o", "inputTokens": 1000, "outputTokens": 500}
# What no tenant has, so that any value will do.
OF_THE_INSTALLATION = {
    "event_id": "019b76da-a800-7000-8000-0000000000e0",
    "job_id": "1",
    "deployment_id": "019b76da-a800-7000-8000-0000000000d0",
    "stack": "prod",
    "runbook": "database-down",
    "drill_id": "019b76da-a800-7000-8000-0000000000f0",
    "provider": "google",
    "token": "made-by-nobody",
    "kind": "charge",
    "provider_id": "pi_of_nobody",
}
QUERIES = (("/api/usage/events", "customerId"), ("/api/ledger", "customerId"))


@pytest.fixture
async def b(other: Caller, fund: Callable[..., Awaitable[None]], own_stripe: Simulator, runtime: Runtime) -> Furnished:
    """Tenant B, which has something of everything."""
    await fund(other, 20_000_000)
    furnished = await furnish(other, stripe_url=own_stripe.url)
    async with runtime.database.nobody() as session:
        row = await find_tenant_by_slug(session, other.tenant or "")
    assert row
    async with runtime.database.tenant(row.id) as session:
        await spread(session, tenant_id=row.id, wall=wall_now())
    message = (await made(other.get("/notification/messages")))["data"][0]
    delivery = (await made(other.get("/notification/deliveries")))["data"][0]
    ids = {"message_id": message["messageId"], "delivery_id": delivery["deliveryId"]}
    return replace(furnished, ids={**furnished.ids, **ids})


@pytest.fixture
async def a(tenant: Caller, fund: Callable[..., Awaitable[None]]) -> Caller:
    """Tenant A, which has credits and could pay for all it tries."""
    await fund(tenant, 20_000_000)
    return tenant


@pytest.fixture
async def rows_of_b(connect: Callable[..., Awaitable[Connection]], b: Furnished) -> Callable[[], Awaitable[Any]]:
    """Everything the database holds of tenant B, as one digest a table."""
    admin = await connect("admin")
    await admin.set_autocommit(True)
    shapes = await read_shapes(admin)
    found = await admin.execute("SELECT id FROM tenants WHERE slug = %s", [b.owner.tenant])
    row = await found.fetchone()
    assert row

    async def digest() -> dict[str, str]:
        digests = {}
        for shape in shapes.values():
            if shape.tenant_column:
                statement = sql.SQL("SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {} t WHERE {} = %s")
                query = statement.format(sql.Identifier(shape.name), sql.Identifier(shape.tenant_column))
                digests[shape.name] = (await (await admin.execute(query, [row[0]])).fetchone() or [""])[0]
        return digests

    return digest


async def routes(api: httpx.AsyncClient) -> list[tuple[str, str]]:
    document = (await api.get("/openapi.json")).json()
    return [
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods if method in METHODS
    ]


async def test_bs_ids_open_nothing_to_a(
    api: httpx.AsyncClient, a: Caller, b: Furnished, rows_of_b: Callable[[], Awaitable[Any]]
) -> None:
    before = await rows_of_b()
    tried = 0
    for method, path in await routes(api):
        parameters = re.findall(r"{(\w+)}", path)
        if not parameters:
            continue
        unknown = set(parameters) - b.ids.keys() - OF_THE_INSTALLATION.keys()
        assert not unknown, f"{path}: say in tests/support/furnished.py what {unknown} is"
        address = path.format(**{**OF_THE_INSTALLATION, **b.ids})
        answer = await a.request(method, address, json=BODIES.get((method, path)))
        assert answer.status_code in (403, 404), f"{method} {address}: {answer.status_code} {answer.text}"
        assert answer.headers["content-type"] == "application/problem+json"
        tried += 1
    assert tried >= 12
    assert await rows_of_b() == before


async def test_the_same_calls_are_answered_to_b_itself(api: httpx.AsyncClient, b: Furnished) -> None:
    # Otherwise the test above would also pass on addresses that nobody answers.
    for method, path in await routes(api):
        names = re.findall(r"{(\w+)}", path)
        if method == "GET" and names and not set(names) & OF_THE_INSTALLATION.keys() and "operations" not in path:
            answer = await b.owner.get(path.format(**b.ids))
            assert answer.status_code == 200, f"{path} {names}: {answer.status_code} {answer.text}"


async def test_what_a_body_names_of_b_is_refused(
    a: Caller, b: Furnished, rows_of_b: Callable[[], Awaitable[Any]]
) -> None:
    before = await rows_of_b()
    for method, path, body in NAMING:
        answer = await a.request(method, path, json=body(b))
        assert answer.status_code in (403, 404, 422), f"{method} {path} {body(b)}: {answer.status_code} {answer.text}"
    assert await rows_of_b() == before
    assert (await made(a.get("/billing/wallets/self")))["available"] == "20"


async def test_a_purchase_for_bs_customer_is_for_a_customer_of_as_own_by_that_name(
    a: Caller, b: Furnished, rows_of_b: Callable[[], Awaitable[Any]]
) -> None:
    # A tenant's own ids of its customers may be UUIDs, so this one is a name like any other.
    before = await rows_of_b()
    bought = await made(a.post("/api/purchases", {"packageCode": "starter", "customerId": b.ids["customer_id"]}))
    assert bought["customerId"] != b.ids["customer_id"]
    again = await made(a.post("/api/purchases", {"packageCode": "starter", "customerId": bought["customerId"]}))
    assert again["customerId"] == bought["customerId"]
    assert await rows_of_b() == before


async def test_what_a_query_names_of_b_is_empty_or_refused(a: Caller, b: Furnished) -> None:
    for path, parameter in QUERIES:
        answer = await a.get(path, **{parameter: b.ids["customer_id"]})
        assert answer.status_code in (403, 404) or answer.json()["data"] == [], f"{path}: {answer.text}"


async def test_naming_b_as_the_tenant_is_forbidden_on_every_route(
    api: httpx.AsyncClient, a: Caller, b: Furnished, rows_of_b: Callable[[], Awaitable[Any]]
) -> None:
    document = (await api.get("/openapi.json")).json()
    before = await rows_of_b()
    taken = 0
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if not any(one["name"] == "tenantId" and one["in"] == "query" for one in operation.get("parameters", [])):
                continue
            if path == "/auth/{provider}/start":
                continue  # for who is signed out, as POST /auth/login is: whose tenant it is shows at its end
            taken += 1
            address = path.format(**{**OF_THE_INSTALLATION, **b.ids})
            answer = await a.request(method.upper(), address, params={"tenantId": b.owner.tenant}, json={})
            # A body that does not fit may be refused before the tenant is looked at; but never answered.
            assert answer.status_code in (403, 422), f"{method} {address}: {answer.status_code} {answer.text}"
    assert taken >= 20
    assert await rows_of_b() == before


async def test_as_lists_hold_nothing_of_b(api: httpx.AsyncClient, a: Caller, b: Furnished) -> None:
    for method, path in await routes(api):
        if method != "GET" or "{" in path or path.startswith(("/operations", "/payment/webhook")):
            continue
        answer = await a.get(path)
        if not answer.is_success or "json" not in answer.headers["content-type"]:
            continue
        leaked = [name for name, value in {**b.ids, **b.keys}.items() if value in answer.text]
        assert leaked == [], f"{path} shows {leaked} of another tenant"


async def test_bs_idempotency_keys_are_free_for_a(a: Caller, b: Furnished) -> None:
    body = {"amount": "0.07", "idempotencyKey": b.keys["hold"]}
    hold = await made(a.post("/api/usage/holds", body))
    assert (hold["replayed"], hold["amount"]) == (False, "0.07")
    charge = await made(a.post("/api/usage/reconcile", {**CALL, "userId": "u", "idempotencyKey": b.keys["usage"]}))
    assert (charge["replayed"], charge["balance"]) == (False, "19.9925")
    purchase = await made(a.post("/api/purchases", {"packageCode": "team"}, key=b.keys["purchase"]))
    assert (purchase["replayed"], purchase["amountMinor"]) == (False, 2500)


async def test_an_api_key_of_a_opens_nothing_of_b(a: Caller, b: Furnished) -> None:
    key = await issue_key(a, "usage:write", "usage:read", "ledger:read", "purchases:read", "billing:read")
    for path in (
        f"/api/usage/holds/{b.ids['hold_id']}",
        f"/api/usage/events/{b.ids['usage_event_id']}",
        f"/api/purchases/{b.ids['purchase_id']}",
        f"/billing/subscriptions/{b.ids['subscription_id']}",
        f"/billing/wallets/{b.ids['customer_id']}",
    ):
        assert (await key.get(path)).status_code == 404, path
    assert (await key.delete(f"/api/usage/holds/{b.ids['hold_id']}")).status_code == 404
    assert (await key.get("/api/ledger", tenantId=b.owner.tenant)).status_code == 403


async def test_an_operator_reads_b_and_enters_it_only_with_a_reason(operator: Caller, b: Furnished) -> None:
    assert b.owner.tenant
    reading = operator.entering(b.owner.tenant)
    assert (await reading.get(f"/api/usage/holds/{b.ids['hold_id']}")).status_code == 200
    refused = await reading.delete(f"/api/usage/holds/{b.ids['hold_id']}")
    assert (refused.status_code, refused.json()["code"]) == (400, "reason_required")
    entering = operator.entering(b.owner.tenant, reason="the customer asked for it on the phone")
    assert (await entering.delete(f"/api/usage/holds/{b.ids['hold_id']}")).status_code == 200
    nowhere = replace(operator, params={"tenantId": "nobody-here"})
    assert (await nowhere.get("/api/ledger")).status_code == 404
    assert (await operator.get("/api/ledger")).status_code == 400
