"""Plans through the API: built with every kind of price, versioned, quoted with their arithmetic, refused by name."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from core.billing.pricing.plans.errors import InstallationPlanMetered
from core.billing.pricing.plans.schemas import NewPlan
from core.billing.pricing.plans.service import create_plan
from core.billing.pricing.schemes.arithmetic import recompute
from core.foundation.ids import INSTALLATION_ID
from core.foundation.runtime import Runtime
from tests.support.callers import Caller, invite, issue_key
from tests.support.furnished import made
from tests.support.servers import ROOT

Connection = psycopg.AsyncConnection[Any]


async def test_a_plan_of_the_installation_with_a_usage_part_is_refused_by_name(runtime: Runtime) -> None:
    counted = {"model": "per_unit", "unitPrice": "0.1"}
    prices = [usd(part("calls", counted, kind="usage", meter="calls"))]
    plan = NewPlan.model_validate({"code": "metered", "name": "Metered", "prices": prices})
    now = datetime(2026, 6, 1, tzinfo=UTC)
    with pytest.raises(InstallationPlanMetered):
        async with runtime.database.tenant(INSTALLATION_ID) as session:
            await create_plan(session, plan, tenant_id=INSTALLATION_ID, currency="USD", now=now)
    async with runtime.database.reading() as session:
        assert await session.scalar(text("SELECT count(*) FROM plans WHERE code = 'metered'")) == 0


def flat(amount: str) -> dict[str, Any]:
    return {"model": "flat", "amount": amount}


def part(code: str, price: dict[str, Any], **terms: Any) -> dict[str, Any]:
    return {"code": code, "name": code.title(), "price": price, **terms}


def usd(*components: dict[str, Any], currency: str = "USD", **floors: Any) -> dict[str, Any]:
    return {"currency": currency, "components": list(components), **floors}


SEATS = part(
    "seats",
    {
        "model": "graduated",
        "tiers": [
            {"firstUnit": 1, "lastUnit": 10, "unitPrice": "8"},
            {"firstUnit": 11, "lastUnit": None, "unitPrice": "6.5", "flatFee": "5"},
        ],
    },
)
SUPPORT = part("support", flat("50"), addOn=True)
SETUP = part("setup", flat("99"), kind="one_time")
BODY: dict[str, Any] = {
    "code": "pro",
    "name": "Pro",
    "interval": "month",
    "trialDays": 14,
    "prices": [usd(part("base", flat("19")), SEATS, SUPPORT, SETUP, minimum={"model": "minimum", "amount": "120"})],
}


async def quoted(caller: Caller, plan: str, **body: Any) -> dict[str, Any]:
    return await made(caller.post(f"/billing/plans/{plan}/quote", body))


def amounts(quote: dict[str, Any]) -> list[tuple[str, int]]:
    assert all(recompute(line["arithmetic"]) == line["amountMinor"] for line in quote["lines"])
    return [(line["code"], line["amountMinor"]) for line in quote["lines"]]


async def test_a_plan_is_built_and_its_cost_shown_with_the_arithmetic(tenant: Caller) -> None:
    plan = await made(tenant.post("/billing/plans", BODY))
    # The fixed part at quantity one: 19.00 + 8.00.
    assert (plan["code"], plan["amountMinor"], plan["currency"], plan["version"]) == ("pro", 2700, "USD", 1)

    quote = await quoted(tenant, "pro", quantities={"seats": "12"}, addOns=["support"])
    assert amounts(quote) == [("base", 1900), ("seats", 9800), ("support", 5000), ("setup", 9900)]
    assert quote["totalMinor"] == 26600
    seats = quote["lines"][1]["arithmetic"]
    assert seats == {
        "schema": 1,
        "model": "graduated",
        "currency": "USD",
        "rows": [
            {"kind": "tier", "tier": 1, "quantity": "10", "unitPrice": "8", "amount": "80"},
            {"kind": "tier", "tier": 2, "quantity": "2", "unitPrice": "6.5", "amount": "13"},
            {"kind": "tier_fee", "tier": 2, "quantity": "1", "unitPrice": "5", "amount": "5"},
        ],
        "sum": "98",
        "part": "1",
        "rounding": "half_up",
        "amountMinor": 9800,
    }
    # Later periods without the set-up fee: 19.00 + 8.00 are 93.00 less than the minimum.
    later = await quoted(tenant, plan["planId"], firstPeriod=False)
    assert amounts(later) == [("base", 1900), ("seats", 800), ("minimum", 9300)]
    assert later["subtotalMinor"] == 12000


async def test_several_currencies_with_no_or_three_decimals(sign_up: Callable[..., Awaitable[Caller]]) -> None:
    tenant = await sign_up(currency="JPY")
    prices = [
        usd(part("base", flat("1980")), currency="JPY"),
        usd(part("base", flat("4.995")), currency="KWD"),
        usd(part("base", flat("19.99")), currency="USD"),
    ]
    plan = await made(tenant.post("/billing/plans", {"code": "world", "name": "World", "prices": prices}))
    assert (plan["currency"], plan["amountMinor"]) == ("JPY", 1980)
    shown = (await made(tenant.get("/billing/plans/world")))["current"]["prices"]
    assert {price["currency"]: price["amountMinor"] for price in shown} == {"JPY": 1980, "KWD": 4995, "USD": 1999}
    assert (await quoted(tenant, "world", currency="KWD"))["totalMinor"] == 4995
    listed = await made(tenant.get("/billing/plans", currency="KWD"))
    assert [(plan["code"], plan["amountMinor"]) for plan in listed["data"]] == [("world", 4995)]
    refused = await tenant.post("/billing/plans/world/quote", {"currency": "EUR"})
    assert (refused.status_code, refused.json()["code"]) == (422, "not_sold_in_currency")


async def test_new_terms_never_change_what_was_agreed(sign_up: Callable[..., Awaitable[Caller]]) -> None:
    tenant = await sign_up(testClock="2026-03-01T00:00:00Z")
    plan = await made(tenant.post("/billing/plans", {"code": "gold", "name": "Gold", "amountMinor": 1000}))
    first = await made(tenant.post("/billing/subscriptions", {"planId": "gold"}))
    later = {"effectiveFrom": "2026-04-01T00:00:00Z", "applies": "renewal", "prices": [usd(part("base", flat("12")))]}
    version = await made(tenant.post("/billing/plans/gold/versions", later))
    assert (version["version"], version["applies"], version["effectiveFrom"]) == (2, "renewal", "2026-04-01T00:00:00Z")

    detail = await made(tenant.get("/billing/plans/gold"))
    assert (detail["current"]["version"], detail["scheduled"]["version"]) == (1, 2)
    assert (await quoted(tenant, "gold"))["totalMinor"] == 1000
    assert (await quoted(tenant, "gold", version=2))["totalMinor"] == 1200
    # Until it begins the first is sold; then the second, and the first subscription stays at what it agreed to.
    assert (await made(tenant.post("/billing/subscriptions", {"planId": "gold"})))["amountMinor"] == 1000
    await made(tenant.post("/billing/test-clock", {"now": "2026-04-01T00:00:00Z"}))
    assert (await made(tenant.post("/billing/subscriptions", {"planId": plan["planId"]})))["amountMinor"] == 1200
    kept = await made(tenant.get(f"/billing/subscriptions/{first['subscriptionId']}"))
    assert kept["amountMinor"] == 1000
    detail = await made(tenant.get("/billing/plans/gold"))
    assert (detail["current"]["version"], detail["scheduled"]) == (2, None)

    listed = await made(tenant.get("/billing/plans/gold/versions", limit=1))
    then = await made(tenant.get("/billing/plans/gold/versions", limit=1, cursor=listed["nextCursor"]))
    assert [page["data"][0]["version"] for page in (listed, then)] == [2, 1]
    assert then["nextCursor"] is None


async def test_a_newer_version_takes_the_place_of_one_that_waits(sign_up: Callable[..., Awaitable[Caller]]) -> None:
    tenant = await sign_up(testClock="2026-03-01T00:00:00Z")
    await made(tenant.post("/billing/plans", {"code": "gold", "name": "Gold", "amountMinor": 1000}))
    for at, amount in (("2026-05-01T00:00:00Z", "15"), ("2026-04-01T00:00:00Z", "14")):
        terms = {"effectiveFrom": at, "prices": [usd(part("base", flat(amount)))]}
        await made(tenant.post("/billing/plans/gold/versions", terms))
    assert (await made(tenant.get("/billing/plans/gold")))["scheduled"]["version"] == 3
    await made(tenant.post("/billing/test-clock", {"now": "2026-06-01T00:00:00Z"}))
    assert (await quoted(tenant, "gold"))["totalMinor"] == 1400


async def test_a_currency_that_the_new_version_lacks_is_no_longer_sold(tenant: Caller) -> None:
    prices = [usd(part("base", flat("10"))), usd(part("base", flat("9")), currency="EUR")]
    await made(tenant.post("/billing/plans", {"code": "gold", "name": "Gold", "prices": prices}))
    await made(tenant.post("/billing/plans/gold/versions", {"prices": prices[1:]}))
    refused = await tenant.post("/billing/subscriptions", {"planId": "gold"})
    assert (refused.status_code, refused.json()["code"]) == (422, "not_sold_in_currency")
    assert "gold" not in [plan["code"] for plan in (await made(tenant.get("/billing/plans")))["data"]]


TIER = {"firstUnit": 1, "lastUnit": 10, "unitPrice": "1"}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"prices": []}, "plan_without_price"),
    ({"prices": [usd()]}, "plan_without_price"),
    ({"prices": [usd(SUPPORT)]}, "plan_without_price"),
    ({"amountMinor": 100}, "plan_invalid"),
    ({"currency": "USD"}, "plan_invalid"),
    ({"prices": [usd(SEATS, currency="XXX")]}, "currency_unknown"),
    ({"prices": [usd(SEATS), usd(SEATS)]}, "currency_repeated"),
    ({"prices": [usd(SEATS, SEATS)]}, "component_repeated"),
    ({"prices": [usd(SEATS), usd(SETUP, SEATS, currency="EUR")]}, "components_differ"),
    ({"prices": [usd(part("calls", flat("1"), kind="usage"))]}, "plan_invalid"),
    ({"prices": [usd(part("calls", flat("1"), kind="usage", meter="nothing"))]}, "meter_unknown"),
    ({"prices": [usd(part("calls", flat("1"), meter="nothing"))]}, "plan_invalid"),
    ({"prices": [usd(part("a", {"model": "volume", "tiers": [TIER, TIER]}))]}, "tiers_unordered"),
    (
        {"prices": [usd(part("a", {"model": "volume", "tiers": [TIER, {**TIER, "firstUnit": 10, "lastUnit": None}]}))]},
        "tiers_overlap",
    ),
    (
        {"prices": [usd(part("a", {"model": "volume", "tiers": [TIER, {**TIER, "firstUnit": 12, "lastUnit": None}]}))]},
        "tiers_gap",
    ),
    ({"prices": [usd(part("a", {"model": "volume", "tiers": [TIER]}))]}, "tiers_closed"),
    ({"prices": [usd(part("a", flat("9.995")))]}, "price_invalid"),
    ({"prices": [usd(part("a", flat("-1")))]}, "price_invalid"),
    ({"prices": [usd(part("a", flat("1e3")))]}, "price_invalid"),
    ({"prices": [usd(part("a", {"model": "flat", "amount": 5}))]}, "price_invalid"),
    ({"prices": [usd(part("a", {"model": "free"}))]}, "invalid_input"),
    ({"prices": [usd(part("a", {**flat("1"), "schema": 2}))]}, "invalid_input"),
    ({"prices": [usd(part("a", {**flat("1"), "rounding": "sideways"}))]}, "invalid_input"),
    ({"prices": [usd(SEATS, minimum={"model": "minimum", "amount": "0"})]}, "price_invalid"),
    ({"prices": [usd(*[part(f"p-{n}", {"model": "per_unit", "unitPrice": "999999999999"}) for n in range(11)])]},
     "amount_out_of_range"),
    ({"interval": "fortnight"}, "invalid_input"),
    ({"interval": "year", "intervalCount": 11}, "plan_invalid"),
    ({"intervalCount": 0}, "invalid_input"),
    ({"trialDays": 0}, "invalid_input"),
    ({"trialUntil": "2020-01-01T00:00:00Z"}, "plan_invalid"),
    ({"product": "nothing"}, "product_not_found"),
    ({"code": "Not A Code"}, "invalid_input"),
    ({"code": "deadbeef" * 4}, "invalid_input"),
    ({"prices": [usd(part("a", {"model": "percentage", "rate": "1"}))]}, "plan_invalid"),
]  # fmt: skip


async def test_plans_that_nobody_could_be_billed_by_are_refused_by_name(
    tenant: Caller, connect: Callable[..., Awaitable[Connection]]
) -> None:
    admin = await connect("admin")

    async def rows() -> list[Any]:
        counts = (
            "SELECT (SELECT count(*) FROM plans), (SELECT count(*) FROM plan_versions), (SELECT count(*) FROM prices)"
        )
        async with admin.transaction():
            return await (await admin.execute(counts)).fetchall()

    before = await rows()
    found = [((await tenant.post("/billing/plans", {**BODY, **change})).json()["code"]) for change, _ in WRONG]
    assert found == [code for _, code in WRONG]
    assert await rows() == before
    await made(tenant.post("/billing/plans", BODY))
    again = await tenant.post("/billing/plans", BODY)
    assert (again.status_code, again.json()["code"]) == (409, "code_taken")


async def test_what_is_wrong_with_a_price_is_said_of_the_part_that_it_is_of(tenant: Caller) -> None:
    tiers = [TIER, {**TIER, "firstUnit": 10, "lastUnit": None}]
    for price, said in (
        (
            usd(part("a", flat("1")), part("b", {"model": "volume", "tiers": tiers})),
            "b.price.tiers[1] begins at unit 10",
        ),
        (usd(part("a", flat("1")), part("b", flat("9.995"))), "prices[0].components.b.price.amount has more decimals"),
        (usd(SEATS, minimum={"model": "minimum", "amount": "0"}), "prices[0].minimum.amount must be more than 0"),
    ):
        refused = await tenant.post("/billing/plans", {**BODY, "prices": [price]})
        assert (refused.status_code, said in refused.json()["detail"]) == (422, True), refused.text


async def test_versions_are_refused_by_name(tenant: Caller) -> None:
    await made(tenant.post("/billing/plans", BODY))
    good = {"prices": [usd(part("base", flat("12")))]}
    for plan, body, status, code in (
        ("pro", {"effectiveFrom": "2020-01-01T00:00:00Z", **good}, 422, "effective_in_past"),
        ("pro", {"prices": []}, 422, "plan_without_price"),
        ("pro", {"applies": "at once", **good}, 422, "invalid_input"),
        ("starter", good, 403, "plan_of_installation"),
        ("nothing", good, 404, "plan_not_found"),
    ):
        refused = await tenant.post(f"/billing/plans/{plan}/versions", body)
        assert (refused.status_code, refused.json()["code"]) == (status, code), refused.text
    assert len((await made(tenant.get("/billing/plans/pro/versions")))["data"]) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"quantities": {"beds": "1"}}, "component_unknown"),
        ({"quantities": {"support": "1"}}, "component_unknown"),
        ({"addOns": ["base"]}, "component_unknown"),
        ({"transactions": {"beds": ["1"]}}, "component_unknown"),
        ({"quantities": {"seats": "-1"}}, "quantity_invalid"),
        ({"quantities": {"seats": 5}}, "quantity_invalid"),
        ({"quantities": {"seats": "1e3"}}, "quantity_invalid"),
        ({"quantities": {"seats": "0.0000000000001"}}, "quantity_invalid"),
        ({"quantities": {"seats": "9" * 27}}, "quantity_invalid"),
        ({"quantities": {"seats": "9" * 26}}, "amount_out_of_range"),
        ({"coupons": ["nothing"]}, "coupon_not_found"),
        ({"version": 2}, "plan_version_not_found"),
    ],
)
async def test_quotes_are_refused_by_name(tenant: Caller, body: dict[str, Any], code: str) -> None:
    await made(tenant.post("/billing/plans", BODY))
    refused = await tenant.post("/billing/plans/pro/quote", body)
    assert (refused.status_code, refused.json()["code"]) == (404 if code.endswith("_found") else 422, code)


async def test_a_key_makes_a_plan_and_a_version_once(tenant: Caller) -> None:
    first = await made(tenant.post("/billing/plans", BODY, key="k"))
    again = await made(tenant.post("/billing/plans", BODY, key="k"))
    assert again == {**first, "replayed": True}
    other = await tenant.post("/billing/plans", {**BODY, "name": "Other"}, key="k")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    version = {"prices": [usd(part("base", flat("12")))]}
    one = await made(tenant.post("/billing/plans/pro/versions", version, key="v"))
    assert await made(tenant.post("/billing/plans/pro/versions", version, key="v")) == {**one, "replayed": True}
    assert [row["version"] for row in (await made(tenant.get("/billing/plans/pro/versions")))["data"]] == [2, 1]


async def test_what_is_on_a_bill_is_not_deleted_and_archiving_can_be_undone(tenant: Caller) -> None:
    await made(tenant.post("/billing/products", {"code": "app", "name": "App"}))
    await made(tenant.post("/billing/plans", {**BODY, "product": "app"}))
    sold = await tenant.request("DELETE", "/billing/products/app")
    assert (sold.status_code, sold.json()["code"]) == (409, "product_in_use")
    subscription = await made(tenant.post("/billing/subscriptions", {"planId": "pro"}))
    used = await tenant.request("DELETE", "/billing/plans/pro")
    assert (used.status_code, used.json()["code"], used.json()["subscriptions"]) == (409, "plan_in_use", 1)

    archived = await made(tenant.patch("/billing/plans/pro", {"archived": True}))
    assert archived["archivedAt"] is not None
    version = await tenant.post("/billing/plans/pro/versions", {"prices": BODY["prices"]})
    assert (version.status_code, version.json()["code"]) == (409, "plan_archived")
    listed = await made(tenant.get("/billing/plans", archived=True))
    assert [plan["code"] for plan in listed["data"]] == ["pro"]
    refused = await tenant.post("/billing/subscriptions", {"planId": "pro"})
    assert (refused.status_code, refused.json()["code"]) == (404, "plan_not_found")
    assert (await tenant.get(f"/billing/subscriptions/{subscription['subscriptionId']}")).status_code == 200
    back = await made(tenant.patch("/billing/plans/pro", {"archived": False, "name": "Pro again"}))
    assert (back["archivedAt"], back["name"]) == (None, "Pro again")

    await made(tenant.post("/billing/plans", {**BODY, "code": "never"}))
    assert (await made(tenant.delete("/billing/plans/never")))["archivedAt"] is not None
    assert (await made(tenant.get("/billing/plans/never")))["current"]["version"] == 1


async def test_the_installations_plan_is_not_deleted_while_any_tenant_has_it(
    tenant: Caller, other: Caller, operator: Caller
) -> None:
    await made(other.post("/billing/subscriptions", {"planId": "starter"}))
    entered = operator.entering("installation", reason="out of sale")
    refused = await entered.request("DELETE", "/billing/plans/starter")
    assert (refused.status_code, refused.json()["subscriptions"]) == (409, 1)
    forbidden = await tenant.patch("/billing/plans/starter", {"archived": True})
    assert (forbidden.status_code, forbidden.json()["code"]) == (403, "plan_of_installation")
    assert (await quoted(tenant, "starter"))["totalMinor"] == 1900


async def test_coupons_in_a_quote(tenant: Caller) -> None:
    await made(tenant.post("/billing/products", {"code": "app", "name": "App"}))
    await made(tenant.post("/billing/plans", {"code": "gold", "name": "Gold", "amountMinor": 2000, "product": "app"}))
    await made(tenant.post("/billing/plans", {"code": "iron", "name": "Iron", "amountMinor": 500}))
    tenth = {"code": "tenth", "name": "A tenth", "percent": "10", "duration": "forever"}
    await made(tenant.post("/billing/coupons", tenth))
    await made(
        tenant.post(
            "/billing/coupons",
            {"code": "five", "name": "Five", "amountMinor": 500, "currency": "USD", "products": ["app"]},
        )
    )
    quote = await quoted(tenant, "gold", coupons=["tenth", "five"])
    assert ([found["amountMinor"] for found in quote["discounts"]], quote["totalMinor"]) == ([200, 500], 1300)
    quote = await quoted(tenant, "gold", coupons=["five", "tenth"])
    assert ([found["amountMinor"] for found in quote["discounts"]], quote["totalMinor"]) == ([500, 150], 1350)
    for plan, coupon in (("iron", "five"), ("starter", "tenth")):
        refused = await tenant.post(f"/billing/plans/{plan}/quote", {"coupons": [coupon]})
        assert (refused.status_code, refused.json()["code"]) == (409, "coupon_not_for_this")


async def test_who_may_build_and_who_may_ask(tenant: Caller) -> None:
    await made(tenant.post("/billing/plans", BODY))
    for role, status in (("developer", 403), ("read_only", 403), ("finance", 201)):
        member = await invite(tenant, role)
        assert (
            await member.post("/billing/plans", {**BODY, "code": f"by-{role.replace('_', '-')}"})
        ).status_code == status
        assert (await member.post("/billing/plans/pro/quote", {})).status_code == 200
    key = await issue_key(tenant, "billing:read")
    assert (await key.post("/billing/plans/pro/quote", {})).status_code == 200
    assert (await key.patch("/billing/plans/pro", {"name": "Mine"})).status_code == 403


async def test_versions_at_once_get_numbers_of_their_own(tenant: Caller) -> None:
    await made(tenant.post("/billing/plans", BODY))
    terms = {"prices": [usd(part("base", flat("12")))]}
    versions = await asyncio.gather(*(made(tenant.post("/billing/plans/pro/versions", terms)) for _ in range(5)))
    assert sorted(version["version"] for version in versions) == [2, 3, 4, 5, 6]


async def test_usage_is_priced_by_a_meter_of_the_sellers_own(tenant: Caller, other: Caller) -> None:
    meter = await made(
        tenant.post("/billing/meters", {"code": "calls", "name": "Calls", "aggregation": "count", "eventName": "call"})
    )
    packages = {"model": "package", "packageSize": "1000", "packagePrice": "2.50", "included": "500"}
    fees = {"model": "percentage", "rate": "2.9", "fixed": "0.30", "maximum": "20"}
    prices = [
        usd(
            part("calls", packages, kind="usage", meter="calls"),
            part("fees", fees, kind="usage", meter=meter["meterId"]),
        )
    ]
    plan = await made(tenant.post("/billing/plans", {"code": "metered", "name": "Metered", "prices": prices}))
    assert plan["amountMinor"] == 0
    shown = (await made(tenant.get("/billing/plans/metered")))["current"]["prices"][0]["components"]
    assert [component["meterId"] for component in shown] == [meter["meterId"]] * 2
    assert amounts(await quoted(tenant, "metered")) == [("calls", 0), ("fees", 0)]
    # 2,001 calls above the 500 included begin three packages; 2.9 % of 110.00, twice 0.30, and 20.00 of the large one.
    quote = await quoted(
        tenant, "metered", quantities={"calls": "2501"}, transactions={"fees": ["100", "10", "1000000"]}
    )
    assert amounts(quote) == [("calls", 750), ("fees", 2379)]
    for meter_of_another in ("calls", meter["meterId"]):
        body = {"code": "mine", "name": "M", "prices": [usd(part("c", packages, kind="usage", meter=meter_of_another))]}
        refused = await other.post("/billing/plans", body)
        assert (refused.status_code, refused.json()["code"]) == (422, "meter_unknown")


async def test_the_example_in_the_documents_is_true(tenant: Caller) -> None:
    text = (ROOT / "docs" / "billing.md").read_text()
    plan, asked, expected = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL))
    await made(
        tenant.post("/billing/meters", {"code": "calls", "name": "Calls", "aggregation": "count", "eventName": "call"})
    )
    await made(tenant.post("/billing/coupons", {"code": "spring", "name": "Spring", "percent": "10"}))
    welcome = {"code": "welcome", "name": "Welcome", "amountMinor": 500, "currency": "USD"}
    await made(tenant.post("/billing/coupons", welcome))
    await made(tenant.post("/billing/plans", plan))
    quote = await quoted(tenant, plan["code"], **asked)
    assert dict(amounts(quote)) == expected["lines"]
    assert {found["coupon"]: found["amountMinor"] for found in quote["discounts"]} == expected["discounts"]
    assert (quote["subtotalMinor"], quote["totalMinor"]) == (expected["subtotalMinor"], expected["totalMinor"])
