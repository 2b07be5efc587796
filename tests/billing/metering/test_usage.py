"""GET /api/usage/events and /api/usage/summary: what was metered, page by page and summed."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.support.callers import Caller


async def report(caller: Caller, key: str, **fields: Any) -> dict[str, Any]:
    """A call to gpt-4o that costs 0.0075 unless told otherwise."""
    body = {"model": "gpt-4o", "inputTokens": 1000, "outputTokens": 500, "idempotencyKey": key, **fields}
    return (await caller.post("/api/usage/reconcile", body)).json()


async def test_events_are_listed_newest_first_page_by_page(funded_tenant: Caller) -> None:
    for number in range(5):
        await report(funded_tenant, f"call-{number}")

    first = (await funded_tenant.get("/api/usage/events", limit=2)).json()
    second = (await funded_tenant.get("/api/usage/events", limit=2, cursor=first["nextCursor"])).json()
    third = (await funded_tenant.get("/api/usage/events", limit=2, cursor=second["nextCursor"])).json()

    assert [[event["idempotencyKey"] for event in page["data"]] for page in (first, second, third)] == [
        ["call-4", "call-3"],
        ["call-2", "call-1"],
        ["call-0"],
    ]
    assert third["nextCursor"] is None


async def test_events_of_one_instant_are_paged_without_a_gap(funded_tenant: Caller) -> None:
    same = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    for number in range(5):
        await report(funded_tenant, f"call-{number}", occurredAt=same)

    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await funded_tenant.get("/api/usage/events", limit=2, **cursor)).json()
        seen += [event["idempotencyKey"] for event in page["data"]]
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert sorted(seen) == ["call-0", "call-1", "call-2", "call-3", "call-4"]


async def test_a_cursor_that_is_none_is_refused(funded_tenant: Caller) -> None:
    for cursor in ("x", "2026-01-01T00:00:00_x", "9999-99-99T00:00:00Z_01890000-0000-7000-8000-000000000000"):
        answer = await funded_tenant.get("/api/usage/events", cursor=cursor)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input"), cursor


async def test_a_refused_call_is_listed_until_it_is_paid(tenant: Caller, fund: Callable[..., Awaitable[None]]) -> None:
    await fund(tenant, 10_000)
    assert (await report(tenant, "big", inputTokens=8000))["code"] == "insufficient_credits"
    (refused,) = (await tenant.get("/api/usage/events", outcome="refused")).json()["data"]
    assert (refused["charged"], refused["transactionId"], refused["supersededBy"]) == ("0.025", None, None)

    await fund(tenant, 1_000_000)
    paid = await report(tenant, "big", inputTokens=8000)

    assert (await tenant.get("/api/usage/events", outcome="refused")).json()["data"] == []
    kept = (await tenant.get(f"/api/usage/events/{refused['usageEventId']}")).json()
    assert (kept["outcome"], kept["supersededBy"]) == ("refused", paid["usageEventId"])


async def test_a_charge_can_be_recomputed_from_what_is_kept_with_it(funded_tenant: Caller) -> None:
    charged = await report(funded_tenant, "odd", inputTokens=1234, cachedTokens=234, outputTokens=77)
    arithmetic = (await funded_tenant.get(f"/api/usage/events/{charged['usageEventId']}")).json()["arithmetic"]

    exact = sum((Decimal(line["perMillion"]) * line["count"] for line in arithmetic["lines"]), Decimal(0)) / 10**6

    # 1,000 x 2.50 + 234 x 1.25 + 77 x 10.00 = 3,562.5 a million
    assert exact == Decimal("0.0035625")
    assert charged["charged"] == "0.003563"


async def test_the_summary_counts_what_was_settled_and_nothing_else(
    tenant: Caller, fund: Callable[..., Awaitable[None]]
) -> None:
    await fund(tenant, 100_000)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    await report(tenant, "one", occurredAt=yesterday.isoformat())
    await report(tenant, "two", cachedTokens=400)
    await report(tenant, "mini", model="gpt-4o-mini")
    await report(tenant, "refused", inputTokens=100_000)

    summary = (await tenant.get("/api/usage/summary")).json()

    # 0.0075 + 0.007 of gpt-4o, and 0.00015 + 0.0003 of the small one
    assert (summary["total"], summary["calls"], summary["currency"]) == ("0.01495", 3, "USD")
    assert summary["byModel"] == [
        {
            "model": "gpt-4o",
            "calls": 2,
            "inputTokens": 2000,
            "cachedTokens": 400,
            "outputTokens": 1000,
            "charged": "0.0145",
        },
        {
            "model": "gpt-4o-mini",
            "calls": 1,
            "inputTokens": 1000,
            "cachedTokens": 0,
            "outputTokens": 500,
            "charged": "0.00045",
        },
    ]
    assert summary["byDay"][0] == {"date": yesterday.date().isoformat(), "calls": 1, "charged": "0.0075"}
    assert sum(day["calls"] for day in summary["byDay"]) == 3


async def test_a_span_that_is_too_long_or_backwards_is_refused(tenant: Caller) -> None:
    for since, until in (
        ("2024-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2026-02-01T00:00:00Z", "2026-01-01T00:00:00Z"),
    ):
        answer = await tenant.get("/api/usage/summary", **{"from": since, "to": until})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
