"""Stories of usage: how it is priced, what arrives late or was wrong, and what a period comes to at least."""

from collections.abc import Awaitable, Callable
from typing import Any

from tests.scenarios.story import Story, flat, metered
from tests.support.furnished import made

Begin = Callable[..., Awaitable[Story]]
START = "2026-01-31T10:00:00Z"
TIERS = [
    {"firstUnit": 1, "lastUnit": 10, "unitPrice": "1"},
    {"firstUnit": 11, "lastUnit": None, "unitPrice": "0.5", "flatFee": "3"},
]


async def bill_of(story: Story, price: str | dict[str, Any], times: int, **meter: Any) -> list[str]:
    """What so many calls in a first month come to."""
    ada = await story.customer()
    await story.meters(**meter)
    await story.sells("metered", metered(price))
    await story.subscribes(ada, "metered")
    await story.uses(ada, times)
    await story.until("2026-03-01T00:00:00Z")
    return await story.bills(ada)


async def test_in_graduated_tiers_each_unit_has_its_tiers_price(begin: Begin) -> None:
    # Ten at 1.00, five at 0.50, and the second tier's fee.
    assert await bill_of(await begin(START), {"model": "graduated", "tiers": TIERS}, 15) == [
        "INV-00001 2026-02-28 open: calls 15.50 = 15.50 EUR"
    ]


async def test_in_volume_tiers_all_units_have_the_last_ones_price(begin: Begin) -> None:
    # Fifteen at 0.50, and the fee.
    assert await bill_of(await begin(START), {"model": "volume", "tiers": TIERS}, 15) == [
        "INV-00001 2026-02-28 open: calls 10.50 = 10.50 EUR"
    ]


async def test_a_package_begun_is_a_package_paid(begin: Begin) -> None:
    # 500 included, 1,001 more begin two packages of 1,000.
    price = {"model": "package", "packageSize": "1000", "packagePrice": "2.50", "included": "500"}
    assert await bill_of(await begin(START), price, 1_501) == ["INV-00001 2026-02-28 open: calls 5.00 = 5.00 EUR"]


async def test_prices_far_below_a_cent_are_rounded_once_a_line(begin: Begin) -> None:
    # 1,337 x 0.000123 is 0.164451.
    assert await bill_of(await begin(START), "0.000123", 1_337) == ["INV-00001 2026-02-28 open: calls 0.16 = 0.16 EUR"]


async def test_a_percentage_is_of_each_transaction_within_its_bounds(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.meters("sales", aggregation="sum")
    price = {"model": "percentage", "rate": "2.9", "fixed": "0.30", "minimum": "0.50", "maximum": "10"}
    await story.sells("share", metered(price, "sales"))
    await story.subscribes(ada, "share")
    for amount in ("100", "3", "1000"):
        await story.uses(ada, 1, of="sales", quantity=amount)
    await story.until("2026-03-01T00:00:00Z")
    # 3.20; 0.387 is 0.50 at least; 29.30 is 10.00 at most.
    assert await story.bills(ada) == ["INV-00001 2026-02-28 open: sales 13.70 = 13.70 EUR"]


async def test_the_most_seats_at_any_time_are_paid(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.meters("seats", aggregation="max", property="count")
    await story.sells("peak", metered("5", "seats"))
    await story.subscribes(ada, "peak")
    for count in (3, 7, 4):
        await story.uses(ada, 1, of="seats", properties={"count": count})
    await story.until("2026-03-01T00:00:00Z")
    assert await story.bills(ada) == ["INV-00001 2026-02-28 open: seats 35.00 = 35.00 EUR"]


async def test_each_visitor_is_paid_once_a_month(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.meters("visits", aggregation="unique", property="visitor")
    await story.sells("visitors", metered("0.10", "visits"))
    await story.subscribes(ada, "visitors")
    for visitor in ("x", "y", "x", "z", "x"):
        await story.uses(ada, 1, of="visits", properties={"visitor": visitor})
    await story.until("2026-03-01T00:00:00Z")
    await story.uses(ada, 1, of="visits", properties={"visitor": "x"})
    await story.until("2026-04-01T00:00:00Z")
    assert await story.bills(ada) == [
        "INV-00001 2026-02-28 open: visits 0.30 = 0.30 EUR",
        "INV-00002 2026-03-31 open: visits 0.10 = 0.10 EUR",
    ]


async def test_only_what_passes_the_meters_filters_is_paid(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.meters(filters=[{"property": "region", "operator": "in", "values": ["eu", "uk"]}])
    await story.sells("eu", metered("1"))
    await story.subscribes(ada, "eu")
    for region, times in (("eu", 2), ("us", 5), ("uk", 1)):
        await story.uses(ada, times, properties={"region": region})
    await story.uses(ada, 4)
    await story.until("2026-03-01T00:00:00Z")
    assert await story.bills(ada) == ["INV-00001 2026-02-28 open: calls 3.00 = 3.00 EUR"]


async def test_a_meter_that_changes_counts_each_event_by_its_day(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.meters()
    await story.sells("pro", metered("1"))
    await story.subscribes(ada, "pro")
    await story.uses(ada, 3, properties={"status": 500})
    await story.until("2026-02-14T00:00:00Z")
    (meter,) = (await made(story.caller.get("/billing/meters")))["data"]
    only_good = {"filters": [{"property": "status", "operator": "equals", "values": [200]}]}
    await made(story.caller.patch(f"/billing/meters/{meter['meterId']}", only_good))
    await story.uses(ada, 4, properties={"status": 500})
    await story.uses(ada, 2, properties={"status": 200})
    await story.until("2026-03-01T00:00:00Z")
    assert await story.bills(ada) == ["INV-00001 2026-02-28 open: calls 5.00 = 5.00 EUR"]


async def test_usage_that_arrives_while_the_draft_waits_is_on_it(begin: Begin) -> None:
    story = await begin(START, graceHours=24)
    ada = await story.customer()
    await story.meters()
    await story.sells("pro", metered("1"))
    await story.subscribes(ada, "pro")
    await story.uses(ada, 2)
    await story.until("2026-02-28T20:00:00Z")
    assert await story.bills(ada) == ["None 2026-02-28 draft: calls 2.00 = 2.00 EUR"]
    await story.uses(ada, 3, at="2026-02-28T09:59:59Z")
    await story.uses(ada, 7, at="2026-02-28T10:00:00Z")  # the next period's
    await story.until("2026-03-01T11:00:00Z")
    assert await story.bills(ada) == ["INV-00001 2026-03-01 open: calls 5.00 = 5.00 EUR"]


async def test_an_event_sent_twice_is_paid_once(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.meters()
    await story.sells("pro", metered("1"))
    await story.subscribes(ada, "pro")
    event = {"idempotencyKey": "once", "eventName": "calls", "customerId": ada, "occurredAt": "2026-01-31T10:00:00Z"}
    results = [
        (await made(story.caller.post("/billing/usage/events", {"events": [event, event]})))["data"] for _ in range(2)
    ]
    assert [[row["status"] for row in rows] for rows in results] == [["accepted", "duplicate"], ["duplicate"] * 2]
    await story.until("2026-03-01T00:00:00Z")
    assert await story.bills(ada) == ["INV-00001 2026-02-28 open: calls 1.00 = 1.00 EUR"]


async def test_what_was_voided_or_replaced_before_the_bill_is_billed_as_it_should_be(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.meters("gigabytes", aggregation="sum")
    await story.sells("storage", metered("2", "gigabytes"))
    await story.subscribes(ada, "storage")
    base = {"eventName": "gigabytes", "customerId": ada}
    events = [
        {**base, "idempotencyKey": key, "quantity": quantity} for key, quantity in (("a", 10), ("b", 3), ("c", 1))
    ]
    rows = (await made(story.caller.post("/billing/usage/events", {"events": events})))["data"]
    first, second, _ = (row["usageEventId"] for row in rows)
    await made(
        story.caller.post(f"/billing/usage/events/{first}/amendments", {"kind": "void", "reason": "a test of theirs"})
    )
    await made(
        story.caller.post(
            f"/billing/usage/events/{second}/amendments",
            {"kind": "replace", "reason": "measured anew", "replacement": {"idempotencyKey": "b2", "quantity": "4.5"}},
        )
    )
    await story.until("2026-03-01T00:00:00Z")
    # 4.5 and 1.
    assert await story.bills(ada) == ["INV-00001 2026-02-28 open: gigabytes 11.00 = 11.00 EUR"]


async def test_a_backfill_that_was_reverted_before_the_bill_is_not_on_it(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.meters()
    await story.sells("pro", metered("1"))
    await story.subscribes(ada, "pro")
    await story.until("2026-02-20T00:00:00Z")
    for key, at, times in (("kept", "2026-02-01T00:00:00Z", 2), ("wrong", "2026-02-02T00:00:00Z", 50)):
        events = [
            {"idempotencyKey": f"{key}-{n}", "eventName": "calls", "customerId": ada, "occurredAt": at}
            for n in range(times)
        ]
        body = {"reason": "a file that came late", "events": events}
        filled = await made(story.caller.post("/billing/usage/backfills", body, key=key))
    await made(
        story.caller.post(f"/billing/usage/backfills/{filled['backfillId']}/revert", {"reason": "the wrong file"})
    )
    await story.until("2026-03-01T00:00:00Z")
    assert await story.bills(ada) == ["INV-00001 2026-02-28 open: calls 2.00 = 2.00 EUR"]


async def test_what_a_period_lacks_of_its_minimum_is_a_line_of_its_own(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.meters()
    await story.sells("pro", flat("10"), metered("1"), minimum={"model": "minimum", "amount": "50"})
    await story.subscribes(ada, "pro")
    await story.uses(ada, 15)
    await story.until("2026-03-01T00:00:00Z")
    await story.uses(ada, 40)
    await story.until("2026-04-01T00:00:00Z")
    # 10.00 and 15.00 lack 25.00; 10.00 and 40.00 lack nothing.
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 10.00 = 10.00 EUR",
        "INV-00002 2026-02-28 open: calls 15.00, minimum 25.00, base 10.00 = 50.00 EUR",
        "INV-00003 2026-03-31 open: calls 40.00, base 10.00 = 50.00 EUR",
    ]


async def test_a_commitment_over_three_periods_is_settled_after_the_third(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.sells("pro", flat("10"), commitment={"model": "commitment", "amount": "100", "periods": 3})
    one = await story.subscribes(ada, "pro")
    await story.until("2026-05-15T10:00:00Z")
    await story.does(one, "cancel", when="now", unused="keep")
    await story.until("2026-06-01T00:00:00Z")
    # Three periods of 10.00 lack 70.00; of the next hundred one period was charged when it ends.
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 10.00 = 10.00 EUR",
        "INV-00002 2026-02-28 open: base 10.00 = 10.00 EUR",
        "INV-00003 2026-03-31 open: base 10.00 = 10.00 EUR",
        "INV-00004 2026-04-30 open: commitment 70.00, base 10.00 = 80.00 EUR",
        "INV-00005 2026-05-15 open: commitment 90.00 = 90.00 EUR",
    ]


async def test_two_subscriptions_of_a_customer_never_bill_one_meter(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.meters()
    await story.sells("pro", metered("1"))
    await story.subscribes(ada, "pro")
    refused = await story.caller.post("/billing/subscriptions", {"planId": "pro", "customerId": ada})
    assert (refused.status_code, refused.json()["code"]) == (409, "meter_billed_already")
    await story.uses(ada, 2)
    await story.until("2026-03-01T00:00:00Z")
    assert await story.bills(ada) == ["INV-00001 2026-02-28 open: calls 2.00 = 2.00 EUR"]


async def late(begin: Begin, **settings: Any) -> tuple[Story, str]:
    """25 calls of 0.10 are billed on 28 February; an hour after the invoice is final seven more come in."""
    story = await begin(START, **settings)
    ada = await story.customer()
    await story.meters()
    await story.sells("pro", metered("0.10"))
    await story.subscribes(ada, "pro")
    await story.uses(ada, 25)
    await story.until("2026-02-28T12:00:00Z")
    await story.uses(ada, 7, at="2026-02-20T08:00:00Z")
    return story, ada


async def test_usage_an_hour_after_the_invoice_is_final_comes_on_the_next_one(begin: Begin) -> None:
    story, ada = await late(begin, lateUsage="next_invoice")
    await story.uses(ada, 10, at="2026-02-28T11:00:00Z")
    await story.until("2026-04-01T00:00:00Z")
    assert await story.bills(ada) == [
        "INV-00001 2026-02-28 open: calls 2.50 = 2.50 EUR",
        "INV-00002 2026-03-31 open: correction calls 0.70, calls 1.00 = 1.70 EUR",
    ]
    first, _ = await story.invoices(ada)
    (entry,) = (await made(story.caller.get(f"/billing/invoices/{first['invoiceId']}/corrections")))["data"]
    assert (entry["before"]["quantity"], entry["after"]["quantity"], entry["amountMinor"]) == ("25", "32", 70)


async def test_usage_voided_after_the_invoice_is_final_is_credited_where_the_tenant_wants_that(begin: Begin) -> None:
    story = await begin(START, lateUsage="credit_note")
    ada = await story.customer()
    await story.meters()
    await story.sells("pro", metered("2"))
    await story.subscribes(ada, "pro")
    event = {"idempotencyKey": "wrong", "eventName": "calls", "customerId": ada}
    (row,) = (await made(story.caller.post("/billing/usage/events", {"events": [event]})))["data"]
    await story.uses(ada, 4)
    await story.until("2026-02-28T12:00:00Z")
    amendment = {"kind": "void", "reason": "sent by mistake"}
    await made(story.caller.post(f"/billing/usage/events/{row['usageEventId']}/amendments", amendment))
    await story.until("2026-03-01T12:00:00Z")
    (note,) = await story.webhooks("credit_note.issued")
    assert (note["data"]["totalMinor"], note["data"]["toOpenMinor"], note["data"]["reason"]) == (200, 200, "late_usage")
    (invoice,) = await story.invoices(ada)
    assert (invoice["totalMinor"], invoice["openMinor"]) == (1_000, 800)
