"""Stories of coupons: how long they hold, off what, and in which order."""

from collections.abc import Awaitable, Callable

from tests.scenarios.story import TAXED, Story, flat, metered

Begin = Callable[..., Awaitable[Story]]
START = "2026-01-31T10:00:00Z"


async def test_a_coupon_goes_along_when_the_plan_changes(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.sells("small", flat("10"))
    await story.sells("large", flat("100"))
    await story.offers("half", percent="50", duration="repeating", periods=2)
    one = await story.subscribes(ada, "small", coupons=["half"])
    await story.until("2026-02-14T10:00:00Z")
    await story.does(one, "change", planId="large")
    await story.until("2026-04-01T00:00:00Z")
    # The change lies in the first period, at half; the second period is the last with it: 45.00/2 + 100.00/2.
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 10.00, coupons -5.00 = 5.00 EUR",
        "INV-00002 2026-02-28 open: unused base -5.00, remaining base 50.00, base 100.00, coupons -72.50 = 72.50 EUR",
        "INV-00003 2026-03-31 open: base 100.00 = 100.00 EUR",
    ]


async def test_a_coupon_for_three_periods_ends_after_three(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.sells("pro", flat("20"))
    await story.offers("quarter", percent="25", duration="repeating", periods=3)
    await story.subscribes(ada, "pro", coupons=["quarter"])
    await story.until("2026-05-01T00:00:00Z")
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 20.00, coupons -5.00 = 15.00 EUR",
        "INV-00002 2026-02-28 open: base 20.00, coupons -5.00 = 15.00 EUR",
        "INV-00003 2026-03-31 open: base 20.00, coupons -5.00 = 15.00 EUR",
        "INV-00004 2026-04-30 open: base 20.00 = 20.00 EUR",
    ]


async def test_of_two_coupons_the_second_is_of_what_the_first_left(begin: Begin) -> None:
    story = await begin(START)
    ada, bob = await story.customer("Ada"), await story.customer("Bob")
    await story.sells("pro", flat("30"))
    await story.offers("tenth", percent="10", duration="forever")
    await story.offers("five", amountMinor=500, currency="EUR", duration="forever")
    await story.subscribes(ada, "pro", coupons=["tenth", "five"])
    await story.until("2026-01-31T12:00:00Z")
    await story.subscribes(bob, "pro", coupons=["five", "tenth"])
    await story.until("2026-02-01T00:00:00Z")
    # 30.00 - 3.00 - 5.00; 30.00 - 5.00 - 2.50.
    assert await story.bills() == [
        "INV-00001 2026-01-31 open: base 30.00, coupons -8.00 = 22.00 EUR",
        "INV-00002 2026-01-31 open: base 30.00, coupons -7.50 = 22.50 EUR",
    ]


async def test_a_coupon_is_taken_off_before_tax(begin: Begin) -> None:
    story = await begin(START, **TAXED)
    ada = await story.customer()
    await story.sells("pro", flat("100"))
    await story.offers("third", percent="33.33")
    await story.subscribes(ada, "pro", coupons=["third"])
    await story.until("2026-02-01T00:00:00Z")
    # 19 % of 66.67 is 12.6673.
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 100.00, coupons -33.33, tax 12.67 = 79.34 EUR",
    ]


async def test_a_whole_coupon_makes_an_invoice_of_nothing_that_is_paid_at_once(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.sells("pro", flat("30"))
    await story.offers("free", percent="100")
    one = await story.subscribes(ada, "pro", coupons=["free"], collection="automatic")
    await story.until("2026-02-01T00:00:00Z")
    assert await story.bills(ada) == ["INV-00001 2026-01-31 paid: base 30.00, coupons -30.00 = 0.00 EUR"]
    assert await story.status(one) == "active"
    assert (await story.told("invoice"))[-1] == "invoice.paid"


async def test_an_amount_larger_than_the_bill_makes_it_nothing_and_the_rest_is_lost(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.sells("pro", flat("30"))
    await story.offers("fifty", amountMinor=5000, currency="EUR")
    await story.subscribes(ada, "pro", coupons=["fifty"])
    await story.until("2026-03-01T00:00:00Z")
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 paid: base 30.00, coupons -30.00 = 0.00 EUR",
        "INV-00002 2026-02-28 open: base 30.00 = 30.00 EUR",
    ]
    assert await story.balance(ada) == "0"


async def test_a_coupon_of_one_plan_does_not_follow_to_another(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.sells("small", flat("10"))
    await story.sells("large", flat("100"))
    await story.offers("small-half", percent="50", duration="forever", plans=["small"])
    one = await story.subscribes(ada, "small", coupons=["small-half"])
    await story.until("2026-02-14T10:00:00Z")
    await story.does(one, "change", planId="large")
    await story.until("2026-03-01T00:00:00Z")
    # What comes back was paid at half; the large plan is paid whole: -2.50 + 50.00 + 100.00.
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 10.00, coupons -5.00 = 5.00 EUR",
        "INV-00002 2026-02-28 open: unused base -5.00, remaining base 50.00, base 100.00, coupons 2.50 = 147.50 EUR",
    ]


async def test_a_coupon_in_the_middle_begins_with_the_next_period(begin: Begin) -> None:
    story = await begin(START)
    ada = await story.customer()
    await story.meters()
    await story.sells("pro", flat("10"), metered("1"))
    await story.offers("half", percent="50")
    one = await story.subscribes(ada, "pro")
    await story.uses(ada, 4)
    await story.until("2026-02-14T10:00:00Z")
    await story.does(one, "coupons", coupon="half")
    await story.until("2026-04-01T00:00:00Z")
    # Four calls belong to the first period; 10.00 of the second is halved.
    assert await story.bills(ada) == [
        "INV-00001 2026-01-31 open: base 10.00 = 10.00 EUR",
        "INV-00002 2026-02-28 open: calls 4.00, base 10.00, coupons -5.00 = 9.00 EUR",
        "INV-00003 2026-03-31 open: calls 0.00, base 10.00 = 10.00 EUR",
    ]


async def test_a_coupon_that_is_over_or_used_up_is_refused_and_nothing_is_begun(begin: Begin) -> None:
    story = await begin(START)
    ada, bob = await story.customer("Ada"), await story.customer("Bob")
    await story.sells("pro", flat("10"))
    await story.offers("early", percent="50", redeemBy="2026-01-31T12:00:00Z")
    await story.offers("first", percent="50", maxRedemptions=1)
    await story.subscribes(ada, "pro", coupons=["first"])
    await story.until("2026-01-31T13:00:00Z")
    for coupon, code in (("early", "coupon_expired"), ("first", "coupon_used_up")):
        refused = await story.caller.post(
            "/billing/subscriptions", {"planId": "pro", "customerId": bob, "coupons": [coupon]}
        )
        assert (refused.status_code, refused.json()["code"]) == (409, code)
    await story.until("2026-02-01T00:00:00Z")
    assert await story.bills(bob) == []
