"""Stories of changes: plans, seats, add-ons, prices; what comes back, what is to pay, and when."""

from collections.abc import Awaitable, Callable

from tests.scenarios.story import Story, flat, metered, per_unit
from tests.support.furnished import made

Begin = Callable[..., Awaitable[Story]]
# From 31 January 10:00 to 28 February 10:00 are 28 days.
START = "2026-01-31T10:00:00Z"


async def test_an_upgrade_and_a_downgrade_in_one_day_cancel_to_the_cent(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.sells("small", flat("10"))
    await story.sells("large", flat("100"))
    one = await story.subscribes(ada, "small")
    await story.until("2026-02-14T10:00:00Z")
    await story.does(one, "change", planId="large")
    await story.does(one, "change", planId="small")
    await story.until("2026-03-01T00:00:00Z")
    # Half of the period is left, twice.
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 10.00 = 10.00 EUR",
        "INV-00002 2026-02-28 open: unused base -5.00, remaining base 50.00, unused base -50.00, remaining base 5.00, "
        "base 10.00 = 10.00 EUR",
    ]
    assert await story.told("subscription") == [
        "subscription.created",
        "subscription.changed",
        "subscription.changed",
        "subscription.renewed",
    ]


async def test_an_upgrade_and_a_downgrade_hours_apart_cost_those_hours(begin: Begin) -> None:
    story = await begin("2026-02-01T00:00:00Z")
    ada = await story.customer()
    await story.sells("small", flat("10"))
    await story.sells("large", flat("122"))
    one = await story.subscribes(ada, "small")
    await story.until("2026-02-15T00:00:00Z")
    await story.does(one, "change", planId="large")
    await story.until("2026-02-15T12:00:00Z")
    await story.does(one, "change", planId="small")
    await story.until("2026-03-01T12:00:00Z")
    # 28 days: at half of them 5.00 back and 61.00 to pay; half a day later 13.5/28 of 122.00 is 58.82 and of 10.00
    # 4.82. The difference, 2.00, is half a day of 112.00 more.
    assert (await story.bills(ada))[1] == (
        "INV-00002 2026-03-01 open: unused base -5.00, remaining base 61.00, unused base -58.82, remaining base 4.82, "
        "base 10.00 = 12.00 EUR"
    )


async def test_an_upgrade_that_is_billed_now_is_an_invoice_of_its_own(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.sells("small", flat("28"))
    await story.sells("large", flat("56"))
    one = await story.subscribes(ada, "small")
    await story.until("2026-02-21T10:00:00Z")
    await story.does(one, "change", planId="large", billing="now")
    await story.until("2026-03-01T00:00:00Z")
    # A quarter is left.
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 28.00 = 28.00 EUR",
        "INV-00002 2026-02-21 open: unused base -7.00, remaining base 14.00 = 7.00 EUR",
        "INV-00003 2026-02-28 open: base 56.00 = 56.00 EUR",
    ]


async def test_a_downgrade_that_is_billed_now_goes_into_the_wallet_and_pays_the_next_invoice(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.sells("small", flat("28"))
    await story.sells("large", flat("56"))
    one = await story.subscribes(ada, "large")
    await story.until("2026-02-14T10:00:00Z")
    await story.does(one, "change", planId="small", billing="now")
    await story.until("2026-02-14T12:00:00Z")
    assert await story.balance(ada) == "14"
    await story.until("2026-03-01T00:00:00Z")
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 56.00 = 56.00 EUR",
        "INV-00002 2026-02-14 paid: unused base -28.00, remaining base 14.00 = -14.00 EUR, 14.00 into the wallet",
        "INV-00003 2026-02-28 open: base 28.00 = 28.00 EUR, 14.00 from the wallet",
    ]
    assert await story.ledger(ada) == ["invoice_credit 14", "invoice -14"]


async def test_a_downgrade_at_renewal_costs_nothing_until_then(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.sells("small", flat("10"))
    await story.sells("large", flat("100"))
    one = await story.subscribes(ada, "large")
    await story.until("2026-02-14T10:00:00Z")
    await story.does(one, "change", planId="small", applies="renewal")
    assert (await story.subscription(one))["planCode"] == "large"
    await story.until("2026-03-01T00:00:00Z")
    assert (await story.subscription(one))["planCode"] == "small"
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 100.00 = 100.00 EUR",
        "INV-00002 2026-02-28 open: base 10.00 = 10.00 EUR",
    ]


async def test_a_change_that_was_planned_and_withdrawn_leaves_no_trace_on_the_bill(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.sells("small", flat("10"))
    await story.sells("large", flat("100"))
    one = await story.subscribes(ada, "small")
    await story.does(one, "change", planId="large", applies="renewal")
    withdrawn = await story.caller.delete(f"/billing/subscriptions/{one}/change")
    assert (withdrawn.status_code, withdrawn.json()["scheduled"]) == (200, None)
    await story.until("2026-03-01T00:00:00Z")
    assert (await story.bills(ada))[1] == "INV-00002 2026-02-28 open: base 10.00 = 10.00 EUR"


async def test_seats_are_added_for_the_rest_and_taken_away_for_the_rest(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.sells("team", per_unit("28"))
    one = await story.subscribes(ada, "team")
    await story.until("2026-02-07T10:00:00Z")
    await story.does(one, "change", quantities={"seats": "3"}, billing="now")
    await story.until("2026-02-21T10:00:00Z")
    await story.does(one, "change", quantities={"seats": "2"})
    await story.until("2026-03-01T00:00:00Z")
    # 21 of 28 days for two more, then 7 of 28 days for one less.
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: seats 28.00 = 28.00 EUR",
        "INV-00002 2026-02-07 open: unused seats -21.00, remaining seats 63.00 = 42.00 EUR",
        "INV-00003 2026-02-28 open: unused seats -21.00, remaining seats 14.00, seats 56.00 = 49.00 EUR",
    ]


async def test_an_add_on_in_the_middle_is_paid_for_the_rest_and_then_whole(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.sells("basic", flat("28"), per_unit("14", "boost", addOn=True))
    one = await story.subscribes(ada, "basic")
    await story.until("2026-02-14T10:00:00Z")
    await story.does(one, "change", addOns=["boost"])
    await story.until("2026-03-15T22:00:00Z")
    # Half of March's 31 days is over: half of 14.00 comes back with the next bill.
    await story.does(one, "change", addOns=[])
    await story.until("2026-04-01T00:00:00Z")
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 28.00 = 28.00 EUR",
        "INV-00002 2026-02-28 open: remaining boost 7.00, base 28.00, boost 14.00 = 49.00 EUR",
        "INV-00003 2026-03-31 open: unused boost -7.00, base 28.00 = 21.00 EUR",
    ]


async def test_three_changes_in_a_month_come_to_what_each_part_of_it_costs(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    for code, amount in (("small", "10"), ("middle", "20"), ("large", "30")):
        await story.sells(code, flat(amount))
    one = await story.subscribes(ada, "small")
    for week, plan in (("02-07", "middle"), ("02-14", "large"), ("02-21", "small")):
        await story.until(f"2026-{week}T10:00:00Z")
        await story.does(one, "change", planId=plan)
    await story.until("2026-03-01T00:00:00Z")
    # A week of each: 2.50, 5.00, 7.50, 2.50 is 17.50, of which 10.00 was paid ahead.
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 10.00 = 10.00 EUR",
        "INV-00002 2026-02-28 open: unused base -7.50, remaining base 15.00, unused base -10.00, remaining base 15.00, "
        "unused base -7.50, remaining base 2.50, base 10.00 = 17.50 EUR",
    ]


async def test_from_a_month_to_a_year_the_year_begins_now(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.meters()
    await story.sells("monthly", flat("28"), metered("1"))
    await story.sells("yearly", flat("300"), metered("1"), interval="year")
    one = await story.subscribes(ada, "monthly")
    await story.uses(ada, 3)
    await story.until("2026-02-07T10:00:00Z")
    await story.does(one, "change", planId="yearly")
    await story.until("2027-02-07T12:00:00Z")
    # Three weeks of four come back; what was used is settled; the year is paid ahead.
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 28.00 = 28.00 EUR",
        "INV-00002 2026-02-07 open: unused base -21.00, calls 3.00, base 300.00 = 282.00 EUR",
        "INV-00003 2027-02-07 open: calls 0.00, base 300.00 = 300.00 EUR",
    ]


async def test_a_price_that_rises_between_periods_is_paid_from_the_next_one_on(begin: Begin) -> None:
    story = await begin(START)
    ada, bob = await story.customer("Ada"), await story.customer("Bob")
    await story.sells("monthly", flat("10"))
    await story.subscribes(ada, "monthly")
    await story.sells_anew("monthly", flat("12"), applies="renewal", effectiveFrom="2026-03-01T00:00:00Z")
    await story.until("2026-03-10T00:00:00Z")
    await story.subscribes(bob, "monthly")
    await story.until("2026-04-01T00:00:00Z")
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 10.00 = 10.00 EUR",
        "INV-00002 2026-02-28 open: base 10.00 = 10.00 EUR",
        "INV-00004 2026-03-31 open: base 12.00 = 12.00 EUR",
    ]
    assert await story.bills(bob) == ["INV-00003 2026-03-10 open: base 12.00 = 12.00 EUR"]


async def test_a_price_for_new_customers_does_not_touch_those_who_are_there(begin: Begin) -> None:
    story = await begin(START)
    ada, bob = await story.customer("Ada"), await story.customer("Bob")
    await story.sells("monthly", flat("10"))
    await story.subscribes(ada, "monthly")
    await story.until("2026-02-01T00:00:00Z")
    await story.sells_anew("monthly", flat("99"))
    await story.subscribes(bob, "monthly")
    await story.until("2026-03-02T00:00:00Z")
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 10.00 = 10.00 EUR",
        "INV-00003 2026-02-28 open: base 10.00 = 10.00 EUR",
    ]
    assert await story.bills(bob) == [
        "INV-00002 2026-02-01 open: base 99.00 = 99.00 EUR",
        "INV-00004 2026-03-01 open: base 99.00 = 99.00 EUR",
    ]


async def test_by_days_the_day_of_the_change_belongs_to_what_comes_after_it(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.sells("small", flat("28"), proration="day")
    await story.sells("large", flat("56"), proration="day")
    one = await story.subscribes(ada, "small")
    await story.until("2026-02-14T23:00:00Z")
    await story.does(one, "change", planId="large", billing="now")
    await story.until("2026-02-15T01:00:00Z")
    # 14 to 27 February are 14 of 28 days, at whatever hour of the 14th.
    assert (await story.bills(ada))[1] == (
        "INV-00002 2026-02-15 open: unused base -14.00, remaining base 28.00 = 14.00 EUR"
    )


async def test_a_change_at_the_instant_of_renewal_changes_the_new_period_whole(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.sells("small", flat("10"))
    await story.sells("large", flat("20"))
    one = await story.subscribes(ada, "small")
    await story.until("2026-02-28T10:00:00Z")
    await story.does(one, "change", planId="large", billing="now")
    await story.until("2026-02-28T12:00:00Z")
    assert sorted(await story.bills(ada)) == [
        "INV-00001 2026-01-31 open: base 10.00 = 10.00 EUR",
        "INV-00002 2026-02-28 open: base 10.00 = 10.00 EUR",
        "INV-00003 2026-02-28 open: unused base -10.00, remaining base 20.00 = 10.00 EUR",
    ]


async def test_what_was_previewed_is_what_is_billed(begin: Begin) -> None:
    story = await begin(START, taxIds={"DE": "DE136695976"})
    ada = await story.customer()
    await story.meters()
    await story.offers("tenth", percent="10", duration="forever")
    await story.sells("small", flat("9.99"), metered("0.013"))
    await story.sells("large", flat("49.99"), metered("0.011"))
    one = await story.subscribes(ada, "small", coupons=["tenth"])
    await story.uses(ada, 77)
    await story.until("2026-02-11T03:07:00Z")
    change = {"planId": "large"}
    path = f"/billing/subscriptions/{one}/change"
    (previewed,) = (await made(story.caller.post(f"{path}/preview", change)))["invoices"]
    assert len(await story.bills(ada)) == 1
    await made(story.caller.post(path, change))
    (upcoming,) = (await made(story.caller.get(f"/billing/subscriptions/{one}/upcoming-invoice")))["invoices"]
    await story.until("2026-03-01T00:00:00Z")
    billed = (await story.invoices(ada))[1]
    names = ("subtotalMinor", "discountMinor", "taxMinor", "totalMinor", "openMinor")
    assert [previewed[name] for name in names] == [billed[name] for name in names]
    assert [upcoming[name] for name in names] == [billed[name] for name in names]
    rows = await story.lines(billed)
    for shown in (previewed, upcoming):
        assert [(line["code"], line["netMinor"], line["taxMinor"]) for line in shown["lines"]] == [
            (line["code"], line["netMinor"], line["taxMinor"]) for line in rows
        ]
