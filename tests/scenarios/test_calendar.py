"""Stories of the calendar: ends of months, leap years, days of 23 and 25 hours, zones."""

from collections.abc import Awaitable, Callable

from tests.scenarios.story import Story, flat, metered

Begin = Callable[..., Awaitable[Story]]


async def test_begun_on_31_january_it_is_billed_on_the_last_days_of_months(begin: Begin) -> None:
    story = await begin("2026-01-31T10:00:00Z")
    ada = await story.customer()
    await story.sells("monthly", flat("10"))
    await story.subscribes(ada, "monthly")
    await story.until("2026-05-01T00:00:00Z")
    # 28 days in February, and the 31st again in March: the anchor is not lost.
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 10.00 = 10.00 EUR",
        "INV-00002 2026-02-28 open: base 10.00 = 10.00 EUR",
        "INV-00003 2026-03-31 open: base 10.00 = 10.00 EUR",
        "INV-00004 2026-04-30 open: base 10.00 = 10.00 EUR",
    ]
    billed = ["invoice.created", "invoice.finalized"]
    # Sent to be paid by a date, a renewal is settled.
    assert await story.told() == ["subscription.created", *billed, *([*billed, "subscription.renewed"] * 3)]
    assert await story.mails() == [
        f"invoice_ready to ada@example.test: Invoice INV-0000{number} from {story.slug}" for number in (1, 2, 3, 4)
    ]
    assert await story.ledger(ada) == []


async def test_begun_on_29_february_it_is_billed_on_28_february_until_there_is_a_29th_again(begin: Begin) -> None:
    story = await begin("2028-02-29T00:00:00Z")
    ada = await story.customer()
    await story.sells("yearly", flat("120"), interval="year")
    await story.subscribes(ada, "yearly")
    for year in ("2030-02-28T12:00:00Z", "2032-02-28T12:00:00Z", "2032-03-01T00:00:00Z"):
        await story.until(year)
    assert await story.bills(ada) == [
        "INV-00001 2028-02-29 open: base 120.00 = 120.00 EUR",
        "INV-00002 2029-02-28 open: base 120.00 = 120.00 EUR",
        "INV-00003 2030-02-28 open: base 120.00 = 120.00 EUR",
        "INV-00004 2031-02-28 open: base 120.00 = 120.00 EUR",
        "INV-00005 2032-02-29 open: base 120.00 = 120.00 EUR",
    ]


async def test_a_day_of_23_hours_is_shared_out_by_its_own_hours(begin: Begin) -> None:
    # Midnight of 29 March 2026 in Berlin; at 02:00 it is 03:00.
    story = await begin("2026-03-28T23:00:00Z")
    ada = await story.customer(timeZone="Europe/Berlin")
    await story.sells("small", flat("23"), interval="day")
    await story.sells("large", flat("46"), interval="day")
    daily = await story.subscribes(ada, "small")
    assert (await story.subscription(daily))["currentPeriodEnd"] == "2026-03-29T22:00:00Z"
    await story.until("2026-03-29T09:00:00Z")
    # Ten of 23 hours are over: 13/23 of 23.00 back, 13/23 of 46.00 to pay.
    await story.does(daily, "change", planId="large", billing="now")
    await story.until("2026-03-30T21:00:00Z")
    assert await story.bills(ada) == [
        "INV-00001 2026-03-29 open: base 23.00 = 23.00 EUR",
        "INV-00002 2026-03-29 open: unused base -13.00, remaining base 26.00 = 13.00 EUR",
        "INV-00003 2026-03-29 open: base 46.00 = 46.00 EUR",
    ]


async def test_a_day_of_25_hours_is_shared_out_by_its_own_hours(begin: Begin) -> None:
    # Midnight of 25 October 2026 in Berlin; at 03:00 it is 02:00 again.
    story = await begin("2026-10-24T22:00:00Z")
    ada = await story.customer(timeZone="Europe/Berlin")
    await story.sells("small", flat("25"), interval="day")
    await story.sells("large", flat("50"), interval="day")
    daily = await story.subscribes(ada, "small")
    await story.until("2026-10-25T03:00:00Z")
    # Five of 25 hours are over.
    await story.does(daily, "change", planId="large", billing="now")
    await story.until("2026-10-25T22:30:00Z")
    assert await story.bills(ada) == [
        "INV-00001 2026-10-24 open: base 25.00 = 25.00 EUR",
        "INV-00002 2026-10-25 open: unused base -20.00, remaining base 40.00 = 20.00 EUR",
    ]
    assert (await story.subscription(daily))["currentPeriodEnd"] == "2026-10-25T23:00:00Z"


async def test_what_is_used_in_the_hour_that_comes_twice_is_billed_once(begin: Begin) -> None:
    story = await begin("2026-10-24T22:00:00Z")
    ada = await story.customer(timeZone="Europe/Berlin")
    await story.meters()
    await story.sells("daily", metered("1"), interval="day")
    await story.subscribes(ada, "daily")
    await story.until("2026-10-25T02:00:00Z")
    await story.uses(ada, 2, at="2026-10-25T00:30:00Z")  # 02:30, summer time
    await story.uses(ada, 3, at="2026-10-25T01:30:00Z")  # 02:30 again
    await story.until("2026-10-26T12:00:00Z")
    assert await story.bills(ada) == ["INV-00001 2026-10-26 open: calls 5.00 = 5.00 EUR"]


async def test_noon_in_berlin_stays_noon_when_the_clocks_change(begin: Begin) -> None:
    story = await begin("2026-03-28T11:00:00Z")
    ada = await story.customer(timeZone="Europe/Berlin")
    await story.sells("daily", flat("1"), interval="day")
    await story.subscribes(ada, "daily")
    await story.until("2026-03-30T12:00:00Z")
    assert [(one["periodStart"], one["periodEnd"]) for one in await story.invoices(ada)] == [
        ("2026-03-28T11:00:00Z", "2026-03-29T10:00:00Z"),
        ("2026-03-29T10:00:00Z", "2026-03-30T10:00:00Z"),
        ("2026-03-30T10:00:00Z", "2026-03-31T10:00:00Z"),
    ]


async def test_a_calendar_month_begins_with_what_is_left_of_it(begin: Begin) -> None:
    story = await begin("2026-01-31T10:00:00Z")
    ada = await story.customer()
    await story.sells("calendar", flat("31"), cycle="calendar", proration="day")
    await story.subscribes(ada, "calendar")
    await story.until("2026-03-01T12:00:00Z")
    # One day of 31.
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 1.00 = 1.00 EUR",
        "INV-00002 2026-02-01 open: base 31.00 = 31.00 EUR",
        "INV-00003 2026-03-01 open: base 31.00 = 31.00 EUR",
    ]


async def test_a_month_in_tokyo_begins_at_midnight_in_tokyo(begin: Begin) -> None:
    # Midnight of 16 January there.
    story = await begin("2026-01-15T15:00:00Z")
    ada = await story.customer(timeZone="Asia/Tokyo")
    await story.sells("calendar", flat("31"), cycle="calendar")
    await story.subscribes(ada, "calendar")
    await story.until("2026-01-31T17:00:00Z")
    # 16 days of 31; February begins there while it is still January here.
    assert await story.bills(ada) == [
        "INV-00001 2026-01-15 open: base 16.00 = 16.00 EUR",
        "INV-00002 2026-01-31 open: base 31.00 = 31.00 EUR",
    ]


async def test_an_anchor_day_makes_the_first_period_a_part_of_one(begin: Begin) -> None:
    story = await begin("2026-01-31T10:00:00Z")
    ada = await story.customer()
    await story.sells("monthly", flat("31"), proration="day")
    await story.subscribes(ada, "monthly", anchorDay=15)
    await story.until("2026-02-15T12:00:00Z")
    # 15 of the 31 days from 15 January to 15 February.
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 15.00 = 15.00 EUR",
        "INV-00002 2026-02-15 open: base 31.00 = 31.00 EUR",
    ]


async def test_quarters_from_30_november_end_on_28_february_and_30_may(begin: Begin) -> None:
    story = await begin("2026-11-30T08:00:00Z")
    ada = await story.customer()
    await story.sells("quarterly", flat("90"), interval="quarter")
    await story.subscribes(ada, "quarterly")
    await story.until("2027-08-31T00:00:00Z")
    assert await story.bills(ada) == [
        "INV-00001 2026-11-30 open: base 90.00 = 90.00 EUR",
        "INV-00002 2027-02-28 open: base 90.00 = 90.00 EUR",
        "INV-00003 2027-05-30 open: base 90.00 = 90.00 EUR",
        "INV-00004 2027-08-30 open: base 90.00 = 90.00 EUR",
    ]


async def test_weeks_go_on_over_the_new_year(begin: Begin) -> None:
    story = await begin("2026-12-24T18:00:00Z")
    ada = await story.customer()
    await story.sells("fortnightly", flat("7"), interval="week", intervalCount=2)
    await story.subscribes(ada, "fortnightly")
    await story.until("2027-01-22T00:00:00Z")
    assert await story.bills(ada) == [
        "INV-00001 2026-12-24 open: base 7.00 = 7.00 EUR",
        "INV-00002 2027-01-07 open: base 7.00 = 7.00 EUR",
        "INV-00003 2027-01-21 open: base 7.00 = 7.00 EUR",
    ]


async def test_one_tenant_is_years_ahead_while_another_stays(begin: Begin) -> None:
    ahead, behind = await begin("2026-01-01T00:00:00Z"), await begin("2026-01-01T00:00:00Z")
    for story in (ahead, behind):
        await story.sells("yearly", flat("100"), interval="year")
        await story.subscribes(await story.customer(), "yearly")
    await ahead.until("2027-12-31T00:00:00Z")
    await behind.until("2026-01-01T02:00:00Z")
    assert await ahead.bills() == [
        "INV-00001 2026-01-01 open: base 100.00 = 100.00 EUR",
        "INV-00002 2027-01-01 open: base 100.00 = 100.00 EUR",
    ]
    assert await behind.bills() == ["INV-00001 2026-01-01 open: base 100.00 = 100.00 EUR"]
