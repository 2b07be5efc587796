"""What nobody should be able to do to a bill: each refused by name, and nothing changed by it."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from core.billing.reports.tables import as_csv
from core.foundation.schemas import Answer
from tests.scenarios.story import TAXED, Story, flat, metered, per_unit
from tests.support.furnished import made

Begin = Callable[..., Awaitable[Story]]
Sent = tuple[str, str, dict[str, Any] | None]

TIERS = "prices.0.components.0.price.graduated"


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def shops() -> dict[str, Any]:
    """The story that all refusals share: it is told once, since none of them changes anything."""
    return {}


@pytest_asyncio.fixture(loop_scope="session")
async def shop(shops: dict[str, Any], begin: Begin) -> Story:
    """Ada pays for seats and calls since 10 January; two months are billed, with a coupon and with tax."""
    if not shops:
        story = await begin("2026-01-10T09:00:00Z", **TAXED)
        await story.meters()
        made_product = story.caller.post("/billing/products", {"code": "suite", "name": "Suite"})
        await made(made_product)
        await story.sells("team", per_unit("10"), metered("0.01"), product="suite")
        await story.offers("tenth", percent="10")
        ada = await story.customer()
        subscription = await story.subscribes(ada, "team", quantities={"seats": "3"}, coupons=["tenth"])
        await story.uses(ada, 3)
        rate = {"country": "DE", "name": "USt", "percent": "19", "effectiveFrom": "2029-01-01"}
        kept = await made(story.caller.post("/billing/tax-rates", rate))
        await story.until("2026-03-01T00:00:00Z")
        (meter,) = (await made(story.caller.get("/billing/meters")))["data"]
        shops |= {
            "story": story,
            "ada": ada,
            "subscription": subscription,
            "meter": meter["meterId"],
            "rate": kept["taxRateId"],
        }
    return shops["story"]


def plan(price: dict[str, Any], currency: str = "EUR", **fields: Any) -> dict[str, Any]:
    """A plan of one part at that price."""
    part = {"code": "part", "name": "Part", "price": price}
    return {"code": "new", "name": "New", "prices": [{"currency": currency, "components": [part]}], **fields}


def tiers(*ranges: tuple[int, int | None]) -> dict[str, Any]:
    """A plan in graduated tiers from … to …"""
    rows = [{"firstUnit": first, "lastUnit": last, "unitPrice": "1"} for first, last in ranges]
    return plan({"model": "graduated", "tiers": rows})


def line(**fields: Any) -> dict[str, Any]:
    """A line to bill once."""
    return {"customerId": "ada", "lines": [{"description": "Work", **fields}]}


LATER = plan({"model": "flat", "amount": "1"})
PAST = "2026-02-28T00:00:00Z"
DEEP = "{% if name %}" * 300 + "x" + "{% endif %}" * 300

REFUSED: dict[str, list[tuple[Sent, str]]] = {
    "money out of range": [
        *[
            (("POST", "/billing/plans", plan({"model": "flat", "amount": amount})), "price_invalid")
            for amount in ("-1", "1e3", "NaN", "Infinity", "9" * 13, "0.001", "1,5", " 1", "１", "", 10, 0.5, None)
        ],
        (("POST", "/billing/plans", plan({"model": "flat", "amount": "10.5"}, "JPY")), "price_invalid"),
        (("POST", "/billing/plans", plan({"model": "flat", "amount": "1.2345"}, "KWD")), "price_invalid"),
        *[
            (("POST", "/billing/plans", {"code": "new", "name": "New", "amountMinor": minor}), "amount_invalid")
            for minor in (-1, 10**9, 10**30, 1.5, "10", True)
        ],
        *[
            (("POST", "/billing/invoices/items", line(amountMinor=minor)), "amount_invalid")
            for minor in (10**15 + 1, -(10**15) - 1, 10**40, 1.5, "5")
        ],
        (("POST", "/billing/invoices/items", line(quantity="9" * 12, unitPrice="9" * 12)), "amount_out_of_range"),
        (("POST", "/billing/invoices/items", line(unitPrice="1e9")), "price_invalid"),
        *[
            (("POST", "/billing/credits/grants", {"customerId": "ada", "amount": amount}), "amount_invalid")
            for amount in ("0", "-1", "1e3", "NaN", "0.0000001", "9" * 13)
        ],
        (("POST", "/billing/coupons", {"code": "new", "name": "New", "percent": "100.1"}), "coupon_invalid"),
    ],
    "quantity out of range": [
        *[
            (
                ("POST", "/billing/subscriptions/{subscription}/change", {"quantities": {"seats": quantity}}),
                "quantity_invalid",
            )
            for quantity in ("-1", "1e3", "NaN", "0." + "0" * 12 + "1", "٣", 3, 1.5, None)
        ],
        (("POST", "/billing/invoices/items", line(quantity="NaN", unitPrice="1")), "quantity_invalid"),
    ],
    "unknown currency": [
        *[
            (("POST", "/billing/plans", plan({"model": "flat", "amount": "1"}, currency)), "currency_unknown")
            for currency in ("eur", "XXX", "DEM", "EURO", "", "BTC")
        ],
        (("PATCH", "/billing/customers/{ada}", {"currency": "usd"}), "currency_unknown"),
        (("POST", "/billing/invoices/items", {**line(amountMinor=1), "currency": "eur"}), "currency_unknown"),
        (("POST", "/billing/subscriptions", {"planId": "team", "currency": "XXX"}), "currency_unknown"),
    ],
    "overlapping tiers, and tiers with a gap, out of order, or with an end": [
        (("POST", "/billing/plans", tiers((1, 10), (10, None))), "tiers_overlap"),
        (("POST", "/billing/plans", tiers((1, None), (5, None))), "tiers_overlap"),
        (("POST", "/billing/plans", tiers((1, 20), (5, 10), (21, None))), "tiers_overlap"),
        (("POST", "/billing/plans", tiers((1, 10), (12, None))), "tiers_gap"),
        (("POST", "/billing/plans", tiers((2, None))), "tiers_gap"),
        (("POST", "/billing/plans", tiers((1, 5), (1, 5), (6, None))), "tiers_unordered"),
        (("POST", "/billing/plans", tiers((1, 10), (11, 5), (6, None))), "tiers_unordered"),
        (("POST", "/billing/plans", tiers((1, 10), (11, 20))), "tiers_closed"),
    ],
    "a plan with no price": [
        (("POST", "/billing/plans", {"code": "new", "name": "New"}), "plan_without_price"),
        (("POST", "/billing/plans", {"code": "new", "name": "New", "prices": []}), "plan_without_price"),
        (
            ("POST", "/billing/plans", {**plan({}), "prices": [{"currency": "EUR", "components": []}]}),
            "plan_without_price",
        ),
        (("POST", "/billing/plans/team/versions", {"prices": []}), "plan_without_price"),
    ],
    "a change that would make a negative period": [
        (
            ("POST", "/billing/subscriptions/{subscription}/pause", {"resumeAt": "2026-02-28T23:59:59Z"}),
            "negative_period",
        ),
        (
            ("POST", "/billing/invoices/items",
             line(amountMinor=1, periodStart="2026-02-01T00:00:00Z", periodEnd="2026-01-31T00:00:00Z")),
            "negative_period",
        ),
        (
            ("POST", "/billing/plans/team/versions", {"prices": LATER["prices"], "effectiveFrom": PAST}),
            "effective_in_past",
        ),
        (("POST", "/billing/test-clock", {"now": "2026-02-28T23:59:59Z"}), "test_clock_backwards"),
    ],
    "1,001 events, and none": [
        (
            ("POST", "/billing/usage/events",
             {"events": [{"eventName": "calls", "idempotencyKey": f"k{n}"} for n in range(1001)]}),
            "usage_batch_size",
        ),
        (("POST", "/billing/usage/events", {"events": []}), "usage_batch_size"),
    ],
    "a duplicate external id, or code": [
        (("POST", "/billing/customers", {"externalId": "ada", "name": "Eve"}), "customer_exists"),
        (("POST", "/billing/customers", {"externalId": "self", "name": "Eve"}), "customer_exists"),
        (("POST", "/billing/plans", {**plan({"model": "flat", "amount": "1"}), "code": "team"}), "code_taken"),
        (("POST", "/billing/coupons", {"code": "tenth", "name": "Again", "percent": "5"}), "code_taken"),
        (("POST", "/billing/products", {"code": "suite", "name": "Again"}), "code_taken"),
        (
            ("POST", "/billing/meters",
             {"code": "calls", "name": "Again", "aggregation": "count", "eventName": "other"}),
            "meter_code_taken",
        ),
    ],
    "deleting what is on a bill": [
        (("DELETE", "/billing/customers/{ada}", None), "customer_in_use"),
        (("DELETE", "/billing/plans/team", None), "plan_in_use"),
        (("DELETE", "/billing/products/suite", None), "product_in_use"),
        (("DELETE", "/billing/meters/{meter}", None), "meter_in_use"),
        (("DELETE", "/billing/coupons/tenth", None), "coupon_in_use"),
        (("DELETE", "/billing/tax-rates/{rate}", None), "tax_rate_kept"),
    ],
    "a template that does not render": [
        (
            ("PUT", "/notification/templates",
             {"template": "receipt", "language": "en", "subject": "Receipt", "body": body}),
            "template_invalid",
        )
        for body in (
            "{{ nope }}", "{{ name", "{% if false %}{{ nope }}{% endif %}{{ name }}", "{{ self }}",
            "{{ name.__class__ }}", "{% for one in name %}x{% endfor %}", "{% while true %}", "{{ 10 ** 10 ** 10 }}",
            "{{ paid_at|date('Nowhere') }}", "{{ paid_at|date('%n') }}", DEEP,
            "a\x00b",
        )
    ],
}  # fmt: skip


@pytest.mark.parametrize("clause", REFUSED)
async def test_each_is_refused_by_name_and_nothing_changes(shop: Story, shops: dict[str, Any], clause: str) -> None:
    before = await _everything(shop)
    wrong: list[str] = []
    for (method, path, body), code in REFUSED[clause]:
        body = {**body, "customerId": shops["ada"]} if body and "customerId" in body else body
        answer = await shop.caller.request(
            method, path.format(**shops), content=json.dumps(body), headers={"Content-Type": "application/json"}
        )
        said = answer.json()
        if not 400 <= answer.status_code < 500 or said.get("code") != code or len(said.get("detail", "")) < 20:
            wrong.append(f"{method} {path} {str(body)[:200]}: {answer.status_code} {said}")
    assert wrong == []
    assert await _everything(shop) == before


@pytest.mark.parametrize(
    ("at", "code"),
    [
        ("2026-03-01T00:05:01Z", "usage_event_in_future"),
        ("2027-01-01T00:00:00Z", "usage_event_in_future"),
        ("2026-01-24T23:59:59Z", "usage_event_too_old"),
        ("2026-01-10T08:59:59Z", "usage_before_subscription"),
        ("2026-02-30T00:00:00Z", "invalid_input"),
        ("2026-02-01T00:00:00", "invalid_input"),
    ],
)
async def test_an_event_from_the_future_or_before_the_subscription_is_refused_by_name(
    shop: Story, shops: dict[str, Any], at: str, code: str
) -> None:
    before = await _everything(shop)
    event = {"eventName": "calls", "customerId": shops["ada"], "occurredAt": at, "idempotencyKey": "refused"}
    answer = await made(shop.caller.post("/billing/usage/events", {"events": [event]}))
    assert [(row["status"], row["code"]) for row in answer["data"]] == [("refused", code)]
    assert await _everything(shop) == before


async def test_an_event_of_another_content_under_a_known_key_is_refused_and_the_same_counted_once(
    shop: Story, shops: dict[str, Any]
) -> None:
    event = {"eventName": "calls", "customerId": shops["ada"], "occurredAt": "2026-02-20T00:00:00Z"}
    await made(shop.caller.post("/billing/usage/events", {"events": [{**event, "idempotencyKey": "one"}]}))
    before = await _everything(shop)
    again = [{**event, "idempotencyKey": "one"}, {**event, "idempotencyKey": "one", "quantity": "2"}]
    answer = await made(shop.caller.post("/billing/usage/events", {"events": again}))
    assert [(row["status"], row.get("code")) for row in answer["data"]] == [
        ("duplicate", None),
        ("refused", "idempotency_key_reused"),
    ]
    assert await _everything(shop) == before


async def test_what_no_bill_rests_on_may_be_deleted(begin: Begin) -> None:
    story = await begin("2026-01-10T09:00:00Z")
    await story.meters()
    (meter,) = (await made(story.caller.get("/billing/meters")))["data"]
    nobody = await story.customer("Nobody")
    assert (await made(story.caller.delete(f"/billing/meters/{meter['meterId']}")))["archivedAt"]
    assert (await made(story.caller.delete(f"/billing/customers/{nobody}")))["erasedAt"]
    assert (await made(story.caller.get(f"/billing/customers/{nobody}")))["name"] is None
    await story.sells("never", flat("5"))
    assert (await made(story.caller.delete("/billing/plans/never")))["archivedAt"]


class Row(Answer):
    """A line of a table."""

    name: str


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("＝1+1", "'＝1+1"),
        ("-12.50", "-12.50"),
        ("-12.50 EUR", "-12.50 EUR"),
        ("Ada", "Ada"),
    ],
)
async def test_a_csv_holds_no_formula(name: str, written: str) -> None:
    assert as_csv(Row, [Row(name=name)]).splitlines()[1].strip('"') == written


async def _everything(story: Story) -> dict[str, Any]:
    """What a tenant can see of itself; the log of what was asked is not among it."""
    paths = (
        "/billing/plans", "/billing/plans/team", "/billing/products", "/billing/coupons", "/billing/meters",
        "/billing/customers", "/billing/tax-rates", "/billing/subscriptions", "/billing/invoices",
        "/billing/usage/events", "/api/ledger", "/billing/test-clock", "/notification/templates",
        "/notification/webhooks", "/notification/messages",
    )  # fmt: skip
    seen = {path: await made(story.caller.get(path)) for path in paths}
    seen["usage"] = await made(story.caller.get("/billing/usage", meter="calls"))
    for subscription in seen["/billing/subscriptions"]["data"]:
        for part in ("items", "changes"):
            path = f"/billing/subscriptions/{subscription['subscriptionId']}/{part}"
            seen[path] = await made(story.caller.get(path))
    return seen
