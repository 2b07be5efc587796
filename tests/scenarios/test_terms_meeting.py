"""Stories in which two terms meet: a new version and a trial, a coupon and an add-on, a minimum and a commitment."""

from collections.abc import Awaitable, Callable
from typing import Any

from prometheus_client import REGISTRY
from sqlalchemy import text

from core.billing.metering.events.checking import check_tenant
from core.foundation.clock import wall_now
from tests.scenarios.story import Story, flat, metered, per_unit
from tests.support.furnished import made

Begin = Callable[..., Awaitable[Story]]
APRIL = "2026-04-01T00:00:00Z"


async def test_a_version_for_renewals_that_comes_during_a_trial_is_what_its_end_is_billed_by(begin: Begin) -> None:
    story = await begin("2026-03-01T00:00:00Z")
    ada, bob, cy = [await story.customer(name) for name in ("Ada", "Bob", "Cy")]
    await story.sells("pro", flat("10"), trialDays=14)
    trial = await story.subscribes(ada, "pro")
    held = await story.subscribes(bob, "pro", trialDays=10)
    upcoming = f"/billing/subscriptions/{trial}/upcoming-invoice"
    assert [one["totalMinor"] for one in (await made(story.caller.get(upcoming)))["invoices"]] == [1000]
    # For whoever renews from 12 March on: Bob's trial ends before, Ada's after. The new version has no trial.
    await story.sells_anew("pro", flat("13"), applies="renewal", effectiveFrom="2026-03-12T00:00:00Z")
    assert [one["totalMinor"] for one in (await made(story.caller.get(upcoming)))["invoices"]] == [1300]
    await story.until("2026-03-14T00:00:00Z")
    assert (await story.status(trial), await story.status(held)) == ("trialing", "active")
    await story.subscribes(cy, "pro")
    await story.until("2026-04-12T00:00:00Z")
    assert await story.bills(ada) == ["INV-00003 2026-03-15 open: base 13.00 = 13.00 EUR"]
    assert await story.bills(bob) == [
        "INV-00001 2026-03-11 open: base 10.00 = 10.00 EUR",
        "INV-00004 2026-04-11 open: base 13.00 = 13.00 EUR",
    ]
    assert await story.bills(cy) == ["INV-00002 2026-03-14 open: base 13.00 = 13.00 EUR"]
    assert await story.told("subscription") == [
        "subscription.created",
        "subscription.created",
        "subscription.trial_ending",
        "subscription.activated",
        "subscription.trial_ending",
        "subscription.created",
        "subscription.activated",
        "subscription.renewed",
    ]


async def test_a_change_agreed_for_the_renewal_is_not_overtaken_by_a_later_version(begin: Begin) -> None:
    story = await begin("2026-03-01T00:00:00Z")
    ada = await story.customer()
    await story.sells("small", flat("10"), trialDays=14)
    await story.sells("large", flat("30"))
    one = await story.subscribes(ada, "small")
    await story.does(one, "change", planId="large", applies="renewal")
    await story.sells_anew("large", flat("50"), applies="renewal", effectiveFrom="2026-03-10T00:00:00Z")
    await story.until("2026-05-01T00:00:00Z")
    # The trial ends by what was agreed; the renewal after it takes the version that is for renewals.
    assert await story.bills(ada) == [
        "INV-00001 2026-03-15 open: base 30.00 = 30.00 EUR",
        "INV-00002 2026-04-15 open: base 50.00 = 50.00 EUR",
    ]


async def test_a_percentage_for_two_periods_holds_across_a_change_and_an_add_on_and_then_ends(begin: Begin) -> None:
    story = await begin(APRIL)
    ada = await story.customer()
    await story.sells("small", flat("10"))
    await story.sells("large", flat("40"), flat("8", "support", addOn=True))
    await story.offers("eighth", percent="12.5", duration="repeating", periods=2)
    one = await story.subscribes(ada, "small", coupons=["eighth"])
    await story.until("2026-04-16T00:00:00Z")
    change = {"planId": "large", "addOns": ["support"]}
    path = f"/billing/subscriptions/{one}/change/preview"
    seen = (await made(story.caller.post(path, change)))["invoices"]
    await story.does(one, "change", **change)
    await story.until("2026-06-02T00:00:00Z")
    # Half of April: -5.00 + 20.00 + 4.00 = 19.00, an eighth of it 2.38; May 48.00, an eighth 6.00; June whole.
    assert await story.bills(ada) == [
        "INV-00001 2026-04-01 open: base 10.00, coupons -1.25 = 8.75 EUR",
        "INV-00002 2026-05-01 open: unused base -5.00, remaining base 20.00, remaining support 4.00, base 40.00, "
        "support 8.00, coupons -8.38 = 58.62 EUR",
        "INV-00003 2026-06-01 open: base 40.00, support 8.00 = 48.00 EUR",
    ]
    assert [invoice["totalMinor"] for invoice in seen] == [5862]


async def test_packages_and_percentages_are_brought_up_to_the_minimum_and_then_to_the_commitment(begin: Begin) -> None:
    story = await begin(APRIL)
    ada = await story.customer()
    await story.meters("calls")
    await story.meters("sales", aggregation="sum")
    await story.sells(
        "mixed",
        metered({"model": "package", "packageSize": "100", "packagePrice": "4"}, "calls"),
        metered({"model": "percentage", "rate": "1.5", "fixed": "0.10"}, "sales"),
        minimum={"model": "minimum", "amount": "30"},
        commitment={"model": "commitment", "amount": "80", "periods": 2},
    )
    one = await story.subscribes(ada, "mixed")
    await story.uses(ada, 250)
    for amount in ("200", "33.33"):
        await story.uses(ada, 1, of="sales", quantity=amount)
    await story.until("2026-05-10T00:00:00Z")
    await story.uses(ada, 100)
    await story.uses(ada, 1, of="sales", quantity="1000")
    await story.until("2026-06-11T00:00:00Z")
    await story.does(one, "cancel", when="now")
    await story.until("2026-06-12T00:00:00Z")
    # April: 3 packages begun are 12.00; 3.10 and 0.59995 are 3.70; 14.30 are missing to 30.00.
    # May: one package is 4.00; 15.00 and 0.10; 10.90 are missing to 30.00, and 20.00 of two periods to 80.00.
    # June: 10 of 30 days: a third of the minimum; the second commitment is owed whole, less those 10.00.
    assert await story.bills(ada) == [
        "INV-00001 2026-05-01 open: calls 12.00, sales 3.70, minimum 14.30 = 30.00 EUR",
        "INV-00002 2026-06-01 open: calls 4.00, sales 15.10, minimum 10.90, commitment 20.00 = 50.00 EUR",
        "INV-00003 2026-06-11 open: calls 0.00, sales 0.00, minimum 10.00, commitment 70.00 = 80.00 EUR",
    ]


async def test_late_usage_takes_back_what_a_minimum_and_a_commitment_were_brought_up_by(begin: Begin) -> None:
    story = await begin(APRIL)
    ada = await story.customer()
    await story.meters("calls")
    await story.meters("sales", aggregation="sum")
    await story.sells(
        "mixed",
        metered({"model": "package", "packageSize": "100", "packagePrice": "4"}, "calls"),
        metered({"model": "percentage", "rate": "1.5", "fixed": "0.10"}, "sales"),
        minimum={"model": "minimum", "amount": "30"},
        commitment={"model": "commitment", "amount": "80", "periods": 2},
    )
    await story.subscribes(ada, "mixed")
    await story.uses(ada, 250)
    await story.uses(ada, 1, of="sales", quantity="200")
    await story.until("2026-05-10T00:00:00Z")
    await story.uses(ada, 60, at="2026-04-20T00:00:00Z")
    await story.uses(ada, 1, of="sales", quantity="2000", at="2026-04-21T00:00:00Z")
    await story.until("2026-06-10T00:00:00Z")
    await story.uses(ada, 1, of="sales", quantity="4000", at="2026-05-21T00:00:00Z")
    await story.until("2026-07-02T00:00:00Z")
    # April: 310 calls begin a fourth package, 30.10 more of sales: 49.20 lack nothing. With May's 30.00 it is 79.20.
    # May: 60.10 of sales lack nothing either, and the two come to 109.30.
    assert await story.bills(ada) == [
        "INV-00001 2026-05-01 open: calls 12.00, sales 3.10, minimum 14.90 = 30.00 EUR",
        "INV-00002 2026-06-01 open: correction calls 4.00, correction sales 30.10, correction minimum -14.90, "
        "calls 0.00, sales 0.00, minimum 30.00, commitment 0.80 = 50.00 EUR",
        "INV-00003 2026-07-01 open: correction sales 60.10, correction minimum -30.00, correction commitment -0.80, "
        "calls 0.00, sales 0.00, minimum 30.00 = 59.30 EUR",
    ]


async def test_a_third_of_a_period_in_yen_and_in_dinars_lacks_a_third_of_the_minimum(begin: Begin) -> None:
    story = await begin(APRIL, currency="JPY")
    customers = [await story.customer("Ada", currency="JPY"), await story.customer("Kim", currency="KWD")]
    await story.meters("sales", aggregation="sum")
    share = metered({"model": "percentage", "rate": "1.5"}, "sales")
    prices = [
        {"currency": "JPY", "components": [flat("1000"), share], "minimum": {"model": "minimum", "amount": "1500"}},
        {"currency": "KWD", "components": [flat("1.005"), share], "minimum": {"model": "minimum", "amount": "30.001"}},
    ]
    await made(story.caller.post("/billing/plans", {"code": "both", "name": "Both", "prices": prices}))
    for customer in customers:
        await story.subscribes(customer, "both")
        for amount in ("333", "0.5"):
            await story.uses(customer, 1, of="sales", quantity=amount)
    await story.until("2026-04-11T00:00:00Z")
    for one in (await made(story.caller.get("/billing/subscriptions", sort="createdAt")))["data"]:
        await story.does(one["subscriptionId"], "cancel", when="now")
    await story.until("2026-04-12T00:00:00Z")
    # 1.5 % of 333 and of 0.5 are 5.0025. A third of the base stays: 333 and 0.335; a third is owed: 500 and 10.000333.
    assert sorted(await story.bills())[2:] == [
        "INV-00003 2026-04-11 paid: unused base -667, sales 5, minimum 162 = -500 JPY, 500 into the wallet",
        "INV-00004 2026-04-11 open: unused base -0.670, sales 5.003, minimum 4.662 = 8.995 KWD",
    ]


async def test_a_version_of_another_rhythm_begins_it_where_the_trial_ends_and_an_add_on_it_lacks_is_over(
    begin: Begin,
) -> None:
    story = await begin(APRIL)
    ada = await story.customer()
    await story.sells("pro", flat("10"), per_unit("3"), flat("2", "extra", addOn=True), trialDays=14)
    one = await story.subscribes(ada, "pro", quantities={"seats": "4"}, addOns=["extra"])
    await story.sells_anew("pro", flat("100"), per_unit("25"), applies="renewal", interval="year")
    await story.until("2026-05-02T00:00:00Z")
    now = await story.subscription(one)
    assert (now["currentPeriodStart"], now["currentPeriodEnd"]) == ("2026-04-15T00:00:00Z", "2027-04-15T00:00:00Z")
    # Four seats stay four.
    assert await story.bills(ada) == ["INV-00001 2026-04-15 open: base 100.00, seats 100.00 = 200.00 EUR"]


def counted(name: str) -> float:
    return REGISTRY.get_sample_value(f"cloudbill_usage_events_{name}_total") or 0.0


async def test_unique_and_latest_values_behind_filters_follow_every_amendment_to_the_bill(begin: Begin) -> None:
    story = await begin(APRIL)
    ada = await story.customer()
    european = [{"property": "region", "operator": "in", "values": ["eu", "ch"]}]
    paid = [{"property": "kind", "operator": "equals", "values": ["paid"]}]
    await story.meters("visits", aggregation="unique", property="who", filters=european, dimensions=["region"])
    await story.meters("seats", aggregation="latest", property="n", filters=paid, dimensions=["team"])
    await story.sells("pro", metered("0.50", "visits"), metered("10", "seats"))
    await story.subscribes(ada, "pro")
    await story.until("2026-04-10T00:00:00Z")
    accepted, aggregated = counted("accepted"), counted("aggregated")

    async def sent(of: str, at: str, **properties: Any) -> str:
        row = {"eventName": of, "customerId": ada, "occurredAt": at, "properties": properties}
        body = {"events": [{**row, "idempotencyKey": f"{of} {at}"}]}
        return (await made(story.caller.post("/billing/usage/events", body)))["data"][0]["usageEventId"]

    async def amended(event: str, kind: str, replacement: Any = None) -> str:
        body = {"kind": kind, "reason": "measured anew", **({"replacement": replacement} if replacement else {})}
        return (await made(story.caller.post(f"/billing/usage/events/{event}/amendments", body)))["replacementId"]

    async def figures() -> list[str]:
        found: list[str] = []
        for meter in ("visits", "seats"):
            found.append((await made(story.caller.get("/billing/usage", meter=meter, customerId=ada)))["quantity"])
        events = counted("accepted") - accepted
        assert counted("aggregated") - aggregated == events, "what is accepted is counted"
        return found

    first = await sent("visits", "2026-04-02T10:00:00Z", who="x", region="eu")
    second = await sent("visits", "2026-04-02T10:30:00Z", who="y", region="ch")
    await sent("visits", "2026-04-02T10:45:00Z", who="x", region="ch")
    abroad = await sent("visits", "2026-04-03T10:00:00Z", who="z", region="us")
    await sent("seats", "2026-04-02T00:00:00Z", n=50, kind="paid", team="b")
    early = await sent("seats", "2026-04-03T00:00:00Z", n=5, kind="paid", team="a")
    nine = await sent("seats", "2026-04-05T00:00:00Z", n=9, kind="paid", team="a")
    await sent("seats", "2026-04-06T00:00:00Z", n=20, kind="free", team="a")
    assert await figures() == ["2", "9"]
    await amended(first, "void")  # x is there by another region still
    assert await figures() == ["2", "9"]
    moved = await amended(abroad, "replace", {"idempotencyKey": "z eu", "properties": {"who": "z", "region": "eu"}})
    assert await figures() == ["3", "9"]
    await amended(second, "void")
    assert await figures() == ["2", "9"]
    await amended(nine, "void")  # what was said before is the latest again
    assert await figures() == ["2", "5"]
    await amended(
        early, "replace",
        {"idempotencyKey": "six", "occurredAt": "2026-04-01T12:00:00Z", "properties": {"n": 6, "kind": "paid"}},
    )  # fmt: skip
    assert await figures() == ["2", "50"]  # dated back before the other team's
    await amended(nine, "restore")
    await amended(moved, "replace", {"idempotencyKey": "z us", "properties": {"who": "z", "region": "us"}})
    await amended(second, "restore")
    assert await figures() == ["2", "9"]
    groups = (await made(story.caller.get("/billing/usage", meter="seats", customerId=ada, groupBy="team")))["lines"]
    assert {one["dimensions"]["team"]: one["quantity"] for one in groups} == {"a": "9", "b": "50", None: "6"}

    database = story.house.runtime.database
    async with database.reading() as session:
        tenant = await session.scalar(text("SELECT id FROM tenants WHERE slug = :slug"), {"slug": story.slug})
    assert tenant is not None
    assert await check_tenant(database, tenant, now=wall_now()) > 0
    async with database.reading() as session:
        checks = await session.execute(
            text("SELECT accepted, aggregated, differing FROM usage_checks WHERE tenant_id = :id"), {"id": tenant}
        )
        assert all(accepted == aggregated and not differing for accepted, aggregated, differing in checks)
    await story.until("2026-05-02T00:00:00Z")
    # x and y; nine seats.
    assert await story.bills(ada) == ["INV-00001 2026-05-01 open: visits 1.00, seats 90.00 = 91.00 EUR"]


async def test_a_backfill_of_years_ago_is_seen_before_taken_back_once_and_its_keys_stay_taken(begin: Begin) -> None:
    story = await begin("2019-04-01T00:00:00Z")
    ada = await story.customer()
    await story.meters("calls")
    await story.sells("pro", metered("2"))
    await story.subscribes(ada, "pro")
    await story.until("2019-07-10T00:00:00Z")
    row = {"eventName": "calls", "customerId": ada}
    old = [
        {**row, "idempotencyKey": f"o-{n}", "occurredAt": at}
        for n, at in enumerate(("2019-04-30T23:59:59.999999Z", "2019-05-01T00:00:00Z", "2019-07-01T00:00:00Z"))
    ]
    late = (await made(story.caller.post("/billing/usage/events", {"events": old})))["data"]
    assert [one["status"] for one in late] == ["refused", "refused", "accepted"]
    body = {"reason": "the collector was down", "events": old[:2]}

    async def asked(path: str, content: dict[str, Any], key: str | None = None) -> dict[str, Any]:
        return await made(story.caller.post(f"/billing/usage/backfills{path}", content, key=key))

    seen = await asked("?preview=true", body)
    filled = await asked("", body, "file")
    told = [(one["start"][:7], one["before"], one["after"]) for one in filled["changes"]]
    assert told == [(one["start"][:7], one["before"], one["after"]) for one in seen["changes"]]
    assert told == [("2019-04", "0", "1"), ("2019-05", "0", "1")]
    await asked(f"/{filled['backfillId']}/revert", {"reason": "the wrong file"})
    twice = await story.caller.post(f"/billing/usage/backfills/{filled['backfillId']}/revert", {"reason": "again"})
    assert (twice.status_code, twice.json()["code"]) == (409, "usage_backfill_reverted")
    # A key is one event's for ever: the same events once more are duplicates, and what was taken back stays so.
    again = await asked("", body, "the same file")
    assert (again["events"], again["duplicates"]) == (0, 2)
    assert [(one["before"], one["after"]) for one in again["changes"]] == [("0", "0"), ("0", "0")]
    events = [{**one, "idempotencyKey": f"right-{n}"} for n, one in enumerate(old[:2])]
    body = {"reason": "the right file", "events": [*events, {**events[1], "idempotencyKey": "more"}]}
    right = await asked("", body, "right")
    await story.until("2019-08-05T00:00:00Z")
    await asked(f"/{right['backfillId']}/revert", {"reason": "it was not"})
    await story.until("2019-09-02T00:00:00Z")
    # One of April and two of May are corrections beside July's one; taken back, they are given back in August.
    assert (await story.bills(ada))[3:] == [
        "INV-00004 2019-08-01 open: correction calls 2.00, correction calls 4.00, calls 2.00 = 8.00 EUR",
        "INV-00005 2019-09-01 paid: correction calls -2.00, correction calls -4.00, calls 0.00 = -6.00 EUR, "
        "6.00 into the wallet",
    ]


async def test_what_is_kept_through_a_pause_counts_for_the_minimum_of_the_whole_period(begin: Begin) -> None:
    story = await begin("2026-02-01T00:00:00Z", graceHours=0)
    minimum = {"model": "minimum", "amount": "56"}
    await story.sells("pro", flat("28"), minimum=minimum)
    await story.sells("floor", flat("56"), minimum=minimum)
    ada, bob, cy = [await story.customer(name) for name in ("Ada", "Bob", "Cy")]
    one, other, third = [
        await story.subscribes(customer, plan) for customer, plan in ((ada, "pro"), (bob, "floor"), (cy, "pro"))
    ]
    await story.until("2026-02-15T00:00:00Z")
    for each in (one, other, third):
        await story.does(each, "pause", unused="keep")
    # Twice in one instant comes to the same.
    await story.does(other, "resume")
    await story.does(other, "pause", unused="keep")
    await story.does(other, "resume")
    await story.until("2026-02-22T00:00:00Z")
    await story.does(one, "resume")
    await story.until("2026-03-15T00:00:00Z")
    await story.does(third, "resume")
    await story.until("2026-04-02T00:00:00Z")
    bills = {
        name: [bill for bill in await story.bills(name) if not bill.startswith("None")]  # but drafts of nothing
        for name in (ada, bob, cy)
    }
    # Of Ada three quarters of February: 42.00, of which 28.00 were paid ahead.
    assert bills[ada][:2] == [
        "INV-00001 2026-02-01 open: base 28.00 = 28.00 EUR",
        "INV-00004 2026-03-01 open: minimum 14.00, base 28.00 = 42.00 EUR",
    ]
    # Of Bob the whole of it, which was paid.
    assert bills[bob][:2] == [
        "INV-00002 2026-02-01 open: base 56.00 = 56.00 EUR",
        "INV-00005 2026-03-01 open: base 56.00 = 56.00 EUR",
    ]
    # Cy came back in March: half of February was reached, and March has a minimum of its own, for 17 of 31 days:
    # 30.71, of which 15.35 were charged for those days.
    assert bills[cy] == [
        "INV-00003 2026-02-01 open: base 28.00 = 28.00 EUR",
        "INV-00006 2026-03-15 open: base 15.35 = 15.35 EUR",
        "INV-00009 2026-04-01 open: minimum 15.36, base 28.00 = 43.36 EUR",
    ]


async def test_late_usage_of_before_a_kept_pause_counts_for_the_minimum_of_the_whole_period(begin: Begin) -> None:
    story = await begin("2026-02-01T00:00:00Z", graceHours=0)
    await story.meters()
    await story.sells("pro", flat("28"), metered("1"), minimum={"model": "minimum", "amount": "56"})
    ada = await story.customer()
    one = await story.subscribes(ada, "pro")
    await story.until("2026-02-15T00:00:00Z")
    await story.does(one, "pause", unused="keep")
    await story.until("2026-02-22T00:00:00Z")
    await story.does(one, "resume")
    await story.until("2026-03-02T00:00:00Z")
    # Three quarters of February were to come to 42.00, and 28.00 were paid ahead.
    assert (await story.bills(ada))[-1] == (
        "INV-00003 2026-03-01 open: calls 0.00, minimum 14.00, base 28.00 = 42.00 EUR"
    )
    # Ten calls more than was known: fourteen were paid for already, as what lacked.
    await story.uses(ada, 10, at="2026-02-10T00:00:00Z")
    await story.until("2026-03-15T00:00:00Z")
    # Of the next ten four were, and six are to pay.
    await story.uses(ada, 10, at="2026-02-11T00:00:00Z")
    await story.until("2026-04-02T00:00:00Z")
    # March came to 28.00 of its own 56.00.
    assert (await story.bills(ada))[-1] == (
        "INV-00004 2026-04-01 open: correction calls 10.00, correction minimum -10.00, correction calls 10.00, "
        "correction minimum -4.00, calls 0.00, minimum 28.00, base 28.00 = 62.00 EUR"
    )
