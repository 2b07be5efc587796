"""Stories of what happens at odd instants: many things at once, in the middle of a period, on a short day."""

from collections.abc import Awaitable, Callable

from tests.scenarios.story import Story, flat, metered, per_unit

Begin = Callable[..., Awaitable[Story]]
FEBRUARY = "2026-02-01T00:00:00Z"


async def test_five_changes_at_one_instant_cost_what_the_last_of_them_costs(begin: Begin) -> None:
    story = await begin(FEBRUARY, graceHours=0)
    for code, base in (("small", "28"), ("big", "56")):
        await story.sells(code, flat(base), per_unit("14"), flat("7", "extra", addOn=True))
    ada = await story.customer()
    one = await story.subscribes(ada, "small")
    await story.until("2026-02-15T00:00:00Z")
    # What the next bill comes to after each: March's whole price, and half of what is more for February's second half.
    said: list[int] = []
    for body in (
        {"planId": "big"},  # 56 + 14, and 28 / 2
        {"quantities": {"seats": "3"}},  # 56 + 42, and (28 + 28) / 2
        {"addOns": ["extra"]},  # 56 + 42 + 7, and (28 + 28 + 7) / 2
        {"planId": "small"},  # 28 + 42 + 7, and (28 + 7) / 2
        {"quantities": {"seats": "2"}},  # 28 + 28 + 7, and (14 + 7) / 2
    ):
        preview = await story.does(one, "change/preview", **body)
        said += [bill["totalMinor"] for bill in preview["invoices"]]
        await story.does(one, "change", **body)
    assert said == [8400, 12600, 13650, 9450, 7350]
    await story.until("2026-03-02T00:00:00Z")
    assert await story.bills(ada) == [
        "INV-00001 2026-02-01 open: base 28.00, seats 14.00 = 42.00 EUR",
        "INV-00002 2026-03-01 open: unused base -14.00, remaining base 28.00, unused seats -7.00, remaining seats "
        "21.00, remaining extra 3.50, unused base -28.00, remaining base 14.00, unused seats -21.00, remaining seats "
        "14.00, base 28.00, seats 28.00, extra 7.00 = 73.50 EUR",
    ]


async def test_a_minimum_is_half_the_old_and_half_the_new_where_the_plan_changes_in_the_middle(begin: Begin) -> None:
    story = await begin(FEBRUARY, graceHours=0)
    await story.meters()
    await story.sells("small", flat("10"), metered("1"), minimum={"model": "minimum", "amount": "56"})
    await story.sells("big", flat("20"), metered("1"), minimum={"model": "minimum", "amount": "112"})
    ada = await story.customer()
    one = await story.subscribes(ada, "small")
    await story.uses(ada, 5)
    await story.until("2026-02-15T00:00:00Z")
    await story.does(one, "change", planId="big")
    await story.uses(ada, 3)
    await story.until("2026-03-02T00:00:00Z")
    # 28.00 + 56.00 = 84.00 are the least; 10 - 5 + 10 + 5 + 3 = 23.00 were charged.
    assert await story.bills(ada) == [
        "INV-00001 2026-02-01 open: base 10.00 = 10.00 EUR",
        "INV-00002 2026-03-01 open: unused base -5.00, remaining base 10.00, calls 5.00, calls 3.00, minimum 61.00, "
        "base 20.00 = 94.00 EUR",
    ]


async def test_a_commitment_runs_on_through_an_upgrade_before_that_of_the_new_plan_begins(begin: Begin) -> None:
    story = await begin("2026-01-01T00:00:00Z", graceHours=0)
    await story.sells("small", flat("10"), commitment={"model": "commitment", "amount": "100", "periods": 3})
    await story.sells("big", flat("20"), commitment={"model": "commitment", "amount": "500", "periods": 2})
    ada = await story.customer()
    one = await story.subscribes(ada, "small")
    await story.until("2026-02-15T00:00:00Z")
    await story.does(one, "change", planId="big")
    await story.until("2026-07-02T00:00:00Z")
    # January to March came to 10 + 10 - 5 + 10 + 20 = 45.00 of 100.00; April and May to 40.00 of 500.00.
    assert (await story.bills(ada))[2:] == [
        "INV-00003 2026-03-01 open: unused base -5.00, remaining base 10.00, base 20.00 = 25.00 EUR",
        "INV-00004 2026-04-01 open: commitment 55.00, base 20.00 = 75.00 EUR",
        "INV-00005 2026-05-01 open: base 20.00 = 20.00 EUR",
        "INV-00006 2026-06-01 open: commitment 460.00, base 20.00 = 480.00 EUR",
        "INV-00007 2026-07-01 open: base 20.00 = 20.00 EUR",
    ]


async def test_a_daily_plan_changed_on_the_day_of_23_hours_pays_twelve_of_them(begin: Begin) -> None:
    story = await begin("2026-03-27T23:00:00Z", graceHours=0)
    await story.sells("day", flat("24"), interval="day")
    await story.sells("day-plus", flat("48"), interval="day")
    ada = await story.customer(timeZone="Europe/Berlin")
    one = await story.subscribes(ada, "day")
    await story.until("2026-03-29T10:00:00Z")
    # Noon in Berlin, twelve hours before midnight: 24.00 and 48.00 times 12/23.
    await story.does(one, "change", planId="day-plus")
    await story.until("2026-03-31T10:00:00Z")
    billed = [invoice["billAt"] for invoice in await story.invoices(ada)]
    assert billed == ["2026-03-27T23:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", "2026-03-30T22:00:00Z"]
    assert await story.bills(ada) == [
        "INV-00001 2026-03-27 open: base 24.00 = 24.00 EUR",
        "INV-00002 2026-03-28 open: base 24.00 = 24.00 EUR",
        "INV-00003 2026-03-29 open: unused base -12.52, remaining base 25.04, base 48.00 = 60.52 EUR",
        "INV-00004 2026-03-30 open: base 48.00 = 48.00 EUR",
    ]


async def test_calendar_quarters_and_years_are_joined_in_the_middle(begin: Begin) -> None:
    story = await begin("2026-02-10T00:00:00Z", graceHours=0)
    await story.sells("quarter", flat("90"), interval="quarter", cycle="calendar")
    await story.sells("year", flat("365"), interval="year", cycle="calendar")
    ada, bob = await story.customer(), await story.customer("Bob", timeZone="America/New_York")
    await story.subscribes(ada, "quarter")
    await story.subscribes(bob, "year")
    await story.until("2027-01-02T00:00:00Z")
    # Of the 90 days of the first quarter 50 are left; in New York it is still 9 February, 19:00, and of the year's 365
    # days 325 and 5 hours.
    assert await story.bills(ada) == [
        "INV-00001 2026-02-10 open: base 50.00 = 50.00 EUR",
        "INV-00003 2026-04-01 open: base 90.00 = 90.00 EUR",
        "INV-00004 2026-07-01 open: base 90.00 = 90.00 EUR",
        "INV-00005 2026-10-01 open: base 90.00 = 90.00 EUR",
        "INV-00006 2027-01-01 open: base 90.00 = 90.00 EUR",
    ]
    assert await story.bills(bob) == [
        "INV-00002 2026-02-10 open: base 325.21 = 325.21 EUR",
        "INV-00007 2027-01-01 open: base 365.00 = 365.00 EUR",
    ]


async def test_who_moves_to_another_time_zone_keeps_the_days_that_were_agreed(begin: Begin) -> None:
    story = await begin("2026-03-01T00:00:00Z", graceHours=0)
    await story.sells("month", flat("31"), cycle="calendar")
    ada = await story.customer(timeZone="UTC")
    one = await story.subscribes(ada, "month")
    await story.until("2026-03-15T00:00:00Z")
    moved = await story.caller.patch(f"/billing/customers/{ada}", {"timeZone": "America/Los_Angeles"})
    assert moved.status_code == 200
    other = await story.subscribes(ada, "month")
    # What was agreed goes on by the days it was agreed in; what is agreed after it follows the new ones.
    assert (await story.subscription(one))["currentPeriodEnd"] == "2026-04-01T00:00:00Z"
    assert (await story.subscription(other))["currentPeriodEnd"] == "2026-04-01T07:00:00Z"


async def test_one_customer_pays_in_three_currencies_each_percentage_rounded_by_its_own_digits(begin: Begin) -> None:
    story = await begin(FEBRUARY, graceHours=0)
    await story.rules(oneInvoicePer="customer")
    for code, amount, currency in (("euro", "28", "EUR"), ("dinar", "10.005", "KWD"), ("yen", "1000", "JPY")):
        await story.sells(code, flat(amount), currency=currency)
    await story.offers("eighth", percent="12.5", duration="forever")
    await story.offers("third", percent="33.3333", duration="forever")
    ada = await story.customer()
    for code, currency in (("euro", "EUR"), ("dinar", "KWD"), ("yen", "JPY")):
        await story.subscribes(ada, code, currency=currency, coupons=["eighth", "third"])
    await story.until("2026-02-02T00:00:00Z")
    # 3.50 and a third of 24.50; 1.250625 is 1.251, and 2.918 of 8.754; 125, and 291.67 of 875.
    assert await story.bills(ada) == [
        "INV-00001 2026-02-01 open: base 28.00, coupons -11.67 = 16.33 EUR",
        "INV-00002 2026-02-01 open: base 10.005, coupons -4.169 = 5.836 KWD",
        "INV-00003 2026-02-01 open: base 1000, coupons -417 = 583 JPY",
    ]


async def test_a_trial_and_a_whole_coupon_ask_for_no_card_until_the_second_month(begin: Begin) -> None:
    story = await begin(FEBRUARY, graceHours=0)
    await story.sells("pro", flat("28"), trialDays=14)
    await story.offers("welcome", percent="100", duration="once")
    ada = await story.customer()
    one = await story.subscribes(ada, "pro", coupons=["welcome"], collection="automatic")
    assert await story.status(one) == "trialing"
    await story.until("2026-02-16T00:00:00Z")
    assert await story.status(one) == "active"
    await story.until("2026-03-16T00:00:00Z")
    assert await story.status(one) == "past_due"
    assert await story.bills(ada) == [
        "INV-00001 2026-02-15 paid: base 28.00, coupons -28.00 = 0.00 EUR",
        "INV-00002 2026-03-15 open: base 28.00 = 28.00 EUR",
    ]
    assert await story.told("subscription") == [
        "subscription.created",
        "subscription.trial_ending",
        "subscription.activated",
        "subscription.past_due",
    ]
