"""Credits for certain models or meters only: used for these alone, before all others, and never anything else."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from core.billing.credits.invoicing import shares_of_limited
from core.billing.credits.limits.service import LimitedCredits
from core.foundation.ids import new_id
from core.foundation.runtime import Runtime
from tests.support.callers import Caller

GPT = {"model": "gpt-4o", "inputTokens": 0}  # 10.00 per million output tokens
MINI = {"model": "gpt-4o-mini", "inputTokens": 0}  # 0.60 per million


@pytest.fixture
async def tenant(sign_up: Callable[..., Awaitable[Caller]]) -> Caller:
    """A tenant with a clock of its own."""
    return await sign_up("limited", testClock="2026-05-01T00:00:00Z")


async def grant(caller: Caller, amount: str, *, key: str | None = None, **terms: Any) -> dict[str, Any]:
    answer = await caller.post("/billing/credits/grants", {"amount": amount, **terms}, key=key)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def call(caller: Caller, key: str, of: dict[str, Any], tokens: int, **more: Any) -> tuple[int, dict[str, Any]]:
    answer = await caller.post("/api/usage/reconcile", {**of, "outputTokens": tokens, "idempotencyKey": key, **more})
    return answer.status_code, answer.json()


async def hold(caller: Caller, key: str, **body: Any) -> tuple[int, dict[str, Any]]:
    answer = await caller.post("/api/usage/holds", {"idempotencyKey": key, **body})
    return answer.status_code, answer.json()


async def usable(caller: Caller) -> tuple[str, list[tuple[list[str], str, str]]]:
    """What may be used for anything, and what for which models, less what is held."""
    wallet = (await caller.get("/billing/wallets/self")).json()
    return wallet["available"], [(one["models"], one["balance"], one["available"]) for one in wallet["limited"]]


async def test_a_call_uses_what_may_be_used_for_least_first_and_other_models_never_do(tenant: Caller) -> None:
    await grant(tenant, "5", label="anything", priority=0)
    await grant(tenant, "3", label="both", models=["gpt-4o-mini", "gpt-4o"])
    lot = await grant(tenant, "2", label="one", models=["gpt-4o"])
    assert (lot["models"], lot["meters"]) == (["gpt-4o"], [])
    # 4.00: two of the one model's, then two of those for both.
    status, charged = await call(tenant, "a", GPT, 400_000)
    assert (status, charged["charged"], charged["balance"]) == (200, "4", "5")
    assert await usable(tenant) == ("5", [(["gpt-4o"], "0", "0"), (["gpt-4o", "gpt-4o-mini"], "1", "1")])
    # 1.20 of the other: the last one that is for both, and 0.20 of anything.
    assert (await call(tenant, "b", MINI, 2_000_000))[1]["balance"] == "4.8"
    assert (await call(tenant, "b", MINI, 2_000_000))[1]["replayed"] is True
    rows = (await tenant.get("/api/ledger")).json()["data"]
    assert [(row["kind"], row["amount"], row["limited"], row["balanceAfter"]) for row in rows] == [
        ("usage", "-0.2", "-1", "4.8"),
        ("usage", "0", "-4", "5"),
        ("grant", "0", "2", "5"),
        ("grant", "0", "3", "5"),
        ("grant", "5", "0", "5"),
    ]


async def test_what_is_for_another_model_does_not_pay(tenant: Caller) -> None:
    await grant(tenant, "100", models=["gpt-4o"])
    status, refused = await call(tenant, "a", MINI, 1_000_000)
    assert (status, refused["code"], refused["shortfall"]) == (402, "insufficient_credits", "0.6")
    assert (await hold(tenant, "h", amount="1"))[0] == 402
    assert (await hold(tenant, "i", model="gpt-4o-mini", inputTokens=0, maxOutputTokens=1_000_000))[0] == 402
    assert await usable(tenant) == ("0", [(["gpt-4o"], "100", "100")])


async def test_a_hold_for_a_model_keeps_its_credits_until_it_is_settled_released_or_over(tenant: Caller) -> None:
    await grant(tenant, "3", models=["gpt-4o"])
    await grant(tenant, "2")
    of = {"model": "gpt-4o", "inputTokens": 0, "maxOutputTokens": 400_000, "ttlSeconds": 60}
    status, held = await hold(tenant, "h", **of)
    assert (status, held["amount"], held["available"]) == (201, "4", "1")
    assert await usable(tenant) == ("1", [(["gpt-4o"], "3", "0")])
    # What is kept pays nobody else's call.
    assert (await call(tenant, "other", GPT, 200_000))[0] == 402
    # Settled to less: all of it comes from the model's own.
    status, charged = await call(tenant, "a", GPT, 250_000, holdId=held["holdId"])
    assert (status, charged["charged"], charged["balance"], charged["receivable"]) == (200, "2.5", "2", "0")
    assert await usable(tenant) == ("2", [(["gpt-4o"], "0.5", "0.5")])
    _, released = await hold(tenant, "i", **{**of, "maxOutputTokens": 100_000})
    assert await usable(tenant) == ("1.5", [(["gpt-4o"], "0.5", "0")])
    assert (await tenant.delete(f"/api/usage/holds/{released['holdId']}")).status_code == 200
    assert await usable(tenant) == ("2", [(["gpt-4o"], "0.5", "0.5")])
    # A hold for one model may be settled by a call of another: by what that one may use.
    _, third = await hold(tenant, "j", **{**of, "maxOutputTokens": 100_000})
    assert (await call(tenant, "b", MINI, 1_000_000, holdId=third["holdId"]))[1]["balance"] == "1.4"
    _, fourth = await hold(tenant, "k", **{**of, "maxOutputTokens": 50_000})
    assert await usable(tenant) == ("1.4", [(["gpt-4o"], "0.5", "0")])
    await tenant.post("/billing/test-clock", {"now": "2026-05-01T00:01:01Z"})
    assert (await tenant.get(f"/api/usage/holds/{fourth['holdId']}")).json()["status"] == "expired"
    assert await usable(tenant) == ("1.4", [(["gpt-4o"], "0.5", "0.5")])


async def test_an_expired_hold_is_free_for_the_next_call_before_anybody_has_swept(
    tenant: Caller, move_clock_only: Callable[..., Awaitable[None]]
) -> None:
    await grant(tenant, "3", models=["gpt-4o"])
    await hold(tenant, "h", model="gpt-4o", inputTokens=0, maxOutputTokens=300_000, ttlSeconds=60)
    await move_clock_only(tenant, "2026-05-01T00:02:00Z")
    assert await usable(tenant) == ("0", [(["gpt-4o"], "3", "3")])
    assert (await call(tenant, "a", GPT, 300_000))[0] == 200
    assert await usable(tenant) == ("0", [(["gpt-4o"], "0", "0")])


async def test_they_end_and_roll_over_as_others_do_and_the_wallet_keeps_its_own(tenant: Caller) -> None:
    await grant(tenant, "1")
    june = {"expiresAt": "2026-06-01T00:00:00Z"}
    await grant(tenant, "10", label="may", models=["gpt-4o"], rollover="4", rolloverDays=30, **june)
    await grant(tenant, "5", label="later", models=["gpt-4o"], expiresAt="2026-08-01T00:00:00Z")
    await call(tenant, "a", GPT, 300_000)
    wallet = (await tenant.get("/billing/wallets/self")).json()
    book = (await tenant.get(f"/billing/credits/{wallet['customerId']}")).json()
    assert [(lot["label"], lot["remaining"], lot["models"]) for lot in book["data"]] == [
        ("may", "7", ["gpt-4o"]),
        ("later", "5", ["gpt-4o"]),
        ("grant", "1", []),
    ]
    await tenant.post("/billing/test-clock", {"now": "2026-06-01T00:00:00Z"})
    assert await usable(tenant) == ("1", [(["gpt-4o"], "9", "9")])
    await tenant.post("/billing/test-clock", {"now": "2026-07-01T00:00:00Z"})
    assert await usable(tenant) == ("1", [(["gpt-4o"], "5", "5")])
    rows = (await tenant.get("/api/ledger", kind="expiry")).json()["data"]
    assert [(row["amount"], row["limited"]) for row in rows] == [("0", "-4"), ("0", "-3")]


async def test_grants_for_nothing_that_is_there_are_named_and_nothing_is_written(tenant: Caller) -> None:
    for body, named in (
        ({"models": ["gpt-99"]}, "'gpt-99', which no price book in USD lists"),
        ({"meters": ["nothing"]}, "'nothing': there is no such meter"),
        ({"models": [""]}, "models"),
    ):
        answer = await tenant.post("/billing/credits/grants", {"amount": "1", **body})
        assert (answer.status_code, named in answer.text) == (422, True), answer.text
    assert await usable(tenant) == ("0", [])
    first = await grant(tenant, "1", key="once", models=["gpt-4o"])
    assert (await grant(tenant, "1", key="once", models=["gpt-4o", "gpt-4o"]))["creditLotId"] == first["creditLotId"]
    for other in ({"amount": "1"}, {"amount": "1", "models": ["gpt-4o-mini"]}):
        answer = await tenant.post("/billing/credits/grants", other, key="once")
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_reused")


async def test_racing_calls_and_holds_take_no_more_than_there_is(tenant: Caller, runtime: Runtime) -> None:
    await grant(tenant, "2", models=["gpt-4o"])
    await grant(tenant, "1")
    await call(tenant, "first", GPT, 0)  # opens the accounts that charges need
    asked: list[Awaitable[tuple[int, dict[str, Any]]]] = []
    for number in range(20):
        asked.append(call(tenant, f"g-{number}", GPT, 25_000))  # 0.25 each
        asked.append(call(tenant, f"m-{number}", MINI, 250_000))  # 0.15 each
        of = {"model": "gpt-4o", "inputTokens": 0, "maxOutputTokens": 25_000}
        asked.append(hold(tenant, f"h-{number}", **of))
    answers = await asyncio.gather(*asked)
    assert {status for status, _ in answers} == {200, 201, 402}
    taken = sum(float(body["charged"]) for status, body in answers if status == 200)
    held = 0.25 * sum(status == 201 for status, _ in answers)
    wallet = (await tenant.get("/billing/wallets/self")).json()
    (limited,) = wallet["limited"]
    assert round(taken + float(wallet["balance"]) + float(limited["balance"]), 6) == 3
    assert round(float(wallet["held"]) + float(limited["held"]), 6) == held
    assert min(float(wallet["available"]), float(limited["available"])) >= 0


@pytest.mark.parametrize(
    "wrong",
    [
        "DELETE FROM hold_shares",
        "UPDATE accounts SET held_micro = 0 WHERE kind LIKE 'limited:%'",
        "UPDATE accounts SET balance_micro = balance_micro + 1, version = version + 1 WHERE kind LIKE 'limited:%'",
        "INSERT INTO hold_shares SELECT tenant_id, hold_id, (SELECT id FROM accounts WHERE kind = 'wallet'), 1 "
        "FROM hold_shares",
        "INSERT INTO credit_targets SELECT tenant_id, id, '{gpt-4o}', '{}', now() FROM accounts WHERE kind = 'wallet'",
        "UPDATE credit_targets SET models = '{gpt-4o-mini}'",
    ],
)
async def test_the_database_refuses_what_would_free_or_widen_them(tenant: Caller, runtime: Runtime, wrong: str) -> None:
    await grant(tenant, "3", models=["gpt-4o"])
    await hold(tenant, "h", model="gpt-4o", inputTokens=0, maxOutputTokens=100_000)
    async with runtime.database.reading() as session:
        named = await session.scalar(text("SELECT id FROM tenants WHERE slug = :slug"), {"slug": tenant.tenant})

    async def attack() -> None:
        assert runtime.settings.database_app_url is not None
        url = runtime.settings.database_app_url.get_secret_value()
        connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
        try:
            async with connection.transaction():
                await connection.execute("SELECT set_config('app.tenant_id', %s, true)", [str(named)])
                await connection.execute(wrong)  # pyright: ignore[reportArgumentType, reportCallIssue]  (our own text)
        finally:
            await connection.close()

    with pytest.raises(psycopg.Error) as refused:
        await attack()
    assert refused.value.sqlstate in ("23514", "23001", "42501"), refused.value


def test_what_limited_credits_pay_of_an_invoice_is_never_more_than_their_lines_or_it() -> None:
    def credits(*meters: str) -> LimitedCredits:
        return LimitedCredits(new_id(), "limited:0", [], list(meters), 0, 0)

    calls, both, other = credits("calls"), credits("calls", "seats"), credits("disk")
    available = {calls.account_id: 300, both.account_id: 1_000, other.account_id: 50}
    order = [calls, other, both]
    assert shares_of_limited(order, available, {"calls": 500, "seats": 400}, most_minor=10_000) == {
        calls.account_id: 300,
        both.account_id: 600,
    }
    # A coupon, or what comes back, made the whole invoice less than its lines of usage.
    assert shares_of_limited(order, available, {"calls": 500, "seats": 400}, most_minor=350) == {
        calls.account_id: 300,
        both.account_id: 50,
    }
    assert shares_of_limited(order, available, {"calls": -5}, most_minor=100) == {}
