"""The installation's figures: exact, on each tenant's own time, test tenants apart, probes left out."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from core.billing.ledger.heads import Heads
from core.billing.ledger.sealing import seal_all
from core.billing.ledger.signing import load_signing_keys
from core.billing.ledger.verification import standing
from core.billing.payments.models import Payment, Purchase, Refund
from core.cli.supervisor.state import State, write_state
from core.foundation.ids import new_id
from core.foundation.runtime import Runtime
from tests.support.callers import Caller, invite

SignUp = Callable[..., Awaitable[Caller]]
Fund = Callable[..., Awaitable[None]]


async def _ids(runtime: Runtime, caller: Caller) -> tuple[UUID, UUID]:
    async with runtime.database.reading() as session:
        row = (
            await session.execute(
                text(
                    "SELECT c.tenant_id, c.id FROM customers c JOIN tenants t ON t.id = c.tenant_id "
                    "WHERE t.slug = :slug AND c.is_self"
                ),
                {"slug": caller.tenant},
            )
        ).one()
    return row.tenant_id, row.id


async def _sell(runtime: Runtime, caller: Caller, *, amount_minor: int, at: datetime, back_minor: int = 0) -> None:
    tenant_id, self_id = await _ids(runtime, caller)
    async with runtime.database.tenant(tenant_id) as session:
        purchase = Purchase(
            tenant_id=tenant_id,
            id=new_id(),
            customer_id=self_id,
            package_code="starter",
            package_name="Starter",
            state="paid",
            amount_minor=amount_minor,
            credits_micro=amount_minor * 10_000,
            currency="USD",
            input_hash=b"",
            success_url="https://acme.test/paid",
            cancel_url="https://acme.test/canceled",
            created_at=at,
            paid_at=at,
            paid_by="intent",
        )
        session.add(purchase)
        await session.flush()
        payment = Payment(
            tenant_id=tenant_id,
            id=new_id(),
            purchase_id=purchase.id,
            means="intent",
            state="succeeded",
            amount_minor=amount_minor,
            currency="USD",
            provider_account_id="default",
            created_at=at,
            updated_at=at,
        )
        session.add(payment)
        await session.flush()
        # What was paid twice and sent back never came in, and a refund that failed never went out.
        refunds = [
            (back_minor, "requested", "succeeded"),
            (amount_minor, "duplicate", "succeeded"),
            (1, "requested", "failed"),
        ]
        for minor, origin, state in refunds if back_minor else ():
            session.add(
                Refund(
                    tenant_id=tenant_id,
                    id=new_id(),
                    purchase_id=purchase.id,
                    payment_id=payment.id,
                    origin=origin,
                    state=state,
                    amount_minor=minor,
                    credits_micro=0,
                    currency="USD",
                    provider_account_id="default",
                    created_at=at,
                    updated_at=datetime.now(UTC),
                )
            )


async def _use(caller: Caller, key: str, *, model: str = "gpt-4o", output_tokens: int = 1000) -> None:
    body = {"model": model, "inputTokens": 0, "outputTokens": output_tokens, "idempotencyKey": key}
    answer = await caller.post("/api/usage/reconcile", body)
    assert answer.status_code == 200, answer.text


async def test_an_empty_installation_has_an_overview(operator: Caller) -> None:
    body = (await operator.get("/operations/overview")).json()
    assert (body["currency"], body["tenants"], body["revenue30d"], body["topTenants"]) == ("USD", 0, "0", [])
    assert len(body["revenueByDay"]) == len(body["usageByDay"]) == 30
    assert body["revenueByDay"][-1] == {"date": datetime.now(UTC).date().isoformat(), "amount": "0"}
    assert body["health"] == {
        "api": "healthy",
        "database": "healthy",
        "cache": "healthy",
        "worker": "unhealthy",
        "stripe": "unhealthy",
    }
    assert body["ledger"] == {
        "blocks": 0,
        "unsealed": 0,
        "lastSealedAt": None,
        "verified": None,
        "verifiedAt": None,
    }
    assert (body["jobs"], body["webhooks"]) == ({"parked": 0}, {"parked": 0})


async def test_the_overview_says_how_far_the_demo_is_while_somebody_makes_it(
    operator: Caller, runtime: Runtime
) -> None:
    async def demo() -> str | None:
        return (await operator.get("/operations/overview")).json()["demo"]

    assert await demo() is None
    run = runtime.settings.cloudbill_home / "run"
    run.mkdir(parents=True)
    state = State("running", demo="being made: 40 % of 1080 tenant days")
    write_state(run, state)
    assert await demo() == "being made: 40 % of 1080 tenant days"
    # Whoever said so a minute ago is gone.
    published = run / "state.json"
    said = json.loads(published.read_text())
    published.write_text(json.dumps({**said, "checked_at": said["checked_at"] - 60}))
    assert await demo() is None
    write_state(run, State("running"))
    assert await demo() is None
    published.write_text("{")
    assert await demo() is None


async def test_the_figures_are_exact(sign_up: SignUp, fund: Fund, operator: Caller, runtime: Runtime) -> None:
    now = datetime.now(UTC)
    acme, globex = await sign_up("acme"), await sign_up("globex")
    for tenant in (acme, globex):
        await fund(tenant, 5_000_000)
    await _use(acme, "1")
    await _use(acme, "2", model="gpt-4o-mini")
    await _use(globex, "3", output_tokens=3000)
    await _sell(runtime, acme, amount_minor=2500, at=now, back_minor=500)
    await _sell(runtime, globex, amount_minor=500, at=now - timedelta(days=29))
    await _sell(runtime, globex, amount_minor=9900, at=now - timedelta(days=30))
    heads = Heads(runtime.settings.heads_path, load_signing_keys(runtime.settings))
    await seal_all(runtime.database, heads)
    await _use(acme, "4")
    await standing.remember(runtime.cache, standing.Standing(now, 0, 6, 0.1))

    body = (await operator.get("/operations/overview")).json()

    assert (body["revenueToday"], body["revenue30d"]) == ("20", "25")
    assert (body["revenueByDay"][0]["amount"], body["revenueByDay"][-1]["amount"]) == ("5", "20")
    assert (body["creditsOutstanding"], body["receivables"]) == ("9.9494", "0")
    assert body["usageToday"] == {"calls": 4, "charged": "0.0506"}
    assert body["usageByDay"][-1] == {"date": now.date().isoformat(), "charged": "0.0506", "calls": 4}
    assert body["usageByModel"] == [
        {"model": "gpt-4o", "calls": 3, "charged": "0.05"},
        {"model": "gpt-4o-mini", "calls": 1, "charged": "0.0006"},
    ]
    assert body["topTenants"] == [
        {"tenantId": "globex", "name": body["topTenants"][0]["name"], "charged": "0.03"},
        {"tenantId": "acme", "name": body["topTenants"][1]["name"], "charged": "0.0206"},
    ]
    assert (body["tenants"], body["testTenants"], body["activeTenants30d"]) == (2, 0, 2)
    assert (body["ledger"]["blocks"], body["ledger"]["unsealed"], body["ledger"]["verified"]) == (2, 1, True)


async def test_test_tenants_are_apart_and_on_their_own_time(
    sign_up: SignUp, fund: Fund, operator: Caller, runtime: Runtime
) -> None:
    test = await sign_up("test", testClock="2020-01-01T12:00:00Z")
    await fund(test, 5_000_000)
    await _use(test, "old")
    await test.post("/billing/test-clock", {"now": "2020-01-11T12:00:00Z"})
    await _use(test, "new", output_tokens=2000)
    await _sell(runtime, test, amount_minor=100, at=datetime(2020, 1, 11, 11, tzinfo=UTC))

    apart = (await operator.get("/operations/overview")).json()
    assert (apart["tenants"], apart["usageToday"]["calls"], apart["revenue30d"]) == (0, 0, "0")
    body = (await operator.get("/operations/overview", include="test")).json()
    assert (body["tenants"], body["testTenants"], body["revenue30d"]) == (1, 1, "1")
    assert [day["charged"] for day in body["usageByDay"] if day["charged"] != "0"] == ["0.01", "0.02"]
    assert (body["usageByDay"][-11]["charged"], body["usageByDay"][-1]["charged"]) == ("0.01", "0.02")
    await test.post("/billing/test-clock", {"now": "2020-03-01T12:00:00Z"})
    body = (await operator.get("/operations/overview", include="test")).json()
    assert (body["activeTenants30d"], body["usageByModel"]) == (0, [])


async def test_a_test_tenants_days_are_those_of_its_own_pages(
    sign_up: SignUp, fund: Fund, operator: Caller, runtime: Runtime
) -> None:
    test = await sign_up("test", testClock="2020-01-01T23:00:00Z")
    await fund(test, 5_000_000)
    await _use(test, "too old")
    await test.post("/billing/test-clock", {"now": "2020-01-31T00:10:00Z"})
    await _use(test, "today", output_tokens=2000)
    body = (await operator.get("/operations/overview", include="test")).json()
    (listed,) = (await operator.get("/operations/tenants", search="test")).json()["data"]
    assert [tenant["charged"] for tenant in body["topTenants"]] == [listed["usage30d"]] == ["0.02"]
    assert body["usageToday"] == {"calls": 1, "charged": "0.02"}


async def test_currencies_are_never_added_up(sign_up: SignUp, fund: Fund, operator: Caller) -> None:
    for slug, currency in (("a", "EUR"), ("bb", "USD"), ("cc", "USD")):
        tenant = await sign_up(f"{slug}-{currency.lower()}", currency=currency)
        await fund(tenant, 1_000_000, currency=currency)
    usd = (await operator.get("/operations/overview")).json()
    assert (usd["currency"], usd["currencies"], usd["creditsOutstanding"]) == ("USD", ["USD", "EUR"], "2")
    eur = (await operator.get("/operations/overview", currency="EUR")).json()
    assert (eur["tenants"], eur["creditsOutstanding"]) == (1, "1")


async def test_only_the_installations_users_see_it(
    tenant: Caller, make_operator: Callable[..., Awaitable[Caller]]
) -> None:
    finance = await make_operator("finance")
    for path in ("/operations/overview", "/operations/tenants", "/operations/tenants/acme"):
        assert (await tenant.get(path)).status_code == 403
        assert (await finance.get(path)).status_code == 200


async def test_a_tenant_is_shown_with_its_owners_plan_and_clock(sign_up: SignUp, fund: Fund, operator: Caller) -> None:
    acme = await sign_up("acme", testClock="2026-01-01T00:00:00Z", name="Ann Owner")
    await invite(acme, "finance")
    await fund(acme, 5_000_000)
    await acme.post("/billing/subscriptions", {"planId": "team", "tenantId": "acme"})
    await acme.post("/api/usage/holds", {"amount": "1", "idempotencyKey": "h"})
    await _use(acme, "1")
    body = (await operator.get("/operations/tenants/acme")).json()
    assert {name: body[name] for name in ("tenantId", "isTest", "currency", "balance", "available", "members")} == {
        "tenantId": "acme",
        "isTest": True,
        "currency": "USD",
        "balance": "4.99",
        "available": "3.99",
        "members": 2,
    }
    assert (body["usage30d"], body["lastUsedAt"], body["clockNow"], body["plan"]) == (
        "0.01",
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z",
        "team",
    )
    assert [(owner["email"], owner["name"]) for owner in body["owners"]] == [("owner@acme.test", "Ann Owner")]
    for unknown in ("nobody", "installation", "'; DROP TABLE tenants; --"):
        answer = await operator.get(f"/operations/tenants/{unknown}")
        assert (answer.status_code, answer.json()["code"]) == (404, "tenant_not_found")


@pytest.fixture
async def three(sign_up: SignUp, fund: Fund) -> None:
    """alpha with 1, beta with 3, gamma with nothing; only alpha has used something."""
    alpha, beta, _ = await sign_up("alpha"), await sign_up("beta"), await sign_up("gamma_".replace("_", "-x"))
    await fund(alpha, 1_000_000)
    await fund(beta, 3_000_000)
    await _use(alpha, "1")


async def _pages(caller: Caller, **params: Any) -> list[str]:
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(10):
        body = (
            await caller.get("/operations/tenants", limit=1, **params, **({"cursor": cursor} if cursor else {}))
        ).json()
        seen += [row["tenantId"] for row in body["data"]]
        cursor = body["nextCursor"]
        if cursor is None:
            return seen
    raise AssertionError("the list does not end")


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("name", ["alpha", "beta", "gamma-x"]),
        ("-name", ["gamma-x", "beta", "alpha"]),
        ("createdAt", ["alpha", "beta", "gamma-x"]),
        ("-balance", ["beta", "alpha", "gamma-x"]),
        ("available", ["gamma-x", "alpha", "beta"]),
        ("-usage30d", ["alpha", "gamma-x", "beta"]),
        ("-lastUsedAt", ["alpha", "gamma-x", "beta"]),
        ("members", ["alpha", "beta", "gamma-x"]),
        ("-receivable", ["gamma-x", "beta", "alpha"]),
    ],
)
@pytest.mark.usefixtures("three")
async def test_the_list_sorts_and_pages(operator: Caller, sort: str, expected: list[str]) -> None:
    assert await _pages(operator, sort=sort) == expected


@pytest.mark.usefixtures("three")
async def test_the_list_is_searched_and_counted(operator: Caller) -> None:
    body = (await operator.get("/operations/tenants", search="ALP")).json()
    assert (body["total"], [row["tenantId"] for row in body["data"]], body["nextCursor"]) == (1, ["alpha"], None)
    for nothing in ("%", "_", "\\", "nobody", "installation"):
        assert (await operator.get("/operations/tenants", search=nothing)).json()["total"] == 0
    assert (await operator.get("/operations/tenants", limit=2)).json()["total"] == 3


async def test_what_a_tenant_owes_on_invoices_to_itself_is_told(tenant: Caller, operator: Caller) -> None:
    own = (await tenant.get("/billing/wallets/self")).json()["customerId"]
    lines = [{"description": "Support", "amountMinor": 12_345}]
    written = await tenant.post("/billing/invoices", {"customerId": own, "lines": lines, "finalize": True})
    assert written.status_code == 201, written.text
    (row,) = (await operator.get("/operations/tenants", sort="-invoicesOpen")).json()["data"]
    assert (row["invoicesOpen"], row["invoicesOverdue"], row["receivable"]) == ("123.45", "0", "0")


async def test_wrong_questions_are_refused(operator: Caller) -> None:
    for params in (
        {"sort": "password_hash"},
        {"sort": "name; DROP TABLE tenants"},
        {"sort": "--name"},
        {"limit": 0},
        {"limit": 201},
        {"cursor": "x"},
        {"cursor": "WzEsImEiXQ", "sort": "name"},
    ):
        answer = await operator.get("/operations/tenants", **params)
        assert (answer.status_code, params) == (422, params)
    assert (await operator.get("/operations/overview", currency="usd")).status_code == 422
    assert (await operator.get("/operations/overview", include="all")).status_code == 422
